//! After the commit: a broken stream of text is continued where that is allowed, or ends honestly.

use clearline_model::{Mono, Outcome};

use crate::call::{Call, Debt, Running};
use crate::decide::{Decision, costs, decide, is_overload};
use crate::engine::{Engine, Load, Turn};
use crate::input::Miss;
use crate::output::{Answer, Conn, Output};

/// What the caller has seen of an answer that broke.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shown {
    /// The status of the attempt that it saw.
    status: u16,
    /// How much of the text, at the last break.
    chars: u64,
    /// Until when the rest of it is tried for.
    pub(crate) until: Option<Mono>,
}

impl Engine {
    /// The answer broke after the caller had seen of it. The first attempt after a break that brought text starts at once;
    /// what then fails waits as any other repeat does, within the patience that counts from that break.
    pub(crate) fn broken(
        &mut self,
        t: &mut Turn<'_>,
        call: &mut Call,
        running: &Running,
        (miss, load): (&Miss, Load),
    ) {
        let s = self.config.settings;
        let further = call.shown.until.is_none() || miss.got.text_chars > call.shown.chars;
        if call.shown.until.is_none() {
            call.shown.status = running.status;
        }
        let text = call.ask.resumable && call.ask.stream && !miss.got.tool_or_thinking;
        if !s.resume || !text || self.stopped {
            self.fail_broken(t, call);
            return;
        }
        if further {
            call.shown.chars = miss.got.text_chars;
            // A caller that says how long it waits waits for the rest as well.
            let stated = call.answer_by().map(|by| by.min(call.started + s.patience_max));
            call.shown.until = stated.max(Some(t.now + s.patience));
            (call.backoffs, call.hint) = (0, None);
        }
        call.refused.get_or_insert(t.now);
        call.conn = call.conn.max(Conn::Fresh);
        let waits = is_overload(miss) || miss.hint.not_before(t.now).is_some_and(|at| at > t.now);
        let repeats = decide(miss, &self.case(call, running, miss)) != Decision::End;
        if further && repeats && !waits && costs(miss.cause) {
            call.debt = Debt::Owed;
            self.proceed(t, call);
        } else {
            self.again(t, call, running, (miss, load));
        }
    }

    /// The honest end of an answer that the caller has seen a part of.
    pub(crate) fn fail_broken(&mut self, t: &mut Turn<'_>, call: &mut Call) {
        let cause = call.last.unwrap_or(clearline_model::Cause::StreamCut);
        let retry_after = call.retry_after(t.now);
        let answer = Answer { from: None, cause, retry_after, no_retry: false, broken: true };
        t.out.push(Output::Fail(call.id, answer));
        self.end(t, call, Outcome::Broken, (Some(cause), call.shown.status));
    }
}
