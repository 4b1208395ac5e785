//! The gateway and others as plain proxies before the same upstream, in the same run: ratios, because the machine is noisy.

use std::time::Duration;

use crate::bench::cpu::{self, Load};
use crate::bench::http2::{self, Http2};
use crate::bench::peers::{self, Peer, Place, Started};
use crate::bench::report::{Rest, Row, Streams};
use crate::bench::{proc, report, streams};
use crate::load;
use crate::sh::{self, cargo, say};

/// The rate at which the added time is measured, calls a second.
pub(crate) const RATE: u32 = 200;
/// Streams that are opened where nobody says how many.
const STREAMS: u32 = 10_000;

const FLAGS: &str = "--quick, --json, --schema, --gateways, --streams N";

/// How long, and how often.
struct Plan {
    runs: usize,
    seconds: u32,
    json: bool,
    gateways: bool,
    streams: u32,
}

impl Plan {
    fn of(flags: &[&str]) -> Result<Self, String> {
        let mut plan = Self { runs: 5, seconds: 5, json: false, gateways: false, streams: STREAMS };
        let mut flags = flags.iter();
        while let Some(flag) = flags.next() {
            match *flag {
                "--quick" => (plan.runs, plan.seconds, plan.streams) = (1, 1, plan.streams.min(500)),
                "--json" => plan.json = true,
                "--gateways" => plan.gateways = true,
                "--streams" => {
                    let number = flags.next().and_then(|n| n.parse().ok());
                    plan.streams = number.ok_or("--streams wants a number")?;
                }
                other => return Err(format!("unknown flag {other}; known are {FLAGS}")),
            }
        }
        Ok(plan)
    }

    fn say(&self, text: &str) {
        if !self.json {
            say(text);
        }
    }
}

/// Runs the comparison.
///
/// # Errors
/// A program that is missing or fails.
pub(crate) fn run(flags: &[&str]) -> Result<(), String> {
    if flags.contains(&"--schema") {
        say(report::SCHEMA.trim_end());
        return Ok(());
    }
    let plan = Plan::of(flags)?;
    for program in ["nginx", "wrk", "prlimit"] {
        if !sh::has(program) {
            return Err(format!(
                "{program} is not installed: run cargo xtask setup as root, or install it yourself"
            ));
        }
    }
    cargo(&["build", "--release", "--locked", "-p", "clearline-cli"])?;
    http2::build()?;
    let mut bench = Bench::start(&plan)?;
    for n in 1..=plan.runs {
        bench.round(&plan, n)?;
    }
    let streams = open_streams(&bench.place, &plan)?;
    let start_ms = starts(&bench.place, &plan)?;
    let http2 = bench.http2.map(Http2::rows).unwrap_or_default();
    let rest = Rest { http2, streams, start_ms, idle_mib: bench.idle_mib };
    let Bench { rows, direct, skipped, .. } = bench;
    say(&report::text(&rows, &direct, &skipped, (&rest, plan.json)));
    Ok(())
}

/// All that is compared, and what was measured of it so far.
struct Bench {
    upstream: std::net::SocketAddr,
    peers: Vec<Peer>,
    rows: Vec<Row>,
    /// Nothing where HAProxy is not installed.
    http2: Option<Http2>,
    direct: Vec<u64>,
    skipped: Vec<(&'static str, String)>,
    idle_mib: f64,
    _upstream: Started,
    place: Place,
}

impl Bench {
    fn start(plan: &Plan) -> Result<Self, String> {
        let place = Place::new()?;
        if !place.apart() {
            plan.say("gateways and load share one core: there is one only, or no taskset");
        }
        let (started, upstream) = peers::upstream(&place)?;
        let mut peers = vec![peers::nginx(&place, upstream)?, peers::clearline(&place, upstream)?];
        let idle = peers.last().map_or(0, |ours| proc::resident(&ours.process.pids()));
        let (more, skipped) = others(&place, plan, upstream)?;
        peers.extend(more);
        for (name, why) in &skipped {
            plan.say(&format!("SKIPPED {name}: {why}"));
        }
        let rows = peers.iter().map(|p| Row::of(p.name)).collect();
        let http2 = sh::has("haproxy").then(|| Http2::start(&place, upstream)).transpose()?;
        let idle_mib = f64::from(u32::try_from(idle).unwrap_or(u32::MAX)) / 1024.0;
        let direct = Vec::new();
        Ok(Self { upstream, peers, rows, http2, direct, skipped, idle_mib, _upstream: started, place })
    }

