//! What the calls of one client share: the engine behind its mutex.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Waker};

use clearline_model::{AttemptRecord, CallId, Mono};
use clearline_policy::{Engine, Input, Output, State};
use futures_util::task::AtomicWaker;
use tokio::runtime::{Handle, Id};
use tokio::time::Instant;

use crate::attempt::{Attempt, Notes, Progress};
use crate::observer::Observer;
use crate::timer::Timers;

/// Where the engine leaves what it decided for a call while that call was not looking.
#[derive(Default)]
pub(crate) struct Slot {
    queue: Mutex<Vec<Output>>,
    waker: AtomicWaker,
}

impl Slot {
    fn push(&self, output: Output) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push(output);
        self.waker.wake();
    }

    /// Nothing is in it, and nobody waits for more.
    fn clear(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
        drop(self.waker.take());
    }

    /// Takes what is there, and asks to be woken for more.
    pub(crate) fn take(&self, cx: &Context<'_>) -> Vec<Output> {
        self.register(cx.waker());
        std::mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }
}

/// The most of each kind that wait to be used again.
const SPARE_MAX: usize = 64;

struct Core {
    engine: Engine,
    slots: BTreeMap<CallId, Arc<Slot>>,
    out: Vec<Output>,
    /// Buffers of calls that do not need them any more.
    spare: Vec<Buffers>,
    /// Places of calls that are over.
    places: Vec<Place>,
    timers: Timers,
}

/// What a call keeps from its beginning to its end, without what is in it.
pub(crate) struct Place {
    pub(crate) slot: Arc<Slot>,
    pub(crate) progress: Progress,
    pub(crate) attempts: Vec<Attempt>,
    /// Room for what is recorded of them.
    pub(crate) recorded: Vec<AttemptRecord>,
}

impl Default for Place {
    fn default() -> Self {
        // Mostly one attempt.
        Self {
            slot: Arc::default(),
            progress: Progress::default(),
            attempts: Vec::with_capacity(1),
            recorded: Vec::with_capacity(1),
        }
    }
}

/// What each call needs again and again: empty buffers with room.
#[derive(Default)]
pub(crate) struct Buffers {
    pub(crate) outputs: Vec<Output>,
    pub(crate) notes: Notes,
}

impl Core {
    /// Keeps buffers for a later call.
    fn keep(&mut self, mut buffers: Buffers) {
        buffers.outputs.clear();
        buffers.notes.clear();
        if buffers.outputs.capacity() > 0 && self.spare.len() < SPARE_MAX {
            self.spare.push(buffers);
        }
    }

    /// Keeps the place of a call that is over for a later one.
    fn keep_place(&mut self, place: Place) {
        if self.places.len() < SPARE_MAX {
            place.slot.clear();
            place.progress.clear();
            self.places.push(place);
        }
    }
}

/// The engine and its clock.
pub(crate) struct Brain {
    core: Mutex<Core>,
    epoch: OnceLock<Instant>,
    observer: Arc<dyn Observer>,
    calls: AtomicU64,
    stopped: AtomicBool,
}

impl Brain {
    pub(crate) fn new(engine: Engine, observer: Arc<dyn Observer>) -> Arc<Self> {
        Arc::new(Self {
            core: Mutex::new(Core {
                engine,
                slots: BTreeMap::new(),
                out: Vec::new(),
                spare: Vec::new(),
                places: Vec::new(),
                timers: Timers::default(),
            }),
            epoch: OnceLock::new(),
            observer,
            calls: AtomicU64::new(1),
            stopped: AtomicBool::new(false),
        })
    }

    /// Microseconds since the first question. The only place of this crate that reads the clock.
    pub(crate) fn now(&self) -> Mono {
        let now = Instant::now();
        Mono(u64::try_from((now - *self.epoch.get_or_init(|| now)).as_micros()).unwrap_or(u64::MAX))
    }

