//! Whether a fault took effect, seen by others than the doctor: a call with curl, a counter, a log, a command.

use std::fmt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use crate::Problem;
use crate::fault::Fault;
use crate::names::Names;
use crate::plan::Place;
use crate::world::World;

/// One thing that has to be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Check {
    /// `curl exit N M…`: the exit code of one of the calls is one of these.
    CurlExit(Vec<i32>),
    /// `curl http N`: the status of one of the calls.
    CurlHttp(u16),
    /// `curl says TEXT`: in its output or its errors.
    CurlSays(String),
    /// `hit` or `hit cli`: the counter of the rules was met.
    Hit(Place),
    /// `log PLACE TEXT`: a service there wrote it.
    Log(Place, String),
    /// `sh PLACE COMMAND`: it succeeds there.
    Shell(Place, String),
}

impl Check {
    /// Reads one.
    ///
    /// # Errors
    /// It is none of these.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no check");
        let mut words = text.splitn(3, ' ');
        let (first, second, rest) = (words.next(), words.next(), words.next());
        let place = |word: &str| Place::ALL.into_iter().find(|p| p.word() == word).ok_or_else(wrong);
        match (first, second, rest) {
            (Some("curl"), Some("exit"), Some(all)) => {
                let codes = all.split(' ').map(|n| n.parse().map_err(|_| wrong()));
                Ok(Self::CurlExit(codes.collect::<Result<_, _>>()?))
            }
            (Some("curl"), Some("http"), Some(n)) => Ok(Self::CurlHttp(n.parse().map_err(|_| wrong())?)),
            (Some("curl"), Some("says"), Some(text)) => Ok(Self::CurlSays(text.to_owned())),
            (Some("hit"), None, None) => Ok(Self::Hit(Place::Rtr)),
            (Some("hit"), Some(at), None) => Ok(Self::Hit(place(at)?)),
            (Some("log"), Some(at), Some(text)) => Ok(Self::Log(place(at)?, text.to_owned())),
            (Some("sh"), Some(at), Some(command)) => Ok(Self::Shell(place(at)?, command.to_owned())),
            _ => Err(wrong()),
        }
    }

    fn seen(&self, world: &World, calls: &[Call]) -> Result<bool, Problem> {
        Ok(match self {
            Self::CurlExit(codes) => calls.iter().any(|c| codes.contains(&c.exit)),
            Self::CurlHttp(status) => calls.iter().any(|c| c.http == *status),
            Self::CurlSays(text) => calls.iter().any(|c| c.text.contains(text)),
            Self::Hit(place) => world.hits(*place)? > 0,
            Self::Log(place, text) => {
                world.log(*place).contains(text) || appears(&world.log_path(*place), text)?
            }
            Self::Shell(place, command) => {
                let mut shell = world.command(*place, &["timeout", "20", "sh", "-c", command]);
                if *place == Place::Cli {
                    shell.envs(world.environment()?);
                }
                shell.output()?.status.success()
            }
        })
    }
}

/// Whether a text comes to stand in a log: a service may write its line a moment after the client has left.
fn appears(log: &Path, text: &str) -> Result<bool, Problem> {
    const WAIT: &str = "timeout 2 tail -n +1 -f \"$1\" | grep -qFm1 -- \"$2\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", WAIT, "sh"]).arg(log).arg(text).stderr(Stdio::null());
    Ok(shell.status()?.success())
}

/// What curl made of the client's call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) exit: i32,
    pub(crate) http: u16,
    pub(crate) text: String,
    pub(crate) took_ms: u64,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.text.lines().rev().find(|l| l.starts_with("curl:")).unwrap_or_default();
        write!(f, "curl exit {} http {} {last}", self.exit, self.http)
    }
}

/// What a call says where the condition has no own body.
pub(crate) const BODY: &str =
    r#"{"model":"claude-haiku-5-5","max_tokens":16,"messages":[{"role":"user","content":"ping"}]}"#;

/// Makes the calls and looks for everything that the fault promises.
///
/// # Errors
/// A program that cannot be started, or a check that cannot be read.
///
/// Gives the checks that failed, with what was seen instead; empty where the fault took effect.
pub(crate) fn effect(world: &World, fault: &Fault, names: &Names) -> Result<Vec<String>, Problem> {
    let mut calls = Vec::new();
    for _ in 0..fault.asks.max(1) {
        calls.push(call(world, fault, false)?);
    }
    let mut missing = Vec::new();
    for text in &fault.checks {
        let text = names.fill(text)?;
        if !Check::parse(&text)?.seen(world, &calls)? {
            let seen: Vec<String> = calls.iter().map(ToString::to_string).collect();
            missing.push(format!("not seen: {text} ({})", seen.join("; ")));
        }
    }
    Ok(missing)
}

