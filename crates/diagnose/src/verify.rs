//! Whether a fix worked: only the probes that decide it are made again, and what they say is compared with what was found.

use clearline_model::{
    Axis, Cause, Dur, Fact, Finding, Layer, Path, Proof, Role, Route, Source, Stage, Verdict, Verification,
};

use crate::evidence::{Evidence, REFERENCE};
use crate::plan::{Goal, Probe, What};

/// The longest wait of a probe that is repeated.
const LIMIT: Dur = Dur::secs(4);
/// How often what failed at times is tried again.
const TRIES: u8 = 6;

/// The causes that a fix was to remove.
fn wanted(verdict: &Verdict) -> impl Iterator<Item = &Finding> {
    verdict.findings.iter().filter(|f| f.role != Role::Information)
}

/// The probes that decide whether what was found is gone: the call itself, and those whose facts were the proof.
#[must_use]
pub fn deciding(goal: &Goal, before: &Evidence, verdict: &Verdict) -> Vec<Probe> {
    let mut probes = vec![Probe::new(What::Reference, goal.path(), Dur::secs(5), &[])];
    let mut add = |probe: Probe| {
        if !probes.contains(&probe) {
            probes.push(probe);
        }
    };
    let old = before.reference().next().map(|f| f.path.host.clone()).unwrap_or_default();
    for finding in wanted(verdict) {
        if finding.cause.row().layer == Layer::Net {
            add(Probe::new(What::Host, Path::default(), LIMIT, &[]));
        }
        for proof in &finding.proof {
            let (ids, is_rate) = match proof {
                Proof::Flip(failed, well, _) => ([Some(*failed), Some(*well)], false),
                Proof::One(fact) => ([Some(*fact), None], false),
                Proof::Rate(fact, ..) => ([Some(*fact), None], true),
            };
            for fact in ids.into_iter().flatten().filter_map(|id| before.get(id)) {
                let Some(what) = what(fact) else { continue };
                let path = moved(&fact.path, &old, goal);
                let path = if what == What::Addresses { goal.direct() } else { path };
                let probe = Probe::new(what, path, LIMIT, &[]);
                let several = is_rate || matches!(what, What::Addresses | What::Free);
                add(if several { probe.times(TRIES) } else { probe });
            }
        }
    }
    probes
}

/// The probe that sees such a fact; nothing where the call or the settings say it again.
fn what(fact: &Fact) -> Option<What> {
    let path = &fact.path;
    if fact.from == Source::Host || path.client.as_deref() == Some(REFERENCE) {
        return None;
    }
    if path.http == Some(20) {
        return Some(What::Http2);
    }
    let is_shaped = path.hello.is_some() || path.alpn.is_some() || path.server_name.is_some();
    match fact.stage {
        Stage::Resolve => Some(What::Lookup),
        Stage::Connect if path.port.is_some() || path.mss.is_some() => Some(What::Connect),
        Stage::Connect => Some(What::Addresses),
        Stage::Tunnel => Some(What::Tunnel),
        Stage::Handshake if is_shaped && matches!(path.route, Some(Route::Direct)) => Some(What::Hello),
        Stage::Handshake if path.trust.is_some() || path.mss.is_some() || path.port.is_some() => {
            Some(What::Handshake)
        }
        Stage::Handshake if path.route == Some(Route::Direct) => Some(What::Addresses),
        Stage::Handshake => Some(What::Handshake),
        Stage::Send | Stage::Head | Stage::Body if path.body.is_some() => Some(What::Upload),
        Stage::Head | Stage::Body if path.idle.is_some() => Some(What::Reuse),
        Stage::Head if path.reused == Some(true) => Some(What::Free),
        Stage::Head if path.port.is_some() => Some(What::Plain),
        Stage::Head => Some(What::Keyless),
        Stage::Config | Stage::Send | Stage::Body | Stage::Stream => None,
    }
}

/// The same circumstances at the target of today: the fix may have changed it.
fn moved(path: &Path, old: &str, goal: &Goal) -> Path {
    let path = Path { client: None, trust: None, credential: None, reused: None, ..path.clone() };
    if path.host != old || path.host == goal.host {
        return path;
    }
    Path { host: goal.host.clone(), address: None, family: None, ..path }
}

/// What became of everything that was found. `now` is the verdict on what the deciding probes saw.
#[must_use]
pub fn compare(before: (&Evidence, &Verdict), after: (&Evidence, &Verdict)) -> Verification {
    let old_end = before.0.end().map(|(f, _)| f.stage);
    let new_end = after.0.end().map(|(f, _)| f.stage);
    let is_there = |cause: Cause| wanted(after.1).any(|f| f.cause == cause);
    let mut result = Verification::default();
    for finding in wanted(before.1) {
        let needs = if finding.role == Role::Root { old_end } else { seen_at(before.0, finding) };
        let list = if is_there(finding.cause) {
            &mut result.left
        } else {
            match (needs, new_end) {
                // A root that was no end stood in the settings, which were read again.
                (None, _) | (Some(_), None) => &mut result.fixed,
                (Some(needs), Some(end)) if end > needs => &mut result.fixed,
                (Some(needs), Some(end)) if end == needs && finding.role == Role::Root => &mut result.left,
                (Some(_), Some(_)) => &mut result.open,
            }
        };
        list.push(finding.cause);
    }
    // Nothing was seen at all.
    if after.0.reference().next().is_none() {
        result.open.append(&mut result.fixed);
    }
    let known: Vec<Cause> = wanted(before.1).map(|f| f.cause).collect();
    let roots = after.1.findings.iter().filter(|f| f.role == Role::Root).map(|f| f.cause);
    result.next = roots.filter(|cause| !known.contains(cause)).collect();
    result
}