    /// A number, a place and buffers for a new call in this runtime.
    pub(crate) fn enter(self: &Arc<Self>, runtime: &Handle) -> (CallId, Place, Buffers) {
        let call = CallId(self.calls.fetch_add(1, Ordering::Relaxed));
        let mut core = self.lock();
        let timer = core.timers.begin(self, runtime.id());
        let place = core.places.pop().unwrap_or_default();
        core.slots.insert(call, Arc::clone(&place.slot));
        let buffers = core.spare.pop().unwrap_or_default();
        drop(core);
        // Outside of the lock: a runtime that is shutting down drops the task at once, and that takes the lock.
        if let Some(timer) = timer {
            runtime.spawn(timer);
        }
        (call, place, buffers)
    }

    /// A call is over, with all of its attempts; its place and its buffers serve another one.
    pub(crate) fn leave(&self, call: CallId, mut place: Place, buffers: Buffers) {
        // Outside of the lock: they may close connections.
        place.attempts.clear();
        place.recorded.clear();
        let mut core = self.lock();
        core.slots.remove(&call);
        core.keep(buffers);
        core.keep_place(place);
    }

    /// Takes buffers back before a call is over.
    pub(crate) fn give(&self, buffers: Buffers) {
        self.lock().keep(buffers);
    }

    pub(crate) fn view(&self) -> State {
        self.lock().engine.view()
    }

    /// Every call ends now: who waits with the answer that there is, and what is shown is broken off.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.tell(vec![Input::Stop]);
        self.lock().slots.values().for_each(|slot| slot.waker.wake());
    }

    /// Whether every call is to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Tells the engine something and appends to `mine` what it wants of `own`; what it wants of others goes to their slots.
    pub(crate) fn feed(&self, now: Mono, own: Option<CallId>, input: Input, mine: &mut Vec<Output>) {
        let mut guard = self.lock();
        let core = &mut *guard;
        core.engine.handle(now, input, &mut core.out);
        let mut shared = Vec::new();
        if mine.is_empty() && core.out.iter().all(|output| own.is_some() && concerns(output) == own) {
            // Nearly always, and then nothing has to be moved.
            std::mem::swap(mine, &mut core.out);
        }
        for output in core.out.drain(..) {
            match (concerns(&output), output) {
                (None, Output::Note(event)) => shared.push(event),
                (Some(call), output) if Some(call) != own => {
                    if let Some(slot) = core.slots.get(&call) {
                        slot.push(output);
                    }
                }
                (_, output) => mine.push(output),
            }
        }
        core.timers.wake_by(core.engine.wake_at());
        drop(guard);
        shared.iter().for_each(|event| self.observer.event(event));
    }

    /// Tells the engine things that belong together and to no call.
    pub(crate) fn tell(&self, inputs: Vec<Input>) {
        let now = self.now();
        let mut guard = self.lock();
        let core = &mut *guard;
        for input in inputs {
            core.engine.handle(now, input, &mut core.out);
        }
        drop(guard);
        // Whoever is told something now finds it in its slot.
        self.feed(now, None, Input::Tick, &mut Vec::new());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn timers(&self, change: impl FnOnce(&mut Timers)) {
        change(&mut self.lock().timers);
    }

    /// The moment for which the timer of a runtime waits. A call that asks for an earlier one after this tells it.
    pub(crate) fn arm(&self, runtime: Id) -> Option<Instant> {
        let mut core = self.lock();
        let wake = core.engine.wake_at();
        core.timers.arm(runtime, wake);
        drop(core);
        wake.map(|at| self.instant(at))
    }

    /// It is time.
    pub(crate) fn look(&self) {
        self.feed(self.now(), None, Input::Tick, &mut Vec::new());
    }

    /// A moment as the runtime counts it.
    pub(crate) fn instant(&self, at: Mono) -> Instant {
        *self.epoch.get_or_init(Instant::now) + std::time::Duration::from_micros(at.0)
    }
}

/// The call that an output is about.
const fn concerns(output: &Output) -> Option<CallId> {
    match output {
        Output::Start { call, .. }
        | Output::Fail(call, _)
        | Output::Park(call, _, _)
        | Output::Finish(call) => Some(*call),
        Output::Abort(attempt) | Output::Commit(attempt) => Some(attempt.call),
        Output::Note(event) => event.call,
    }
}
