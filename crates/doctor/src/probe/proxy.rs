//! The proxy's phases.

use clearline_diagnose::Probe;
use clearline_model::{Dur, Fact, Path, Seen, Sent, Stage};
use clearline_net::{Fault, Route};
use tokio::time::Instant;

use crate::world::World;

/// A tunnel to the path's host, and nothing behind it.
pub(super) async fn tunnel(world: &World, probe: &Probe) -> Vec<Fact> {
    let begun = Instant::now();
    let path = &probe.path;
    let tls = match world.reference_tls() {
        Ok((_, tls)) => tls,
        Err(fault) => return vec![world.fault(path, &fault, Dur::ZERO)],
    };
    let target = world.target_of(path);
    let route = Route { target: &target, proxy: world.proxy_of(path), tls };
    let limits = World::limits(probe);
    match clearline_net::lay(&world.fence, &route, &[], (&limits, &mut |_, _| ())).await {
        Ok(laid) => {
            let status = laid.reply().map_or(200, |r| r.status);
            vec![world.fact(
                path,
                Stage::Tunnel,
                Ok(Seen::Tunnelled(status)),
                (Sent::No, begun.elapsed().into()),
            )]
        }
        Err(fault) => {
            let mut facts =
                vec![world.fact(path, fault.stage, Err(fault.failure), (fault.sent, begun.elapsed().into()))];
            facts.extend(words(world, path, &fault));
            facts
        }
    }
}

/// What the proxy said when it refused: the lines of its answer that rules read.
pub(super) fn words(world: &World, path: &Path, fault: &Fault) -> Vec<Fact> {
    if fault.stage != Stage::Tunnel {
        return Vec::new();
    }
    let bare = Path { client: None, ..path.clone() };
    let lines = fault.detail.raw().lines().take(64);
    let telling = |line: &str| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        matches!(name.as_str(), "proxy-authenticate" | "x-squid-error" | "via" | "server" | "proxy-status")
    };
    lines
        .enumerate()
        .filter(|(i, line)| *i == 0 || telling(line))
        .map(|(_, line)| world.said(&bare, Stage::Tunnel, "proxy.said", line))
        .collect()
}
