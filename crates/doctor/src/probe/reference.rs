//! The reference client's call, stage by stage, as the official Python SDK makes it: the addresses one after the other, a
//! connection that is reused, and a streaming call that is complete only with `message_stop`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clearline_diagnose::Probe;
use clearline_model::{CallId, Dur, Fact, Failure, Foreign, Path, Seen, Sent, Source, Stage};
use clearline_net::{ClientConfig, Conn, Fault, Route};
use futures_util::future::{Either, join_all, select};
use tokio::time::Instant;

use super::{http, stream};
use crate::world::{World, at};

/// How long a connection to one address is waited for. The Python SDK waits 5 s (`DEFAULT_TIMEOUT`); by now the first packet has
/// been sent three times (RFC 6298, after 1 s and 3 s), and what has not answered then rarely does.
const CONNECT: Dur = Dur::millis(3_300);

/// How long a handshake is waited for: three round trips of a second.
const HANDSHAKE: Dur = Dur::millis(3_500);
/// How often the Python SDK tries again (`DEFAULT_MAX_RETRIES`).
const RETRIES: u16 = 2;

/// How long after its begin the call may still be tried again: what took longer to fail takes as long again.
const PATIENCE: Duration = Duration::from_secs(4);

/// Less than this is no time for another look-up.
const ONCE_MORE: Dur = Dur::secs(2);
/// How long the first answer is waited for: the SDK would wait ten minutes, and a server that is only slow has answered by then.
const ANSWER: Dur = Dur::secs(8);

/// How long the request with the key waits where the one without it got no answer.
const MUTE: Dur = Dur::secs(2);

pub(super) async fn call(world: &World, probe: &Probe) -> Vec<Fact> {
    let (mut facts, begun) = (Vec::new(), Instant::now());
    for n in 1..=RETRIES + 1 {
        let mut call = Call { world, path: world.reference_path(), facts: Vec::new(), limit: probe.limit };
        // Where it ended is one of its facts.
        let _ended = call.whole().await;
        let again = call.facts.iter().rev().find_map(|f| f.saw.as_ref().err()).is_some_and(|f| heals(*f));
        facts.extend(call.facts.into_iter().map(|fact| numbered(fact, n)));
        // What ended at a name is tried once more in the time that is left: the next question may be answered.
        let is_name = n == 1 && is_ended_at_a_name(&facts) && world.left() >= ONCE_MORE;
        if !(again && begun.elapsed() < PATIENCE || is_name) {
            break;
        }
    }
    facts
}

/// Whether the SDK tries again after it and the same may go well at once: what it only waits out is not waited for here.
const fn heals(failure: Failure) -> bool {
    matches!(
        failure,
        Failure::Reset
            | Failure::Eof
            | Failure::Rcode(2, _)
            | Failure::Tunnel(500..=599)
            | Failure::Status(408 | 409 | 500..=599, ..)
    )
}

fn is_ended_at_a_name(facts: &[Fact]) -> bool {
    let is_own = |f: &&Fact| f.path.client.as_deref() == Some(clearline_diagnose::REFERENCE);
    let is_silence = |f: &Fact| matches!(f.saw, Err(Failure::TimedOut(_) | Failure::Rcode(2, _)));
    facts.iter().rev().find(is_own).is_some_and(|f| f.stage == Stage::Resolve && is_silence(f))
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
        let (facts, alive) =
            http::ask_without_key(self.world, &keyless, &mut conn, self.limit.max(ANSWER)).await;
        // Who does not answer this does not answer the next one sooner; a gateway need not know it at all.
        let is_mute =
            facts.iter().any(|f| matches!(f.saw, Err(Failure::TimedOut(_)))) && self.world.goal.is_default;
        self.limit = if is_mute { self.limit.min(MUTE) } else { self.limit };
        self.facts.extend(facts);
        if !self.world.settings.has_credential() {
            return Ok(());
        }
        if !(alive && conn.is_usable()) {
            conn = self.open(&addrs, &tls).await?;
        }
        self.path.credential = Some("key".to_owned());
        // A gateway need not serve it, nor allow it to every key: there the call itself decides.
        if self.world.goal.is_default || self.world.goal.no_call {
            let (facts, well) = http::models(self.world, &self.path, &mut conn, self.limit).await;
            self.facts.extend(facts);
            if !well || self.world.goal.no_call {
                return Ok(());
            }
        }
        if !conn.is_usable() {
            conn = self.open(&addrs, &tls).await?;
        }
        self.facts.extend(stream::call(self.world, &self.path, conn, self.limit.min(self.left())).await);
        Ok(())
    }

    /// What is left of the time for a diagnosis; a second always, so that a late call is still seen.
    fn left(&self) -> Dur {
        if self.world.goal.deep {
            return self.limit;
        }
        self.world.left().max(Dur::secs(1))
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
        let limit = self.limit.max(Dur::secs(12)).min(self.left());
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
        let bare = Path { family: None, address: None, ..self.path.clone() };
        self.path = addrs.first().map_or_else(|| bare.clone(), |a| at(&bare, a.ip()));
        let (first, rest) = addrs.split_at(usize::from(!addrs.is_empty()));
        let mut others = std::pin::pin!(dial_all(self.world, rest));
        let tried = {
            let mut attempt = std::pin::pin!(self.attempt(first, Arc::clone(tls)));
            match select(attempt.as_mut(), others.as_mut()).await {
                Either::Left((tried, _)) => tried.map_err(|stage| (stage, None)),
                Either::Right((dialled, _)) => attempt.await.map_err(|stage| (stage, Some(dialled))),
            }
        };
        let dialled = match tried {
            Ok(conn) => return Ok(conn),
            Err((stage, _)) if stage != Stage::Connect || rest.is_empty() => return Err(Ended),
            Err((_, Some(dialled))) => dialled,
            Err((_, None)) => others.await,
        };
        for (addr, fault) in dialled {
            self.path = at(&bare, addr.ip());
            match fault {
                // The client would have waited as long for each: that is told by the facts, and not waited for again.
                Some((fault, took)) => drop(self.fault(&fault, took)),
                None => return self.attempt(&[addr], Arc::clone(tls)).await.map_err(|_| Ended),
            }
        }
        Err(Ended)
    }

    async fn attempt(&mut self, addrs: &[SocketAddr], tls: Arc<ClientConfig>) -> Result<Conn, Stage> {
        let (world, begun, path) = (self.world, Instant::now(), self.path.clone());
        let connect = if addrs.is_empty() { self.limit } else { CONNECT };
        let limit = self.limit;
        let limits = clearline_net::Limits { resolve: limit, connect, tunnel: limit, handshake: HANDSHAKE };
        let via = world.proxy_of(&path);
        let route = Route { target: &world.target, proxy: via.as_deref(), tls };
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

/// An address, and what went wrong there.
type Dialled = (SocketAddr, Option<(Fault, Dur)>);

/// Connects to addresses, all at once and a little later than to the first: only where that one does not answer does it matter
/// which of the others do.
async fn dial_all(world: &World, addrs: &[SocketAddr]) -> Vec<Dialled> {
    const LATER: Dur = Dur::millis(400);
    tokio::time::sleep(LATER.into()).await;
    let dial = |addr: SocketAddr| async move {
        let begun = Instant::now();
        let dialled = clearline_net::dial(&world.fence, addr, None, CONNECT).await;
        (addr, dialled.err().map(|fault| (fault, begun.elapsed().into())))
    };
    join_all(addrs.iter().copied().map(dial)).await
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
