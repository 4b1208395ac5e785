//! What this machine's kernel says of its links, routes and neighbours.

use clearline_diagnose::Probe;
use clearline_model::{Fact, Stage};

use crate::world::World;

/// Looks, and asks nobody.
pub(super) fn look(world: &World, probe: &Probe) -> Vec<Fact> {
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let gateways = routes.lines().skip(1).filter_map(default_gateway);
    gateways.map(|ip| world.said(&probe.path, Stage::Config, "gateway", &ip)).collect()
}

/// The gateway of a line of `/proc/net/route` that is the default route: little-endian hexadecimal.
fn default_gateway(line: &str) -> Option<String> {
    let mut words = line.split_whitespace().skip(1);
    let (destination, gateway) = (words.next()?, words.next()?);
    let number = u32::from_str_radix(gateway, 16).ok().filter(|n| destination == "00000000" && *n != 0)?;
    Some(std::net::Ipv4Addr::from(number.swap_bytes()).to_string())
}
