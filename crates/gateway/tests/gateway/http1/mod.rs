//! The edges of HTTP/1.1 on the listening side, as tables: what is sent byte for byte, and what must come of it.

mod framing;
mod heads;
mod hops;
mod order;
mod table;
mod targets;
