//! The simulator as a client sees it, byte by byte over loopback sockets.

#[cfg(test)]
mod admin;
#[cfg(test)]
mod api;
#[cfg(test)]
mod common;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod whole;
