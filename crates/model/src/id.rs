//! Ids: small numbers that the shell hands out and the pure crates compare.

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);
    )+};
}

ids! {
    /// A call: what the caller asked for, all attempts together. In the order of arrival.
    CallId(u64);
    /// An API server that calls are sent to, by its place in the settings.
    UpstreamId(u16);
    /// A credential of the pool, by its place there.
    KeyId(u32);
    /// An address of an upstream, as the shell numbered it. Through a proxy it is the proxy's address.
    AddrId(u32);
    /// Whoever sends calls through a gateway.
    CallerId(u32);
    /// A fact, by its place in the evidence.
    FactId(u32);
    /// A probe of the doctor, by its place in the plan.
    ProbeId(u32);
}

/// One try of a call, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct AttemptId {
    /// The call it belongs to.
    pub call: CallId,
    /// Its number, from 1.
    pub n: u16,
}

/// What shares a fate: an upstream and a family of models on it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub struct LaneId {
    /// The upstream that the call is meant for; the engine may choose another where fail-over is set up.
    pub upstream: UpstreamId,
    /// The family of models, as the shell numbered it; 0 for calls that name no model.
    pub family: u16,
}
