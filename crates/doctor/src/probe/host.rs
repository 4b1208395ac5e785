//! What this machine's kernel says of its links, routes and neighbours.

use std::net::{Ipv4Addr, Ipv6Addr};

use clearline_diagnose::Probe;
use clearline_model::{Fact, Stage};

use crate::world::World;

/// The most routes and neighbours that are told.
const LINES_MAX: usize = 48;

/// Looks, and asks nobody.
pub(super) fn look(world: &World, probe: &Probe) -> Vec<Fact> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let said = |name: &str, value: &str| world.said(&probe.path, Stage::Config, name, value);
    let links = read("/proc/net/dev");
    let links: Vec<&str> = links.lines().filter_map(interface).collect();
    let mut facts = vec![said("links", &links.len().to_string())];
    facts.extend(links.iter().map(|name| said("link", &format!("{name} {}", is_up(name)))));
    let routes = read("/proc/net/route");
    facts.extend(routes.lines().skip(1).filter_map(route).take(LINES_MAX).map(|r| said("route", &r)));
    let routes = read("/proc/net/ipv6_route");
    facts.extend(routes.lines().filter_map(route6).take(LINES_MAX).map(|r| said("route", &r)));
    let neighbours = read("/proc/net/arp");
    let each = neighbours.lines().skip(1).filter_map(neighbour);
    facts.extend(each.take(LINES_MAX).map(|n| said("neighbour", &n)));
    facts
}

/// The interface of a line of `/proc/net/dev`, the loopback one left out.
pub(super) fn interface(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(':')?;
    Some(name.trim()).filter(|n| *n != "lo" && !n.contains('|'))
}

/// `up`, `down`, or `unknown` where the system does not say.
fn is_up(name: &str) -> &'static str {
    let read = |file: &str| std::fs::read_to_string(format!("/sys/class/net/{name}/{file}"));
    let Ok(flags) = read("flags") else { return "unknown" };
    let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).unwrap_or_default();
    let state = read("operstate").unwrap_or_default();
    // IFF_UP; what has no carrier to lose says `unknown`.
    if flags & 1 == 1 && !matches!(state.trim(), "down" | "lowerlayerdown" | "notpresent") {
        "up"
    } else {
        "down"
    }
}

/// A line of `/proc/net/route`: numbers in little-endian hexadecimal.
fn route(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [link, destination, gateway, flags, _, _, _, mask, ..] = words.as_slice() else { return None };
    let number = |text: &str| u32::from_str_radix(text, 16).ok();
    // RTF_UP, and not RTF_REJECT.
    if number(flags)? & 0x201 != 1 {
        return None;
    }
    let address = |n: u32| Ipv4Addr::from(n.swap_bytes());
    let (destination, gateway, mask) = (address(number(destination)?), number(gateway)?, number(mask)?);
    let via = if gateway == 0 { String::new() } else { format!(" via {}", address(gateway)) };
    Some(format!("{destination}/{}{via} dev {link}", mask.count_ones()))
}

/// A line of `/proc/net/ipv6_route`; link-local and multicast routes lead nowhere.
fn route6(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [destination, length, _, _, gateway, _, _, _, flags, link] = words.as_slice() else { return None };
    let address = |text: &str| u128::from_str_radix(text, 16).ok().map(Ipv6Addr::from);
    let (destination, gateway) = (address(destination)?, address(gateway)?);
    let length = u8::from_str_radix(length, 16).ok()?;
    let flags = u32::from_str_radix(flags, 16).ok()?;
    let leads = !destination.is_multicast() && !destination.is_unicast_link_local() && *link != "lo";
    if !leads || flags & 0x201 != 1 || length == 128 {
        return None;
    }
    let via = if gateway.is_unspecified() { String::new() } else { format!(" via {gateway}") };
    Some(format!("{destination}/{length}{via} dev {link}"))
}

/// A line of `/proc/net/arp`: flag 2 is a finished entry.
fn neighbour(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [address, _, flags, ..] = words.as_slice() else { return None };
    let state = if *flags == "0x0" { "failed" } else { "well" };
    Some(format!("{address} {state}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        assert_eq!(interface("  eth0: 1 2 3"), Some("eth0"));
        assert_eq!(interface("    lo: 1 2 3"), None);
        assert_eq!(interface("Inter-|   Receive"), None);
        let line = "eth0\t00000000\tFE00140A\t0003\t0\t0\t0\t00000000\t0\t0\t0";
        assert_eq!(route(line).as_deref(), Some("0.0.0.0/0 via 10.20.0.254 dev eth0"));
        let line = "eth0\t0000140A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0";
        assert_eq!(route(line).as_deref(), Some("10.20.0.0/24 dev eth0"));
        assert_eq!(route("eth0 00000000 00000000 0201 0 0 0 00000000 0 0 0"), None);
        let line = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd200000000000000000000000000001 00000400 00000001 00000000 00000003     eth0";
        assert_eq!(route6(line).as_deref(), Some("::/0 via fd20::1 dev eth0"));
        let line = "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0";
        assert_eq!(route6(line), None);
        let line = "10.20.0.250      0x1         0x0         00:00:00:00:00:00     *        eth0";
        assert_eq!(neighbour(line).as_deref(), Some("10.20.0.250 failed"));
    }
}
