//! Each package, installed where nothing of it was before, and what it installed, run: the demo of each in a network
//! namespace that has loopback and nothing else.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Made, fresh, pack};
use crate::sh::{self, say};
use crate::test::fenced;

/// Installs and runs all of them.
///
/// # Errors
/// A second packing with other bytes, a package that cannot be installed, a demo that fails.
pub(super) fn all(made: &Made, packages: &[PathBuf]) -> Result<(), String> {
    same_again(made, packages)?;
    let folder = sh::target().join("packages-check");
    fresh(&folder)?;
    let [tarball, deb, wheel] = packages else { return Err("there are not three packages".to_owned()) };
    let installed = [
        ("tarball", tarball_in(tarball, &folder.join("tar"))?),
        ("deb", deb_in(deb, &folder.join("deb"))?),
        ("wheel", wheel_in(wheel, &folder.join("wheel"))?),
    ];
    extras(&folder)?;
    // Side by side: a demo mostly waits.
    let mut running = Vec::new();
    for (what, mut demo) in installed {
        demo.args(["demo", "--json"]).env("CLEARLINE_FENCE", "loopback").env("LC_ALL", "C.UTF-8");
        demo.stdin(Stdio::null()).stdout(Stdio::piped());
        running.push((what, demo.spawn().map_err(|e| format!("{what}: {e}"))?));
    }
    let ended: Vec<_> = running.into_iter().map(|(what, child)| (what, child.wait_with_output())).collect();
    for (what, output) in ended {
        let output = output.map_err(|e| format!("{what}: {e}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() || !text.contains("\"clearline.demo/1\"") {
            return Err(format!("the demo of the {what} failed ({}): {text}", output.status));
        }
        say(&format!("the {what} was installed, and its demo ran"));
    }
    Ok(())
}

/// Packs once more, and compares.
fn same_again(made: &Made, packages: &[PathBuf]) -> Result<(), String> {
    let folder = sh::target().join("packages-again");
    for (one, other) in packages.iter().zip(pack::all(made, &folder)?) {
        let read = |path: &Path| std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
        if one.file_name() != other.file_name() || read(one)? != read(&other)? {
            return Err(format!("{} and {} differ, and are of one binary", one.display(), other.display()));
        }
    }
    say("packing again gave the same bytes");
    Ok(())
}

fn tarball_in(package: &Path, folder: &Path) -> Result<Command, String> {
    fresh(folder)?;
    let mut tar = Command::new("tar");
    tar.arg("--extract")
        .arg("--file")
        .arg(package)
        .arg("--directory")
        .arg(folder)
        .arg("--strip-components=1");
    sh::run(tar, "tar")?;
    fenced_run(&folder.join("clearline"))
}

/// As root: into a root of its own, where the libraries of this machine are shown and nothing else. Otherwise it is unpacked.
fn deb_in(package: &Path, root: &Path) -> Result<Command, String> {
    /// Shows a folder of this machine in the root, or the link that stands in its place.
    const SHOW: &str = "ip link set lo up && for d in lib lib64 usr/lib usr/lib64 dev proc; do \
        if [ -L /$d ]; then ln -sfn \"$(readlink /$d)\" \"$0/$d\"; \
        elif [ -d /$d ]; then mkdir -p \"$0/$d\" && mount --rbind /$d \"$0/$d\" || exit 1; fi; done; \
        mkdir -p \"$0/tmp\"; exec chroot \"$0\" \"$@\"";
    fresh(root)?;
    if !sh::is_root() {
        let mut unpack = Command::new("dpkg-deb");
        unpack.arg("-x").arg(package).arg(root);
        sh::run(unpack, "dpkg-deb")?;
        return fenced_run(&root.join("usr/bin/clearline"));
    }
    for part in ["info", "updates", "triggers"] {
        std::fs::create_dir_all(root.join("var/lib/dpkg").join(part)).map_err(|e| e.to_string())?;
    }
    super::write(&root.join("var/lib/dpkg/status"), "")?;
    let mut install = Command::new("dpkg");
    // What it depends on is of this machine and stands in no list of the new root.
    install.arg(format!("--root={}", root.display())).args([
        "--log=/dev/null",
        "--force-depends",
        "--install",
    ]);
    install.arg(package).stdout(Stdio::null()).stderr(Stdio::null());
    sh::run(install, "dpkg --install")?;
    let mut shown = Command::new("unshare");
    shown.args(["-nm", "sh", "-c", SHOW]).arg(root).arg("/usr/bin/clearline").env("HOME", "/tmp");
    Ok(shown)
}

fn wheel_in(package: &Path, folder: &Path) -> Result<Command, String> {
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(folder);
    sh::run(venv, "python3 -m venv")?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--no-index", "--disable-pip-version-check"]).arg(package);
    sh::run(pip, "pip install")?;
    fenced_run(&folder.join("bin/clearline"))
}

/// A program within a namespace without a network.
fn fenced_run(program: &Path) -> Result<Command, String> {
    let mut command = fenced()?;
    command.arg(program);
    Ok(command)
}

/// What stands beside the binary: pages that man takes, completions that their shells take, where these are here.
fn extras(folder: &Path) -> Result<(), String> {
    let root = folder.join("deb/usr/share");
    let tools: [(&str, &[&str], &str); 4] = [
        ("man", &["--warnings", "--local-file"], "man/man1/clearline-doctor.1.gz"),
        ("bash", &["-n"], "bash-completion/completions/clearline"),
        ("zsh", &["-n"], "zsh/vendor-completions/_clearline"),
        ("fish", &["--no-execute"], "fish/vendor_completions.d/clearline.fish"),
    ];
    for (program, flags, file) in tools {
        let path = root.join(file);
        if !path.exists() {
            return Err(format!("the package has no {file}"));
        }
        if sh::has(program) {
            let mut tool = Command::new(program);
            tool.args(flags).arg(&path).env("LC_ALL", "C.UTF-8").env("MANPAGER", "cat").stdout(Stdio::null());
            sh::run(tool, &format!("{program} {file}"))?;
        }
    }
    Ok(())
}
