//! What went wrong in a step, typed where it happened.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::tls::of_rustls;
use clearline_model::{Cause, Failure, Foreign, Icmp, Limit, LocalFault, Sent, Stage, classify};

/// A step's failure, with everything that the policy and the doctor need to judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The step.
    pub stage: Stage,
    /// What it saw.
    pub failure: Failure,
    /// Whether the server may have seen the request.
    pub sent: Sent,
    /// The address that it happened at, where there was one.
    pub addr: Option<SocketAddr>,
    /// The words of whoever reported it.
    pub detail: Foreign,
}

impl Fault {
    /// A fault before anything of the request was sent.
    #[must_use]
    pub fn new(stage: Stage, failure: Failure) -> Self {
        Self { stage, failure, sent: Sent::No, addr: None, detail: Foreign::default() }
    }

    /// The weakest true cause.
    #[must_use]
    pub fn cause(&self) -> Cause {
        classify(self.stage, &self.failure, self.sent)
    }

    /// What an error of the operating system means at a stage.
    #[must_use]
    pub fn of_io(stage: Stage, error: &io::Error) -> Self {
        Self::io(stage, error)
    }

    pub(crate) fn detailed(mut self, text: &str) -> Self {
        self.detail = Foreign::new(text);
        self
    }

    pub(crate) const fn at(mut self, addr: SocketAddr) -> Self {
        self.addr = Some(addr);
        self
    }

    /// Everything on the way to a proxy is the tunnel's.
    pub(crate) const fn of_tunnel(mut self) -> Self {
        self.stage = Stage::Tunnel;
        self
    }

    pub(crate) fn io(stage: Stage, error: &io::Error) -> Self {
        Self::new(stage, of_io(error, stage)).detailed(&error.to_string())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.stage, self.failure)?;
        if let Some(addr) = self.addr {
            write!(f, " at {addr}")?;
        }
        if !self.detail.raw().is_empty() {
            write!(f, " ({})", self.detail.escaped())?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

/// What an error of the operating system means for a step.
pub(crate) fn of_io(error: &io::Error, stage: Stage) -> Failure {
    /// EMFILE and ENFILE have no kind of their own.
    const DESCRIPTORS: [i32; 2] = [24, 23];
    let kinds = [
        (io::ErrorKind::ConnectionRefused, Failure::Refused),
        (io::ErrorKind::ConnectionReset, Failure::Reset),
        (io::ErrorKind::ConnectionAborted, Failure::Reset),
        (io::ErrorKind::BrokenPipe, Failure::Reset),
        (io::ErrorKind::UnexpectedEof, Failure::Eof),
        (io::ErrorKind::TimedOut, Failure::TimedOut(limit_of(stage))),
        (io::ErrorKind::NetworkUnreachable, Failure::Unreachable(Icmp::NoRoute)),
        (io::ErrorKind::HostUnreachable, Failure::Unreachable(Icmp::Host)),
        (io::ErrorKind::AddrNotAvailable, Failure::Local(LocalFault::Ports)),
    ];
    // What TLS refuses after the handshake comes as an error of the stream: with TLS 1.3 a demand for a certificate, say.
    if let Some(refused) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return of_rustls(refused);
    }
    if error.raw_os_error().is_some_and(|n| DESCRIPTORS.contains(&n)) {
        return Failure::Local(LocalFault::Descriptors);
    }
    let known = kinds.into_iter().find(|(kind, _)| *kind == error.kind()).map(|(_, failure)| failure);
    // 5 is EIO: an error that no number came with.
    known.unwrap_or_else(|| Failure::Os(error.raw_os_error().unwrap_or(5)))
}

/// The limit whose end looks like the kernel's own time-out in this stage.
const fn limit_of(stage: Stage) -> Limit {
    match stage {
        Stage::Resolve => Limit::Resolve,
        Stage::Config | Stage::Connect => Limit::Connect,
        Stage::Tunnel => Limit::Tunnel,
        Stage::Handshake => Limit::Handshake,
        Stage::Send => Limit::Send,
        Stage::Head => Limit::FirstByte,
        Stage::Body | Stage::Stream => Limit::Idle,
    }
}