/// The client's call with curl, under the same environment as the doctor's.
///
/// # Errors
/// curl cannot be started.
pub(crate) fn call(world: &World, fault: &Fault, is_verbose: bool) -> Result<Call, Problem> {
    let environment = world.environment()?;
    let set = |name: &str| environment.get(name).map(String::as_str);
    let base = set("ANTHROPIC_BASE_URL").unwrap_or("https://api.anthropic.com").trim_end_matches('/');
    let url = format!("{base}/v1/messages");
    let login = match (set("ANTHROPIC_API_KEY"), set("ANTHROPIC_AUTH_TOKEN")) {
        (Some(key), _) => format!("x-api-key: {key}"),
        (None, token) => format!("authorization: Bearer {}", token.unwrap_or_default()),
    };
    let client = &world.plan.client;
    let mut body = client.own_body().unwrap_or_else(|| BODY.to_owned());
    if fault.stream {
        body = body.replacen('{', "{\"stream\":true,", 1);
    }
    if let Some(model) = argument(&client.args, "--model") {
        body = body.replace("claude-haiku-5-5", model);
    }
    let file = world.dir.join("ask.json");
    std::fs::write(&file, body)?;
    let data = format!("@{}", file.display());
    let mut arguments = vec![
        "curl",
        "-sS",
        "-i",
        "-m",
        "9",
        "-X",
        "POST",
        &url,
        "-H",
        &login,
        "-H",
        "anthropic-version: 2023-06-01",
        "-H",
        "content-type: application/json",
        "--data-binary",
        &data,
        "-w",
        "\n%{http_code}",
    ];
    if let Some(header) = argument(&client.args, "--header") {
        arguments.extend(["-H", header]);
    }
    if is_verbose {
        arguments.push("-v");
    }
    let begun = Instant::now();
    let output = client_command(world, &arguments)?.output()?;
    Ok(Call { took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX), ..called(&output) })
}

fn called(output: &Output) -> Call {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let http = out.lines().last().and_then(|l| l.trim().parse().ok()).unwrap_or(0);
    let text = out + &String::from_utf8_lossy(&output.stderr);
    Call { exit: output.status.code().unwrap_or(-1), http, text, took_ms: 0 }
}

/// What follows an option.
pub(crate) fn argument<'a>(all: &'a [String], name: &str) -> Option<&'a str> {
    all.iter().skip_while(|a| *a != name).nth(1).map(String::as_str)
}

/// A program of the client: its environment, its clock, its limits.
///
/// # Errors
/// The namespace is gone.
pub(crate) fn client_command(world: &World, arguments: &[&str]) -> Result<Command, Problem> {
    let client = &world.plan.client;
    let mut all = vec!["timeout".to_owned(), "-k".to_owned(), "1".to_owned(), "60".to_owned()];
    if let Some(limit) = client.descriptors {
        all.extend(["prlimit".to_owned(), format!("--nofile={limit}:")]);
    }
    if let Some(clock) = &client.clock {
        all.extend(["faketime", "--exclude-monotonic", "-f", clock].map(str::to_owned));
    }
    all.extend(arguments.iter().map(|a| (*a).to_owned()));
    let words: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut command = world.command(Place::Cli, &words);
    command.env_clear().envs(world.environment()?);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_read() {
        for (text, check) in [
            ("curl exit 55 56", Check::CurlExit(vec![55, 56])),
            ("curl http 429", Check::CurlHttp(429)),
            ("curl says not a word", Check::CurlSays("not a word".to_owned())),
            ("hit", Check::Hit(Place::Rtr)),
            ("hit cli", Check::Hit(Place::Cli)),
            ("log rtr lan: drop a b", Check::Log(Place::Rtr, "lan: drop a b".to_owned())),
            ("sh net true && false", Check::Shell(Place::Net, "true && false".to_owned())),
        ] {
            assert_eq!(Check::parse(text), Ok(check), "{text}");
        }
        for wrong in ["", "curl", "curl exit x", "hit moon", "log rtr", "sh moon true"] {
            assert!(Check::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_argument_of_an_option() {
        let all: Vec<String> = ["--model", "m", "--header", "a: b"].map(str::to_owned).to_vec();
        assert_eq!((argument(&all, "--header"), argument(&all, "--body")), (Some("a: b"), None));
    }
}
