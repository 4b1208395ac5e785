//! Calls to the Claude API that succeed, or say why they cannot.
//!
//! A [`Client`] sends calls with the policy of `clearline_policy` behind them: deadlines, backoff with jitter, hints,
//! a retry budget, a pool of keys, addresses that are avoided, streams that are held until they are known to work.
//! There is no global state: everything that calls share lives in the client.
//!
//! ```no_run
//! # async fn example() -> Result<(), clearline::CallError> {
//! let client = clearline::Client::from_env(|name| std::env::var(name).ok())?;
//! let answer = client.messages("claude-sonnet-5-5", 64, "Hello").await?;
//! println!("{} ({} tokens)", answer.text, answer.usage.output);
//! # Ok(())
//! # }
//! ```

mod address;
mod attempt;
mod body;
mod builder;
mod call;
mod calling;
mod credentials;
mod error;
mod families;
mod gather;
mod keys;
mod message;
mod messages;
mod network;
mod observer;
mod queue;
mod read;
mod request;
mod resume;
mod shared;
mod streaming;
mod timer;
#[cfg(feature = "tower")]
mod tower;
#[cfg(feature = "tracing")]
mod traced;
mod upload;

pub use body::{Broken, ReplyBody};
pub use builder::{Builder, CONTINUED_TEXT_MAX, Client, DEFAULT_BASE_URL, Tuning};
pub use call::Reply;
pub use calling::Calling;
pub use clearline_net::{Http2, Pings};
pub use credentials::{Credential, Credentials};
pub use error::CallError;
pub use keys::PoolKey;
pub use message::MessageAnswer;
pub use messages::{Ask, Block, Kind, Message, Tool, ToolUse};
pub use network::{Names, Route, Upstream};
pub use observer::{NoObserver, Observer};
pub use request::Request;
pub use streaming::{MessageStream, Update};
#[cfg(feature = "tower")]
pub use tower::{Before, BeforeError, ClientLayer};
#[cfg(feature = "tracing")]
pub use traced::Traced;
pub use upload::{Body, Collect, Store};
