//! Numbers for addresses, so that the engine never sees one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use clearline_model::AddrId;

/// Gives every address a number, once.
#[derive(Debug, Default)]
pub(crate) struct AddressBook {
    known: Mutex<BTreeMap<SocketAddr, AddrId>>,
}

impl AddressBook {
    pub(crate) fn id(&self, addr: SocketAddr) -> AddrId {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let next = AddrId(u32::try_from(known.len()).unwrap_or(u32::MAX));
        *known.entry(addr).or_insert(next)
    }

    /// The addresses of these numbers.
    pub(crate) fn addrs(&self, ids: &[AddrId]) -> Vec<SocketAddr> {
        if ids.is_empty() {
            return Vec::new();
        }
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<_> =
            known.iter().filter(|(_, id)| ids.contains(id)).map(|(addr, _)| *addr).collect();
        found.sort();
        found
    }

    /// Puts the avoided addresses last and keeps the order otherwise.
    pub(crate) fn order(&self, mut addrs: Vec<SocketAddr>, avoid: &[AddrId]) -> Vec<SocketAddr> {
        if !avoid.is_empty() {
            addrs.sort_by_key(|a| avoid.contains(&self.id(*a)));
        }
        addrs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn avoided_addresses_come_last_and_the_others_keep_their_order() {
        let book = AddressBook::default();
        let addrs: Vec<SocketAddr> = (1..=3).map(|p| SocketAddr::from(([127, 0, 0, p], 443))).collect();
        let first = book.id(addrs[0]);
        assert_eq!(book.id(addrs[0]), first);
        assert_eq!(book.order(addrs.clone(), &[first]), [addrs[1], addrs[2], addrs[0]]);
        assert_eq!(book.order(addrs.clone(), &[]), addrs);
        assert_eq!(book.addrs(&[book.id(addrs[1])]), [addrs[1]]);
    }
}
