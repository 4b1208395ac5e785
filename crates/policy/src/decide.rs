//! What a failure means for its call: a pure function of the cause's row, the request and what was tried already.

use clearline_model::{Ask, Cause, Charge, Repeat, Retry, Sent};

use crate::input::Miss;
use crate::output::Conn;

/// What was tried already for this call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Used {
    /// A new connection at once.
    pub(crate) conn: bool,
    /// A longer limit.
    pub(crate) longer: bool,
    /// Another address at once.
    pub(crate) address: bool,
}

/// What the decision reads besides the failure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) ask: Ask,
    pub(crate) used: Used,
    /// Billed calls may be repeated after a lost answer.
    pub(crate) maybe_billed: bool,
    /// The attempt used a key of the pool.
    pub(crate) pooled: bool,
    /// The upstream has an address that nothing is held against.
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

/// Decides. The effects on keys and addresses are not its business: they happen in any case.
pub(crate) fn decide(miss: &Miss, case: &Case) -> Decision {
    if !repeatable(miss, case.ask, case.maybe_billed) {
        return Decision::End;
    }
    let row = miss.cause.row();
    let natural = if row.charge == Charge::Key { by_key(miss.cause, case) } else { by_way(miss.cause, case) };
    match miss.hint.should_retry {
        // The server speaks about this credential: with another one it is another question.
        Some(false) if natural != Decision::NextKey => Decision::End,
        Some(true) if natural == Decision::End => Decision::Backoff(Conn::Any, base(miss.cause)),
        Some(_) | None => natural,
    }
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
        Retry::Backoff | Retry::AfterHint if address && !case.used.address => Decision::AtOnce(Conn::Fresh),
        Retry::Backoff | Retry::AfterHint if address => later(Conn::Fresh),
        Retry::Backoff | Retry::AfterHint => later(Conn::Any),
        Retry::FreshConnection if case.used.conn => later(Conn::Fresh),
        Retry::FreshConnection => Decision::AtOnce(Conn::Fresh),
        Retry::OnH1 if case.used.conn => later(Conn::FreshH1),
        Retry::OnH1 => Decision::AtOnce(Conn::FreshH1),
        Retry::LongerTimeout if case.used.longer => Decision::End,
        Retry::LongerTimeout => Decision::Longer,
        Retry::IfSafe | Retry::IfUncommitted => later(Conn::Fresh),
    }
}
