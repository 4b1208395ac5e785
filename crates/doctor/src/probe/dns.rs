//! Names: asked the system's way, and with messages of our own to each resolver (RFC 1035).

use std::net::{IpAddr, SocketAddr};

use clearline_diagnose::Probe;
use clearline_model::{Dur, Fact, Failure, Limit, Path, Seen, Sent, Stage, Transport};
use clearline_net::{Egress, Fault};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;
use tokio::time::Instant;

use crate::world::World;

/// How long a socket stays open for a second answer.
const SECOND: Dur = Dur::millis(300);

pub(super) async fn lookup(world: &World, probe: &Probe) -> Vec<Fact> {
    let begun = Instant::now();
    let (path, target) = (&probe.path, world.target_of(&probe.path));
    let Some(resolver) = path.resolver else {
        let found = clearline_net::resolve(&world.fence, &target.host, target.port, probe.limit).await;
        return match found {
            Ok(found) => {
                let seen = Seen::Addresses(found.iter().map(SocketAddr::ip).collect());
                vec![world.fact(path, Stage::Resolve, Ok(seen), (Sent::No, begun.elapsed().into()))]
            }
            Err(fault) => vec![world.fault(path, &fault, begun.elapsed().into())],
        };
    };
    let answer = match question(&target.host, path.family) {
        Some(bytes) if path.transport == Some(Transport::Tcp) => {
            over_tcp(world, resolver, &bytes, probe.limit).await
        }
        Some(bytes) => over_udp(world, resolver, &bytes, probe.limit).await.map(|(first, _)| first),
        None => return Vec::new(),
    };
    told(world, path, answer, begun.elapsed().into())
}

/// As [`lookup`], and then waits for another answer to the same question: only a forger makes one.
pub(super) async fn lookup_twice(world: &World, probe: &Probe) -> Vec<Fact> {
    let begun = Instant::now();
    let (path, host) = (&probe.path, world.target_of(&probe.path).host);
    let (Some(resolver), Some(bytes)) = (path.resolver, question(&host, path.family)) else {
        return Vec::new();
    };
    match over_udp(world, resolver, &bytes, probe.limit).await {
        Ok((first, socket)) => {
            let mut facts = told(world, path, Ok(first), begun.elapsed().into());
            let mut buffer = [0_u8; 4096];
            if let Ok(Ok(length)) = tokio::time::timeout(SECOND.into(), socket.recv(&mut buffer)).await {
                let second = buffer.get(..length).and_then(|b| Message::from_vec(b).ok());
                let found = second.as_ref().map(addresses).unwrap_or_default();
                let text: Vec<String> = found.iter().map(ToString::to_string).collect();
                facts.push(world.said(path, Stage::Resolve, "dns.second", &text.join(" ")));
            }
            facts
        }
        Err(fault) => told(world, path, Err(fault), begun.elapsed().into()),
    }
}

/// The facts of an answer: what it says, and what it says beside that.
fn told(world: &World, path: &Path, answer: Result<Message, Fault>, took: Dur) -> Vec<Fact> {
    let message = match answer {
        Ok(message) => message,
        Err(fault) => return vec![world.fact(path, Stage::Resolve, Err(fault.failure), (Sent::No, took))],
    };
    let found = addresses(&message);
    let code = u16::from(message.metadata.response_code);
    let saw = if message.metadata.truncation && found.is_empty() {
        Err(Failure::NoAddress)
    } else if message.metadata.response_code != ResponseCode::NoError {
        Err(Failure::Rcode(code, None))
    } else if found.is_empty() {
        Err(Failure::NoAddress)
    } else {
        Ok(Seen::Addresses(found))
    };
    let mut facts = vec![world.fact(path, Stage::Resolve, saw, (Sent::No, took))];
    if message.metadata.truncation {
        facts.push(world.said(path, Stage::Resolve, "dns.truncated", ""));
    }
    if let Some(alias) = alias(&message) {
        facts.push(world.said(path, Stage::Resolve, "dns.alias", &alias));
    }
    facts
}

