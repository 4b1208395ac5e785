//! Handshakes: which hello passes, which certificate is shown, and which store trusts it.

use std::sync::Arc;

use clearline_diagnose::Probe;
use clearline_model::{Dur, Fact, Failure, Foreign, Limit, Path, Seen, Sent, Stage, Trust};
use clearline_net::{Fault, Laid, Offer, Peek, Reply, Route};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use super::{http, tcp};
use crate::certificate;
use crate::world::{World, wall};

/// A handshake that takes any certificate. Facts: how it went, what was shown, and what each store says to that.
pub(super) async fn handshake(world: &World, probe: &Probe) -> Vec<Fact> {
    let begun = Instant::now();
    let (peek, path) = match shake(world, probe).await {
        Ok(done) => done,
        Err(fault) => return vec![world.fault(&probe.path, &fault, begun.elapsed().into())],
    };
    let took = Dur::from(begun.elapsed());
    let mut facts = Vec::new();
    let shown = certificate::read(&peek.chain);
    let issuer = shown.as_ref().map(|c| c.issuer.clone()).unwrap_or_default();
    match (&peek.stream, peek.agreed()) {
        (Err(fault), _) => facts.push(world.fact(&path, fault.stage, Err(fault.failure), (Sent::No, took))),
        (Ok(_), agreed) => {
            let (version, alpn) = agreed.unwrap_or((0, None));
            let seen = Seen::Handshake { version, alpn, issuer: issuer.clone() };
            facts.push(world.fact(&path, Stage::Handshake, Ok(seen), (Sent::No, took)));
        }
    }
    if let Some(shown) = shown {
        facts.push(world.fact(&path, Stage::Handshake, Ok(Seen::Shown(Box::new(shown))), (Sent::No, took)));
        facts.extend(judged(world, &path, &peek.chain, &issuer, took));
    }
    facts
}

/// What each store says to a chain, now.
fn judged(world: &World, path: &Path, chain: &[Vec<u8>], issuer: &Foreign, took: Dur) -> Vec<Fact> {
    let host = path.server_name.as_deref().filter(|n| !n.is_empty()).unwrap_or(&path.host);
    let mut facts = Vec::new();
    for store in world.stores() {
        let saw = match clearline_net::verify(chain, host, &store.settings, wall()) {
            Ok(()) => Ok(Seen::Handshake { version: 0, alpn: None, issuer: issuer.clone() }),
            Err(fault) => Err(fault.failure),
        };
        let client = store.client.map(str::to_owned);
        let path = Path { trust: Some(store.trust), client, ..path.clone() };
        facts.push(world.fact(&path, Stage::Handshake, saw, (Sent::No, took)));
    }
    facts
}

/// The way of the path, and a handshake over it.
pub(super) async fn shake(world: &World, probe: &Probe) -> Result<(Peek, Path), Fault> {
    let (laid, path) = lay(world, probe).await?;
    let alpn: Vec<&str> = path.alpn.as_deref().unwrap_or("http/1.1").split(',').collect();
    let name = path.server_name.as_deref();
    let offer = Offer {
        host: name.filter(|n| !n.is_empty()).unwrap_or(&path.host),
        with_name: name != Some(""),
        alpn: &alpn,
    };
    Ok((clearline_net::peek(laid, offer, probe.limit).await?, path))
}

/// Connects, through the proxy where the path has one.
async fn lay(world: &World, probe: &Probe) -> Result<(Laid, Path), Fault> {
    let target = world.target_of(&probe.path);
    let via = world.proxy_of(&probe.path);
    if via.is_none() {
        let (stream, path) = tcp::dial(world, probe).await?;
        return Ok((Laid::direct(stream)?, path));
    }
    let mut target = target;
    if let Some(address) = probe.path.address {
        target.host = address.to_string();
    }
    let (_, tls) = world.reference_tls()?;
    let route = Route { target: &target, proxy: via.as_deref(), tls };
    let limits = World::limits(probe);
    let laid = clearline_net::lay(&world.fence, &route, &[], (&limits, &mut |_, _| ())).await?;
    Ok((laid, probe.path.clone()))
}

/// A raw hello: a name (an empty one is left out), protocols, a size.
pub(super) async fn hello(world: &World, probe: &Probe) -> Vec<Fact> {
    let begun = Instant::now();
    let (stream, path) = match tcp::dial(world, probe).await {
        Ok(dialled) => dialled,
        Err(fault) => return vec![world.fault(&probe.path, &fault, begun.elapsed().into())],
    };
    let Some(ip) = path.address else { return Vec::new() };
    let addr = std::net::SocketAddr::new(ip, path.port.unwrap_or(world.target.port));
    let alpn: Vec<&str> =
        path.alpn.as_deref().unwrap_or("http/1.1").split(',').filter(|p| !p.is_empty()).collect();
    let name = path.server_name.as_deref().unwrap_or(&path.host);
    let shape = clearline_net::Hello {
        name: Some(name).filter(|n| !n.is_empty()),
        alpn: &alpn,
        version: 13,
        size: path.hello.unwrap_or(0),
    };
    let saw = match clearline_net::hello(stream, addr, shape, random(world), probe.limit).await {
        Ok(Reply::Hello) => Ok(Seen::Handshake { version: 0, alpn: None, issuer: Foreign::default() }),
        Ok(Reply::Alert(number)) => Err(Failure::Alert(number)),
        Err(fault) => Err(fault.failure),
    };
    vec![world.fact(&path, Stage::Handshake, saw, (Sent::No, begun.elapsed().into()))]
}

