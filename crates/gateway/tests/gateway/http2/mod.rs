//! HTTP/2 on the listening side.

mod calls;
mod conformance;
mod floods;
mod frames;
