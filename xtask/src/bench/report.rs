//! What was measured, as text and as JSON.

use std::fmt::Write as _;

use crate::bench::gateway::RATE;
use crate::bench::http2;

/// What the JSON is.
pub(crate) const SCHEMA: &str = include_str!("../../bench-gateway.schema.json");

/// What was measured of one gateway, run by run.
pub(crate) struct Row {
    name: &'static str,
    /// Median time of a call through it, microseconds.
    pub(crate) through: Vec<u64>,
    /// CPU of a call, microseconds.
    pub(crate) cpu: Vec<f64>,
    /// … of one with a body of 64 KB.
    pub(crate) cpu_large: Vec<f64>,
}

/// Memory of open streams, KiB each.
pub(crate) struct Streams {
    pub(crate) open: u32,
    pub(crate) ours: f64,
    pub(crate) nginx: f64,
}

/// What is measured once.
pub(crate) struct Rest {
    pub(crate) http2: http2::Rows,
    pub(crate) streams: Streams,
    pub(crate) start_ms: Vec<f64>,
    pub(crate) idle_mib: f64,
}

impl Row {
    pub(crate) const fn of(name: &'static str) -> Self {
        Self { name, through: Vec::new(), cpu: Vec::new(), cpu_large: Vec::new() }
    }

