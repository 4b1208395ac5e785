//! Hours of calls in virtual time.

use super::*;

const SECOND: u64 = 1_000_000;

/// What was told: second, begins, cause.
type Told = Vec<(u64, bool, Cause)>;

/// Chance from a seed (SplitMix64), thousandths.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % 1000
    }
}

/// Plays seconds of `rate` thousandths of a call each; `fate` says what becomes of a call in a second.
fn play(seconds: u64, rate: u64, seed: u64, mut fate: impl FnMut(u64, u64) -> Option<Cause>) -> Told {
    let (mut alerts, mut chance, mut told) = (Alerts::new(AlertRules::default()), Chance(seed), Told::new());
    for at in 0..seconds {
        let due = rate / 1000 + u64::from(chance.next() < rate % 1000);
        for i in 0..due {
            let now = Mono(at * SECOND + i * SECOND / due);
            let failed = fate(at, chance.next());
            told.extend(alerts.add(now, CallerId(0), failed).iter().map(|a| (at, a.begins, a.cause)));
        }
        let ticked = alerts.tick(Mono((at + 1) * SECOND - 1));
        told.extend(ticked.iter().map(|a| (at, a.begins, a.cause)));
    }
    told
}

/// Two of a hundred calls fail, scattered.
fn scattered(dice: u64) -> Option<Cause> {
    (dice < 20).then_some(Cause::ServerError)
}

#[test]
fn a_healthy_hour_with_scattered_500s_raises_no_alert() {
    for seed in 1..=8 {
        for rate in [30, 200, 1_000] {
            assert_eq!(play(3600, rate, seed, |_, dice| scattered(dice)), [], "{rate} mHz, seed {seed}");
        }
    }
    assert_eq!(play(1200, 12_000, 1, |_, dice| scattered(dice)), [], "a busy gateway");
}

#[test]
fn an_incident_is_one_alert_with_its_cause_and_one_end() {
    let incidents = [Cause::AuthRevoked, Cause::ServerOverloaded, Cause::QuotaRequests, Cause::StreamCut];
    for (seed, cause) in (1..).zip(incidents) {
        for (rate, share) in [(200, 1_000), (1_000, 500), (5_000, 300)] {
            let told = play(2400, rate, seed, |at, dice| match at {
                1200..1500 if dice < share => Some(cause),
                _ => scattered(dice),
            });
            let what: Vec<_> = told.iter().map(|t| (t.1, t.2)).collect();
            assert_eq!(what, [(true, cause), (false, cause)], "{cause} {rate} mHz: {told:?}");
            let (begun, ended) = (told[0].0, told[1].0);
            assert!(
                (1201..1300).contains(&begun) && (1500..1800).contains(&ended),
                "{cause} {rate} mHz: {told:?}"
            );
        }
    }
}

#[test]
fn a_flapping_signal_does_not_spam() {
    for (bad, well) in [(5, 5), (30, 30), (60, 90), (180, 180), (240, 400), (20, 600)] {
        let told =
            play(4 * 3600, 2_000, 7, |at, _| (at % (bad + well) < bad).then_some(Cause::ServerOverloaded));
        assert!(!told.is_empty(), "{bad} s bad, {well} s well is told");
        assert!(told.len() <= 10, "{bad} s bad, {well} s well: {} messages: {told:?}", told.len());
    }
}

#[test]
fn the_callers_own_faults_count_only_where_that_is_asked_for() {
    assert_eq!(play(600, 1_000, 1, |_, _| Some(Cause::RequestContextTooLong)), []);
    let mut alerts = Alerts::new(AlertRules { own_faults: true, ..AlertRules::default() });
    let told: Vec<_> =
        (0..9).flat_map(|at| alerts.add(Mono(at * SECOND), CallerId(0), Some(Cause::AuthMissing))).collect();
    assert_eq!(told.first().map(|a| a.cause), Some(Cause::AuthMissing));
    assert_eq!((told[0].count, told[0].calls), (5, 5));
    assert_eq!((told[0].since, told[0].at), (Mono(0), Mono(4 * SECOND)), "it began before it was proved");
}

#[test]
fn rare_calls_add_up_in_the_long_window() {
    // A call in two minutes: the short window never holds five.
    let mut alerts = Alerts::new(AlertRules::default());
    let mut told = Vec::new();
    for at in (0..3600).step_by(120) {
        let failed = (1200..2400).contains(&at).then_some(Cause::TcpRefused);
        told.extend(alerts.add(Mono(at * SECOND), CallerId(0), failed));
    }
    assert_eq!(told.iter().map(|a| a.begins).collect::<Vec<_>>(), [true, false], "{told:?}");
    assert_eq!(told[0].window, Dur::secs(3600));
}

#[test]
fn an_alert_ends_where_no_calls_come_any_more() {
    let told = play(1800, 1_000, 1, |at, _| (at < 60).then_some(Cause::ServerOverloaded));
    assert_eq!(told.len(), 2, "{told:?}");
    let mut alerts = Alerts::new(AlertRules::default());
    for at in 0..30 {
        alerts.add(Mono(at * SECOND), CallerId(0), Some(Cause::ServerOverloaded));
    }
    let ends = (30..900).find(|at| alerts.tick(Mono(at * SECOND)).iter().any(|a| !a.begins)).unwrap();
    assert!((330..420).contains(&ends), "{ends}");
}

