//! A resolver that does as its rules say, over UDP and TCP.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::sleep;

use super::log::Log;
use super::message::{self, A, AAAA, NXDOMAIN, Query, REFUSED, Record, SERVFAIL};
use super::zones::Zones;
use crate::plan::{Dns, DnsAction, DnsRule};

/// How much later than the forged answer the true one comes.
const RACE: Duration = Duration::from_millis(40);

/// A resolver with its counters.
pub(crate) struct Resolver {
    name: String,
    rules: Vec<(DnsRule, AtomicU64)>,
    zones: Zones,
    rotate: Option<AtomicU64>,
    log: Log,
}

/// What is sent, each after so long.
pub(crate) type Replies = Vec<(Duration, Vec<u8>)>;

impl Resolver {
    pub(crate) fn new(
        name: &str,
        dns: &Dns,
        zones: &BTreeMap<String, BTreeMap<String, Vec<String>>>,
        log: Log,
    ) -> Self {
        Self {
            name: name.to_owned(),
            rules: dns.rules.iter().map(|r| (r.clone(), AtomicU64::new(0))).collect(),
            zones: Zones::of(zones, &dns.zones),
            rotate: dns.rotate.then(|| AtomicU64::new(0)),
            log,
        }
    }

    /// What becomes of a question.
    pub(crate) fn replies(&self, bytes: &[u8], over: &str) -> Replies {
        let Some(query) = message::parse(bytes) else { return Vec::new() };
        let rule = self.rules.iter().find(|(rule, count)| fires(rule, count, &query, over)).map(|(r, _)| r);
        let did = rule.map_or_else(|| "true".to_owned(), |r| format!("{:?}", r.action).to_lowercase());
        self.log.say(&self.name, &format!("{did} {} {} {over}", query.name, message::word(query.kind)));
        let Some(rule) = rule else { return vec![(Duration::ZERO, self.truth(&query))] };
        let delay = Duration::from_millis(rule.delay_ms);
        let one = |bytes: Vec<u8>| vec![(delay, bytes)];
        match rule.action {
            DnsAction::Nxdomain => one(query.answer(NXDOMAIN, &[])),
            DnsAction::Servfail => one(query.answer(SERVFAIL, &[])),
            DnsAction::Refused => one(query.answer(REFUSED, &[])),
            DnsAction::Nodata => one(query.answer(0, &[])),
            DnsAction::Drop => Vec::new(),
            DnsAction::Tc => one(query.truncated()),
            DnsAction::Answer => one(query.answer(0, &records(&rule.data, query.kind))),
            DnsAction::Cname => one(self.alias(&query, rule)),
            DnsAction::Inject => {
                let forged = query.answer(0, &records(&rule.data, query.kind));
                vec![(delay, forged), (delay + RACE, self.truth(&query))]
            }
            DnsAction::Delay => one(self.truth(&query)),
        }
    }

    /// What the zones say.
    fn truth(&self, query: &Query) -> Vec<u8> {
        let Some(data) = self.zones.get(&query.name) else { return query.answer(NXDOMAIN, &[]) };
        let mut data = data.to_vec();
        if let Some(turn) = &self.rotate {
            let by = usize::try_from(turn.fetch_add(1, Ordering::Relaxed)).unwrap_or(0) % data.len().max(1);
            data.rotate_left(by);
        }
        query.answer(0, &records(&data, query.kind))
    }

    /// The alias, and what it leads to here: nothing mostly.
    fn alias(&self, query: &Query, rule: &DnsRule) -> Vec<u8> {
        let target = rule.data.first().cloned().unwrap_or_default();
        let behind = self.zones.get(&target);
        let code = if behind.is_some() { 0 } else { NXDOMAIN };
        let mut all = vec![Record::Alias(target)];
        all.extend(behind.map(|data| records(data, query.kind)).unwrap_or_default());
        query.answer(code, &all)
    }
}

/// Whether a rule is carried out; counts where it fits.
fn fires(rule: &DnsRule, count: &AtomicU64, query: &Query, over: &str) -> bool {
    let named = match rule.name.strip_prefix("*.") {
        _ if rule.name == "*" => true,
        Some(suffix) => query.name.ends_with(&format!(".{suffix}")),
        None => query.name.eq_ignore_ascii_case(&rule.name),
    };
    let spared = rule.except.as_deref().is_some_and(|suffix| query.name.ends_with(suffix));
    let of_kind = rule.kind.as_deref().is_none_or(|kind| message::word(query.kind) == kind);
    let fits = named && !spared && of_kind && rule.over.as_deref().is_none_or(|o| o == over);
    fits && {
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        rule.every.is_none_or(|n| number.is_multiple_of(n.max(1)))
    }
}

/// The records among the data that answer this type.
fn records(data: &[String], kind: u16) -> Vec<Record> {
    let all = data.iter().map(|d| d.parse().map_or_else(|_| Record::Alias(d.clone()), Record::Address));
    all.filter(|record| match record {
        Record::Address(addr) => kind == if addr.is_ipv4() { A } else { AAAA },
        Record::Alias(_) => true,
    })
    .collect()
}

/// Listens at an address.
///
/// # Errors
/// The address cannot be taken.
pub(crate) async fn bind(addr: SocketAddr) -> std::io::Result<(UdpSocket, TcpListener)> {
    Ok((UdpSocket::bind(addr).await?, TcpListener::bind(addr).await?))
}

