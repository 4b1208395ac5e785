//! The transcripts of the documents: what real runs print, compared with the files of `docs/transcripts`.
//!
//! A test types the lines that a transcript shows into a shell, with ports and files of its own in place of those that
//! are shown. Times, ids and amounts of time may differ from run to run and are masked on both sides before they are
//! compared; every other word has to be the same. `cargo xtask transcripts` writes the files anew.

mod mask;
mod rows;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::{Folder, Server};

/// The variable under which the files are written instead of compared.
const WRITE: &str = "CLEARLINE_TRANSCRIPTS";
/// The languages: the tag in the file's name, and the locale of the shell.
const LANGS: [(&str, &str); 2] = [("en", "C.UTF-8"), ("zh-CN", "zh_CN.UTF-8")];

/// The root of the repository, where the shell stands.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A shell, and what is shown of it.
struct Shell {
    home: Folder,
    locale: &'static str,
    environment: Vec<(String, String)>,
    /// What is shown, and what stands for it in this run.
    names: Vec<(String, String)>,
    text: String,
}

impl Shell {
    fn new(locale: &'static str) -> Self {
        Self { home: Folder::new(), locale, environment: Vec::new(), names: Vec::new(), text: String::new() }
    }

    /// A file that is shown by its name alone, and lies in the folder of the test.
    fn file(&mut self, name: &str) {
        self.names.push((name.to_owned(), self.home.0.join(name).display().to_string()));
    }

    fn show(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Sets variables for what follows, and shows it.
    fn export(&mut self, variables: &[(&str, &str)]) {
        for (name, value) in variables {
            let shown =
                if value.contains([' ', '<', '>', '|']) { format!("'{value}'") } else { (*value).to_owned() };
            self.show(&format!("$ export {name}={shown}"));
            self.environment.push(((*name).to_owned(), self.real(value)));
        }
    }

    /// The text with what stands for the shown names.
    fn real(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (shown, real)| text.replace(shown, real))
    }

    /// The text with the shown names, without the blanks at the ends of lines.
    fn shown(&self, text: &str) -> String {
        let text = self.names.iter().fold(text.to_owned(), |text, (shown, real)| text.replace(real, shown));
        text.lines().map(|l| format!("{}\n", l.trim_end())).collect()
    }

    fn command(&self, line: &str) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_clearline"));
        let mut path = vec![binary.parent().unwrap().to_owned()];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let mut command = Command::new("sh");
        command.arg("-c").arg(self.real(line)).current_dir(root()).env_clear();
        command.env("PATH", std::env::join_paths(path).unwrap()).env("HOME", &self.home.0);
        command.env("LANG", self.locale).env("TZ", "UTC").env("CLEARLINE_FENCE", "loopback");
        command.envs(self.environment.iter().map(|(n, v)| (n, v)));
        command
    }

    /// Types a line, and shows it with everything that it prints; gives its exit code.
    fn run(&mut self, line: &str) -> i32 {
        self.show(&format!("$ {line}"));
        let output = self.command(&format!("exec 2>&1; {line}")).stdin(Stdio::null()).output().unwrap();
        let printed = self.shown(&String::from_utf8(output.stdout).unwrap());
        self.text.push_str(&printed);
        output.status.code().unwrap()
    }

    /// Starts a server in the background. It is shown to listen where the line says, and takes a free port.
    fn serve(&mut self, line: &str) -> Server {
        self.show(&format!("$ {line} &"));
        let shown = line.split("--listen ").nth(1).unwrap().split(' ').next().unwrap();
        // The shell becomes the server, so that the server's end is the child's.
        let server =
            Server::start(&mut self.command(&format!("exec {}", line.replace(shown, "127.0.0.1:0"))));
        self.names.push((shown.to_owned(), server.addr().to_string()));
        server
    }

    fn empty_line(&mut self) {
        self.text.push('\n');
    }
}

/// Makes a transcript in both languages and compares it with its files.
fn transcript(name: &str, make: fn(&mut Shell)) {
    for (tag, locale) in LANGS {
        let mut shell = Shell::new(locale);
        make(&mut shell);
        compare(&format!("{name}.{tag}.txt"), &shell.text);
    }
}

fn compare(name: &str, text: &str) {
    let file = root().join("docs/transcripts").join(name);
    let held = std::fs::read_to_string(&file).unwrap_or_default();
    let (held_words, words) = (mask::words(&held), mask::words(text));
    if held_words == words {
        return;
    }
    if std::env::var(WRITE).is_ok_and(|v| v == "write") {
        std::fs::write(&file, text).unwrap();
        return;
    }
    let at = held_words.iter().zip(&words).take_while(|(a, b)| a == b).count();
    let near = |words: &[String]| {
        words.iter().skip(at.saturating_sub(5)).take(12).cloned().collect::<Vec<_>>().join(" ")
    };
    panic!(
        "docs/transcripts/{name} is not what is printed now; `cargo xtask transcripts` writes it anew.\n\
         held:    … {}\nprinted: … {}\n\n{text}",
        near(&held_words),
        near(&words)
    );
}
