//! The gateway over real sockets: in front of the simulator, or of a server that says byte for byte what it is told.

#[cfg(test)]
mod common;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod fidelity;
#[cfg(test)]
mod http1;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod liars;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod relays;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod script;
#[cfg(test)]
mod served;
#[cfg(test)]
mod truncated;
#[cfg(test)]
mod upstreams;
