//! The doctor's hands. [`collect`] reads what this machine says, [`examine`] makes the probes that the plan asks for; both
//! write facts and judge nothing. What facts mean is judged by `clearline_diagnose`, without any I/O.

mod certificate;
mod clients;
mod collect;
mod examine;
mod flow;
mod probe;
mod proxies;
mod world;

pub use certificate::validity;
pub use collect::{Place, Settings, collect, custom_headers, descriptors_were, pays};
pub use examine::examine;
pub use world::{Options, World};
