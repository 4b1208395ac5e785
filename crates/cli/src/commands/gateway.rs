//! `clearline gateway`: one place for retries, keys, records and metrics.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use clearline::Upstream;
use clearline_gateway::{LogTarget, Readers};
use clearline_model::Foreign;
use clearline_report::{Args, Prose};
use tokio::signal::unix::Signal;

use crate::exit::{self, Failure};
use crate::reload::Reloader;
use crate::serve::{self, Wanted};
use crate::settings::Given;
use crate::{look, out, setup, signals};

/// Runs the gateway: every call through one place, with retries, a pool of keys, a log and metrics
///
/// Point an SDK at it with ANTHROPIC_BASE_URL=http://127.0.0.1:8787. It stops on SIGTERM when its calls are finished, and reads its settings again on SIGHUP.
#[derive(Debug, clap::Args)]
pub(crate) struct Gateway {
    /// Address and port where calls come in; port 0 takes any free one [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Base URL of the API; several share the calls [default: https://api.anthropic.com]
    #[arg(long, value_name = "URL")]
    upstream: Vec<String>,
    /// Address and port of /metrics, /healthz and /readyz [default: none]
    #[arg(long, value_name = "ADDR")]
    admin: Option<String>,
    /// File of the JSON log; - for standard error, none for no log [default: -]
    #[arg(long, value_name = "FILE")]
    log: Option<String>,
    /// Certificate with its chain, PEM: calls then come in over TLS
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Sends credentials over plain http to an upstream that is not on this machine
    #[arg(long)]
    allow_insecure: bool,
}

impl Gateway {
    pub(crate) fn run(self, lang: Option<&str>, config: Option<&Path>) -> Result<u8, Failure> {
        // The file of the start is that of every reload as well, also where it is gone by then.
        let file = setup::file(config);
        let settings = setup::load(file.as_deref(), &self.flags())?;
        let admin = if settings.text("gateway.admin").is_empty() {
            None
        } else {
            Some(serve::address(&settings, "gateway.admin")?)
        };
        let lang = look::spoken(lang, &settings);
        let (upstreams, routes) = setup::upstreams(&settings, true)?;
        let (urls, pool) = ways(&upstreams, settings.names_upstreams());
        let wanted = Wanted {
            listen: serve::address(&settings, "gateway.listen")?,
            admin,
            upstreams,
            routes,
            prefix: None,
            log: serve::log_target(settings.text("gateway.log")),
            connections: serve::room(settings.number("gateway.connections_max")),
            drain: None,
            lang,
        };
        let log = wanted.log.clone();
        let prose = Prose::load(lang);
        serve::one_thread()?.block_on(async {
            let ((stop, hurry), hangups) = (signals::stops()?, signals::hangup()?);
            let gateway = serve::gateway(&settings, wanted).await?;
            let scheme = if settings.text("gateway.tls_cert").is_empty() { "http" } else { "https" };
            // Programs read these two lines.
            out::say(&format!("listening on {scheme}://{}", gateway.gateway.addr()))?;
            if let Some(admin) = gateway.gateway.admin_addr() {
                out::say(&format!("admin on http://{admin}"))?;
            }
            out::say(&begins(&prose, (&urls, pool), &log))?;
            let readers = Arc::clone(&gateway.readers);
            let way = (gateway.gateway.handle(), gateway.notifier.clone(), gateway.fixed.clone());
            let reloader = Reloader::new(way, (file, self.flags()), settings);
            let summary = tokio::select! {
                summary = gateway.serve(stop, hurry) => summary,
                never = reloads(hangups, reloader, &readers) => match never {},
            };
            out::say(&crate::traces::summary(&prose, "clearline", &summary))?;
            Ok(exit::WELL)
        })
    }

    fn flags(&self) -> Vec<Given> {
        let mut flags = Vec::new();
        let mut give = |key, flag, text: Option<&String>| {
            if let Some(text) = text {
                flags.push(Given { key, flag, text: text.clone() });
            }
        };
        give("gateway.listen", "--listen", self.listen.as_ref());
        for upstream in &self.upstream {
            give("gateway.upstream", "--upstream", Some(upstream));
        }
        give("gateway.admin", "--admin", self.admin.as_ref());
        give("gateway.log", "--log", self.log.as_ref());
        give("gateway.tls_cert", "--tls-cert", self.tls_cert.as_ref());
        give("gateway.tls_key", "--tls-key", self.tls_key.as_ref());
        let insecure = self.allow_insecure.then(|| "true".to_owned());
        give("network.allow_insecure", "--allow-insecure", insecure.as_ref());
        flags
    }
}

/// Reads the settings again on every SIGHUP, for ever.
async fn reloads(mut hangups: Signal, mut reloader: Reloader, readers: &Readers) -> Infallible {
    loop {
        if hangups.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        let line = match reloader.reload() {
            Ok(changes) => changes.line(),
            Err(failure) => {
                out::note(&format!("clearline: the settings stay as they were\n{failure}"));
                let mut line = serde_json::Map::new();
                line.insert("event".to_owned(), "reload refused".into());
                line.insert("why".to_owned(), failure.to_string().into());
                line
            }
        };
        readers.note(line);
    }
}

/// Where calls go, and how many keys there are: upstreams without names share theirs.
fn ways(upstreams: &[Upstream], are_named: bool) -> (String, usize) {
    let urls: Vec<_> = upstreams.iter().map(|u| u.base_url.as_str()).collect();
    let keys = upstreams.iter().map(|u| u.keys.len());
    (urls.join(", "), if are_named { keys.sum() } else { keys.max().unwrap_or(0) })
}

/// Where calls go, with what, and where that is told.
fn begins(prose: &Prose, (urls, pool): (&str, usize), log: &LogTarget) -> String {
    let keys = match pool {
        0 => prose.word("server-keys-own"),
        n => prose.count("server-keys", u64::try_from(n).unwrap_or(u64::MAX), &n.to_string()),
    };
    let log = match log {
        LogTarget::None => prose.word("server-log-none"),
        LogTarget::Stderr => prose.word("server-log-stderr"),
        LogTarget::File(path) => prose
            .say("server-log-file", &Args::default().with("file", Foreign::new(&path.display().to_string()))),
    };
    let args = Args::default().with("url", Foreign::new(urls));
    prose.say("server-calls", &args.with("keys", Foreign::new(&keys)).with("log", Foreign::new(&log)))
}

#[cfg(test)]
mod tests {
    use clearline_report::Lang;

    use super::*;

    #[test]
    fn the_beginning_is_said_in_both_languages() {
        let file = LogTarget::File("/tmp/g.jsonl".into());
        for (lang, pool, log, line) in [
            (Lang::En, 0, &LogTarget::None, "calls go to http://u with the callers' own credentials; no log"),
            (Lang::En, 3, &file, "calls go to http://u with a pool of 3 keys; log in /tmp/g.jsonl"),
            (Lang::Zh, 1, &LogTarget::Stderr, "调用发往 http://u，凭据：1 个密钥；日志写到标准错误"),
        ] {
            assert_eq!(begins(&Prose::load(lang), ("http://u", pool), log), line);
        }
    }
}
