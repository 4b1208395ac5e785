//! Names: asked the system's way, and with messages of our own to each resolver (RFC 1035).

use std::net::{IpAddr, SocketAddr};

use clearline_diagnose::Probe;
use clearline_model::{Dur, Fact, Failure, Limit, Path, Seen, Sent, Stage, Transport};
use clearline_net::{Egress, Fault};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;
use tokio::time::Instant;

use crate::world::World;

/// How long a socket stays open for a second answer.
const SECOND: Dur = Dur::millis(300);

/// An answer to a datagram, and how it came.
struct Heard {
    message: Message,
    socket: UdpSocket,
    /// Whether the first question got no answer in its time, so that it was asked again.
    was_repeated: bool,
    /// Whether it was the second question that was answered. Where it was the first, it was late and not lost.
    was_lost: bool,
}

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
    let Some(question) = question(&target.host, path.family, false) else { return Vec::new() };
    if path.transport == Some(Transport::Tcp) {
        let answer = over_tcp(world, resolver, &question, probe.limit).await;
        return told(world, path, answer, begun.elapsed().into());
    }
    let heard = over_udp(world, resolver, &question, probe.limit).await;
    let took = begun.elapsed().into();
    let (was_lost, answer) = match heard {
        Ok(heard) => (heard.was_lost, Ok(heard.message)),
        Err(fault) => (false, Err(fault)),
    };
    let is_cut = answer.as_ref().is_ok_and(|m| m.metadata.truncation);
    let mut facts = told(world, path, answer, took);
    if was_lost {
        facts.push(world.said(path, Stage::Resolve, "dns.lost", "1"));
    }
    if is_cut {
        // RFC 7766 section 5: what does not fit is asked again over a connection.
        let begun = Instant::now();
        let path = Path { transport: Some(Transport::Tcp), ..path.clone() };
        let answer = over_tcp(world, resolver, &question, probe.limit).await;
        facts.extend(told(world, &path, answer, begun.elapsed().into()));
    }
    facts
}

/// As [`lookup`], and then waits for another answer to the same question: only a forger makes one. The question says that
/// extended errors (RFC 8914) are understood, which name a filter.
pub(super) async fn lookup_twice(world: &World, probe: &Probe) -> Vec<Fact> {
    let begun = Instant::now();
    let (path, host) = (&probe.path, world.target_of(&probe.path).host);
    let (Some(resolver), Some(bytes)) = (path.resolver, question(&host, path.family, true)) else {
        return Vec::new();
    };
    let heard = match over_udp(world, resolver, &bytes, probe.limit).await {
        Ok(heard) => heard,
        Err(fault) => return told(world, path, Err(fault), begun.elapsed().into()),
    };
    let first = addresses(&heard.message);
    let mut facts = told(world, path, Ok(heard.message), begun.elapsed().into());
    // Two questions may have two true answers.
    if !heard.was_repeated {
        let next = another(&heard.socket, &bytes, &first);
        if let Ok(Ok(second)) = tokio::time::timeout(SECOND.into(), next).await {
            let text: Vec<String> = second.iter().map(ToString::to_string).collect();
            facts.push(world.said(path, Stage::Resolve, "dns.second", &text.join(" ")));
        }
    }
    facts
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
        Err(Failure::Rcode(code, extended(&message)))
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

/// The first extended error of an answer.
fn extended(message: &Message) -> Option<u16> {
    let options = message.edns.as_ref()?.options();
    options.as_ref().iter().find_map(|(_, option)| {
        let EdnsOption::Unknown(15, bytes) = option else { return None };
        Some(u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]))
    })
}

/// A question; `extended` says that extended errors are understood.
fn question(host: &str, family: Option<u8>, extended: bool) -> Option<Vec<u8>> {
    let name = Name::from_utf8(format!("{}.", host.trim_end_matches('.'))).ok()?;
    let kind = if family == Some(6) { RecordType::AAAA } else { RecordType::A };
    let mut message = Message::new(rand_id(host), MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, kind));
    if extended {
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        message.set_edns(edns);
    }
    message.to_vec().ok()
}

/// An id that differs between questions. The socket is connected, so a guess needs the port as well.
fn rand_id(host: &str) -> u16 {
    use std::hash::{BuildHasher as _, RandomState};
    let [.., a, b] = RandomState::new().hash_one(host).to_be_bytes();
    u16::from_be_bytes([a, b])
}

