//! The records of the calls that are over.

use std::sync::{Arc, Mutex};

use clearline::Observer;
use clearline_model::CallRecord;

#[derive(Default)]
pub(crate) struct Records(pub(crate) Mutex<Vec<CallRecord>>);

impl Observer for Records {
    fn ended(&self, record: &CallRecord) {
        self.0.lock().unwrap().push(record.clone());
    }
}

impl Records {
    /// Records that stay empty until calls end, and the same as a client wants them.
    pub(crate) fn observed() -> (Arc<Self>, Arc<dyn Observer>) {
        let records = Arc::new(Self::default());
        let observer: Arc<dyn Observer> = Arc::<Self>::clone(&records);
        (records, observer)
    }
}
