//! The name becomes an address, late or not every time.

use std::net::IpAddr;

use clearline_model::{Axis, Cause, Dur, Fact, Failure, Proof, Stage};

use super::view::{Answer, Names};
use crate::evidence::Evidence;
use crate::rules::{Found, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule { cause: Cause::DnsFirstResolverDead, judge: first_dead },
    Rule { cause: Cause::DnsAaaaBroken, judge: aaaa_broken },
    Rule { cause: Cause::DnsFlaky, judge: flaky },
    Rule { cause: Cause::DnsSlow, judge: slow },
];

/// A look-up that took so long is late.
pub(super) const LATE: Dur = Dur::secs(1);
/// Fewer look-ups than this give no rate.
const ENOUGH: u32 = 8;
/// Losses below this may be chance.
const LOST_MIN: u32 = 3;

/// The reference client's look-up, where it came late.
fn late<'a>(names: &Names<'a>) -> Option<&'a Fact> {
    names.own().filter(|f| f.saw.is_ok() && f.took >= LATE)
}

/// The resolver that is asked first does not answer, and another one does. With `rotate` each of them is asked first at times.
fn first_dead(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    late(&names)?;
    let is_rotating = evidence
        .state("resolv.options")
        .is_some_and(|(_, options)| options.raw().split_whitespace().any(|option| option == "rotate"));
    let asked_first = if is_rotating { names.configured.len() } else { 1 };
    let dead =
        names.configured.iter().take(asked_first).find_map(|ip| match names.answer(*ip, names.host) {
            Some(Answer::Silent(fact)) => Some(fact),
            Some(Answer::Gives(_) | Answer::Denies(..) | Answer::Empty(_)) | None => None,
        })?;
    let alive = names.configured.iter().find_map(|ip| match names.answer(*ip, names.host) {
        Some(Answer::Gives(fact)) => Some(fact),
        Some(Answer::Denies(..) | Answer::Empty(_) | Answer::Silent(_)) | None => None,
    })?;
    Some(Found::contributing(dead).flipped(Some(alive), Axis::Resolver))
}

/// The question for IPv6 addresses gets no answer, that for IPv4 addresses does at once.
fn aaaa_broken(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let unresolved =
        names.unresolved().filter(|(_, f)| matches!(f, Failure::TimedOut(_) | Failure::Rcode(2, _)));
    if late(&names).is_none() && unresolved.is_none() {
        return None;
    }
    let first = names.first()?;
    let of = |family: u8| names.asked(first, names.host).filter(move |f| f.path.family == Some(family));
    let quick = of(4).find(|f| f.saw.is_ok() && f.took < LATE)?;
    let is_broken = |f: &&Fact| {
        matches!(f.saw, Err(Failure::TimedOut(_)))
            || (unresolved.is_some() && matches!(f.saw, Err(Failure::Rcode(2, _))))
    };
    let broken = of(6).find(is_broken)?;
    if of(6).any(|f| !is_broken(&f)) || of(4).any(|f| f.saw.is_err()) {
        return None;
    }
    let found = if unresolved.is_some() { Found::root(broken) } else { Found::contributing(broken) };
    Some(found.flipped(Some(quick), Axis::Family))
}

/// How many look-ups a resolver was asked for this name, and how many of them were lost once or for good.
fn losses<'a>(names: &Names<'a>, resolver: IpAddr) -> (u32, u32, Option<&'a Fact>) {
    let asked: Vec<&Fact> =
        names.asked(resolver, names.host).filter(|f| f.path.transport.is_none()).collect();
    let failed = |f: &&&Fact| matches!(f.saw, Err(Failure::TimedOut(_) | Failure::Rcode(2, _)));
    let repeated = names.evidence.said("dns.lost");
    let repeated = repeated.filter(|(f, _)| f.path.resolver == Some(resolver) && f.path.host == names.host);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let first = asked.iter().find(failed).copied();
    (count(asked.len()), count(asked.iter().filter(failed).count()) + count(repeated.count()), first)
}

/// The share of questions that a resolver loses, and who else loses as many.
struct Loss<'a> {
    fact: &'a Fact,
    lost: u32,
    asked: u32,
    /// Whether another resolver loses them as well: then they are lost on the way.
    is_shared: bool,
}

fn loss<'a>(names: &Names<'a>) -> Option<Loss<'a>> {
    let first = names.first()?;
    let (asked, lost, example) = losses(names, first);
    // One that is late every time is slow.
    let is_quick = names.asked(first, names.host).any(|f| f.saw.is_ok() && f.took < LATE);
    let is_rate = is_quick && asked >= ENOUGH && lost >= LOST_MIN && lost < asked && lost * 6 >= asked;
    let fact = example.or_else(|| names.asked(first, names.host).next()).filter(|_| is_rate)?;
    let is_shared = names.others().into_iter().chain(names.configured.iter().copied().skip(1)).any(|ip| {
        let (asked_there, lost_there, _) = losses(names, ip);
        asked_there >= ENOUGH && lost_there * asked * 2 >= lost * asked_there
    });
    Some(Loss { fact, lost, asked, is_shared })
}

fn found(names: &Names<'_>, loss: &Loss<'_>) -> Found {
    let fact = loss.fact;
    let mut found = if names.unresolved().is_some() { Found::root(fact) } else { Found::contributing(fact) };
    found.proof = vec![Proof::Rate(fact.id, loss.lost, loss.asked)];
    found
}

/// Some questions to the resolver are lost, and not those to another.
fn flaky(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let loss = loss(&names).filter(|loss| !loss.is_shared)?;
    Some(found(&names, &loss))
}

/// Some questions to every resolver are lost.
pub(in crate::rules) fn lost_everywhere(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let loss = loss(&names).filter(|loss| loss.is_shared)?;
    Some(found(&names, &loss))
}

/// The resolver answers, and takes its time: for every question, or for those of one family.
fn slow(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    late(&names)?;
    let first = names.first()?;
    let Some(Answer::Gives(_)) = names.answer(first, names.host) else { return None };
    let quickest = |family: u8| {
        let answers = names.asked(first, names.host).filter(|f| f.path.family == Some(family));
        answers.filter(|f| is_answer(f)).min_by_key(|f| f.took)
    };
    // A look-up of the system waits for both.
    let latest = [4, 6].into_iter().filter_map(quickest).max_by_key(|f| f.took)?;
    if latest.took >= LATE { Some(Found::contributing(latest)) } else { slow_search(&names) }
}

/// The name itself is answered at once, and the names that the search list makes of it are not.
fn slow_search(names: &Names<'_>) -> Option<Found> {
    let own = late(names)?;
    let (search, _) = names.evidence.state("resolv.search")?;
    let absolute = names.evidence.at(Stage::Resolve).find(|f| {
        let is_it = f.path.resolver.is_none() && f.path.host.strip_suffix('.') == Some(names.host);
        is_it && f.saw.is_ok() && f.took < LATE
    })?;
    let mut found = Found::contributing(own);
    found.proof.extend([Proof::One(absolute.id), Proof::One(search.id)]);
    Some(found)
}

/// Whether the resolver said something, an address or that there is none.
const fn is_answer(fact: &Fact) -> bool {
    matches!(fact.saw, Ok(_) | Err(Failure::NoAddress))
}
