//! Connections: does something answer, and what does it do by itself?

use clearline_diagnose::{Probe, What};
use clearline_model::{Dur, Fact, Failure, Path, Seen, Sent, Stage};
use clearline_net::Fault;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::icmp::Ear;
use super::ttl;
use crate::world::World;

/// The most addresses that are tried each for itself.
const ADDRESSES_MAX: usize = 6;

/// What passes between two tries of a series.
const BREATH: Dur = Dur::millis(25);

/// A connection to the path's address. A name is looked up the system's way first.
pub(super) async fn dial(world: &World, probe: &Probe) -> Result<(TcpStream, Path), Fault> {
    let mut path = probe.path.clone();
    let addr = match world.address_of(&path) {
        Some(addr) => addr,
        None => {
            let target = world.target_of(&path);
            let found = clearline_net::resolve(&world.fence, &target.host, target.port, probe.limit).await?;
            let wanted = |a: &&std::net::SocketAddr| {
                path.family.is_none_or(|f| f == clearline_diagnose::family(a.ip()))
            };
            let none = || Fault::new(Stage::Resolve, Failure::NoAddress);
            let addr = found.iter().find(wanted).copied().ok_or_else(none)?;
            path = crate::world::at(&path, addr.ip());
            addr
        }
    };
    let stream = clearline_net::dial(&world.fence, addr, path.mss, probe.limit).await?;
    Ok((stream, path))
}

/// A connection that failed, with what ICMP said to it.
fn refused(world: &World, probe: &Probe, ear: Option<Ear>, fault: Fault, took: Dur) -> Vec<Fact> {
    let Some(error) = ear.and_then(Ear::heard) else {
        return vec![world.fault(&probe.path, &fault, took)];
    };
    let failure = error.says.map_or(fault.failure, Failure::Unreachable);
    let fault = Fault { failure, ..fault };
    let fact = world.fault(&probe.path, &fault, took);
    let (kind, code) = error.number;
    let text = format!("{kind}/{code} from {}", error.from);
    let said = world.said(&fact.path, Stage::Connect, "icmp", &text);
    vec![fact, said]
}

/// Every address for itself, so often: what is dead or different hides behind the others.
pub(super) async fn addresses(world: &World, probe: &Probe) -> Vec<Fact> {
    let target = world.target_of(&probe.path);
    let found = clearline_net::resolve(&world.fence, &target.host, target.port, probe.limit).await;
    // That the name is not found is told by the reference client.
    let found = found.unwrap_or_default();
    let each = found.iter().take(ADDRESSES_MAX).map(|addr| async {
        let path = crate::world::at(&probe.path, addr.ip());
        let what = if target.is_plain() { What::Connect } else { What::Handshake };
        super::run(world, &Probe { what, path, ..probe.clone() }).await
    });
    futures_util::future::join_all(each).await.into_iter().flatten().collect()
}

/// One try after the other, for as long as the limit allows. Between them passes a moment, in which what was open before ends.
pub(super) async fn series(world: &World, probe: &Probe) -> Vec<Fact> {
    let what = if world.target.is_plain() { What::Connect } else { What::Handshake };
    let path = Path { reused: Some(false), ..probe.path.clone() };
    let one = Probe { what, path, times: 1, limit: Dur(probe.limit.0 / 2), ..probe.clone() };
    let (begun, mut facts) = (Instant::now(), Vec::new());
    for _ in 0..probe.times {
        if Dur::from(begun.elapsed()) > probe.limit {
            break;
        }
        tokio::time::sleep(BREATH.into()).await;
        let seen = super::run(world, &one).await;
        facts.extend(seen.into_iter().filter(|f| f.path.trust.is_none()));
    }
    facts
}

pub(super) async fn connect(world: &World, probe: &Probe) -> Vec<Fact> {
    let begun = Instant::now();
    let ear = world.address_of(&probe.path).map(Ear::open);
    let near = world.address_of(&probe.path).map(ttl::Ear::open);
    let (path, mut facts) = match dial(world, probe).await {
        Ok((_stream, path)) => {
            let how = (Sent::No, begun.elapsed().into());
            let fact = world.fact(&path, Stage::Connect, Ok(Seen::Connected), how);
            (path, vec![fact])
        }
        Err(fault) => (probe.path.clone(), refused(world, probe, ear, fault, begun.elapsed().into())),
    };
    let said = near.and_then(ttl::Ear::heard);
    facts.extend(said.map(|text| world.said(&path, Stage::Connect, "ttl", &text)));
    facts
}

/// Sends nothing. A server waits for the hello; what closes by itself is no server.
pub(super) async fn silence(world: &World, probe: &Probe) -> Vec<Fact> {
    let begun = Instant::now();
    let (mut stream, path) = match dial(world, probe).await {
        Ok(dialled) => dialled,
        Err(fault) => {
            let mut facts = vec![world.fault(&probe.path, &fault, begun.elapsed().into())];
            if fault.failure == Failure::Reset {
                facts.push(world.said(&probe.path, Stage::Connect, "silence", "reset"));
            }
            return facts;
        }
    };
    let mut byte = [0_u8];
    let word = match tokio::time::timeout(probe.limit.into(), stream.read(&mut byte)).await {
        Err(_quiet) => "quiet",
        Ok(Ok(0)) => "closed",
        Ok(Ok(_)) => "spoke",
        Ok(Err(_)) => "reset",
    };
    vec![world.said(&path, Stage::Connect, "silence", word)]
}
