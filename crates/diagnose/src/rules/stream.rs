//! Streams: how they come, how long they may be silent, and where they are cut.

use clearline_model::{Cause, Dur, Fact, Failure, Framing, Pace, Path, Route, Seen, Stage, StreamEnd};

use super::tcp::packet_loss;
use super::{Found, Rule};
use crate::evidence::Evidence;
use crate::plan::{Goal, Probe, What};

pub(crate) const RULES: &[Rule] = &[
    Rule { cause: Cause::ProxyIdleCut, judge: |e| idle_cut(e, true) },
    Rule { cause: Cause::TcpIdleCut, judge: |e| idle_cut(e, false) },
    Rule { cause: Cause::StreamSizeCut, judge: size_cut },
    Rule { cause: Cause::StreamWrongContentType, judge: wrong_content_type },
    Rule { cause: Cause::StreamBuffered, judge: buffered },
    Rule { cause: Cause::ServerSlowFirstByte, judge: slow_first_byte },
    Rule { cause: Cause::ClientTimeoutTooShort, judge: timeout_too_short },
];

/// A silence that is long enough to be a limit.
const SILENCE: Dur = Dur::millis(800);
/// The longest silence that is tried again while somebody waits.
const TRIED: Dur = Dur::secs(9);
/// Later than this is late, for one token.
const LATE: Dur = Dur::secs(3);

/// After a cut: the same silence without a stream, and the same size without a stream.
pub(crate) fn plan(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    let Some((fact, _)) = evidence.end().filter(|(f, failure)| f.stage == Stage::Stream && is_cut(*failure))
    else {
        return Vec::new();
    };
    let path = Path { address: fact.path.address, family: fact.path.family, ..goal.path() };
    let mut probes = Vec::new();
    if let Some(silence) = silence(evidence, fact).filter(|s| *s < TRIED) {
        let idle = Path { idle: Some(silence.scale(5, 4).max(silence + Dur::millis(500))), ..path };
        probes.push(Probe::new(What::Idle, idle, TRIED, &[Cause::TcpIdleCut, Cause::ProxyIdleCut]));
    } else {
        probes.push(Probe::new(What::Free, path, Dur::secs(3), &[Cause::StreamSizeCut]).times(60));
    }
    probes
}

const fn is_cut(failure: Failure) -> bool {
    matches!(failure, Failure::Ended(StreamEnd::Cut | StreamEnd::Reset | StreamEnd::Early))
}

/// How the reference call's events came.
fn pace(evidence: &Evidence) -> Option<(&Fact, Pace)> {
    evidence.at(Stage::Stream).find_map(|f| match f.saw {
        Ok(Seen::Paced(pace)) => Some((f, pace)),
        Ok(_) | Err(_) => None,
    })
}

/// The silence before a stream's end, where it was the longest of all.
fn silence(evidence: &Evidence, end: &Fact) -> Option<Dur> {
    let (_, pace) = pace(evidence)?;
    let before = end.took - pace.last;
    (before >= SILENCE && before.scale(10, 9) >= pace.gap).then_some(before)
}

/// A stream that was cut after a silence, and a connection without a stream that is cut after the same.
fn idle_cut(evidence: &Evidence, is_proxy: bool) -> Option<Found> {
    let (fact, failure) = evidence.end().filter(|(f, _)| f.stage == Stage::Stream)?;
    let through_proxy = matches!(fact.path.route, Some(Route::Proxy(_)));
    let silence = silence(evidence, fact)?;
    let cut = evidence.at(Stage::Stream).find(|f| {
        f.path.idle.is_some()
            && f.path.client.is_none()
            && matches!(f.saw, Err(Failure::Eof | Failure::Reset))
    })?;
    let is_same = cut.took.scale(4, 3) >= silence && silence.scale(4, 3) >= cut.took;
    (is_cut(failure) && is_same && through_proxy == is_proxy).then(|| {
        let mut found = Found::root(fact);
        found.proof.push(clearline_model::Proof::One(cut.id));
        found
    })
}

