//! What names mean in the lab.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Zones that were joined.
#[derive(Debug, Clone, Default)]
pub(crate) struct Zones(BTreeMap<String, Vec<String>>);

impl Zones {
    /// Those of `all` that are called so.
    pub(crate) fn of(all: &BTreeMap<String, BTreeMap<String, Vec<String>>>, names: &[String]) -> Self {
        let zones = names.iter().filter_map(|name| all.get(name));
        Self(zones.flatten().map(|(name, data)| (name.to_ascii_lowercase(), data.clone())).collect())
    }

    /// The data of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&[String]> {
        self.0.get(name.trim_end_matches('.').to_ascii_lowercase().as_str()).map(Vec::as_slice)
    }

    /// The first IPv4 address of a host; of an address, itself.
    pub(crate) fn address(&self, host: &str) -> Option<IpAddr> {
        if let Ok(addr) = host.trim_matches(['[', ']']).parse() {
            return Some(addr);
        }
        self.get(host)?.iter().filter_map(|data| data.parse().ok()).find(IpAddr::is_ipv4)
    }
}
