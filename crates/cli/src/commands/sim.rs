//! `clearline sim`: an API that fails on cue.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use clearline_sim::{Options, Scenario};

use crate::exit::{self, Failure};
use crate::{out, serve, settings, signals};

/// The scenarios that are built in.
pub(crate) const BUILT_IN: [(&str, &str); 5] = [
    ("healthy", include_str!("../../../../scenarios/healthy.toml")),
    ("demo", include_str!("../../../../scenarios/demo.toml")),
    ("overload", include_str!("../../../../scenarios/overload.toml")),
    ("rate-limit", include_str!("../../../../scenarios/rate-limit.toml")),
    ("stream-faults", include_str!("../../../../scenarios/stream-faults.toml")),
];

/// Runs a simulator of the API that fails as a scenario says
///
/// SCENARIO is a file, or the name of a built-in one: healthy, demo, overload, rate-limit, stream-faults.
#[derive(Debug, Args)]
pub(crate) struct Sim {
    /// A scenario's file or name
    #[arg(default_value = "healthy")]
    scenario: String,
    /// Address and port of the API; port 0 takes any free one
    #[arg(long, value_name = "ADDR", value_parser = address, default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))]
    listen: SocketAddr,
    /// More addresses of the same API
    #[arg(long, value_name = "ADDR", value_parser = address)]
    also: Vec<SocketAddr>,
    /// Address and port where events are read and the scenario is changed [default: none]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    admin: Option<SocketAddr>,
    /// Serves TLS under a CA of its own, which is written to this file
    #[arg(long, value_name = "FILE")]
    tls: Option<PathBuf>,
    /// The names in the certificate
    #[arg(long, value_name = "NAME", default_values_t = ["localhost".to_owned(), "127.0.0.1".to_owned()])]
    tls_name: Vec<String>,
    /// Lets the times of the scenario pass this many times faster
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    time_factor: f64,
}

/// Address and port, in the words of the settings.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| settings::NO_ADDRESS.to_owned())
}

impl Sim {
    pub(crate) fn run(self) -> Result<u8, Failure> {
        let scenario = scenario(&self.scenario)?;
        if !(self.time_factor.is_finite() && self.time_factor > 0.0) {
            return Err(Failure::usage("--time-factor must be more than 0"));
        }
        let options = Options {
            listen: self.listen,
            admin: self.admin,
            tls: self.tls.is_some(),
            tls_names: self.tls_name,
            time_factor: self.time_factor,
            extra_addrs: self.also,
        };
        serve::many_threads()?.block_on(async {
            let stop = signals::stop()?;
            let sim = clearline_sim::Sim::start(scenario, options).await.map_err(Failure::usage)?;
            if let (Some(path), Some(pem)) = (&self.tls, sim.ca_pem()) {
                std::fs::write(path, pem)
                    .map_err(|e| Failure::usage(format!("cannot write the CA to {}: {e}", path.display())))?;
            }
            out::say(&format!("listening on {}", sim.base_url()))?;
            if let Some(admin) = sim.admin_addr() {
                out::say(&format!("admin on http://{admin}"))?;
            }
            stop.await;
            sim.stop().await;
            Ok(exit::WELL)
        })
    }
}

/// A built-in scenario, or one of a file.
fn scenario(name: &str) -> Result<Scenario, Failure> {
    let built_in = BUILT_IN.iter().find(|(n, _)| *n == name).map(|(_, text)| (*text).to_owned());
    let text = match built_in {
        Some(text) => text,
        None => std::fs::read_to_string(name).map_err(|e| {
            let names = BUILT_IN.map(|(n, _)| n).join(", ");
            Failure::usage(format!("cannot read the scenario {name}: {e}\n  Built in are {names}."))
        })?,
    };
    Scenario::parse(&text).map_err(|e| Failure::usage(format!("{name}: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_scenarios_can_be_read() {
        for (name, _) in BUILT_IN {
            assert!(scenario(name).is_ok(), "{name}");
        }
        assert!(scenario("no-such-scenario").unwrap_err().to_string().contains("Built in are healthy"));
    }
}
