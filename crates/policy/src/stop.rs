//! The end of the process: what is still open gets its last answer now.

use crate::call::Call;
use crate::engine::{Engine, Turn};

impl Engine {
    /// Nothing starts any more, and no call waits any longer. A call that its caller has seen nothing of gets the answer that it
    /// has, as at the end of its patience; one that shows an attempt ends when that attempt is told to be over.
    pub(crate) fn stop(&mut self, t: &mut Turn<'_>) {
        self.stopped = true;
        for id in self.open_calls().map(|c| c.id).collect::<Vec<_>>() {
            self.with(t, id, Self::let_go);
        }
    }

    /// Ends a call that no attempt of the stopped process goes on with.
    pub(crate) fn let_go(&mut self, t: &mut Turn<'_>, call: &mut Call) {
        if call.committed.is_some() && !call.running.is_empty() {
            return;
        }
        self.abort_others(t, call, None);
        self.fail(t, call, false);
    }
}
