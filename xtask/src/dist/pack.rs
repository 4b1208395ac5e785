//! The three packages of a binary.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Made, copy, fresh, write};
use crate::sh;

/// The documents beside the binary.
const DOCUMENTS: [&str; 5] =
    ["README.md", "README.zh-CN.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];
const LICENCES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];

/// Makes all of them in this folder, which is emptied.
///
/// # Errors
/// A file that cannot be written, a program that fails.
pub(super) fn all(made: &Made, folder: &Path) -> Result<Vec<PathBuf>, String> {
    fresh(folder)?;
    Ok(vec![tarball(made, folder)?, deb(made, folder)?, wheel(made, folder)?])
}

/// Every file below a folder, by its path in there.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let name = PathBuf::from(path.file_name().unwrap_or_default());
        if path.is_dir() {
            found.extend(files(&path)?.into_iter().map(|below| name.join(below)));
        } else {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}

/// The rights that an archive tells do not depend on who packs.
fn set_rights(folder: &Path) -> Result<(), String> {
    let set = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
            .map_err(|e| format!("{}: {e}", path.display()))
    };
    set(folder, 0o755)?;
    for entry in std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let is_program = path.file_name().is_some_and(|name| name == "clearline");
        if path.is_dir() {
            set_rights(&path)?;
        } else {
            // The completions of bash bear the program's name, too.
            let is_binary = is_program && !folder.ends_with("completions");
            set(&path, if is_binary { 0o755 } else { 0o644 })?;
        }
    }
    Ok(())
}

fn tarball(made: &Made, folder: &Path) -> Result<PathBuf, String> {
    let name = format!("clearline-{}-{}-linux-gnu", made.version, made.machine.name);
    let stage = made.extras.join("tar");
    fresh(&stage)?;
    let root = stage.join(&name);
    copy(&made.binary, &root.join("clearline"))?;
    for document in DOCUMENTS {
        copy(&sh::root().join(document), &root.join(document))?;
    }
    for part in ["man", "completions"] {
        for file in files(&made.extras.join(part))? {
            copy(&made.extras.join(part).join(&file), &root.join(part).join(&file))?;
        }
    }
    set_rights(&stage)?;
    let archive = folder.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--create", "--sort=name", "--format=gnu", "--owner=0", "--group=0", "--numeric-owner"])
        .arg(format!("--mtime=@{}", made.epoch))
        // -n: the time of packing stays out.
        .arg("--use-compress-program=gzip -9n")
        .arg("--file")
        .arg(&archive)
        .arg("--directory")
        .arg(&stage)
        .arg(&name);
    sh::run(tar, "tar")?;
    Ok(archive)
}

fn deb(made: &Made, folder: &Path) -> Result<PathBuf, String> {
    let root = made.extras.join("deb");
    fresh(&root)?;
    let share = root.join("usr/share");
    copy(&made.binary, &root.join("usr/bin/clearline"))?;
    for file in files(&made.extras.join("man"))? {
        gzipped(&made.extras.join("man").join(&file), &share.join("man").join(&file))?;
    }
    let completions = made.extras.join("completions");
    for (from, to) in [
        ("clearline.bash", "bash-completion/completions/clearline"),
        ("_clearline", "zsh/vendor-completions/_clearline"),
        ("clearline.fish", "fish/vendor_completions.d/clearline.fish"),
    ] {
        copy(&completions.join(from), &share.join(to))?;
    }
    let doc = share.join("doc/clearline");
    for document in ["README.md", "README.zh-CN.md"] {
        copy(&sh::root().join(document), &doc.join(document))?;
    }
    gzipped(&sh::root().join("CHANGELOG.md"), &doc.join("changelog"))?;
    write(&doc.join("copyright"), &copyright()?)?;
    let bytes: u64 =
        files(&root)?.iter().filter_map(|f| std::fs::metadata(root.join(f)).ok()).map(|m| m.len()).sum();
    std::fs::create_dir_all(root.join("DEBIAN")).map_err(|e| e.to_string())?;
    write(&root.join("DEBIAN/control"), &control(made, bytes.div_ceil(1024)))?;
    set_rights(&root)?;
    let archive = folder.join(format!("clearline_{}_{}.deb", made.version, made.machine.debian));
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.args(["--root-owner-group", "-Zgzip", "-z9", "--build"])
        .arg(&root)
        .arg(&archive)
        .env("SOURCE_DATE_EPOCH", made.epoch.to_string())
        .stdout(std::process::Stdio::null());
    sh::run(dpkg, "dpkg-deb")?;
    Ok(archive)
}

/// What Debian is told of the package.
fn control(made: &Made, kibibytes: u64) -> String {
    let (major, minor) = made.glibc;
    format!(
        "Package: clearline\nVersion: {}\nArchitecture: {}\nMaintainer: clearline <clearline@localhost>\nInstalled-Size: {kibibytes}\n\
         Depends: libc6 (>= {major}.{minor}), libgcc-s1\nRecommends: ca-certificates\nSection: net\nPriority: optional\n\
         Homepage: https://github.com/clearline/clearline\n\
         Description: finds out why calls to the Claude API fail, and makes those succeed that can\n \
         A doctor for the way to the API, a gateway with retries, a pool of keys, a log\n and metrics, \
         and readers of logs and error texts.\n",
        made.version, made.machine.debian
    )
}

fn copyright() -> Result<String, String> {
    let mut text =
        "clearline may be used under the MIT licence or the Apache licence 2.0, at your choice.\n".to_owned();
    for licence in LICENCES {
        let path = sh::root().join(licence);
        let own = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        text.push_str(&format!("\n{licence}\n\n{own}"));
    }
    Ok(text)
}

/// A copy that is compressed, with `.gz` behind its name.
fn gzipped(from: &Path, to: &Path) -> Result<(), String> {
    copy(from, to)?;
    let mut gzip = Command::new("gzip");
    gzip.args(["-9nf"]).arg(to);
    sh::run(gzip, "gzip")
}

fn wheel(made: &Made, folder: &Path) -> Result<PathBuf, String> {
    let (major, minor) = made.glibc;
    let platform = format!("manylinux_{major}_{minor}_{}", made.machine.name);
    let root = sh::root();
    let mut python = Command::new("python3");
    python
        .arg(root.join("xtask/src/dist/wheel.py"))
        .arg(&made.binary)
        .args(["clearline", made.version, &platform])
        .arg(root.join("README.md"))
        .arg(folder)
        .args(LICENCES.map(|licence| root.join(licence)))
        .env("SOURCE_DATE_EPOCH", made.epoch.to_string());
    sh::run(python, "python3")?;
    Ok(folder.join(format!("clearline-{}-py3-none-{platform}.whl", made.version)))
}
