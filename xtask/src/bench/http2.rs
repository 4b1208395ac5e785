//! HTTP/2 on either side of the gateway, beside proxies that speak it there.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::bench::cpu::{self, Load};
use crate::bench::peers::{self, Peer, Place, Started};
use crate::bench::report::Row;
use crate::load;
use crate::sh;

/// Who is measured, and what was measured of each so far.
pub(crate) struct Http2 {
    callers: Vec<(Peer, Row)>,
    upstream: Vec<(Peer, Row)>,
    _upstream: Started,
}

/// What was measured: with HTTP/2 from the callers, and with HTTP/2 to the upstream.
pub(crate) type Rows = (Vec<Row>, Vec<Row>);

impl Http2 {
    /// All of them before this upstream of HTTP/1.1, and before one of HTTP/2.
    ///
    /// # Errors
    /// One that does not start.
    pub(crate) fn start(place: &Place, upstream: SocketAddr) -> Result<Self, String> {
        let (started, by_http2) = peers::answering(place, "upstream-http2", "http2")?;
        let callers = [
            peers::haproxy_speaking(place, upstream, ("proto h2", ""))?,
            peers::nginx_listening(place, upstream, ("proxy-http2", "http2"))?,
            peers::clearline(place, upstream)?,
        ];
        // nginx calls an upstream by HTTP/1.1 alone.
        let upstream = [
            peers::haproxy_speaking(place, by_http2, ("", "proto h2"))?,
            peers::clearline_set(place, by_http2, &[("CLEARLINE_UPSTREAM_HTTP2", "prior")])?,
        ];
        let rows = |peer: Peer| {
            let row = Row::of(peer.name);
            (peer, row)
        };
        Ok(Self {
            callers: callers.into_iter().map(rows).collect(),
            upstream: upstream.into_iter().map(rows).collect(),
            _upstream: started,
        })
    }

    /// One run of each; what is to be said of it.
    ///
    /// # Errors
    /// A call that fails.
    pub(crate) fn round(&mut self, place: &Place, seconds: u32) -> Result<Vec<String>, String> {
        let mut said = Vec::new();
        let sides = [
            (Load::Http2, &mut self.callers, "from callers"),
            (Load::Http1, &mut self.upstream, "to the upstream"),
        ];
        for (load, rows, side) in sides {
            for (peer, row) in rows {
                let small = cpu::of_a_call(place, (load, seconds), (peer, load::BODY))?;
                let large = cpu::of_a_call(place, (load, seconds), (peer, &cpu::large_body()))?;
                said.push(format!(
                    "  {:<10} HTTP/2 {side} · CPU of a call {small:.1} µs, of one with 64 KB {large:.1} µs",
                    peer.name
                ));
                row.cpu.push(small);
                row.cpu_large.push(large);
            }
        }
        Ok(said)
    }

    /// What was measured.
    pub(crate) fn rows(self) -> Rows {
        let rows = |all: Vec<(Peer, Row)>| all.into_iter().map(|(_, row)| row).collect();
        (rows(self.callers), rows(self.upstream))
    }
}

/// Builds the load.
///
/// # Errors
/// A build that fails.
pub(crate) fn build() -> Result<(), String> {
    sh::cargo(&["build", "--release", "--locked", "-p", "clearline-net", "--example", "load"])
}

/// Where it is then.
pub(crate) fn program() -> PathBuf {
    sh::target().join("release").join("examples").join("load")
}
