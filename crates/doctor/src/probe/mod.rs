//! The probes, one file for each kind. A probe does I/O and writes facts; it judges nothing.

mod dated;
mod dns;
mod host;
mod http;
mod icmp;
mod packets;
mod paths;
mod proxy;
mod reference;
mod repeat;
mod stream;
mod tcp;
mod tls;
mod ttl;
mod upload;

use clearline_diagnose::{Probe, What};
use clearline_model::{Fact, Stage};
use futures_util::future::join_all;

use crate::world::World;

/// Makes a probe, as often as it says.
pub(crate) async fn run(world: &World, probe: &Probe) -> Vec<Fact> {
    // These repeat by themselves.
    let times = 0..if matches!(probe.what, What::Addresses | What::Series | What::Free) {
        1
    } else {
        probe.times.max(1)
    };
    let all = join_all(times.map(|_| async { Box::pin(once(world, probe)).await })).await;
    all.into_iter().flatten().collect()
}

async fn once(world: &World, probe: &Probe) -> Vec<Fact> {
    match probe.what {
        What::Reference => reference::call(world, probe).await,
        What::Lookup => dns::lookup(world, probe).await,
        What::LookupTwice => dns::lookup_twice(world, probe).await,
        What::Connect => tcp::connect(world, probe).await,
        What::Addresses => tcp::addresses(world, probe).await,
        What::Series => tcp::series(world, probe).await,
        What::Silence => tcp::silence(world, probe).await,
        What::Handshake => tls::handshake(world, probe).await,
        What::Hello => tls::hello(world, probe).await,
        What::Issuer => tls::issuer(world, probe).await,
        What::Http2 => tls::http2(world, probe).await,
        What::Idle => tls::idle(world, probe).await,
        What::Host => host::look(world, probe),
        What::Packets => packets::leave(world, probe).await,
        What::Dated => dated::handshake(world, probe).await,
        What::Tunnel => proxy::tunnel(world, probe).await,
        What::Proxies => proxy::others(world, probe).await,
        What::Keyless | What::Plain | What::Upload | What::Free | What::Paths | What::Reuse => {
            exchange(world, probe).await
        }
    }
}

/// Requests.
async fn exchange(world: &World, probe: &Probe) -> Vec<Fact> {
    if probe.what == What::Plain {
        http::plain(world, probe).await
    } else if probe.what == What::Upload {
        upload::send(world, probe).await
    } else if probe.what == What::Free {
        repeat::free(world, probe).await
    } else if probe.what == What::Reuse {
        repeat::reuse(world, probe).await
    } else if probe.what == What::Paths {
        paths::serve(world, probe).await
    } else {
        http::keyless(world, probe).await
    }
}

/// A probe that nobody waited for any longer.
pub(crate) fn unfinished(world: &World, probe: &Probe) -> Fact {
    world.said(&probe.path, stage(probe.what), "unfinished", world.spent().to_string().as_str())
}

/// The stage that a probe is about.
const fn stage(what: What) -> Stage {
    match what {
        What::Host => Stage::Config,
        What::Lookup | What::LookupTwice => Stage::Resolve,
        What::Connect | What::Silence | What::Addresses | What::Series | What::Packets => Stage::Connect,
        What::Tunnel | What::Proxies => Stage::Tunnel,
        What::Handshake | What::Hello | What::Issuer | What::Http2 | What::Idle | What::Dated => {
            Stage::Handshake
        }
        What::Upload => Stage::Send,
        What::Reference | What::Keyless | What::Plain | What::Free | What::Paths | What::Reuse => Stage::Head,
    }
}