/// A connection that carries other answers is cut after as many bytes as the stream's was.
fn size_cut(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end().filter(|(f, _)| f.stage == Stage::Stream)?;
    let bytes = |is_free: bool| {
        evidence.said("bytes").find_map(|(f, n)| {
            let n: u64 = n.raw().parse().ok()?;
            (n > 0 && (f.path.reused == Some(true)) == is_free).then_some((f, n))
        })
    };
    let ((_, own), (cut, other)) = (bytes(false)?, bytes(true)?);
    // Heads and records count on the wire and not here.
    let is_same = own.abs_diff(other) <= own.max(other) / 2;
    (is_cut(failure) && is_same).then(|| {
        let mut found = Found::root(fact).likely();
        found.proof.push(clearline_model::Proof::One(cut.id));
        found
    })
}

/// The stream is called something else; the official SDKs read it all the same.
fn wrong_content_type(evidence: &Evidence) -> Option<Found> {
    let is_it = |f: &Fact| f.saw == Err(Failure::Framing(Framing::WrongContentType));
    let fact = evidence.find(is_it)?;
    Some(Found::contributing(fact))
}

/// Whether something stands on the way that reads what passes: it adds its name, re-signs, or is a gateway.
fn is_read_on_the_way(evidence: &Evidence) -> bool {
    let has_via = evidence.facts().iter().any(|f| match &f.saw {
        Ok(Seen::Head { headers, .. }) => headers.iter().any(|(name, _)| name == "via"),
        Ok(_) | Err(_) => false,
    });
    has_via || evidence.state("base-url").is_some()
}

/// Fewer events than these are those of an answer of a few words: they come together once it has been thought of.
const MANY: u32 = 12;

/// All events came at once, late or with a length that nobody can know before the end.
fn buffered(evidence: &Evidence) -> Option<Found> {
    if evidence.end().is_some() {
        return None;
    }
    let (fact, pace) = pace(evidence)?;
    let at_once = pace.events >= MANY && (pace.last - pace.first).scale(20, 1) < pace.first;
    let is_held = at_once && pace.first > Dur::secs(1) && is_read_on_the_way(evidence);
    match (pace.sized && pace.events >= 2, is_held) {
        (true, _) => Some(Found::contributing(fact)),
        (false, true) => Some(Found::contributing(fact).likely()),
        (false, false) => None,
    }
}

/// Whether a fact says how long the way there takes.
const fn is_way(fact: &Fact) -> bool {
    matches!(fact.saw, Ok(Seen::Tunnelled(_) | Seen::Handshake { .. } | Seen::Head { .. }))
        && fact.path.trust.is_none()
}

/// One token took seconds to begin, and the way there takes none.
fn slow_first_byte(evidence: &Evidence) -> Option<Found> {
    // Where packets are lost, whatever is late is late for that.
    if evidence.end().is_some() || buffered(evidence).is_some() || packet_loss(evidence).is_some() {
        return None;
    }
    let (fact, pace) = pace(evidence).filter(|(f, _)| f.path.body.is_none())?;
    // Of all that goes this way the quickest: what is slow may be slow for every request.
    let around = evidence
        .facts()
        .iter()
        .filter(|f| matches!(f.stage, Stage::Tunnel | Stage::Handshake | Stage::Head))
        .filter(|f| f.path.route == fact.path.route && f.path.host == fact.path.host && is_way(f))
        .map(|f| f.took)
        .min()?;
    let is_late = pace.first > LATE && around.scale(4, 1) < pace.first;
    is_late.then(|| Found::contributing(fact))
}

/// A client that is set up here would have given up before.
fn timeout_too_short(evidence: &Evidence) -> Option<Found> {
    let (state, value) = evidence.state("client.timeout-ms")?;
    let limit = Dur::millis(value.raw().parse().ok()?);
    let call = evidence.passed(Stage::Stream).or_else(|| evidence.passed(Stage::Body))?;
    (call.took > limit).then(|| {
        let mut found = Found::contributing(state);
        found.proof.push(clearline_model::Proof::One(call.id));
        found
    })
}
