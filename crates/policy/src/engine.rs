//! The engine.

use clearline_model::Mono;

use crate::config::Config;
use crate::input::Input;
use crate::output::{Output, State};

/// Decides for all calls of a process what is done next. Pure: no I/O, no clock, no randomness of its own.
#[derive(Debug, Clone)]
pub struct Engine {
    config: Config,
    seed: u64,
}

impl Engine {
    /// An engine without calls. The same seed and inputs give the same outputs.
    #[must_use]
    pub const fn new(config: Config, seed: u64) -> Self {
        Self { config, seed }
    }

    /// Takes one input and appends what is to be done.
    pub fn handle(&mut self, now: Mono, input: Input, out: &mut Vec<Output>) {
        let _ = (now, &self.config, self.seed, out);
        drop(input);
    }

    /// When the engine wants a `Tick` at the latest.
    #[must_use]
    pub const fn wake_at(&self) -> Option<Mono> {
        None
    }

    /// What is going on.
    #[must_use]
    pub fn view(&self) -> State {
        State::default()
    }
}
