//! What a failure means for its call: a pure function of the cause's row, the request and what was tried already.

use clearline_model::{Ask, Cause, Charge, Hint, Repeat, Retry, Sent, Stage};

use crate::input::Miss;
use crate::output::Conn;

/// What was tried already for this call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Used {
    /// A new connection at once.
    pub(crate) conn: bool,
    /// The limits of its stages.
    pub(crate) limits: Within,
    /// Another address at once.
    pub(crate) address: bool,
    /// So many answers that may be paid for.
    pub(crate) lost: u8,
}

/// After so many broken answers that may be paid for, one more ends the call (a guess): what broke as often breaks always, and each
/// costs its output.
const LOST_MAX: u8 = 4;

/// Which limits the stages of an attempt have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Within {
    /// Those that recent times of the lane give.
    #[default]
    Recent,
    /// Those of the settings, as the former were too short.
    Settings,
    /// Twice those of the settings.
    Doubled,
}

/// What the decision reads besides the failure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) ask: Ask,
    pub(crate) used: Used,
    /// Billed calls may be repeated after a lost answer.
    pub(crate) maybe_billed: bool,
    /// The attempt used a key of a pool that has others.
    pub(crate) pooled: bool,
    /// The upstream has an address that nothing is held against: where none has, nobody is reached, and to try at once only
    /// adds attempts.
    pub(crate) other_address: bool,
}

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing: the call ends.
    End,
    /// Another key at once; this one refused the call.
    NextKey,
    /// Another key at once, or the same one when it has rested.
    RestKey,
    /// Again after a backoff on this connection.
    Backoff(Conn, Base),
    /// Again at once on this connection.
    AtOnce(Conn),
    /// Again at once with longer limits.
    Longer,
}

impl Decision {
    /// It goes on with another key.
    pub(crate) const fn hops(self) -> bool {
        matches!(self, Self::NextKey | Self::RestKey)
    }
}

/// The first step of a backoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// Chance.
    Short,
    /// Somebody has too much to do.
    Overload,
}

/// Whether the request may be sent again at all.
pub(crate) const fn repeatable(miss: &Miss, ask: Ask, maybe_billed: bool) -> bool {
    if !ask.replayable {
        return false;
    }
    match (miss.sent, ask.repeat) {
        (Sent::No, _) | (_, Repeat::Free) => true,
        (_, Repeat::Billed) => miss.answered || miss.not_executed || maybe_billed,
        (_, Repeat::Once) => miss.not_executed,
    }
}

/// Whether an answer broke that may have to be paid for. That somebody has too much to do is said before there is one.
pub(crate) fn is_lost(miss: &Miss, ask: Ask) -> bool {
    let began = miss.stage >= Stage::Body && !miss.answered && !miss.not_executed;
    began && ask.repeat == Repeat::Billed && !is_overload(miss)
}

/// Whether a retry after this cause is paid from the budget: overload and limits are not, they have their own delay.
pub(crate) fn costs(cause: Cause) -> bool {
    let row = cause.row();
    let paid = matches!(row.charge, Charge::Nobody | Charge::Address | Charge::Site | Charge::Upstream);
    paid && base(cause) == Base::Short
}

fn base(cause: Cause) -> Base {
    let row = cause.row();
    let overload = matches!(cause, Cause::ServerOverloaded | Cause::QuotaThrottled);
    if overload || row.charge == Charge::Key || row.retry == Retry::AfterHint {
        Base::Overload
    } else {
        Base::Short
    }
}

/// Whether it says that somebody on the other side has too much to do.
pub(crate) fn is_overload(miss: &Miss) -> bool {
    matches!(
        miss.cause,
        Cause::ServerOverloaded
            | Cause::ServerUnavailable
            | Cause::QuotaThrottled
            | Cause::GatewayBadGateway
            | Cause::GatewayRateLimited
    )
}

/// Whether it is about the organisation that a key belongs to, and so about all of that one's keys.
pub(crate) const fn is_shared(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::QuotaRequests
            | Cause::QuotaInputTokens
            | Cause::QuotaOutputTokens
            | Cause::QuotaAcceleration
            | Cause::QuotaConcurrency
            | Cause::QuotaCredit
            | Cause::QuotaBilling
            | Cause::AuthOrgDisabled
    )
}

