//! A gateway as the settings want it: for the commands that start one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clearline::{Client, PoolKey};
use clearline_gateway::{AlertRules, Gateway, LogTarget, Options, Readers};
use clearline_model::Dur;

use crate::exit::Failure;
use crate::settings::Settings;
use crate::setup;

/// What a command decides itself.
pub(crate) struct Wanted {
    /// Where calls come in.
    pub(crate) listen: SocketAddr,
    /// Where the admin pages are.
    pub(crate) admin: Option<SocketAddr>,
    /// The base URL of the API.
    pub(crate) upstream: String,
    /// The pool of keys.
    pub(crate) keys: Vec<PoolKey>,
    /// The unguessable first segment of every path.
    pub(crate) prefix: Option<String>,
    /// Where the log goes.
    pub(crate) log: LogTarget,
    /// How long running calls may take after the stop; `None` leaves it to the settings.
    pub(crate) drain: Option<Dur>,
}

/// Puts client and gateway together and listens.
///
/// # Errors
///
/// Everything that keeps a gateway from starting, in words.
pub(crate) async fn gateway(settings: &Settings, wanted: Wanted) -> Result<Gateway, Failure> {
    let aliases = wanted.keys.iter().map(|k| k.alias.clone()).collect();
    let rules = AlertRules {
        target_milli: u32::try_from(settings.number("alert.target")).unwrap_or(1000),
        window: settings.time("alert.window"),
        ..AlertRules::default()
    };
    let readers = Readers::with_alerts(wanted.log.clone(), aliases, rules);
    let command = settings.text("alert.command").to_owned();
    if !command.is_empty() {
        readers.on_alert(Box::new(move |line| hand_over(&command, line)));
    }
    let options = Options {
        listen: wanted.listen,
        admin: wanted.admin,
        prefix: wanted.prefix,
        tokens: setup::tokens(settings)?,
        hosts: settings.list("gateway.hosts").to_vec(),
        origins: settings.list("gateway.origins").to_vec(),
        body_max: settings.number("gateway.body_max"),
        header_max: usize_of(settings.number("gateway.header_max")),
        headers_max: usize_of(settings.number("gateway.headers_max")),
        header_timeout: settings.time("gateway.header_timeout"),
        body_timeout: settings.time("gateway.body_timeout"),
        connections_max: usize_of(settings.number("gateway.connections_max")),
        drain: wanted.drain.unwrap_or_else(|| settings.time("gateway.drain")),
        has_pool: !wanted.keys.is_empty(),
        log: wanted.log,
    };
    let client = client(settings, &wanted.upstream, wanted.keys, Arc::clone(&readers))?;
    Gateway::bind(options, client, readers).await.map_err(Failure::usage)
}

/// Runs the command of the alerts, beside everything else; one that hangs holds up nothing.
fn hand_over(command: &str, line: &str) {
    use std::io::Write as _;
    let child =
        std::process::Command::new("sh").args(["-c", command]).stdin(std::process::Stdio::piped()).spawn();
    let line = format!("{line}\n");
    match child {
        Ok(mut child) => drop(std::thread::spawn(move || {
            // A command that reads nothing has its reasons.
            let _read = child.stdin.take().is_some_and(|mut stdin| stdin.write_all(line.as_bytes()).is_ok());
            let _ended = child.wait().is_ok();
        })),
        Err(e) => crate::out::note(&format!("clearline: the command of the alerts cannot be run: {e}")),
    }
}

fn usize_of(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// The client behind a gateway.
///
/// # Errors
///
/// A base URL, a proxy, a key or a CA file that cannot be used.
fn client(
    settings: &Settings,
    upstream: &str,
    keys: Vec<PoolKey>,
    readers: Arc<Readers>,
) -> Result<Client, Failure> {
    let builder = Client::builder(upstream).environment(&setup::variable).map_err(|e| refused(&e))?;
    builder
        .keys(keys)
        .policy(settings.policy())
        .allow_insecure(settings.flag("network.allow_insecure"))
        .observer(readers)
        .seed(random()?)
        .build()
        .map_err(|e| refused(&e))
}

/// What a refused set-up is called, and what the refusal said.
pub(crate) fn refused(error: &clearline::CallError) -> Failure {
    let row = error.cause.row();
    Failure::usage(format!("{}   {}\n  {}", row.title, row.id, error.detail.escaped()))
}

/// An address that was checked with the settings.
///
/// # Errors
///
/// A text that is no address.
pub(crate) fn address(settings: &Settings, key: &str) -> Result<SocketAddr, Failure> {
    let text = settings.text(key);
    text.parse().map_err(|e| Failure::usage(format!("{key} = \"{text}\" is no address: {e}")))
}

/// Where the log goes, as the setting says it.
pub(crate) fn log_target(text: &str) -> LogTarget {
    match text {
        "none" | "" => LogTarget::None,
        "-" => LogTarget::Stderr,
        path => LogTarget::File(PathBuf::from(path)),
    }
}

/// Bits that nobody can guess.
///
/// # Errors
///
/// A system without its source of randomness.
pub(crate) fn random() -> Result<u64, Failure> {
    use std::io::Read as _;
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|e| Failure::own(format!("cannot read /dev/urandom: {e}")))?;
    Ok(u64::from_ne_bytes(bytes))
}

/// A runtime for a gateway: one thread, on which a call crosses no other. It serves tens of thousands of calls a
/// second, and each costs less than where workers wake one another.
///
/// # Errors
///
/// A system that gives no event queue.
pub(crate) fn one_thread() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::own)
}

/// A runtime for a command that does much at once.
///
/// # Errors
///
/// A system that gives no threads.
pub(crate) fn many_threads() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::own)
}