fn addresses(message: &Message) -> Vec<IpAddr> {
    let of = |data: &RData| {
        if let RData::A(a) = data {
            return Some(IpAddr::V4(a.0));
        }
        let RData::AAAA(aaaa) = data else { return None };
        Some(IpAddr::V6(aaaa.0))
    };
    message.answers.iter().filter_map(|r| of(&r.data)).collect()
}

/// The name that the answer leads to.
fn alias(message: &Message) -> Option<String> {
    let of = |data: &RData| {
        let RData::CNAME(name) = data else { return None };
        Some(name.0.to_utf8())
    };
    message.answers.iter().rev().find_map(|r| of(&r.data))
}

fn question(host: &str, family: Option<u8>) -> Option<Vec<u8>> {
    let name = Name::from_utf8(format!("{}.", host.trim_end_matches('.'))).ok()?;
    let kind = if family == Some(6) { RecordType::AAAA } else { RecordType::A };
    let mut message = Message::new(rand_id(host), MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, kind));
    message.to_vec().ok()
}

/// An id that differs between questions. The socket is connected, so a guess needs the port as well.
fn rand_id(host: &str) -> u16 {
    use std::hash::{BuildHasher as _, RandomState};
    let [.., a, b] = RandomState::new().hash_one(host).to_be_bytes();
    u16::from_be_bytes([a, b])
}

async fn over_udp(
    world: &World,
    resolver: IpAddr,
    question: &[u8],
    limit: Dur,
) -> Result<(Message, UdpSocket), Fault> {
    let broke = |error: &std::io::Error| Fault::of_io(Stage::Resolve, error);
    let to = SocketAddr::new(resolver, 53);
    let _pass = world.fence.check(Egress::Addr(to))?;
    let from: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let exchange = async {
        let socket = UdpSocket::bind(from).await.map_err(|e| broke(&e))?;
        socket.connect(to).await.map_err(|e| broke(&e))?;
        let mut buffer = [0_u8; 4096];
        // A lost datagram is no answer; the reference resolver asks again, and so do we.
        for wait in [Dur(limit.0 / 3), limit] {
            socket.send(question).await.map_err(|e| broke(&e))?;
            match tokio::time::timeout(wait.into(), answer(&socket, &mut buffer, question)).await {
                Ok(message) => return message.map(|m| (m, socket)).map_err(|e| broke(&e)),
                Err(_late) => {}
            }
        }
        Err(Fault::new(Stage::Resolve, Failure::TimedOut(Limit::Resolve)))
    };
    let late = || Fault::new(Stage::Resolve, Failure::TimedOut(Limit::Resolve));
    tokio::time::timeout(limit.into(), exchange).await.unwrap_or_else(|_| Err(late()))
}

/// The first message that answers this question.
async fn answer(socket: &UdpSocket, buffer: &mut [u8], question: &[u8]) -> std::io::Result<Message> {
    loop {
        let length = socket.recv(buffer).await?;
        let bytes = buffer.get(..length).unwrap_or_default();
        if bytes.get(..2) != question.get(..2) {
            continue;
        }
        if let Ok(message) = Message::from_vec(bytes) {
            return Ok(message);
        }
    }
}

async fn over_tcp(world: &World, resolver: IpAddr, question: &[u8], limit: Dur) -> Result<Message, Fault> {
    let broke = |error: std::io::Error| Fault::of_io(Stage::Resolve, &error);
    let mut stream = clearline_net::dial(&world.fence, SocketAddr::new(resolver, 53), None, limit)
        .await
        .map_err(|mut f| {
            f.stage = Stage::Resolve;
            f
        })?;
    let exchange = async {
        let length = u16::try_from(question.len()).unwrap_or(u16::MAX);
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend_from_slice(question);
        stream.write_all(&bytes).await.map_err(broke)?;
        let length = stream.read_u16().await.map_err(broke)?;
        let mut bytes = vec![0_u8; usize::from(length)];
        stream.read_exact(&mut bytes).await.map_err(broke)?;
        Message::from_vec(&bytes).map_err(|_| Fault::new(Stage::Resolve, Failure::Rcode(1, None)))
    };
    let late = || Fault::new(Stage::Resolve, Failure::TimedOut(Limit::Resolve));
    tokio::time::timeout(limit.into(), exchange).await.unwrap_or_else(|_| Err(late()))
}