/// Whether the other side was not reached at all. A server that refuses a stream of a connection was reached: it can go on
/// refusing as fast as it is asked.
pub(crate) fn is_unreached(miss: &Miss) -> bool {
    miss.sent == Sent::No
        && miss.stage < Stage::Send
        && matches!(miss.cause.row().charge, Charge::Address | Charge::Site)
}

/// Decides. The effects on keys and addresses are not its business: they happen in any case.
pub(crate) fn decide(miss: &Miss, case: &Case) -> Decision {
    let is_enough = case.used.lost >= LOST_MAX && is_lost(miss, case.ask);
    if is_enough || !repeatable(miss, case.ask, case.maybe_billed) {
        return Decision::End;
    }
    let natural = if about_key(miss.cause) { by_key(miss.cause, case) } else { by_way(miss.cause, case) };
    match miss.hint.should_retry {
        // The server speaks about this credential: with another one it is another question.
        Some(false) if matches!(natural, Decision::NextKey | Decision::RestKey) => Decision::NextKey,
        Some(false) => Decision::End,
        Some(true) if natural == Decision::End => Decision::Backoff(Conn::Any, base(miss.cause)),
        Some(_) | None => natural,
    }
}

/// Whether it is repeated only because the server asks for that, which is no reason to do it without end.
pub(crate) fn is_asked_for(miss: &Miss, case: &Case) -> bool {
    let hint = Hint { should_retry: None, ..miss.hint };
    miss.hint.should_retry == Some(true) && decide(&Miss { hint, ..*miss }, case) == Decision::End
}

/// Whether another key may fare better. A throttle that names no quota is mostly one of the key all the same.
pub(crate) fn about_key(cause: Cause) -> bool {
    cause.row().charge == Charge::Key || cause == Cause::QuotaThrottled
}

fn by_key(cause: Cause, case: &Case) -> Decision {
    match (cause.row().retry, case.pooled) {
        (Retry::Never | Retry::AfterRefresh, true) => Decision::NextKey,
        (Retry::Never | Retry::AfterRefresh, false) => Decision::End,
        (_, true) => Decision::RestKey,
        (_, false) => Decision::Backoff(Conn::Any, Base::Overload),
    }
}

