//! HTTP/2 on the listening side, and on that of the upstream.

mod both;
mod calls;
mod conformance;
mod floods;
mod frames;
mod hpack;
mod table;
mod upstream;
