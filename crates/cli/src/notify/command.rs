//! A command that gets the alert on its standard input.

use std::process::Stdio;

use clearline_model::Dur;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Variables that hold credentials: the command has no use for them.
const SECRETS: [&str; 3] = ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLEARLINE_KEYS"];

/// Runs a shell command with this text as its input, for at most `limit`; then it and its children are killed.
///
/// # Errors
///
/// In words: it cannot be run, it failed, it took too long.
pub(super) async fn run(command: &str, input: &str, limit: Dur) -> Result<(), String> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // A group of its own, so that what it started ends with it.
    shell.process_group(0).kill_on_drop(true);
    for name in SECRETS {
        shell.env_remove(name);
    }
    let mut child = shell.spawn().map_err(|e| format!("cannot be run: {e}"))?;
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let stdin = child.stdin.take();
    let work = async {
        if let Some(mut stdin) = stdin {
            // A command that reads nothing has its reasons.
            let _read = stdin.write_all(input.as_bytes()).await.is_ok();
        }
        child.wait().await
    };
    match tokio::time::timeout(limit.into(), work).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("ended with {status}")),
        Ok(Err(e)) => Err(e.to_string()),
        Err(_late) => {
            let _gone = group.is_some_and(|group| kill_process_group(group, Signal::KILL).is_ok());
            Err(format!("took longer than {limit} and was killed"))
        }
    }
}
