//! What to do next with a call: one pure engine over all calls of a process.
//!
//! The shell tells the [`Engine`] what happened ([`Input`]) and when; the engine answers what is to be done
//! ([`Output`]). It never sees a byte, a clock or a socket, so a day of outages is played through in a test.

mod act;
mod addresses;
mod at_once;
mod budget;
mod call;
mod config;
mod decide;
mod dice;
mod engine;
mod hedge;
mod input;
mod keys;
mod limiter;
mod meter;
mod output;
mod own;
mod queue;
mod resume;
mod stop;
mod timers;
mod times;
mod upstreams;

pub use config::{Config, Group, Hedge, Settings, Timeouts, Upstream};
pub use engine::Engine;
pub use input::{Input, KeyChange, Miss, Partial};
pub use output::{Answer, Body, Conn, Output, Plan, Standing, State};