#[test]
fn one_cause_that_follows_another_is_told_as_such() {
    let told = play(2400, 2_000, 3, |at, _| match at {
        300..700 => Some(Cause::ServerOverloaded),
        700..1200 => Some(Cause::AuthRevoked),
        _ => None,
    });
    let what: Vec<_> = told.iter().map(|t| (t.1, t.2)).collect();
    let (first, second) = (Cause::ServerOverloaded, Cause::AuthRevoked);
    assert_eq!(what, [(true, first), (false, first), (true, second), (false, second)], "{told:?}");
}

#[test]
fn a_refused_key_is_told_once_and_its_return_too() {
    let mut alerts = Alerts::new(AlertRules::default());
    let (key, out) = (KeyId(1), KeyState::Quarantined(Mono(300 * SECOND)));
    for at in 0..60 {
        alerts.add(Mono(at * SECOND), CallerId(0), None);
    }
    let told = alerts.key(Mono(60 * SECOND), key, out, Some(Cause::AuthRevoked));
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].begins, told[0].subject, told[0].cause),
        (true, Subject::Key(key), Cause::AuthRevoked)
    );
    assert_eq!((told[0].calls, told[0].count), (60, 0));
    // Its next probe is refused as well, and a rest for a limit is no news.
    assert_eq!(alerts.key(Mono(400 * SECOND), key, out, Some(Cause::AuthRevoked)), []);
    assert_eq!(
        alerts.key(Mono(401 * SECOND), KeyId(0), KeyState::Cooling(Mono(9)), Some(Cause::QuotaRequests)),
        []
    );
    // With the last key gone every call fails, for the reason that was told.
    for at in 410..500 {
        assert_eq!(alerts.add(Mono(at * SECOND), CallerId(0), Some(Cause::AuthRevoked)), []);
    }
    let told = alerts.key(Mono(700 * SECOND), key, KeyState::Ready, None);
    assert_eq!(told.iter().map(|a| (a.begins, a.since)).collect::<Vec<_>>(), [(false, Mono(60 * SECOND))]);
    assert_eq!(alerts.running().count(), 0);
}

#[test]
fn whom_it_hits_is_named() {
    let mut alerts = Alerts::new(AlertRules::default());
    let mut told = Vec::new();
    for at in 0..60 {
        let caller = CallerId(at % 3);
        let failed = (caller != CallerId(1) && at > 20).then_some(Cause::QuotaInputTokens);
        told.extend(alerts.add(Mono(u64::from(at) * SECOND), caller, failed));
    }
    assert_eq!(told.first().map(|a| a.whom.clone()), Some(vec![CallerId(0), CallerId(2)]));
}

#[test]
fn memory_is_bounded_and_off_is_off() {
    let mut alerts = Alerts::new(AlertRules::default());
    for at in 0..10_000 {
        alerts.add(Mono(at * SECOND), CallerId(u32::try_from(at).unwrap()), Some(Cause::ServerError));
    }
    assert!(alerts.short.held() <= 61 && alerts.long.held() <= 61);
    let mut off = Alerts::new(AlertRules { target_milli: 0, ..AlertRules::default() });
    assert!((0..99).all(|at| off.add(Mono(at * SECOND), CallerId(0), Some(Cause::ServerError)).is_empty()));
}

#[test]
fn other_rules_hold_at_once_and_off_ends_what_runs() {
    let rules = AlertRules::default();
    let fail =
        |alerts: &mut Alerts, at: u64| alerts.add(Mono(at * SECOND), CallerId(0), Some(Cause::ServerError));
    let mut alerts = Alerts::new(AlertRules { failures_min: 100, ..rules });
    assert!((0..20).all(|at| fail(&mut alerts, at).is_empty()));
    let key = alerts.key(
        Mono(20 * SECOND),
        KeyId(1),
        KeyState::Quarantined(Mono(99 * SECOND)),
        Some(Cause::AuthRevoked),
    );
    assert_eq!(key.len(), 1);
    // What was counted proves it as soon as fewer are enough.
    assert_eq!(alerts.reload(Mono(20 * SECOND), rules), []);
    let told = fail(&mut alerts, 20);
    assert_eq!(told.iter().map(|a| (a.begins, a.cause)).collect::<Vec<_>>(), [(true, Cause::ServerError)]);
    // A window of another length begins anew, and what runs goes on.
    let shorter = AlertRules { window: Dur::secs(60), ..rules };
    assert_eq!(alerts.reload(Mono(21 * SECOND), shorter), []);
    assert_eq!(alerts.rules(), shorter);
    assert_eq!(alerts.rates(Mono(21 * SECOND)).map(|rate| rate.calls), [0, 21]);
    assert_eq!(alerts.running().count(), 2);
    let off = alerts.reload(Mono(22 * SECOND), AlertRules { target_milli: 0, ..rules });
    assert!(off.len() == 2 && off.iter().all(|alert| !alert.begins), "{off:?}");
    assert!(alerts.running().count() == 0 && fail(&mut alerts, 23).is_empty());
}
