//! Who is diagnosed: this shell, a command that would be started here, or a process that runs.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clearline_diagnose::Profile;
use clearline_doctor::Place;

use crate::exit::Failure;
use crate::out;

/// The largest environment that is read, bytes (the kernel's own limit for one argument is 128 KiB).
const ENVIRONMENT_MAX: u64 = 4 << 20;
/// Variables that are clearline's own, whoever is diagnosed.
const OWN: &str = "CLEARLINE_";

/// Who is diagnosed.
pub(super) struct Subject {
    /// Its variables; none where they are this process's.
    variables: Option<BTreeMap<String, String>>,
    pub(super) place: Place,
    /// What could not be seen of it.
    pub(super) unseen: Vec<String>,
    /// The client that it mostly is.
    pub(super) profile: Option<Profile>,
}

impl Subject {
    /// This process's own environment.
    pub(super) fn own() -> Self {
        Self { variables: None, place: Place::own(), unseen: Vec::new(), profile: None }
    }

    /// What a variable is set to.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        match &self.variables {
            Some(all) if !name.starts_with(OWN) => all.get(name).cloned(),
            // What is no UTF-8 is set all the same, and has to be seen.
            Some(_) | None => Some(std::env::var_os(name)?.to_string_lossy().into_owned()),
        }
    }

    /// The environment that a command would get here: this one, with what an `env` in front of it changes.
    pub(super) fn of_command(command: &[OsString]) -> Self {
        let mut variables: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let words: Vec<&str> = command.iter().map_while(|word| word.to_str()).collect();
        let program = changed(&words, &mut variables).unwrap_or_default();
        let profile = Profile::of_program(program);
        Self { variables: Some(variables), place: Place::own(), unseen: Vec::new(), profile }
    }

    /// A process's environment and files, as far as they may be read. What may not is said.
    pub(super) fn of_process(pid: u32) -> Result<Self, Failure> {
        let process = PathBuf::from(format!("/proc/{pid}"));
        if !process.is_dir() {
            return Err(Failure::usage(format!(
                "there is no process {pid}\n  List them with: ps -e -o pid,user,args"
            )));
        }
        let own = std::fs::metadata("/proc/self").map(|m| m.uid()).ok();
        let owner = std::fs::metadata(&process).map(|m| m.uid()).ok();
        let mut unseen = Vec::new();
        let variables = match bytes(&process.join("environ")) {
            Ok(bytes) => Some(split(&bytes)),
            Err(error) => {
                let whose = owner.filter(|o| Some(*o) != own).map(|o| format!(" of user {o}"));
                let whose = whose.unwrap_or_default();
                out::note(&format!(
                    "clearline: the environment of process {pid}{whose} cannot be read ({error}).\n  \
                     Not known: its variables; those of this shell are taken. To see them: sudo clearline doctor --pid {pid}"
                ));
                unseen.push(format!("process {pid}: its environment: {error}"));
                None
            }
        };
        let root = process.join("root");
        let root = if std::fs::read_dir(&root).is_ok() { root } else { PathBuf::from("/") };
        // The same files, under the paths that people know.
        let root = if is_same(&root, Path::new("/")) && is_here(&process, "mnt") {
            PathBuf::from("/")
        } else {
            root
        };
        let working = std::fs::read_link(process.join("cwd")).ok();
        let working = working.map(|path| root.join(path.strip_prefix("/").unwrap_or(&path)));
        let program = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
        let profile = Profile::of_program(program.trim());
        Ok(Self { variables, place: Place { root, working, process }, unseen, profile })
    }
}

/// Whether a process shares a namespace with this one; so it is taken to be where that cannot be read.
fn is_here(process: &Path, kind: &str) -> bool {
    let link = |process: &Path| std::fs::read_link(process.join("ns").join(kind)).ok();
    let other = link(process);
    other.is_none() || other == link(Path::new("/proc/self"))
}

fn is_same(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| std::fs::metadata(path).map(|m| (m.dev(), m.ino())).ok();
    place(one).is_some() && place(one) == place(other)
}

/// Lays copies of the files of names of a process, whose root is the first argument, over this machine's, where nobody else sees
/// them, as `ip netns exec` does; then becomes the program behind. The files themselves cannot be laid there: they are another
/// mount namespace's. Links are left alone: they would lead into this machine's files.
const OWN_NAMES: &str = r#"root=$1; shift
copies=$(mktemp -d) || exit 1
for file in resolv.conf hosts nsswitch.conf; do
  own=$root/etc/$file
  if [ -f "$own" ] && ! [ -L "$own" ] && [ -f "/etc/$file" ]; then
    cp "$own" "$copies/$file" && mount --bind "$copies/$file" "/etc/$file" || exit 1
  fi
done
rm -r "$copies"
exec "$@"
"#;

/// What came of going to where a process is.
pub(super) enum Entered {
    /// The diagnosis was made there, and ended with this code.
    Done(u8),
    /// It is to be made here; and why, where it should have been made there.
    Here(Option<String>),
}