fn by_way(cause: Cause, case: &Case) -> Decision {
    let row = cause.row();
    let address = row.charge == Charge::Address;
    let later = |conn| Decision::Backoff(conn, base(cause));
    match row.retry {
        Retry::Never if address && case.other_address => Decision::AtOnce(Conn::Fresh),
        Retry::Never | Retry::AfterRefresh => Decision::End,
        Retry::Backoff | Retry::AfterHint if address && case.other_address && !case.used.address => {
            Decision::AtOnce(Conn::Fresh)
        }
        Retry::Backoff | Retry::AfterHint if address => later(Conn::Fresh),
        Retry::Backoff | Retry::AfterHint => later(Conn::Any),
        Retry::FreshConnection if case.used.conn => later(Conn::Fresh),
        Retry::FreshConnection => Decision::AtOnce(Conn::Fresh),
        Retry::OnH1 if case.used.conn => later(Conn::FreshH1),
        Retry::OnH1 => Decision::AtOnce(Conn::FreshH1),
        Retry::LongerTimeout if case.used.limits == Within::Doubled => Decision::End,
        Retry::LongerTimeout => Decision::Longer,
        Retry::IfSafe | Retry::IfUncommitted => later(Conn::Fresh),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPEATS: [Repeat; 3] = [Repeat::Free, Repeat::Billed, Repeat::Once];

    fn case(repeat: Repeat, pooled: bool) -> Case {
        let ask = Ask { repeat, ..Ask::default() };
        Case { ask, used: Used::default(), maybe_billed: true, pooled, other_address: true }
    }

    /// Every cause, whether it was sent, what may be repeated, and every kind of answer.
    fn every(mut check: impl FnMut(&Miss, &Case)) {
        for &cause in Cause::ALL {
            for sent in [Sent::No, Sent::Maybe, Sent::Yes] {
                for (answered, not_executed) in [(false, false), (true, false), (true, true)] {
                    for repeat in REPEATS {
                        for pooled in [false, true] {
                            let miss =
                                Miss { answered, not_executed, ..Miss::silent(cause, Stage::Head, sent) };
                            check(&miss, &case(repeat, pooled));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_may_happen_once_is_never_repeated_unless_it_certainly_did_not_happen() {
        every(|miss, case| {
            for should_retry in [None, Some(true), Some(false)] {
                let miss = Miss { hint: Hint { after: None, should_retry }, ..*miss };
                if case.ask.repeat == Repeat::Once && miss.sent != Sent::No && !miss.not_executed {
                    assert_eq!(decide(&miss, case), Decision::End, "{miss:?}");
                }
            }
        });
    }

    #[test]
    fn a_body_that_is_gone_and_a_lost_answer_that_must_not_be_paid_twice_end_the_call() {
        every(|miss, case| {
            let gone = Case { ask: Ask { replayable: false, ..case.ask }, ..*case };
            assert_eq!(decide(miss, &gone), Decision::End);
            let careful = Case { maybe_billed: false, ..*case };
            if case.ask.repeat == Repeat::Billed && miss.sent != Sent::No && !miss.answered {
                assert_eq!(decide(miss, &careful), Decision::End);
            }
        });
    }

    #[test]
    fn answers_that_are_paid_for_and_break_each_time_end_the_call() {
        let ask = Ask { repeat: Repeat::Billed, ..Ask::default() };
        let decided = |stage, cause, lost| {
            let used = Used { lost, ..Used::default() };
            decide(&Miss::silent(cause, stage, Sent::Yes), &Case { used, ..case(ask.repeat, false) })
                == Decision::End
        };
        for (stage, cause, ends) in [
            (Stage::Stream, Cause::StreamCut, true),
            (Stage::Body, Cause::HttpTruncated, true),
            (Stage::Head, Cause::HttpResetBeforeResponse, false),
            (Stage::Stream, Cause::ServerOverloaded, false),
        ] {
            assert!(!decided(stage, cause, LOST_MAX - 1), "{cause}");
            assert_eq!(decided(stage, cause, LOST_MAX), ends, "{cause}");
        }
    }

    #[test]
    fn the_row_decides() {
        every(|miss, case| {
            let row = miss.cause.row();
            let decision = decide(miss, case);
            if !repeatable(miss, case.ask, true) {
                return;
            }
            let never = row.retry == Retry::Never;
            let ends = match row.charge {
                Charge::Key => !case.pooled && matches!(row.retry, Retry::Never | Retry::AfterRefresh),
                Charge::Address => false,
                Charge::Upstream | Charge::Site | Charge::Caller | Charge::Nobody => never,
            };
            assert_eq!(decision == Decision::End, ends, "{miss:?}");
            let keyed = matches!(decision, Decision::NextKey | Decision::RestKey);
            assert_eq!(keyed, about_key(miss.cause) && case.pooled, "{miss:?}");
            let (yes, no) = (Some(true), Some(false));
            let told = |should_retry| Miss { hint: Hint { after: None, should_retry }, ..*miss };
            assert_ne!(decide(&told(yes), case), Decision::End, "{miss:?}");
            assert!(matches!(decide(&told(no), case), Decision::End | Decision::NextKey), "{miss:?}");
        });
    }

    #[test]
    fn at_once_happens_once_and_overload_is_free() {
        let used = Used { conn: true, limits: Within::Doubled, address: true, lost: 0 };
        every(|miss, case| {
            let again = decide(miss, &Case { used, other_address: false, ..*case });
            assert!(!matches!(again, Decision::AtOnce(_) | Decision::Longer), "{miss:?}");
        });
        for (cause, paid) in [
            (Cause::ServerOverloaded, false),
            (Cause::ServerError, true),
            (Cause::TcpRefused, true),
            (Cause::StreamCut, true),
            (Cause::QuotaRequests, false),
            (Cause::AuthInvalid, false),
            (Cause::ConfigFdLimit, false),
        ] {
            assert_eq!(costs(cause), paid, "{cause}");
        }
    }
}
