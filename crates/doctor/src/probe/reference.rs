//! The reference client's call, stage by stage, as the official Python SDK makes it: the addresses one after the other, a
//! connection that is reused, and a streaming call that is complete only with `message_stop`.

use std::net::SocketAddr;
use std::sync::Arc;

use clearline_diagnose::Probe;
use clearline_model::{CallId, Dur, Fact, Failure, Foreign, Path, Seen, Sent, Source, Stage};
use clearline_net::{ClientConfig, Conn, Fault, Route};
use tokio::time::Instant;

use super::{http, stream};
use crate::world::{World, at};

/// How long the Python SDK waits for a connection to one address (`DEFAULT_TIMEOUT`, `connect=5.0`).
const CONNECT: Dur = Dur::secs(5);

/// How often the Python SDK tries again (`DEFAULT_MAX_RETRIES`).
const RETRIES: u16 = 2;

pub(super) async fn call(world: &World, probe: &Probe) -> Vec<Fact> {
    let mut facts = Vec::new();
    for n in 1..=RETRIES + 1 {
        let mut call = Call { world, path: world.reference_path(), facts: Vec::new(), limit: probe.limit };
        // Where it ended is one of its facts.
        let _ended = call.whole().await;
        let again = call.facts.iter().rev().find_map(|f| f.saw.as_ref().err()).is_some_and(|f| heals(*f));
        facts.extend(call.facts.into_iter().map(|fact| numbered(fact, n)));
        if !again {
            break;
        }
    }
    facts
}

/// Whether the SDK tries again after it and the same may go well at once: what it only waits out is not waited for here.
const fn heals(failure: Failure) -> bool {
    matches!(failure, Failure::Reset | Failure::Eof | Failure::Status(408 | 409 | 500..=599, ..))
}

/// A fact of the reference client, with the number of its attempt.
fn numbered(fact: Fact, n: u16) -> Fact {
    if fact.path.client.as_deref() == Some(clearline_diagnose::REFERENCE) {
        Fact { from: Source::Attempt(CallId(0), n), ..fact }
    } else {
        fact
    }
}

/// The call is over; the fact that says why was written.
struct Ended;

struct Call<'a> {
    world: &'a World,
    path: Path,
    facts: Vec<Fact>,
    limit: Dur,
}

impl Call<'_> {
    async fn whole(&mut self) -> Result<(), Ended> {
        let tls = match self.world.reference_tls() {
            Ok((_, tls)) => tls,
            Err(fault) => return Err(self.fault(&fault, Dur::ZERO)),
        };
        let addrs = self.resolve().await?;
        let mut conn = self.open(&addrs, &tls).await?;
        let keyless = Path { client: None, credential: Some(String::new()), ..self.path.clone() };
        let (facts, alive) = http::ask_without_key(self.world, &keyless, &mut conn, self.limit).await;
        self.facts.extend(facts);
        if self.world.settings.credential.is_none() {
            return Ok(());
        }
        if !(alive && conn.is_usable()) {
            conn = self.open(&addrs, &tls).await?;
        }
        self.path.credential = Some("key".to_owned());
        let (facts, well) = http::models(self.world, &self.path, &mut conn, self.limit).await;
        self.facts.extend(facts);
        if !well || self.world.goal.no_call {
            return Ok(());
        }
        if !conn.is_usable() {
            conn = self.open(&addrs, &tls).await?;
        }
        self.facts.extend(stream::call(self.world, &self.path, conn, self.limit).await);
        Ok(())
    }

    fn fault(&mut self, fault: &Fault, took: Dur) -> Ended {
        let fact = self.world.fault(&self.path, fault, took);
        self.facts.push(fact);
        Ended
    }

    /// The target's addresses; none where the proxy looks them up.
    async fn resolve(&mut self) -> Result<Vec<SocketAddr>, Ended> {
        if self.world.proxy_of(&self.path).is_some() {
            return Ok(Vec::new());
        }
        let (target, begun) = (&self.world.target, Instant::now());
        let limit = self.limit.max(Dur::secs(12));
        match clearline_net::resolve(&self.world.fence, &target.host, target.port, limit).await {
            Ok(found) => {
                let seen = Seen::Addresses(found.iter().map(SocketAddr::ip).collect());
                let how = (Sent::No, begun.elapsed().into());
                self.facts.push(self.world.fact(&self.path, Stage::Resolve, Ok(seen), how));
                Ok(found)
            }
            Err(fault) => Err(self.fault(&fault, begun.elapsed().into())),
        }
    }

    /// A connection: through the proxy, or to the first address that lets itself be connected to. What fails behind the
    /// connection is not tried at the next address.
    async fn open(&mut self, addrs: &[SocketAddr], tls: &Arc<ClientConfig>) -> Result<Conn, Ended> {
        let is_direct = !addrs.is_empty();
        let tries: Vec<Vec<SocketAddr>> =
            if is_direct { addrs.iter().map(|a| vec![*a]).collect() } else { vec![Vec::new()] };
        let bare = Path { family: None, address: None, ..self.path.clone() };
        for one in &tries {
            let path = one.first().map_or_else(|| bare.clone(), |a| at(&bare, a.ip()));
            self.path = path;
            match self.attempt(one, Arc::clone(tls)).await {
                Ok(conn) => return Ok(conn),
                Err(stage) if stage == Stage::Connect && is_direct => {}
                Err(_) => return Err(Ended),
            }
        }
        Err(Ended)
    }

    async fn attempt(&mut self, addrs: &[SocketAddr], tls: Arc<ClientConfig>) -> Result<Conn, Stage> {
        let (world, begun, path) = (self.world, Instant::now(), self.path.clone());
        let connect = if addrs.is_empty() { self.limit } else { CONNECT };
        let limit = self.limit;
        let limits = clearline_net::Limits { resolve: limit, connect, tunnel: limit, handshake: limit };
        let route = Route { target: &world.target, proxy: world.proxy_of(&path), tls };
        let mut stages = Vec::new();
        let opened = {
            let mut on = |stage: Stage, took: Dur| stages.push((stage, took));
            clearline_net::open(&world.fence, route, addrs, &limits, &mut on).await
        };
        let is_new = !self.facts.iter().any(|f| f.path == path && f.stage == Stage::Connect && f.saw.is_ok());
        for (stage, took) in stages.into_iter().filter(|_| is_new) {
            if let Some(seen) = passed(stage) {
                self.facts.push(world.fact(&path, stage, Ok(seen), (Sent::No, took)));
            }
        }
        opened.map_err(|fault| {
            let stage = fault.stage;
            let fact = world.fact(&path, stage, Err(fault.failure), (fault.sent, begun.elapsed().into()));
            self.facts.push(fact);
            self.facts.extend(super::proxy::words(world, &path, &fault));
            stage
        })
    }
}

/// What a stage that was passed is written down as.
fn passed(stage: Stage) -> Option<Seen> {
    match stage {
        Stage::Connect => Some(Seen::Connected),
        Stage::Tunnel => Some(Seen::Tunnelled(200)),
        Stage::Handshake => Some(Seen::Handshake { version: 0, alpn: None, issuer: Foreign::default() }),
        Stage::Config | Stage::Resolve | Stage::Send | Stage::Head | Stage::Body | Stage::Stream => None,
    }
}
