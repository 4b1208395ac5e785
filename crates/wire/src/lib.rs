//! What the Claude API's bytes mean: headers, errors, streams of events and requests.
//!
//! Pure: no I/O, no clock, no async. Everything here is total, whatever a peer sends.

mod assemble;
mod continuation;
pub mod date;
pub mod encoding;
pub mod error;
mod fields;
pub mod fuzz;
pub mod headers;
pub mod message;
mod own;
pub mod repeat;
pub mod request;
mod scan;
pub mod sse;
mod stitch;
pub mod stream;
mod text;

pub use assemble::{Assembly, Unknown};
pub use continuation::{Seams, Turns, continuation, seams, turns};
pub use date::rfc3339;
pub use encoding::{Decode, decoded};
pub use error::{
    ApiError, error_body, error_event, is_api_shape, parse_error, parse_error_event, tells_error,
    type_for_status,
};
pub use fields::streamed;
pub use headers::{body_hint, hint, is_hop_by_hop, limits, request_id, strip_hop_by_hop};
pub use message::{is_cut, judge};
pub use own::{Delivered, Own, own_error_body, own_error_event};
pub use repeat::{proves_not_executed, repeat, without_query};
pub use request::{Outer, Peek, Unstreamed, ask, model_family, outer, peek};
pub use scan::Scan;
pub use sse::{Parser, TooLong};
pub use stitch::Stitch;
pub use stream::{Mark, Watch};
