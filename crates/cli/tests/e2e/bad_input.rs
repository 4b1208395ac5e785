//! Files that are no logs, or broken ones: a clear line, bounded memory, and the rest goes on.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::common::{Folder, clearline, run, skip};

const GOOD: &str = "2026-01-01T00:00:00Z ERROR 529 Overloaded\n";
/// The most memory that a process may map, KiB. A debug build maps 60 MiB before it begins.
const MEMORY: &str = "262144";

/// What `logs --json` makes of these files beside a good one, and what it says.
fn logs(home: &Folder, files: &[PathBuf]) -> (Value, String) {
    let good = home.write("good.log", GOOD);
    let (code, out, err) = run(clearline(&home.0).args(["logs", "--json"]).args(files).arg(good));
    assert_eq!(code, 0, "{err}");
    (serde_json::from_str(&out).unwrap(), err)
}

#[test]
fn what_is_no_text_is_named_and_the_rest_is_read() {
    let home = Folder::new();
    let folder = home.0.join("folder");
    std::fs::create_dir(&folder).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = home.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for (path, word) in [
        (write("core", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"), "it is binary, no text"),
        (write("old.log.gz", b"\x1f\x8b\x08\0\0\0\0\0"), "it is compressed; unpack it first: gzip -dc"),
        (folder, "Is a directory"),
        (home.0.join("gone.log"), "No such file"),
    ] {
        let (picture, err) = logs(&home, std::slice::from_ref(&path));
        assert_eq!((&picture["failed"], &picture["lines"]), (&1.into(), &1.into()), "{path:?}: {picture}");
        let name = path.display().to_string();
        assert!(err.starts_with(&name) && err.contains(word) && err.lines().count() == 1, "{word}: {err}");
        // Alone it is a mistake of the command line, for both commands.
        for command in ["logs", "explain"] {
            let (code, _, err) = run(clearline(&home.0).arg(command).arg(&path));
            assert_eq!(code, 2, "{command} {word}: {err}");
            assert!(err.contains(word) && err.contains(&name), "{command}: {err}");
        }
    }
}

#[test]
fn what_windows_writes_is_read() {
    let home = Folder::new();
    let text = "\u{feff}connect ECONNREFUSED 10.0.0.1:443\r\n由于目标计算机积极拒绝，无法连接。 error\r\n";
    let path = home.0.join("shell.txt");
    std::fs::write(&path, text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()).unwrap();
    let (code, out, err) = run(clearline(&home.0).args(["explain", "--json"]).arg(&path));
    assert_eq!((code, err.as_str()), (0, ""));
    let explained: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(explained["causes"][0]["id"], "tcp.refused");
    let (picture, err) = logs(&home, std::slice::from_ref(&path));
    assert_eq!(
        (&picture["failed"], &picture["lines"], err.as_str()),
        (&3.into(), &3.into(), ""),
        "{picture}"
    );
}

#[test]
fn broken_lines_cost_themselves_alone() {
    let home = Folder::new();
    let bytes: &[u8] = b"{\"event\":\"call ended\",\"outcome\":\"succ\n\
        2026-01-01T00:00:00Z ERROR \xff\xfe 529 Overloaded\n\
        \0\0\0\0\n\
        2026-01-01T00:00:01Z ERROR 529 Over\0loaded 529 Overloaded\n\
        {\"event\":\"call ended\",\"outcome\":\"failed\",\"cause\":\"tcp.reset\",\"attempts\":[]}\n\
        {\"event\":\"call ended\",\"outcome\":\"failed\",\"cau";
    let path = home.0.join("broken.log");
    std::fs::write(&path, bytes).unwrap();
    let (picture, err) = logs(&home, std::slice::from_ref(&path));
    assert_eq!(err, "");
    let count = |id: &str| {
        picture["causes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|c| c["id"] == id)
            .map_or(0, |c| c["calls"].as_u64().unwrap())
    };
    assert_eq!((count("server.overloaded"), count("tcp.reset")), (3, 1), "{picture}");
    assert_eq!((&picture["torn"], &picture["lines"]), (&2.into(), &7.into()), "{picture}");
    let (code, out, _) = run(clearline(&home.0).arg("explain").arg(&path));
    assert_eq!(code, 0);
    assert!(out.contains("server.overloaded") && !out.contains('\0'), "{out}");
    // Nothing at all is said as such.
    let empty = home.write("empty.log", "");
    let (code, out, _) = run(clearline(&home.0).arg("logs").arg(&empty));
    assert_eq!((code, out.lines().next()), (0, Some("0 lines, 0 of them tell of failures")));
    let (code, _, err) = run(clearline(&home.0).arg("explain").arg(&empty));
    assert!(code == 0 && err.contains("is empty"), "{err}");
    // The same for lines of JSON.
    let lines = home.0.join("lines.jsonl");
    std::fs::write(&lines, b"{\"id\":1,\"text\":\"529 Overloaded\"}\n{\"id\":2,\"te\n\xff\n{\"id\":3,\"text\":\"\xff 529 Overloaded\"}\n").unwrap();
    let (code, out, err) = run(clearline(&home.0).args(["explain", "--jsonl"]).arg(&lines));
    assert_eq!((code, out.lines().count(), err.lines().count()), (2, 2, 2), "{out}{err}");
    assert!(err.contains("line 2: no JSON object") && err.contains("line 3: no JSON object"), "{err}");
}

/// A log whose second to last line has 2 GiB, mostly a hole in the file.
fn huge(home: &Folder) -> PathBuf {
    let path = home.0.join("huge.log");
    let mut file = File::create(&path).unwrap();
    file.write_all("2026-01-01T00:00:00Z INFO all is well\n".repeat(400).as_bytes()).unwrap();
    file.seek(SeekFrom::Current(2 << 30)).unwrap();
    file.write_all(format!("\n{GOOD}").as_bytes()).unwrap();
    path
}

#[test]
fn a_line_of_two_gigabytes_is_read_in_bounded_memory() {
    let home = Folder::new();
    let path = huge(&home);
    let limited = |arguments: &[&str]| {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "ulimit -v \"$1\"; shift; exec \"$@\"",
            "sh",
            MEMORY,
            env!("CARGO_BIN_EXE_clearline"),
        ]);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", &home.0);
        run(command.args(arguments).arg(&path))
    };
    std::thread::scope(|scope| {
        let explained = scope.spawn(|| limited(&["explain", "--json"]));
        let (code, out, err) = limited(&["logs", "--json"]);
        assert_eq!(code, 0, "{err}");
        let picture: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&picture["lines"], &picture["failed"]), (&402.into(), &1.into()), "{picture}");
        let (code, out, err) = explained.join().unwrap();
        assert_eq!(code, 0, "{err}");
        assert!(out.contains("server.overloaded"), "{out}");
    });
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    let home = Folder::new();
    let path = home.write("secret.log", GOOD);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    // Whoever may read everything has to give that up first.
    let mut lowered = Command::new("setpriv");
    lowered.args(["--bounding-set", "-all", "--inh-caps", "-all"]);
    if !Command::new("setpriv").arg("--version").output().is_ok_and(|o| o.status.success()) {
        return skip("files without permission: setpriv is not installed");
    }
    lowered.arg(env!("CARGO_BIN_EXE_clearline")).args(["logs", "--json"]).arg(&path);
    lowered.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", &home.0);
    let (code, out, err) = run(lowered.arg(home.write("good.log", GOOD)));
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("secret.log: left out: Permission denied"), "{err}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["failed"], 1);
}

#[test]
fn a_name_that_is_no_utf_8_is_a_name() {
    use std::os::unix::ffi::OsStrExt as _;
    let home = Folder::new();
    let path = home.0.join(std::ffi::OsStr::from_bytes(b"caf\xe9.log"));
    std::fs::write(&path, GOOD).unwrap();
    let (picture, err) = logs(&home, std::slice::from_ref(&path));
    assert_eq!((&picture["failed"], err.as_str()), (&2.into(), ""), "{picture}");
    for arguments in
        [&["trace", "Overloaded"][..], &["trace", "--json", "Overloaded"], &["trace", "--html", "Overloaded"]]
    {
        let (code, out, err) = run(clearline(&home.0).args(arguments).arg(&path));
        assert!(code == 0 && out.contains("caf\u{fffd}.log"), "{out}{err}");
    }
}