/// Bytes that differ from hello to hello; nothing secret depends on them.
fn random(world: &World) -> [u8; 32] {
    let mut state = world.now().0 ^ u64::from(std::process::id()) << 32;
    let mut bytes = [0_u8; 32];
    for chunk in bytes.chunks_mut(8) {
        // SplitMix64 (Steele, Lea and Flood, 2014).
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        chunk.copy_from_slice(&(z ^ (z >> 31)).to_be_bytes());
    }
    bytes
}

/// The preface of HTTP/2 (RFC 9113 section 3.4) on a connection that agreed on it: a server answers with its settings.
pub(super) async fn http2(world: &World, probe: &Probe) -> Vec<Fact> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    const SETTINGS: u8 = 4;
    let begun = Instant::now();
    let (peek, path) = match shake(world, probe).await {
        Ok(done) => done,
        Err(fault) => return vec![world.fault(&probe.path, &fault, begun.elapsed().into())],
    };
    let path = Path { http: Some(20), ..path };
    let agreed = peek.agreed().and_then(|(_, alpn)| alpn);
    let mut stream = match peek.stream {
        Ok(stream) if agreed.as_deref() == Some("h2") => stream,
        Ok(_) => return vec![world.said(&path, Stage::Handshake, "h2", "not-offered")],
        Err(fault) => {
            return vec![world.fact(&path, Stage::Handshake, Err(fault.failure), (Sent::No, Dur::ZERO))];
        }
    };
    let spoken = async {
        stream.write_all(PREFACE).await?;
        stream.flush().await?;
        let mut head = [0_u8; 9];
        stream.read_exact(&mut head).await?;
        Ok::<u8, std::io::Error>(head.get(3).copied().unwrap_or_default())
    };
    let how = (Sent::No, begun.elapsed().into());
    let saw = match tokio::time::timeout(probe.limit.into(), spoken).await {
        Ok(Ok(SETTINGS)) => Ok(Seen::Connected),
        Ok(_) => Err(Failure::Framing(clearline_model::Framing::H2)),
        Err(_late) => Err(Failure::TimedOut(Limit::FirstByte)),
    };
    vec![world.fact(&path, Stage::Head, saw, how)]
}

/// The intermediate that a chain lacks, fetched from where its certificate says it lies; then the stores judge again.
pub(super) async fn issuer(world: &World, probe: &Probe) -> Vec<Fact> {
    let begun = Instant::now();
    let Ok((peek, path)) = shake(world, probe).await else { return Vec::new() };
    let Some(shown) = certificate::read(&peek.chain) else { return Vec::new() };
    let mut chain = peek.chain.clone();
    for url in &shown.issuers_at {
        if let Some(der) = fetch(world, probe, url.raw()).await {
            chain.push(der);
        }
    }
    if chain.len() == peek.chain.len() {
        return vec![world.said(&path, Stage::Handshake, "issuer", "not-fetched")];
    }
    let mut facts = vec![world.said(&path, Stage::Handshake, "issuer", "fetched")];
    for store in world.stores() {
        let verified = clearline_net::verify(&chain, &path.host, &store.settings, wall()).is_ok();
        if verified {
            let store = match &store.trust {
                Trust::System => "system",
                Trust::Public => "public",
                Trust::File(file) => file,
            };
            facts.push(world.said(&path, Stage::Handshake, "issuer.completes", store));
        }
    }
    facts.iter_mut().for_each(|f| f.took = begun.elapsed().into());
    facts
}

/// A certificate over plain HTTP; nothing where it does not come.
async fn fetch(world: &World, probe: &Probe, url: &str) -> Option<Vec<u8>> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let target = clearline_net::Target::parse(&format!("http://{host}")).ok()?;
    let (_, tls) = world.reference_tls().ok()?;
    let via = world.proxy_of(&probe.path);
    let route = Route { target: &target, proxy: via.as_deref(), tls: Arc::clone(&tls) };
    let limits = World::limits(probe);
    let mut conn = clearline_net::open(&world.fence, route, &[], &limits, &mut |_, _| ()).await.ok()?;
    let request = ::http::Request::builder()
        .uri(format!("/{path}"))
        .header("host", target.authority())
        .body(http_body_util::Full::default())
        .ok()?;
    let answer = http::ask(&mut conn, request, probe.limit).await.ok()?;
    (answer.status == 200).then_some(answer.body)
}

/// A finished connection that is left silent for the path's time: is it still there, and when did it go?
pub(super) async fn idle(world: &World, probe: &Probe) -> Vec<Fact> {
    let begun = Instant::now();
    let (peek, path) = match shake(world, probe).await {
        Ok(done) => done,
        Err(fault) => return vec![world.fault(&probe.path, &fault, begun.elapsed().into())],
    };
    let mut stream = match peek.stream {
        Ok(stream) => stream,
        Err(fault) => return vec![world.fact(&path, fault.stage, Err(fault.failure), (Sent::No, Dur::ZERO))],
    };
    let wait = path.idle.unwrap_or(Dur::secs(2));
    let silent = Instant::now();
    let mut byte = [0_u8];
    let (saw, after) = match tokio::time::timeout(wait.into(), stream.read(&mut byte)).await {
        Err(_quiet) => (Ok(Seen::Connected), wait),
        Ok(Ok(0)) => (Err(Failure::Eof), silent.elapsed().into()),
        Ok(Ok(_)) => (Ok(Seen::Connected), wait),
        Ok(Err(_)) => (Err(Failure::Reset), silent.elapsed().into()),
    };
    vec![world.fact(&path, Stage::Stream, saw, (Sent::No, after))]
}
