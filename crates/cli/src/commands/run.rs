//! `clearline run`: a program with a private gateway of its own.

mod child;
mod unseen;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use clearline::{Route, Upstream};
use clearline_gateway::LogTarget;
use clearline_model::{Dur, Foreign, SettingOrigin};
use clearline_report::{Lang, Prose};

use crate::exit::Failure;
use crate::out::grouped;
use crate::serve::{self, Wanted};
use crate::settings::Settings;
use crate::{look, out, setup, traces};

/// Runs a program whose calls are retried, paced and watched; a summary comes at its end
///
/// The program finds a private gateway in ANTHROPIC_BASE_URL. Its signals, its output and its exit code are its own.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Base URL of the API [default: the settings upstreams or gateway.upstream where one is set, else ANTHROPIC_BASE_URL]
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// File of the JSON log, or none [default: a new one in ~/.local/state/clearline]
    #[arg(long, value_name = "FILE")]
    log: Option<String>,
    /// Prints no summary unless a call failed
    #[arg(short, long)]
    quiet: bool,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    command: Vec<std::ffi::OsString>,
}

impl Run {
    pub(crate) fn run(self, lang: Option<&str>, config: Option<&Path>) -> Result<u8, Failure> {
        let settings = setup::load(config, &[])?;
        let lang = look::spoken(lang, &settings);
        let log = self.log_target(lang);
        let log_file = if let LogTarget::File(path) = &log { Some(path.clone()) } else { None };
        let (upstreams, routes) = self.ways(&settings)?;
        // 128 bits: nobody on this machine finds the gateway by trying.
        let prefix = format!("{:016x}{:016x}", serve::random()?, serve::random()?);
        let wanted = Wanted {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            admin: None,
            upstreams,
            routes,
            prefix: Some(prefix.clone()),
            log,
            // One program makes no crowd.
            connections: u64::MAX,
            // The program has ended; whatever it left behind does not hold its exit up for long.
            drain: Some(Dur::secs(2)),
            lang,
        };
        let ran = serve::one_thread()?.block_on(async {
            let gateway = serve::gateway(&settings, wanted).await?;
            let readers = Arc::clone(&gateway.readers);
            let base_url = format!("http://{}/{prefix}", gateway.gateway.addr());
            let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
            let serving =
                tokio::spawn(gateway.serve(async move { drop(stopped.await) }, std::future::pending()));
            let code = child::run(&self.command, &base_url).await;
            drop(stop);
            let summary = serving.await.map_err(Failure::own)?;
            code.map(|code| (code, summary, readers.unwritten()))
        });
        let has_log = ran.as_ref().is_ok_and(|(_, summary, _)| summary.calls > 0);
        if let Some(path) = log_file.as_ref().filter(|_| !has_log && self.log.is_none()) {
            remove_if_empty(path);
        }
        let (code, summary, unwritten) = ran?;
        if summary.calls == 0 {
            out::note(&unseen::explain(&Prose::load(lang), &self.command, &setup::variable));
        } else if !self.quiet || summary.failed > 0 {
            let prose = Prose::load(lang);
            let mut text = traces::summary(&prose, "clearline", &summary);
            if let Some(path) = &log_file {
                let mut log = path.display().to_string();
                if unwritten > 0 {
                    log.push_str(&prose.count("summary-unwritten", unwritten, &grouped(unwritten)));
                }
                text.push_str(&format!("\n{}", traces::labelled(&prose, "summary-log", &log)));
            }
            out::note(&text);
        }
        Ok(code)
    }

    /// Where calls go, and with which keys: to the upstreams with names, where the settings have them and no flag says otherwise.
    fn ways(&self, settings: &Settings) -> Result<(Vec<Upstream>, Vec<Route>), Failure> {
        if self.upstream.is_none() && settings.names_upstreams() {
            return setup::upstreams(settings, false);
        }
        let (base_url, keys) = (self.upstream(settings), setup::keys(settings, false)?);
        Ok((vec![Upstream { name: String::new(), base_url, weight: 1, keys }], Vec::new()))
    }

    /// Where the program itself would have gone, unless something here says otherwise.
    fn upstream(&self, settings: &Settings) -> String {
        let own = || setup::variable("ANTHROPIC_BASE_URL").filter(|v| !v.trim().is_empty());
        let set = settings.list("gateway.upstream").first().cloned().unwrap_or_default();
        match (&self.upstream, settings.origin("gateway.upstream")) {
            (Some(url), _) => url.clone(),
            (None, SettingOrigin::Default) => own().unwrap_or(set),
            (None, _) => set,
        }
    }

    fn log_target(&self, lang: Lang) -> LogTarget {
        match &self.log {
            Some(text) => serve::log_target(text),
            None => match own_log() {
                Ok(path) => LogTarget::File(path),
                Err(why) => {
                    let why = clearline_report::Args::default().with("name", Foreign::new(&why));
                    out::note(&Prose::load(lang).say("run-no-log", &why));
                    LogTarget::None
                }
            },
        }
    }
}

/// A new file for the log of this run.
fn own_log() -> Result<PathBuf, String> {
    let folder = setup::state_folder().ok_or("neither XDG_STATE_HOME nor HOME is set")?;
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let now = jiff::ZonedDateTime::now();
    let path = folder.join(format!("run-{}-{}.jsonl", now.strftime("%Y%m%d-%H%M%S"), std::process::id()));
    // Where nobody asked for a log, a folder that takes none does not keep the program from running.
    let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    file.map(|_made| path).map_err(|e| format!("{}: {e}", folder.display()))
}

fn remove_if_empty(path: &Path) {
    let is_empty = std::fs::metadata(path).is_ok_and(|m| m.len() == 0);
    // A file that stays is no harm.
    let _gone = is_empty && std::fs::remove_file(path).is_ok();
}
