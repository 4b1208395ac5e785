//! `clearline gateway`: one place for retries, keys, records and metrics.

use std::path::Path;

use clap::Args;
use clearline_gateway::LogTarget;

use crate::exit::{self, Failure};
use crate::serve::{self, Wanted};
use crate::settings::Given;
use crate::{look, out, setup, signals};

/// Runs the gateway: every call through one place, with retries, a pool of keys, a log and metrics
///
/// Point an SDK at it with ANTHROPIC_BASE_URL=http://127.0.0.1:8787. It stops on SIGTERM when its calls are finished.
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    /// Address and port where calls come in; port 0 takes any free one [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Base URL of the API [default: https://api.anthropic.com]
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Address and port of /metrics, /healthz and /readyz [default: none]
    #[arg(long, value_name = "ADDR")]
    admin: Option<String>,
    /// File of the JSON log; - for standard error, none for no log [default: -]
    #[arg(long, value_name = "FILE")]
    log: Option<String>,
    /// Sends credentials over plain http to an upstream that is not on this machine
    #[arg(long)]
    allow_insecure: bool,
}

impl Gateway {
    pub(crate) fn run(self, lang: Option<&str>, config: Option<&Path>) -> Result<u8, Failure> {
        let settings = setup::load(config, &self.flags())?;
        let admin = if settings.text("gateway.admin").is_empty() {
            None
        } else {
            Some(serve::address(&settings, "gateway.admin")?)
        };
        let wanted = Wanted {
            listen: serve::address(&settings, "gateway.listen")?,
            admin,
            upstream: settings.text("gateway.upstream").to_owned(),
            keys: setup::keys(&settings, true)?,
            prefix: None,
            log: serve::log_target(settings.text("gateway.log")),
            drain: None,
            lang: look::lang(lang, config),
        };
        let (upstream, pool, log) = (wanted.upstream.clone(), wanted.keys.len(), wanted.log.clone());
        serve::one_thread()?.block_on(async {
            let stop = signals::stop()?;
            let gateway = serve::gateway(&settings, wanted).await?;
            out::say(&format!("listening on http://{}", gateway.gateway.addr()))?;
            if let Some(admin) = gateway.gateway.admin_addr() {
                out::say(&format!("admin on http://{admin}"))?;
            }
            let keys = match pool {
                0 => "the callers' own credentials".to_owned(),
                1 => "1 key".to_owned(),
                n => format!("a pool of {n} keys"),
            };
            let log = match log {
                LogTarget::None => "no log".to_owned(),
                LogTarget::Stderr => "log on standard error".to_owned(),
                LogTarget::File(path) => format!("log in {}", path.display()),
            };
            out::say(&format!("calls go to {upstream} with {keys}; {log}"))?;
            let summary = gateway.serve(stop).await;
            out::say(&crate::traces::summary(&look::prose(lang, config), "clearline", &summary))?;
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
        give("gateway.upstream", "--upstream", self.upstream.as_ref());
        give("gateway.admin", "--admin", self.admin.as_ref());
        give("gateway.log", "--log", self.log.as_ref());
        let insecure = self.allow_insecure.then(|| "true".to_owned());
        give("network.allow_insecure", "--allow-insecure", insecure.as_ref());
        flags
    }
}