    /// One run of each. They take turns, so that what the machine does beside hits all of them.
    fn round(&mut self, plan: &Plan, n: usize) -> Result<(), String> {
        let direct = median(self.upstream, &[])?;
        self.direct.push(direct);
        plan.say(&format!("run {n}: a call without a gateway takes {direct} µs"));
        for (peer, row) in self.peers.iter().zip(&mut self.rows) {
            let through = median(peer.addr, &peer.headers)?;
            let how = (Load::Http1, plan.seconds);
            let small = cpu::of_a_call(&self.place, how, (peer, load::BODY))?;
            let large = cpu::of_a_call(&self.place, how, (peer, &cpu::large_body()))?;
            plan.say(&format!(
                "  {:<10} {through} µs through it · CPU of a call {small:.1} µs, of one with 64 KB {large:.1} µs",
                peer.name
            ));
            row.through.push(through);
            row.cpu.push(small);
            row.cpu_large.push(large);
        }
        if let Some(http2) = &mut self.http2 {
            http2.round(&self.place, plan.seconds)?.iter().for_each(|line| plan.say(line));
        }
        Ok(())
    }
}

/// Whoever else is installed, and who is not.
type Found = (Vec<Peer>, Vec<(&'static str, String)>);

fn others(place: &Place, plan: &Plan, upstream: std::net::SocketAddr) -> Result<Found, String> {
    type Start = fn(&Place, std::net::SocketAddr) -> Result<Peer, String>;
    let large = "cargo xtask setup gateways installs it";
    let known: [(&'static str, bool, bool, &str, Start); 3] = [
        ("haproxy", true, sh::has("haproxy"), "cargo xtask setup installs it", peers::haproxy),
        ("litellm", plan.gateways, peers::litellm_program().is_file(), large, peers::litellm),
        ("portkey", plan.gateways, peers::portkey_program().is_file(), large, peers::portkey),
    ];
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    for (name, wanted, installed, how, start) in known {
        match (wanted, installed) {
            (true, true) => found.push(start(place, upstream)?),
            (true, false) => skipped.push((name, format!("it is not installed; {how}"))),
            (false, _) => skipped.push((name, "--gateways measures it as well".to_owned())),
        }
    }
    Ok((found, skipped))
}

/// The median time of a call, microseconds.
fn median(addr: std::net::SocketAddr, headers: &[(String, String)]) -> Result<u64, String> {
    let took = load::run(addr, headers, (RATE, Duration::from_secs(3)))?;
    took.get(took.len() / 2).copied().ok_or_else(|| format!("no call to {addr} was made"))
}

/// Memory of open streams, in processes that have done nothing else.
fn open_streams(place: &Place, plan: &Plan) -> Result<Streams, String> {
    let (open, why) = streams::possible(plan.streams);
    if let Some(why) = why {
        plan.say(&format!("{open} streams instead of {}: {why}", plan.streams));
    }
    let of = |start: fn(&Place, std::net::SocketAddr) -> Result<Peer, String>| {
        let upstream = streams::Upstream::start()?;
        streams::resident(&start(place, upstream.addr)?, open)
    };
    let (ours, nginx) = (of(peers::clearline)?, of(peers::nginx)?);
    Ok(Streams { open, ours, nginx })
}

/// How long each start took until the first answer, milliseconds.
fn starts(place: &Place, plan: &Plan) -> Result<Vec<f64>, String> {
    let (_upstream, upstream) = peers::upstream(place)?;
    (0..plan.runs * 3).map(|_| start(place, upstream)).collect()
}

fn start(place: &Place, upstream: std::net::SocketAddr) -> Result<f64, String> {
    let addr = peers::free()?;
    let (_gateway, begun) = peers::clearline_at(place, addr, upstream)?;
    while load::once(addr).is_err() {
        if begun.elapsed() > Duration::from_secs(10) {
            return Err("clearline did not answer within 10 s of its start".to_owned());
        }
        // The pace of asking; whoever listens later cannot be waited for.
        std::thread::park_timeout(Duration::from_micros(200));
    }
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_and_unknown_ones_refused() {
        let plan = Plan::of(&["--streams", "7", "--gateways"]).unwrap();
        assert!(plan.streams == 7 && plan.gateways && !plan.json);
        assert!(Plan::of(&["--fast"]).is_err());
        assert!(Plan::of(&["--streams"]).is_err());
    }
}
