//! The fence: what may leave this machine, and the pass that every step demands.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;

use clearline_model::{Failure, LocalFault, Stage};

use crate::fault::Fault;

/// What `CLEARLINE_FENCE` allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Open,
    Loopback,
    Netns(Vec<u64>),
}

/// The setting cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceError(String);

impl fmt::Display for FenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the fence must be `loopback` or `netns:<inode>,…`, not {:?}", self.0)
    }
}

impl std::error::Error for FenceError {}

/// What is about to happen.
#[derive(Debug, Clone, Copy)]
pub enum Egress<'a> {
    /// A packet to this address.
    Addr(SocketAddr),
    /// A look-up of this name, through whatever resolver.
    Lookup(&'a str),
    /// A child process that may send what it likes.
    Child,
}

/// The proof that the fence was asked. Only [`Fence::check`] makes one, and the step takes it away.
#[derive(Debug)]
#[must_use]
pub struct Pass(());

impl Fence {
    /// Reads the setting: nothing or an empty text leaves everything open.
    ///
    /// # Errors
    ///
    /// A text that is neither `loopback` nor `netns:` with inode numbers.
    pub fn parse(text: Option<&str>) -> Result<Self, FenceError> {
        let text = text.unwrap_or_default().trim();
        let wrong = || FenceError(text.to_owned());
        match text {
            "" => Ok(Self(Kind::Open)),
            "loopback" => Ok(Self(Kind::Loopback)),
            _ => {
                let list = text.strip_prefix("netns:").ok_or_else(wrong)?;
                let inodes: Result<Vec<u64>, _> = list.split(',').map(|n| n.trim().parse::<u64>()).collect();
                Ok(Self(Kind::Netns(inodes.map_err(|_| wrong())?)))
            }
        }
    }

    /// Gives a pass, or the fault that the step then reports.
    ///
    /// # Errors
    ///
    /// `Local(Forbidden)` where the fence does not allow it.
    pub fn check(&self, what: Egress<'_>) -> Result<Pass, Fault> {
        if self.is_wide() || stays_here(what) {
            return Ok(Pass(()));
        }
        let (stage, addr) = match what {
            Egress::Addr(addr) => (Stage::Connect, Some(addr)),
            Egress::Lookup(_) => (Stage::Resolve, None),
            Egress::Child => (Stage::Config, None),
        };
        let mut fault = Fault::new(stage, Failure::Local(LocalFault::Forbidden))
            .detailed(&format!("CLEARLINE_FENCE allows {self} only"));
        fault.addr = addr;
        Err(fault)
    }

    /// What is allowed, in words for a person.
    #[must_use]
    pub fn describe(&self) -> String {
        self.to_string()
    }

    /// Whether anything may go out from here: no fence, or inside a listed namespace.
    pub(crate) fn is_wide(&self) -> bool {
        match &self.0 {
            Kind::Open => true,
            Kind::Loopback => false,
            Kind::Netns(inodes) => namespace().is_some_and(|here| inodes.contains(&here)),
        }
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Open => f.write_str("everything"),
            Kind::Loopback => f.write_str("loopback"),
            Kind::Netns(inodes) => {
                f.write_str("loopback, and any address inside the network namespaces")?;
                inodes.iter().try_for_each(|inode| write!(f, " {inode}"))
            }
        }
    }
}

/// Whether it cannot leave the machine.
fn stays_here(what: Egress<'_>) -> bool {
    match what {
        Egress::Addr(addr) => addr.ip().to_canonical().is_loopback(),
        Egress::Lookup(name) => literal(name).is_some() || is_localhost(name),
        Egress::Child => false,
    }
}

/// An address written as a host, with or without brackets.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

/// `localhost` and the names below it (RFC 6761 section 6.3).
pub(crate) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// The inode of the network namespace of this thread (`setns` is per thread).
pub(crate) fn namespace() -> Option<u64> {
    std::fs::metadata("/proc/thread-self/ns/net").map(|m| m.ino()).ok()
}
