//! Bandwidth: what drips evenly stands in a queue that somebody empties slowly.

use clearline_model::{Cause, Dur, Fact, Failure, Icmp, Proof, Role, Seen, Stage};

use super::{Found, Rule};
use crate::evidence::Evidence;

pub(crate) const RULES: &[Rule] = &[Rule { cause: Cause::TcpThrottled, judge: throttled }];

/// What silence and lateness prove by themselves, and a narrow way brings about too: the queue of a diagnosis alone fills it for
/// seconds.
const SILENCES: [Cause; 24] = [
    Cause::TcpUnreachable,
    Cause::TcpTimeout,
    Cause::HttpNoResponse,
    Cause::StreamStalled,
    Cause::TcpPacketLoss,
    Cause::TcpIpv6Broken,
    Cause::TcpIpv4Broken,
    Cause::TcpMtuBlackhole,
    Cause::TcpFiltered,
    Cause::TcpPortBlocked,
    Cause::DnsBadAddressInSet,
    Cause::DnsFlaky,
    Cause::DnsSlow,
    Cause::DnsResolverUnreachable,
    Cause::DnsFirstResolverDead,
    Cause::DnsAaaaBroken,
    Cause::DnsTcpBlocked,
    Cause::NetEgressBlocked,
    Cause::TlsHandshakeStalled,
    Cause::TlsLargeHelloDropped,
    Cause::TlsSniBlocked,
    Cause::TlsH2Broken,
    Cause::ServerSlowFirstByte,
    Cause::HttpUploadBlocked,
];

/// Whether a finding says no more than that the way is narrow.
pub(crate) fn is_said_by_it(cause: Cause) -> bool {
    SILENCES.contains(&cause)
}

fn throttled(evidence: &Evidence) -> Option<Found> {
    let proof = dripping_in(evidence).or_else(|| dripping_out(evidence))?;
    let in_vain = evidence.end();
    // A router whose own questions for its neighbours wait in the queue says that they are not there.
    let is_silence = |failure| matches!(failure, Failure::TimedOut(_) | Failure::Unreachable(Icmp::Host));
    if in_vain.is_some_and(|(_, failure)| !is_silence(failure)) {
        return None;
    }
    let mut found = Found::contributing(proof).likely();
    if let Some((end, _)) = in_vain {
        found.role = Role::Root;
        found.proof = vec![Proof::One(end.id), Proof::One(proof.id)];
    }
    Some(found)
}

/// Bytes came for six seconds and more, in each about as many as in the next, and few, while handshakes took longer than a second.
fn dripping_in(evidence: &Evidence) -> Option<&Fact> {
    const SECONDS: usize = 6;
    /// More than this is no narrow way, bytes a second: 128 kbit, two channels of ISDN.
    const NARROW: u64 = 16_000;
    /// Less is what is left of questions and retransmissions.
    const LEAST: u64 = 300;
    let (fact, text) = evidence.said("flow.came").next()?;
    let halves: Vec<u64> = text.raw().split(' ').filter_map(|n| n.parse().ok()).collect();
    let seconds: Vec<u64> = halves.chunks_exact(2).map(|pair| pair.iter().sum()).collect();
    let is_even = |window: &[u64]| {
        let (least, most) = (window.iter().min(), window.iter().max());
        let mean = window.iter().sum::<u64>() / u64::try_from(window.len()).unwrap_or(1);
        let (Some(least), Some(most)) = (least, most) else { return false };
        (LEAST..=NARROW).contains(&mean) && *least * 2 >= mean && *most <= mean * 2
    };
    let is_slow = evidence
        .at(Stage::Handshake)
        .any(|f| f.took >= Dur::secs(1) && matches!(f.saw, Ok(_) | Err(Failure::TimedOut(_))));
    (is_slow && seconds.windows(SECONDS).any(is_even)).then_some(fact)
}

/// Handshakes that were begun at once ended one after the other, at even distances: each had to wait until the one before it was
/// through.
fn dripping_out(evidence: &Evidence) -> Option<&Fact> {
    const TRIES: usize = 6;
    const TOGETHER: Dur = Dur::millis(50);
    const LEAST: Dur = Dur::millis(50);
    let begun = |f: &&Fact| {
        let is_plain = f.path.trust.is_none() && f.path.client.is_none();
        is_plain && matches!(f.saw, Ok(Seen::Handshake { version: 1.., .. }))
    };
    let mut well: Vec<&Fact> = evidence.at(Stage::Handshake).filter(begun).collect();
    well.sort_by_key(|f| (f.at, f.took));
    let first = well.first()?.at;
    well.retain(|f| f.at.0.saturating_sub(first.0) < TOGETHER.0);
    well.sort_by_key(|f| f.took);
    let gaps: Vec<u64> =
        well.windows(2).filter_map(|w| Some(w.last()?.took.0.saturating_sub(w.first()?.took.0))).collect();
    let (least, most) = (gaps.iter().min()?, gaps.iter().max()?);
    let is_even = *least >= LEAST.0 && *most <= least.saturating_mul(2);
    (well.len() >= TRIES && is_even).then(|| well.last().copied()).flatten()
}