/// The stage that a finding was seen at, where a flip or a fact says it.
fn seen_at(evidence: &Evidence, finding: &Finding) -> Option<Stage> {
    let id = match finding.proof.first()? {
        Proof::Flip(failed, _, axis) if *axis != Axis::Client => *failed,
        Proof::Flip(_, well, _) => *well,
        Proof::One(fact) | Proof::Rate(fact, ..) => *fact,
    };
    evidence.get(id).map(|f| f.stage)
}

#[cfg(test)]
mod tests {
    use clearline_model::{CallId, FactId, Failure, Foreign, Limit, Mono, ProbeId, Seen, Sent};

    use super::*;
    use crate::judge::judge;

    const API: &str = "api.anthropic.com";

    fn path() -> Path {
        Path { host: API.to_owned(), route: Some(Route::Direct), ..Path::default() }
    }

    fn proxied() -> Path {
        Path { route: Some(Route::Proxy("http://proxy.example:3128".to_owned())), ..path() }
    }

    fn fact(stage: Stage, path: Path, saw: Result<Seen, Failure>) -> Fact {
        let from = Source::Probe(ProbeId(0));
        Fact { id: FactId(0), from, path, stage, saw, sent: Sent::No, at: Mono(0), took: Dur(0) }
    }

    fn reference(stage: Stage, path: Path, saw: Result<Seen, Failure>) -> Fact {
        let path = Path { client: Some(REFERENCE.to_owned()), ..path };
        Fact { from: Source::Attempt(CallId(0), 1), ..fact(stage, path, saw) }
    }

    fn head() -> Result<Seen, Failure> {
        Ok(Seen::Head { status: 200, headers: Vec::new() })
    }

    fn verify(before: &[Fact], after: &[Fact]) -> Verification {
        let [before, after] = [before, after].map(|facts| Evidence::new(facts.to_vec()));
        compare((&before, &judge(&before)), (&after, &judge(&after)))
    }

    /// A proxy that is not there, and a way out without it.
    fn broken() -> Vec<Fact> {
        vec![reference(Stage::Tunnel, proxied(), Err(Failure::Refused)), fact(Stage::Head, path(), head())]
    }

    #[test]
    fn only_what_decides_is_probed_again() {
        let before = Evidence::new(broken());
        let verdict = judge(&before);
        assert_eq!(verdict.findings.first().map(|f| f.cause), Some(Cause::ProxyUnreachable));
        let goal = Goal { host: API.to_owned(), port: 443, ..Goal::default() };
        let asked: Vec<What> = deciding(&goal, &before, &verdict).iter().map(|p| p.what).collect();
        assert_eq!(asked, [What::Reference, What::Keyless]);
        // A base URL that was wrong is another one now.
        let other = Goal { host: "gw.example".to_owned(), ..goal };
        assert!(deciding(&other, &before, &verdict).iter().all(|p| p.path.host == "gw.example"));
    }

    #[test]
    fn gone_and_not_gone_are_told_apart() {
        let cause = vec![Cause::ProxyUnreachable];
        // The call works.
        let fixed = verify(&broken(), &[reference(Stage::Head, path(), head())]);
        assert_eq!(fixed, Verification { fixed: cause.clone(), ..Verification::default() });
        // The same again.
        assert_eq!(verify(&broken(), &broken()).left, cause);
        // The proxy is there now, and hangs: it ends where it ended.
        let hangs = reference(Stage::Tunnel, proxied(), Err(Failure::TimedOut(Limit::Tunnel)));
        let still = verify(&broken(), &[hangs]);
        assert_eq!(still.left, cause);
        assert_eq!(still.next.len(), 1, "{still:?}");
        // It is passed, and the next thing is wrong.
        let later = verify(&broken(), &[reference(Stage::Handshake, path(), Err(Failure::Reset))]);
        assert_eq!((&later.fixed, later.next.len()), (&cause, 1), "{later:?}");
        // It ends before that: nothing is known.
        let earlier = verify(&broken(), &[reference(Stage::Resolve, path(), Err(Failure::NoAddress))]);
        assert_eq!((earlier.open, earlier.fixed), (cause.clone(), vec![]));
        assert_eq!(verify(&broken(), &[]).open, cause);
    }

    #[test]
    fn a_setting_that_is_gone_is_fixed() {
        let said = |name: &str, value: &str| {
            let saw = Ok(Seen::State(name.to_owned(), Foreign::new(value)));
            Fact { from: Source::Host, path: Path::default(), ..fact(Stage::Config, Path::default(), saw) }
        };
        let well = reference(Stage::Head, path(), head());
        let missing = [said("credential", "missing"), well.clone()];
        assert_eq!(verify(&missing, &[said("credential", "well"), well]).fixed, [Cause::AuthMissing]);
        assert_eq!(verify(&missing, &missing).left, [Cause::AuthMissing]);
    }
}
