//! Who sent an error.

use clearline_model::Origin;
use http::HeaderMap;

use super::parts::{Parts, Shape};

/// Who sent it, as far as its shape and headers tell.
pub(super) fn origin(status: u16, headers: &HeaderMap, parts: &Parts, body: &[u8]) -> Origin {
    let has = |name: &str| headers.contains_key(name);
    let says = |name: &str, word: &str| {
        headers.get_all(name).iter().any(|v| v.to_str().is_ok_and(|v| v.to_ascii_lowercase().contains(word)))
    };
    if parts.shape == Shape::Envelope || has("request-id") {
        return Origin::Api;
    }
    if status == 511 {
        return Origin::Portal;
    }
    // `x-deny-reason` is the egress proxy of the vendor's sandboxes (Claude Code docs: Error reference).
    if status == 407 || has("x-squid-error") || has("proxy-authenticate") || has("x-deny-reason") {
        return Origin::Proxy;
    }
    if has("cf-ray") || says("server", "cloudflare") {
        return if foreign_zone(parts, body) { Origin::Gateway } else { Origin::Edge };
    }
    if matches!(parts.shape, Shape::Problem { ours: true }) {
        return Origin::Edge;
    }
    // Google's own front end adds `via: 1.1 google` everywhere; it tells nothing.
    let via = headers.get_all("via").iter().any(|v| v.as_bytes() != b"1.1 google");
    let aws = has("x-amzn-requestid") || has("x-amzn-errortype");
    if says("server", "squid") || (via && !aws) { Origin::Proxy } else { Origin::Gateway }
}

/// Cloudflare in front of somebody else: a problem's zone, or the host in `<title>host | 5xx: …`
/// (anthropics/claude-code#16737).
fn foreign_zone(parts: &Parts, body: &[u8]) -> bool {
    if let Shape::Problem { ours } = parts.shape {
        return !ours;
    }
    let page = String::from_utf8_lossy(body.get(..body.len().min(4096)).unwrap_or_default());
    let title = page.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let host = title.and_then(|(title, _)| title.split_once(" | 5")).map(|(host, _)| host.trim());
    host.is_some_and(|host| host.contains('.') && !host.ends_with("anthropic.com"))
}