/// Makes the diagnosis in the network of a process, where that is another one: the same command line, started by nsenter(1).
pub(super) fn enter(pid: u32) -> Entered {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let link = std::fs::read_link(process.join("ns/net"));
    if !process.is_dir() {
        return Entered::Here(None);
    }
    if let Err(error) = &link {
        out::note(&format!(
            "clearline: the network namespace of process {pid} cannot be read ({error}).\n  \
             Not known: whether it is another one; the probes are made from this one."
        ));
        return Entered::Here(Some(format!("process {pid}: its network namespace: {error}")));
    }
    if is_here(&process, "net") {
        return Entered::Here(None);
    }
    let refused = |why: &str| {
        out::note(&format!(
            "clearline: process {pid} is in another network namespace, which cannot be entered ({why}).\n  \
             Not known: what it reaches; the probes are made from this one. To enter it: sudo clearline doctor --pid {pid}"
        ));
        Entered::Here(Some(format!("process {pid}: its network: {why}")))
    };
    let Ok(program) = std::env::current_exe() else { return refused("the path of clearline is not known") };
    let mut options = vec![format!("--net=/proc/{pid}/ns/net")];
    // Its own files of names come with its mounts, where clearline is found among them and the process too.
    let inside = process.join("root");
    let through = |path: &Path| inside.join(path.strip_prefix("/").unwrap_or(path));
    let is_found = is_same(&through(&program), &program) && is_same(&through(&process), &process);
    if !is_here(&process, "mnt") && is_found {
        options.push(format!("--mount=/proc/{pid}/ns/mnt"));
        if let Ok(working) = std::env::current_dir() {
            options.push(format!("--wd={}", working.display()));
        }
    }
    let is_elsewhere = !is_here(&process, "mnt") && !is_found;
    let nsenter = |what: &OsStr| {
        let mut command = Command::new("nsenter");
        command.args(&options).arg("--");
        if is_elsewhere {
            command.args(["unshare", "--mount", "--propagation", "private", "--"]);
            command.args(["sh", "-c", OWN_NAMES, "sh"]).arg(&inside);
        }
        command.arg(what);
        command
    };
    let trial = nsenter(OsStr::new("true")).stdin(Stdio::null()).stderr(Stdio::piped()).output();
    match trial {
        Ok(trial) if trial.status.success() => {}
        Ok(trial) => {
            let said = String::from_utf8_lossy(&trial.stderr);
            let said: String = said.lines().next().unwrap_or("nsenter failed").chars().take(200).collect();
            return refused(&clearline_model::Foreign::new(&said).escaped());
        }
        Err(error) => return refused(&format!("nsenter: {error}; it is part of util-linux")),
    }
    let status = nsenter(program.as_os_str()).args(std::env::args_os().skip(1)).status();
    match status.ok().and_then(|s| s.code()).and_then(|code| u8::try_from(code).ok()) {
        Some(code) => Entered::Done(code),
        None => refused("the diagnosis in it did not end by itself"),
    }
}

fn bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    std::fs::File::open(path)?.take(ENVIRONMENT_MAX).read_to_end(&mut all)?;
    Ok(all)
}

/// The variables of an environment as the kernel shows it. What is no text, or has no name, is left out; of two with one name
/// getenv(3) sees the first.
fn split(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for entry in bytes.split(|b| *b == 0) {
        let Ok(entry) = std::str::from_utf8(OsStr::from_bytes(entry).as_bytes()) else { continue };
        if let Some((name, value)) = entry.split_once('=').filter(|(name, _)| !name.is_empty()) {
            all.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    all
}

/// Applies what stands before the program: assignments, and `env` with `-i`, `-u NAME` and assignments. Gives the program.
fn changed<'a>(words: &[&'a str], variables: &mut BTreeMap<String, String>) -> Option<&'a str> {
    let mut words = words.iter().copied();
    let mut is_env = false;
    while let Some(word) = words.next() {
        match word {
            "env" | "/usr/bin/env" | "/bin/env" => is_env = true,
            "-i" | "-" | "--ignore-environment" if is_env => variables.clear(),
            "-u" | "--unset" if is_env => drop(variables.remove(words.next()?)),
            "--" if is_env => {}
            _ => match word.split_once('=') {
                Some((name, value)) if !name.is_empty() && !name.contains('/') => {
                    variables.insert(name.to_owned(), value.to_owned());
                }
                Some(_) | None => return Some(word),
            },
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_a_program_changes_its_environment() {
        let base = || BTreeMap::from([("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())]);
        let pairs = |all: &BTreeMap<String, String>| {
            all.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" ")
        };
        for (command, program, left) in [
            ("python app.py X=1", Some("python"), "A=1 B=2"),
            ("A=3 python", Some("python"), "A=3 B=2"),
            ("env -u A C=4 node x.js", Some("node"), "B=2 C=4"),
            ("env -i HTTPS_PROXY=http://p:1 curl", Some("curl"), "HTTPS_PROXY=http://p:1"),
            ("./a=b/run", Some("./a=b/run"), "A=1 B=2"),
            ("env -u", None, "A=1 B=2"),
            ("", None, "A=1 B=2"),
        ] {
            let mut variables = base();
            let words: Vec<&str> = command.split_whitespace().collect();
            assert_eq!(changed(&words, &mut variables), program, "{command}");
            assert_eq!(pairs(&variables), left, "{command}");
        }
    }

    #[test]
    fn nonsense_in_an_environment_costs_itself_alone() {
        let all = split(b"A=1\0A=2\0=x\0nothing\0B=\xff\xfe\0\0C==\0\x1b[31m=red\0D=last");
        let names: Vec<(&str, &str)> = all.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(names, [("\u{1b}[31m", "red"), ("A", "1"), ("C", "="), ("D", "last")]);
        assert!(split(&vec![b'x'; 1 << 20]).is_empty());
    }
}
