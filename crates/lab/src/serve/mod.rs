//! The services of one namespace, in one process that ends with its starter.

mod dns;
mod edit;
mod hello;
pub(crate) mod link;
mod log;
mod message;
mod pipe;
mod program;
mod proxy;
mod relay;
mod socks;
mod tls;
mod web;
mod zones;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::log::Log;
use crate::Problem;
use crate::plan::{Place, Plan};

/// What every service needs.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// Where the certificates are.
    pub(crate) dir: PathBuf,
    pub(crate) log: Log,
}

/// Runs the services of a place until the standard input ends; detached, for ever.
///
/// # Errors
/// A service that does not start.
pub(crate) fn run(dir: &Path, place: Place, detached: bool) -> Result<(), Problem> {
    let plan: Plan = serde_json::from_str(&std::fs::read_to_string(dir.join("plan.json"))?)?;
    until_the_end(detached, async move {
        let log = Log::to(&dir.join(format!("{}.log", place.word())))?;
        let setting = Setting { dir: dir.to_owned(), log };
        start(&plan, place, &setting).await
    })
}

/// Starts something, says that it stands, and keeps it until the standard input ends, or for ever.
fn until_the_end<T>(detached: bool, start: impl Future<Output = Result<T, Problem>>) -> Result<(), Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Box::pin(async move {
        let kept = start.await?;
        crate::say("ready");
        if detached {
            return std::future::pending().await;
        }
        let (ended, wait) = tokio::sync::oneshot::channel::<()>();
        std::thread::Builder::new().spawn(move || {
            let _more = std::io::stdin().read_to_end(&mut Vec::new()).is_ok();
            drop(ended);
        })?;
        let _ended = wait.await.is_err();
        drop(kept);
        Ok(())
    }))
}

/// What lives as long as the process.
struct Kept {
    _sims: Vec<clearline_sim::Sim>,
    _programs: Vec<program::Running>,
    _held: Vec<std::net::TcpListener>,
}

async fn start(plan: &Plan, place: Place, setting: &Setting) -> Result<Kept, Problem> {
    let mut kept = Kept { _sims: Vec::new(), _programs: Vec::new(), _held: Vec::new() };
    for (name, dns) in plan.dns.iter().filter(|(_, s)| s.at == place && !s.off) {
        let resolver = Arc::new(dns::Resolver::new(name, dns, &plan.zone, setting.log.clone()));
        for addr in &dns.listen {
            let sockets = dns::bind(*addr).await.map_err(|e| format!("dns.{name}: {addr}: {e}"))?;
            tokio::spawn(dns::serve(sockets, Arc::clone(&resolver)));
        }
    }
    for (name, web) in plan.web.iter().filter(|(_, s)| s.at == place && !s.off) {
        kept._sims.extend(web::start(name, web, setting).await?);
    }
    for (name, proxy) in plan.proxy.iter().filter(|(_, s)| s.at == place && !s.off) {
        proxy::start(name, proxy, plan, setting).await?;
    }
    for (name, relay) in plan.relay.iter().filter(|(_, s)| s.at == place && !s.off) {
        relay::start(name, relay, setting).await?;
    }
    for (name, program) in plan.program.iter().filter(|(_, s)| s.at == place && !s.off) {
        kept._programs.push(program::start(name, program, setting).await?);
    }
    for hold in plan.hold.values().filter(|s| s.at == place && !s.off) {
        for addr in &hold.listen {
            kept._held.push(std::net::TcpListener::bind(addr).map_err(|e| format!("{addr}: {e}"))?);
        }
    }
    Ok(kept)
}
