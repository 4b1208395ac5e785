//! The project's own tasks. They need nothing but a Rust toolchain; what the tests need beyond, `setup` installs.

mod bench;
mod clients;
mod dist;
mod docs;
mod lab;
mod licences;
mod load;
mod picture;
mod purity;
mod setup;
mod sh;
mod test;
mod transcripts;
mod typography;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  test            runs every check and every test, as CI does
  setup           installs what the tests need: packages (as root) and Python libraries (into target/python)
                    gateways  installs LiteLLM and Portkey instead, for bench gateway (into target/gateways)
  purity          checks that the pure crates depend on nothing that does I/O
  licences        checks the dependencies' licences, names and sources against deny.toml
  docs --check    checks that what the documents name exists, and that they show what is printed
  transcripts     writes the transcripts of the documents anew, and everything that shows them
  dist            makes packages in target/packages: a tarball, a .deb and a Python wheel
                    --check         installs each where nothing of it was, and runs its demo
                    --profile NAME  of a binary built in another profile than dist
  bench gateway   compares the gateway with nginx and HAProxy as plain proxies: CPU of a call, over HTTP/1.1 and with HTTP/2 on
                  either side, time that it adds, memory of open streams; and its start
                    --quick      one short run of each, to see that it works
                    --streams N  so many open streams, where fewer than 10,000 will do
                    --gateways   LiteLLM and Portkey as well
                    --json       prints one JSON object; --schema says what is in it
  bench resilience [SCENE…]   the engine against an API in trouble, in virtual time, beside the optimum; fifteen seeds each
                    --json    prints one JSON object
                    --why     tells what happened to the calls that were the latest against the optimum
                    --seeds N, --first SEED   so many seeds in the place of three, from this one on
                    --limiter SIGNALS, --hedge MILLISECONDS, --resume   with other settings than those of today
                    --sockets [SCENE…]   clients side by side over real sockets instead: `requests`, the Python SDK, the same
                    with 10 retries, the TypeScript SDK, and the Python SDK through the gateway (some ten minutes)
                      --seed N, --client NAME, --json; --schema says what is in that
                      --real   in real times, not in a quarter of them (some forty minutes)
                    herd [SECONDS]   a thousand gateways after an outage (an hour)
  bench engine    nanoseconds of a decision, calls simulated in a second, and instructions of a call where valgrind is installed
                    --json    prints one JSON object
                    --accept  takes today's instructions as what later ones are held to
  clients [NAME…]   installs real clients (Claude Code, LiteLLM, LangChain, pydantic-ai, llm, the Vercel AI SDK; some 900 MB) and
                    runs each through the gateway, and curl over HTTP/1.1 and HTTP/2: the API must see what the client sent
  lab             breaks the way to the API in namespaces and scores the doctor (root); `lab --help` says more
                    list, run ID…, score [ID…], up ID, down; --release, before these, tests the release build

In CI (CLEARLINE_CI=1) a test that is skipped fails the run.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        // The lab has a help of its own.
        [task, ..] if *task != "lab" && words.iter().any(|w| matches!(*w, "--help" | "-h")) => {
            sh::say(&help(&words));
            Ok(())
        }
        ["test"] => test::run(),
        ["setup"] => setup::run(),
        ["setup", "gateways"] => setup::gateways(),
        ["purity"] => purity::run(),
        ["licences"] => licences::run(),
        ["docs"] | ["docs", "--check"] => docs::run(),
        ["transcripts"] => transcripts::write(),
        ["dist", flags @ ..] => dist::run(flags),
        ["clients", names @ ..] => clients::run(names),
        ["lab", words @ ..] => lab::run(words),
        ["bench", "resilience", "--sockets", words @ ..] => bench::sockets::run(words),
        ["bench", "resilience", words @ ..] => bench::resilience(words),
        ["bench", "engine", flags @ ..] => bench::engine::run(flags),
        ["bench", "gateway", flags @ ..] => bench::run(flags),
        [] => {
            sh::say(HELP.trim_end());
            Ok(())
        }
        ["help", about @ ..] => {
            sh::say(&help(about));
            Ok(())
        }
        other => Err(format!("there is no task \"{}\"\n\n{HELP}", other.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            sh::say(&format!("error: {}", why.trim_end()));
            ExitCode::FAILURE
        }
    }
}

/// What is said of the tasks that these words name, as far as they name any; else all of it.
fn help(words: &[&str]) -> String {
    let words: Vec<&str> = words.iter().take_while(|w| !w.starts_with('-')).copied().collect();
    let named = (1..=words.len()).rev().map(|n| words.get(..n).unwrap_or_default().join(" "));
    let about = named.map(|name| about(&name)).find(|about| !about.is_empty());
    about.map_or_else(|| HELP.trim_end().to_owned(), |about| about.trim_end().to_owned())
}

/// The entries of the tasks whose name begins with this one.
fn about(name: &str) -> String {
    let (mut text, mut is_meant) = (String::new(), false);
    for line in HELP.lines() {
        // What is deeper belongs to the entry above, and what is not deep to none.
        let entry = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '));
        if entry.is_some() || !line.starts_with(' ') {
            is_meant = entry.and_then(|e| e.strip_prefix(name)).is_some_and(|rest| rest.starts_with(' '));
        }
        if is_meant {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_about_what_was_named() {
        let gateway = help(&["bench", "gateway", "--help"]);
        assert!(gateway.starts_with("  bench gateway ") && gateway.contains("--streams N"), "{gateway}");
        assert!(!gateway.contains("bench resilience"), "{gateway}");
        let scenes = help(&["bench", "resilience", "herd", "--help"]);
        assert!(scenes.contains("--sockets") && scenes.ends_with("(an hour)"), "{scenes}");
        assert!(
            ["gateway", "resilience", "engine"]
                .iter()
                .all(|b| help(&["bench"]).contains(&format!("bench {b}")))
        );
        for all in [help(&[]), help(&["--help"]), help(&["nothing", "-h"])] {
            assert_eq!(all, HELP.trim_end());
        }
        assert!(help(&["docs"]).starts_with("  docs --check ") && help(&["test"]).lines().count() == 1);
    }
}
