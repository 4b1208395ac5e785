//! Exchanges: how much may be sent, what comes at times, and what a connection endures.

use clearline_model::{Axis, Cause, Dur, Fact, Failure, Limit, Path, Seen, Stage, classify};

use super::{Found, Rule};
use crate::evidence::Evidence;
use crate::plan::{Goal, Probe, What};

pub(crate) const RULES: &[Rule] = &[
    Rule { cause: Cause::HttpUploadBlocked, judge: upload_blocked },
    Rule { cause: Cause::TcpStalePooled, judge: stale_pooled },
    Rule { cause: Cause::ServerOverloaded, judge: |e| at_times(e, Cause::ServerOverloaded) },
    Rule { cause: Cause::ServerError, judge: |e| at_times(e, Cause::ServerError) },
    Rule { cause: Cause::ServerUnavailable, judge: |e| at_times(e, Cause::ServerUnavailable) },
    Rule { cause: Cause::GatewayBadGateway, judge: |e| at_times(e, Cause::GatewayBadGateway) },
    Rule { cause: Cause::GatewayMeshUnavailable, judge: |e| at_times(e, Cause::GatewayMeshUnavailable) },
];

/// Below this size a body is small, bytes: it fits the first flight of a connection (RFC 6928).
const SMALL: u64 = 1 << 10;
/// Sizes around which devices draw their lines, bytes.
const SIZES: [u64; 4] = [SMALL, 64 << 10, 256 << 10, 1 << 20];
/// How often a free request is made beside the call.
const FREE: u8 = 5;

/// What costs nothing while the call runs: more requests.
pub(crate) fn background(goal: &Goal) -> Vec<Probe> {
    let why = &[Cause::ServerOverloaded, Cause::ServerError, Cause::GatewayBadGateway];
    vec![Probe::new(What::Free, goal.path(), Dur::secs(2), why).times(FREE).background()]
}

/// Sizes, where the call is large and is lost; silences, where slow tests are wanted.
pub(crate) fn plan(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    let mut probes = Vec::new();
    let end = evidence.end();
    let is_lost = end.is_some_and(|(f, failure)| is_lost_sending(f, failure));
    let upload = |size: u64| {
        let path = Path { body: Some(size), ..goal.path() };
        Probe::new(What::Upload, path, Dur::secs(3), &[Cause::HttpUploadBlocked, Cause::TcpMtuBlackhole])
    };
    match goal.body {
        Some(own) if is_lost && own > SMALL => {
            probes.extend(SIZES.into_iter().filter(|size| *size < own).map(upload));
            probes.push(upload(own));
        }
        _ if goal.deep && end.is_none() => probes.extend(SIZES.map(upload)),
        Some(_) | None => {}
    }
    if goal.deep && end.is_none() {
        // What is cut after seconds need not be waited for a minute.
        let is_cut = evidence.facts().iter().any(|f| f.path.idle.is_some() && f.saw.is_err());
        let is_asked = evidence.facts().iter().any(|f| f.path.idle == Some(Dur::secs(10)));
        let longest = [60].into_iter().filter(|_| is_asked && !is_cut);
        for seconds in [2, 10].into_iter().chain(longest) {
            let path = Path { idle: Some(Dur::secs(seconds)), ..goal.path() };
            let why = &[Cause::TcpStalePooled, Cause::TcpIdleCut];
            probes.push(Probe::new(What::Reuse, path.clone(), Dur::secs(5), why));
            probes.push(Probe::new(What::Idle, path, Dur::secs(5), why));
        }
    }
    probes
}

/// The connection was lost, or stood still, while or after the request was sent.
const fn is_lost_sending(fact: &Fact, failure: Failure) -> bool {
    matches!(fact.stage, Stage::Send | Stage::Head)
        && matches!(
            failure,
            Failure::Reset | Failure::Eof | Failure::TimedOut(Limit::Send | Limit::FirstByte | Limit::Idle)
        )
}

/// A large request is lost where a small one is answered.
fn upload_blocked(evidence: &Evidence) -> Option<Found> {
    let uploads = || evidence.at(Stage::Send).filter(|f| f.path.body.is_some() && f.path.mss.is_none());
    let mut lost: Vec<&Fact> =
        uploads().filter(|f| f.saw.as_ref().err().is_some_and(|e| is_lost_sending(f, *e))).collect();
    lost.sort_by_key(|f| f.path.body);
    let first = lost.first()?;
    let well =
        uploads().filter(|f| f.saw.is_ok() && f.path.body < first.path.body).max_by_key(|f| f.path.body)?;
    // Sizes that pass above one that does not have nothing to do with the size.
    if uploads().any(|f| f.saw.is_ok() && f.path.body >= first.path.body) {
        return None;
    }
    let own = evidence.end().filter(|(f, failure)| is_lost_sending(f, *failure));
    let found = if own.is_some() { Found::root(first) } else { Found::contributing(first) };
    Some(found.flipped(Some(well), Axis::Body))
}

/// A connection that was silent for a while is lost with the next request, or reset before.
fn stale_pooled(evidence: &Evidence) -> Option<Found> {
    if evidence.end().is_some() {
        return None;
    }
    let lost = evidence.facts().iter().find(|f| {
        let is_idle = f.path.idle.is_some() && f.path.client.is_none();
        let second = f.path.reused == Some(true) && f.stage == Stage::Head && f.saw.is_err();
        let reset = f.stage == Stage::Stream && f.saw == Err(Failure::Reset);
        is_idle && (second || reset)
    })?;
    let well = evidence.passed(Stage::Stream).or_else(|| evidence.passed(Stage::Head))?;
    Some(Found::contributing(lost).flipped(Some(well), Axis::Idle))
}

/// The call went well, and the same fault was met at times: by an attempt before, or by a request beside it.
fn at_times(evidence: &Evidence, cause: Cause) -> Option<Found> {
    if evidence.end().is_some() {
        return None;
    }
    let is_answer =
        |f: &&Fact| !matches!(f.saw, Ok(Seen::State(..) | Seen::Paced(_))) && f.stage >= Stage::Head;
    let beside = || {
        let is_beside = |f: &&Fact| f.path.client.is_none() && f.path.reused == Some(true);
        evidence.facts().iter().filter(is_beside).filter(is_answer)
    };
    // What fails every time, while the call does not, is a request that this server does not serve.
    let counts = beside().any(|f| f.saw.is_ok());
    let all: Vec<&Fact> = evidence.attempts().filter(is_answer).chain(beside().filter(|_| counts)).collect();
    let is_it = |f: &&&Fact| {
        let failure = f.saw.as_ref().err();
        failure.is_some_and(|e| {
            matches!(e, Failure::Status(500..=599, ..)) && classify(f.stage, e, f.sent) == cause
        })
    };
    let first = all.iter().find(is_it)?;
    let n = all.iter().filter(is_it).count();
    (n < all.len()).then(|| Found::contributing(first).rate(n, all.len()))
}