    /// How much longer a call takes at the median, microseconds.
    fn added(&self, direct: &[u64]) -> f64 {
        let micros = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        let pairs = self.through.iter().zip(direct);
        median(&pairs.map(|(t, d)| micros(*t) - micros(*d)).collect::<Vec<_>>())
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: &[f64]) -> f64 {
    sorted(values).get(values.len() / 2).copied().unwrap_or(0.0)
}

fn best(values: &[f64]) -> f64 {
    sorted(values).first().copied().unwrap_or(0.0)
}

/// The ratios to this peer: best by best, medians, and best by best of large bodies.
fn ratios(rows: &[Row], of: &Row, to: &str) -> Option<(f64, f64, f64)> {
    let peer = rows.iter().find(|r| r.name == to)?;
    let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
    Some((
        ratio(best(&of.cpu), best(&peer.cpu)),
        ratio(median(&of.cpu), median(&peer.cpu)),
        ratio(best(&of.cpu_large), best(&peer.cpu_large)),
    ))
}

/// All of it.
pub(crate) fn text(
    rows: &[Row],
    direct: &[u64],
    skipped: &[(&'static str, String)],
    rest: (&Rest, bool),
) -> String {
    let (rest, as_json) = rest;
    if as_json { json(rows, direct, skipped, rest) } else { plain(rows, direct, rest) }
}

fn plain(rows: &[Row], direct: &[u64], rest: &Rest) -> String {
    let mut text = format!(
        "{:<10} {:>9} {:>9} {:>7} {:>9} {:>9} {:>7}",
        "", "added µs", "CPU µs", "× nginx", "medians", "64 KB µs", "× nginx"
    );
    for row in rows {
        let (small, middle, large) = ratios(rows, row, "nginx").unwrap_or_default();
        let _written = write!(
            text,
            "\n{:<10} {:>9.0} {:>9.1} {small:>7.2} {middle:>9.2} {:>9.1} {large:>7.2}",
            row.name,
            row.added(direct),
            best(&row.cpu),
            best(&row.cpu_large),
        );
    }
    for (what, rows) in [("HTTP/2 from callers", &rest.http2.0), ("HTTP/2 upstream", &rest.http2.1)] {
        text.push_str(&by_http2(what, rows));
    }
    let Streams { open, ours, nginx } = &rest.streams;
    let _written = write!(
        text,
        "\nadded: at {RATE} calls a second, median · CPU of a call: best of {runs}\n\
         {open} open streams: {ours:.1} KiB each, nginx {nginx:.1} KiB\n\
         start to the first answer: {:.0} ms (median), idle {:.1} MiB",
        median(&rest.start_ms),
        rest.idle_mib,
        runs = direct.len(),
    );
    text
}

fn by_http2(what: &str, rows: &[Row]) -> String {
    let mut text = String::new();
    if !rows.is_empty() {
        let _written = write!(
            text,
            "\n{what:<20} {:>9} {:>9} {:>7} {:>9} {:>9}",
            "CPU µs", "× haproxy", "medians", "64 KB µs", "× haproxy"
        );
    }
    for row in rows {
        let (small, middle, large) = ratios(rows, row, "haproxy").unwrap_or_default();
        let _written = write!(
            text,
            "\n{:<20} {:>9.1} {small:>9.2} {middle:>7.2} {:>9.1} {large:>9.2}",
            row.name,
            best(&row.cpu),
            best(&row.cpu_large),
        );
    }
    text
}

fn json(rows: &[Row], direct: &[u64], skipped: &[(&'static str, String)], rest: &Rest) -> String {
    let peers: Vec<String> = rows.iter().map(|row| peer(rows, row, direct)).collect();
    let http2 = |rows: &[Row]| rows.iter().map(|row| speaker(rows, row)).collect::<Vec<_>>().join(",");
    let skipped: Vec<String> =
        skipped.iter().map(|(name, why)| format!("{{\"name\":\"{name}\",\"why\":\"{why}\"}}")).collect();
    let Streams { open, ours, nginx } = &rest.streams;
    format!(
        "{{\"schema\":\"clearline.bench-gateway/2\",\"runs\":{},\"rate\":{RATE},\"peers\":[{}],\"skipped\":[{}],\
         \"http2\":{{\"callers\":[{}],\"upstream\":[{}]}},\"streams\":{{\"open\":{open},\"clearline_kib\":{ours:.1},\"nginx_kib\":{nginx:.1}}},\
         \"start_ms\":{:.1},\"idle_rss_mib\":{:.1}}}",
        direct.len(),
        peers.join(","),
        skipped.join(","),
        http2(&rest.http2.0),
        http2(&rest.http2.1),
        median(&rest.start_ms),
        rest.idle_mib,
    )
}

fn peer(rows: &[Row], row: &Row, direct: &[u64]) -> String {
    let (small, middle, large) = ratios(rows, row, "nginx").unwrap_or_default();
    format!(
        "{{\"name\":\"{}\",\"added_us\":{:.0},\"cpu_us\":{:.1},\"cpu_ratio_best\":{small:.2},\"cpu_ratio_median\":{middle:.2},\
         \"cpu_64k_us\":{:.1},\"cpu_64k_ratio_best\":{large:.2}}}",
        row.name,
        row.added(direct),
        best(&row.cpu),
        best(&row.cpu_large),
    )
}

/// One that speaks HTTP/2.
fn speaker(rows: &[Row], row: &Row) -> String {
    let (small, middle, large) = ratios(rows, row, "haproxy").unwrap_or_default();
    format!(
        "{{\"name\":\"{}\",\"cpu_us\":{:.1},\"cpu_ratio_best\":{small:.2},\"cpu_ratio_median\":{middle:.2},\
         \"cpu_64k_us\":{:.1},\"cpu_64k_ratio_best\":{large:.2}}}",
        row.name,
        best(&row.cpu),
        best(&row.cpu_large),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &'static str, cpu: &[f64]) -> Row {
        Row { through: vec![150, 190, 170], cpu: cpu.to_vec(), cpu_large: cpu.to_vec(), ..Row::of(name) }
    }

    #[test]
    fn ratios_are_of_the_best_and_of_the_medians() {
        let rows = [row("nginx", &[10.0, 12.0, 11.0]), row("clearline", &[22.0, 15.0, 23.0])];
        assert_eq!(ratios(&rows, &rows[1], "nginx"), Some((1.5, 2.0, 1.5)));
        assert!((rows[1].added(&[100, 100, 100]) - 70.0).abs() < 1e-9);
    }

    #[test]
    fn the_json_has_every_field_that_its_schema_demands() {
        let rest = Rest {
            http2: (vec![row("haproxy", &[8.0])], Vec::new()),
            streams: Streams { open: 3, ours: 30.0, nginx: 20.0 },
            start_ms: vec![40.0],
            idle_mib: 9.0,
        };
        let skipped = [("haproxy", "it is not installed".to_owned())];
        let json = text(&[row("nginx", &[10.0])], &[100], &skipped, (&rest, true));
        let required = SCHEMA.split("\"required\": [").skip(1).filter_map(|rest| rest.split(']').next());
        let names: Vec<&str> = required.flat_map(|list| list.split('"').skip(1).step_by(2)).collect();
        assert!(names.len() > 10);
        for name in names {
            assert!(json.contains(&format!("\"{name}\":")), "{name} is missing in {json}");
        }
    }
}
