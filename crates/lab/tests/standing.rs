//! A lab really stands, its fault is seen, and nothing is left behind. Needs root.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails it")]

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const LAB: &str = env!("CARGO_BIN_EXE_clearline-lab");

/// Says aloud that it cannot run.
fn cannot_run() -> bool {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0);
    let has = |program: &str| {
        ["/usr/sbin", "/usr/bin", "/sbin"].iter().any(|f| Path::new(f).join(program).exists())
    };
    let missing = ["ip", "nft", "ethtool", "openssl", "curl"].into_iter().find(|p| !has(p));
    if is_root && missing.is_none() {
        return false;
    }
    let _told =
        writeln!(std::io::stderr(), "SKIPPED the standing lab: it needs root and {missing:?}").is_ok();
    true
}

/// A program in the doctor's place.
fn doctor(folder: &Path, script: &str) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join("doctor");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()))
}

fn run(id: &str, doctor: &Path, out: &Path) -> Child {
    let mut command = Command::new(LAB);
    command.args(["run", id, "--clearline"]).arg(doctor).arg("--out").arg(out).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// What carries the name of a runner's labs.
fn left(pid: u32) -> Vec<String> {
    let mark = format!("clab{pid}n");
    let folders = ["/run/netns", "/etc/netns", "/run/clearline-lab"];
    let entries = folders.iter().filter_map(|f| std::fs::read_dir(f).ok()).flatten().flatten();
    entries.map(|e| e.file_name().to_string_lossy().into_owned()).filter(|n| n.starts_with(&mark)).collect()
}

#[test]
fn a_fault_takes_effect_is_judged_and_leaves_nothing_behind() {
    if cannot_run() {
        return;
    }
    let folder = folder("judged");
    let verdict =
        r#"{"status":"failing","causes":[{"id":"tls.expired","role":"root","confidence":"certain"}]}"#;
    let out = folder.join("out.json");
    let child = run("tls-expired", &doctor(&folder, &format!("echo '{verdict}'")), &out);
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let outcomes = std::fs::read_to_string(out).unwrap();
    assert!(
        outcomes.contains("\"unscored\": null") && outcomes.contains("\"status\": \"failing\""),
        "{outcomes}"
    );
    assert_eq!(left(pid), Vec::<String>::new());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_lab_ends_with_its_runner_even_where_that_is_killed() {
    if cannot_run() {
        return;
    }
    let folder = folder("killed");
    std::fs::create_dir_all(&folder).unwrap();
    let fifo = folder.join("begun");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let script = format!("echo begun > {}; exec tail -f /dev/null", fifo.display());
    let mut child = run("quota-429-rpm", &doctor(&folder, &script), &folder.join("out.json"));
    let begun = std::fs::read_to_string(&fifo).unwrap();
    assert_eq!((begun.as_str(), left(child.id()).is_empty()), ("begun\n", false));
    child.kill().unwrap();
    child.wait().unwrap();
    // The reaper holds the other end of the runner's output: its end is the end of the lab.
    let mut rest = String::new();
    child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(left(child.id()), Vec::<String>::new());
    std::fs::remove_dir_all(folder).unwrap();
}