async fn over_udp(world: &World, resolver: IpAddr, question: &[u8], limit: Dur) -> Result<Heard, Fault> {
    let broke = |error: &std::io::Error| Fault::of_io(Stage::Resolve, error);
    let to = SocketAddr::new(resolver, 53);
    let _pass = world.fence.check(Egress::Addr(to))?;
    let from: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let exchange = async {
        let socket = UdpSocket::bind(from).await.map_err(|e| broke(&e))?;
        socket.connect(to).await.map_err(|e| broke(&e))?;
        let mut buffer = [0_u8; 4096];
        let again = with_next_id(question);
        let ids = [id_of(question), id_of(&again)];
        // A lost datagram is no answer; the reference resolver asks again, and so do we.
        for (i, (question, wait)) in [(question, Dur(limit.0 / 3)), (&again, limit)].into_iter().enumerate() {
            socket.send(question).await.map_err(|e| broke(&e))?;
            match tokio::time::timeout(wait.into(), answer(&socket, &mut buffer, &ids)).await {
                Ok(Ok(message)) => {
                    let was_lost = message.metadata.id != ids[0];
                    return Ok(Heard { message, socket, was_repeated: i > 0, was_lost });
                }
                Ok(Err(error)) => return Err(broke(&error)),
                Err(_late) => {}
            }
        }
        Err(Fault::new(Stage::Resolve, Failure::TimedOut(Limit::Resolve)))
    };
    let late = || Fault::new(Stage::Resolve, Failure::TimedOut(Limit::Resolve));
    tokio::time::timeout(limit.into(), exchange).await.unwrap_or_else(|_| Err(late()))
}

/// The first message that answers one of these questions.
async fn answer(socket: &UdpSocket, buffer: &mut [u8], ids: &[u16]) -> std::io::Result<Message> {
    loop {
        let length = socket.recv(buffer).await?;
        let bytes = buffer.get(..length).unwrap_or_default();
        if !ids.contains(&id_of(bytes)) {
            continue;
        }
        if let Ok(message) = Message::from_vec(bytes) {
            return Ok(message);
        }
    }
}

/// The addresses of the next answer that is not the first one again: networks deliver some datagrams twice.
async fn another(socket: &UdpSocket, question: &[u8], first: &[IpAddr]) -> std::io::Result<Vec<IpAddr>> {
    let mut buffer = [0_u8; 4096];
    loop {
        let found = addresses(&answer(socket, &mut buffer, &[id_of(question)]).await?);
        if !same(&found, first) {
            return Ok(found);
        }
    }
}

/// Whether two answers hold the same addresses, in whatever order.
fn same(one: &[IpAddr], other: &[IpAddr]) -> bool {
    one.len() == other.len() && one.iter().all(|ip| other.contains(ip))
}

/// The id of a message: its first two bytes.
fn id_of(message: &[u8]) -> u16 {
    message.first_chunk().copied().map_or(0, u16::from_be_bytes)
}

/// The same question with another id, so that its answer is told from that to the first.
fn with_next_id(question: &[u8]) -> Vec<u8> {
    let next = id_of(question).wrapping_add(1).to_be_bytes();
    next.into_iter().chain(question.iter().copied().skip(2)).collect()
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

#[cfg(test)]
mod tests {
    use hickory_proto::rr::Record;
    use hickory_proto::rr::rdata::A;

    use super::*;

    /// An answer to a question.
    fn answering(question: &[u8], ip: &str) -> Vec<u8> {
        let mut message = Message::from_vec(question).unwrap();
        message.metadata.message_type = MessageType::Response;
        let name = Name::from_utf8("gw.example.").unwrap();
        message.add_answer(Record::from_rdata(name, 60, RData::A(A(ip.parse().unwrap()))));
        message.to_vec().unwrap()
    }

    #[tokio::test]
    async fn a_datagram_that_came_twice_is_no_second_answer() {
        let (here, resolver) = (
            UdpSocket::bind(("127.0.0.1", 0)).await.unwrap(),
            UdpSocket::bind(("127.0.0.1", 0)).await.unwrap(),
        );
        here.connect(resolver.local_addr().unwrap()).await.unwrap();
        let asked = question("gw.example", Some(4), true).unwrap();
        for ip in ["192.0.2.1", "192.0.2.1", "192.0.2.1", "203.0.113.9"] {
            resolver.send_to(&answering(&asked, ip), here.local_addr().unwrap()).await.unwrap();
        }
        let first = addresses(&answer(&here, &mut [0_u8; 4096], &[id_of(&asked)]).await.unwrap());
        let second = another(&here, &asked, &first).await.unwrap();
        assert_eq!(second, ["203.0.113.9".parse::<IpAddr>().unwrap()]);
    }

    #[tokio::test]
    async fn an_answer_tells_to_which_of_two_questions_it_is() {
        let first = question("a.example", Some(4), false).unwrap();
        let second = with_next_id(&first);
        assert_eq!((first.len(), &first[2..]), (second.len(), &second[2..]));
        let here = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let there = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let other = with_next_id(&second);
        for message in [&b"x"[..], &other, &second] {
            there.send_to(message, here.local_addr().unwrap()).await.unwrap();
        }
        let ids = [id_of(&first), id_of(&second)];
        let heard = answer(&here, &mut [0; 512], &ids).await.unwrap();
        assert_eq!(heard.metadata.id, ids[1]);
        assert_eq!(ids[0].wrapping_add(1), ids[1]);
    }
}