/// Answers for ever.
pub(crate) async fn serve((udp, tcp): (UdpSocket, TcpListener), resolver: Arc<Resolver>) {
    let (udp, mut bytes) = (Arc::new(udp), vec![0; 4096]);
    loop {
        tokio::select! {
            got = udp.recv_from(&mut bytes) => {
                let Ok((length, from)) = got else { continue };
                let replies = resolver.replies(bytes.get(..length).unwrap_or_default(), "udp");
                let udp = Arc::clone(&udp);
                tokio::spawn(async move {
                    let mut waited = Duration::ZERO;
                    for (after, reply) in replies {
                        sleep(after.saturating_sub(waited)).await;
                        waited = after;
                        // Whoever asked may be gone by now.
                        let _left = udp.send_to(&reply, from).await.is_err();
                    }
                });
            }
            got = tcp.accept() => {
                if let Ok((stream, _)) = got {
                    tokio::spawn(over_tcp(stream, Arc::clone(&resolver)));
                }
            }
        }
    }
}

async fn over_tcp(mut stream: TcpStream, resolver: Arc<Resolver>) -> Option<()> {
    loop {
        let length = stream.read_u16().await.ok()?;
        let mut bytes = vec![0; usize::from(length)];
        stream.read_exact(&mut bytes).await.ok()?;
        let Some((after, reply)) = resolver.replies(&bytes, "tcp").pop() else { continue };
        sleep(after).await;
        stream.write_u16(u16::try_from(reply.len()).ok()?).await.ok()?;
        stream.write_all(&reply).await.ok()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::message::tests::ask;

    fn resolver(rules: &str) -> Resolver {
        let text = format!("at = \"rtr\"\nlisten = []\nzones = [\"z\"]\n{rules}");
        let dns: Dns = toml::from_str(&text).unwrap();
        let zone = "[z]\n\"a.example\" = [\"192.0.2.1\", \"2001:db8::1\"]\n\"b.example\" = [\"192.0.2.2\"]\n";
        Resolver::new("test", &dns, &toml::from_str(zone).unwrap(), Log::none())
    }

    /// The code, the number of records, and the last bytes.
    fn first(resolver: &Resolver, name: &str, kind: u16, over: &str) -> Option<(u8, u8, Vec<u8>)> {
        let (_, reply) = resolver.replies(&ask(name, kind), over).into_iter().next()?;
        Some((reply[3] & 15, reply[7], reply[reply.len() - 4..].to_vec()))
    }

    #[test]
    fn the_zones_are_the_truth() {
        let r = resolver("");
        assert_eq!(first(&r, "a.example", A, "udp").unwrap(), (0, 1, vec![192, 0, 2, 1]));
        assert_eq!(first(&r, "a.example", AAAA, "tcp").unwrap().1, 1);
        assert_eq!(first(&r, "b.example", AAAA, "udp").unwrap().1, 0);
        assert_eq!(first(&r, "c.example", A, "udp").unwrap().0, NXDOMAIN);
    }

    #[test]
    fn each_rule_does_what_it_says() {
        for (action, code, records) in [
            ("nxdomain", NXDOMAIN, 0),
            ("servfail", SERVFAIL, 0),
            ("refused", REFUSED, 0),
            ("nodata", 0, 0),
            ("answer", 0, 1),
            ("delay", 0, 1),
            ("tc", 0, 0),
        ] {
            let r = resolver(&format!(
                "rules = [{{ name = \"a.example\", do = \"{action}\", data = [\"192.0.2.9\"] }}]"
            ));
            let got = first(&r, "a.example", A, "udp").unwrap();
            assert_eq!((got.0, got.1), (code, records), "{action}");
            assert_eq!(first(&r, "b.example", A, "udp").unwrap().1, 1, "{action}");
        }
        let r = resolver("rules = [{ name = \"*\", do = \"drop\", over = \"udp\" }]");
        assert_eq!(first(&r, "a.example", A, "udp"), None);
        assert!(first(&r, "a.example", A, "tcp").is_some());
    }

    #[test]
    fn an_alias_leads_somewhere_or_nowhere() {
        let r = resolver("rules = [{ name = \"a.example\", do = \"cname\", data = [\"gone.example\"] }]");
        assert_eq!(r.replies(&ask("a.example", A), "udp")[0].1[3] & 15, NXDOMAIN);
        let r = resolver("rules = [{ name = \"a.example\", do = \"cname\", data = [\"b.example\"] }]");
        assert_eq!(first(&r, "a.example", A, "udp").unwrap(), (0, 2, vec![192, 0, 2, 2]));
    }

    #[test]
    fn a_forged_answer_comes_before_the_true_one() {
        let r = resolver("rules = [{ name = \"a.example\", do = \"inject\", data = [\"192.0.2.66\"] }]");
        let replies = r.replies(&ask("a.example", A), "udp");
        assert_eq!(replies.len(), 2);
        assert!(replies[0].1.ends_with(&[192, 0, 2, 66]) && replies[1].1.ends_with(&[192, 0, 2, 1]));
        assert!(replies[0].0 < replies[1].0);
    }

    #[test]
    fn every_third_question_and_exceptions() {
        let r = resolver("rules = [{ name = \"*\", except = \"b.example\", do = \"drop\", every = 3 }]");
        let pattern: String =
            (0..6).map(|_| if first(&r, "a.example", A, "udp").is_some() { '.' } else { 'x' }).collect();
        assert_eq!(pattern, "..x..x");
        assert!((0..4).all(|_| first(&r, "b.example", A, "udp").is_some()));
    }

    #[test]
    fn a_rotating_resolver_gives_another_order_each_time() {
        let mut r = resolver("rotate = true");
        let zones = "[z]\n\"a.example\" = [\"192.0.2.1\", \"192.0.2.2\"]\n";
        r.zones = Zones::of(&toml::from_str(zones).unwrap(), &["z".to_owned()]);
        let last = |r: &Resolver| first(r, "a.example", A, "udp").unwrap().2;
        assert_ne!(last(&r), last(&r));
    }
}
