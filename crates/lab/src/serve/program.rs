//! A real program among the services: nginx, squid, dnsmasq.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Setting;
use crate::Problem;
use crate::plan::Program;

/// How long a program may take to listen.
const START: Duration = Duration::from_secs(20);

/// A program that runs; it ends with this.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill().is_err();
        let _gone = self.0.wait().is_err();
    }
}

/// Writes its files, starts it and waits until it listens.
///
/// # Errors
/// It is not installed, it ends, or it does not listen in time.
pub(crate) async fn start(name: &str, program: &Program, setting: &Setting) -> Result<Running, Problem> {
    for (file, text) in &program.files {
        std::fs::write(setting.dir.join(file), text)?;
    }
    let (word, arguments) = program.run.split_first().ok_or("a program without its name")?;
    let out = File::create(setting.dir.join(format!("{name}.out")))?;
    let mut command = Command::new(word);
    command.args(arguments).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
    let child = command.spawn().map_err(|e| format!("{word} cannot be started: {e}"))?;
    let mut running = Running(child);
    let begun = Instant::now();
    for addr in &program.listen {
        while tokio::net::TcpStream::connect(addr).await.is_err() {
            if let Some(status) = running.0.try_wait()? {
                let said = std::fs::read_to_string(setting.dir.join(format!("{name}.out")))?;
                return Err(format!("{word} ended ({status}): {}", said.trim()).into());
            }
            if begun.elapsed() > START {
                return Err(format!("{word} does not listen on {addr}").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(running)
}
