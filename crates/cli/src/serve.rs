//! A gateway as the settings want it: for the commands that start one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use clearline::{Client, Http2, Pings, Route, Tuning, Upstream};
use clearline_gateway::{
    AlertRules, CallerToken, Gateway, LogTarget, Options, Quota, Quotas, Readers, Summary, Watching,
};
use clearline_model::Dur;
use clearline_net::Acceptor;
use clearline_report::alert::Told;
use clearline_report::{Lang, Prose};

use crate::exit::Failure;
use crate::notify::{Lost, Notifier, Sink, Ways};
use crate::settings::{Row, Settings};
use crate::setup;

/// What a command decides itself.
pub(crate) struct Wanted {
    /// Where calls come in.
    pub(crate) listen: SocketAddr,
    /// Where the admin pages are.
    pub(crate) admin: Option<SocketAddr>,
    /// The API servers with their keys.
    pub(crate) upstreams: Vec<Upstream>,
    /// Which calls go to which of them.
    pub(crate) routes: Vec<Route>,
    /// The unguessable first segment of every path.
    pub(crate) prefix: Option<String>,
    /// Where the log goes.
    pub(crate) log: LogTarget,
    /// How many connections of callers there are descriptors for.
    pub(crate) connections: u64,
    /// How long running calls may take after the stop; `None` leaves it to the settings.
    pub(crate) drain: Option<Dur>,
    /// The language of alerts.
    pub(crate) lang: Lang,
}

/// Puts client and gateway together and listens.
///
/// # Errors
///
/// Everything that keeps a gateway from starting, in words.
pub(crate) async fn gateway(settings: &Settings, wanted: Wanted) -> Result<Serving, Failure> {
    let tokens = if wanted.prefix.is_some() { Vec::new() } else { setup::tokens(settings)? };
    let callers = tokens.into_iter().map(|t| t.alias).collect();
    let watching = Watching { rules: alert_rules(settings), callers };
    let readers = Readers::watching(wanted.log.clone(), Vec::new(), watching);
    let notifier = Ways::of(settings, wanted.lang)?.start(ToLog(Arc::downgrade(&readers)))?;
    let (queue, log) = (notifier.clone(), Arc::downgrade(&readers));
    readers.on_alert(Box::new(move |told| {
        if !queue.tell(told.clone()) {
            let why = "too many alerts wait to be told".to_owned();
            ToLog(Weak::clone(&log)).lost(&Lost {
                told: &told,
                way: "queue",
                to: "alerts.queue".to_owned(),
                why,
            });
        }
    }));
    let fixed = Fixed {
        listen: wanted.listen,
        admin: wanted.admin,
        prefix: wanted.prefix,
        drain: wanted.drain,
        log: wanted.log,
        connections: wanted.connections,
        lang: wanted.lang,
    };
    let mut options = fixed.options(settings)?;
    options.has_pool = wanted.upstreams.iter().any(|u| !u.keys.is_empty());
    let client = client(settings, (wanted.upstreams, wanted.routes), Arc::clone(&readers))?;
    let gateway = Gateway::bind(options, client, Arc::clone(&readers)).await.map_err(Failure::usage)?;
    Ok(Serving { gateway, notifier, readers, fixed })
}

/// What a command decides once and for all.
#[derive(Debug, Clone)]
pub(crate) struct Fixed {
    listen: SocketAddr,
    admin: Option<SocketAddr>,
    prefix: Option<String>,
    drain: Option<Dur>,
    log: LogTarget,
    /// How many connections of callers there are descriptors for.
    connections: u64,
    /// The language of alerts.
    pub(crate) lang: Lang,
}

impl Fixed {
    /// The options that the settings ask for.
    ///
    /// # Errors
    ///
    /// Tokens and certificates that cannot be read, all at once.
    pub(crate) fn options(&self, settings: &Settings) -> Result<Options, Failure> {
        // Who may call, how much, and over TLS: of that nothing concerns a gateway that one program alone can find.
        let is_private = self.prefix.is_some();
        let (tokens, tls) = if is_private { (Vec::new(), None) } else { guards(settings)? };
        Ok(Options {
            listen: self.listen,
            admin: self.admin,
            prefix: self.prefix.clone(),
            tokens,
            hosts: settings.list("gateway.hosts").to_vec(),
            origins: settings.list("gateway.origins").to_vec(),
            body_max: settings.number("gateway.body_max"),
            spill_over: settings.number("gateway.spill_over"),
            body_memory: settings.number("gateway.body_memory"),
            spill_dir: match settings.text("gateway.spill_dir") {
                "" => std::env::temp_dir(),
                folder => PathBuf::from(folder),
            },
            header_max: usize_of(settings.number("gateway.header_max")),
            headers_max: usize_of(settings.number("gateway.headers_max")),
            header_timeout: settings.time("gateway.header_timeout"),
            body_timeout: settings.time("gateway.body_timeout"),
            body_time: settings.time("gateway.body_time"),
            write_timeout: settings.time("gateway.write_timeout"),
            handshake_timeout: settings.time("gateway.handshake_timeout"),
            tls,
            quotas: if is_private { Quotas::default() } else { quotas(settings) },
            http2: settings.flag("gateway.http2"),
            streams_max: u32_of(settings.number("gateway.streams_max")),
            resets_max: u32_of(settings.number("gateway.resets_max")),
            connections_max: usize_of(settings.number("gateway.connections_max").min(self.connections)),
            drain: self.drain.unwrap_or_else(|| settings.time("gateway.drain")),
            keep_alive: Some(settings.time("gateway.keep_alive")).filter(|d| *d > Dur::ZERO),
            has_pool: false,
            log: self.log.clone(),
        })
    }
}

/// The tokens of the callers, and the certificate.
fn guards(settings: &Settings) -> Result<(Vec<CallerToken>, Option<Acceptor>), Failure> {
    match (setup::tokens(settings), setup::tls(settings)) {
        (Ok(tokens), Ok(tls)) => Ok((tokens, tls)),
        (Err(one), Err(other)) => Err(Failure::usage(format!("{one}\n{other}"))),
        (Err(one), Ok(_)) | (Ok(_), Err(one)) => Err(one),
    }
}

/// How much each caller may ask for.
fn quotas(settings: &Settings) -> Quotas {
    let every = Quota {
        requests: u32_of(settings.number("quota.requests")),
        concurrent: u32_of(settings.number("quota.concurrent")),
    };
    let own = |row: &Row| {
        let requests = row.number("requests").map_or(every.requests, u32_of);
        let concurrent = row.number("concurrent").map_or(every.concurrent, u32_of);
        (row.name.clone(), Quota { requests, concurrent })
    };
    let of = settings.rows("quota.callers").iter().map(own).collect();
    Quotas { every, of, callers_max: usize_of(settings.number("quota.callers_max")) }
}

/// How long an end waits for alerts that are being told.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A gateway, and the teller of its alerts.
pub(crate) struct Serving {
    /// The gateway.
    pub(crate) gateway: Gateway,
    /// What a reload needs.
    pub(crate) fixed: Fixed,
    /// Who tells alerts.
    pub(crate) notifier: Notifier,
    /// The log, among others.
    pub(crate) readers: Arc<Readers>,
}

impl Serving {
    /// Serves until the stop, and tells the last alerts.
    pub(crate) async fn serve(
        self,
        stop: impl Future<Output = ()>,
        hurry: impl Future<Output = ()>,
    ) -> Summary {
        let summary = self.gateway.serve_until(stop, hurry).await;
        self.notifier.finish(LAST_WORDS);
        self.readers.flush().await;
        summary
    }
}

/// When there are alerts, as the settings say it.
pub(crate) fn alert_rules(settings: &Settings) -> AlertRules {
    let number = |key: &str| u32::try_from(settings.number(key)).unwrap_or(u32::MAX);
    AlertRules {
        target_milli: number("alerts.target"),
        window: settings.time("alerts.window"),
        window_long: settings.time("alerts.window_long"),
        failures_min: number("alerts.failures_min"),
        calm: settings.time("alerts.calm"),
        own_faults: false,
    }
}

/// Alerts as lines of the gateway's log.
struct ToLog(Weak<Readers>);

impl Sink for ToLog {
    fn alert(&self, prose: &Prose, told: &Told) {
        if let Some(readers) = self.0.upgrade() {
            readers.line(&clearline_report::alert::json(prose, told).to_string());
        }
    }

    fn lost(&self, lost: &Lost<'_>) {
        let line = serde_json::json!({
            "event": "alert not delivered", "ts": lost.told.ts, "time": lost.told.time, "way": lost.way,
            "to": lost.to, "cause": lost.told.alert.cause, "why": lost.why,
        });
        let is_written = self.0.upgrade().is_some_and(|readers| readers.line(&line.to_string()));
        if !is_written {
            crate::out::note(&format!("clearline: an alert did not reach {}: {}", lost.to, lost.why));
        }
    }
}

fn usize_of(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn u32_of(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The client behind a gateway.
///
/// # Errors
///
/// A base URL, a proxy, a key or a CA file that cannot be used.
pub(crate) fn client(
    settings: &Settings,
    (upstreams, routes): (Vec<Upstream>, Vec<Route>),
    readers: Arc<Readers>,
) -> Result<Client, Failure> {
    let builder = Client::builder("").environment(&setup::variable).map_err(|e| refused(&e))?;
    let Tuning { pings, continued_text_max, fetch_streamed } = tuning(settings);
    builder
        .upstreams(upstreams)
        .routes(routes)
        .policy(settings.policy())
        .continued_text_max(continued_text_max)
        .fetch_streamed(fetch_streamed)
        .allow_insecure(settings.flag("network.allow_insecure"))
        .http2(http2(settings.text("upstream.http2")))
        .pings(pings)
        .observer(readers)
        .seed(random()?)
        .build()
        .map_err(|e| refused(&e))
}

/// What a client may change besides policy and upstreams, as the settings say it.
pub(crate) fn tuning(settings: &Settings) -> Tuning {
    let [after, within] = ["upstream.ping", "upstream.pong"].map(|key| settings.time(key).into());
    Tuning {
        pings: Pings { after, within },
        continued_text_max: usize_of(settings.number("continue_text_max")),
        fetch_streamed: u32::try_from(settings.number("fetch.streamed")).ok().filter(|from| *from > 0),
    }
}

/// How HTTP/2 is spoken to upstreams, as the setting says it.
pub(crate) fn http2(word: &str) -> Http2 {
    match word {
        "auto" => Http2::Auto,
        "prior" => Http2::Prior,
        _ => Http2::Off,
    }
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

/// The fewest file descriptors with which the doctor was seen to tell the truth: with fewer it takes what it cannot open
/// for what is not there.
const DESCRIPTORS_MIN: u64 = 32;

/// How many descriptors a gateway has open that nobody calls, and some for its admin pages: 16 were counted.
const DESCRIPTORS_OWN: u64 = 32;

/// Of so many descriptors a part is kept for upstreams and for bodies in files: a quarter (a guess). An idle caller needs one, a call
/// two.
const fn for_callers(descriptors: u64) -> u64 {
    let free = descriptors.saturating_sub(DESCRIPTORS_OWN);
    let most = free - free / 4;
    if most == 0 { 1 } else { most }
}

/// Lets this process open as many files and sockets as so many callers need, as far as it may, and says how many of them it has room
/// for. The usual limit of a session is made for programs that wait for descriptors with select(2), and is far below what a server
/// may have.
pub(crate) fn room(callers: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let needs = callers.saturating_mul(2).saturating_add(DESCRIPTORS_OWN);
    let own = getrlimit(Resource::Nofile);
    let most = own.maximum.map_or(needs, |maximum| maximum.min(needs));
    if own.current.is_some_and(|current| current < most) {
        // Up to the hard limit anybody may; where even that is refused, the limit is what it was.
        let _raised = setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..own }).is_ok();
    }
    let Some(has) = getrlimit(Resource::Nofile).current else { return callers };
    let room = for_callers(has);
    if room < callers {
        crate::out::note(&format!(
            "clearline: at most {room} connections at once, not {callers}: this process may open only {has} files and sockets\n  \
             Raise that limit (ulimit -n, LimitNOFILE=, --ulimit nofile=), or lower gateway.connections_max."
        ));
    }
    room
}

/// A limit that could not be raised and leaves too little is said before it looks like a fault of the network.
fn enough_descriptors() -> Result<(), Failure> {
    let allowed = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let Some(few) = allowed.filter(|n| *n < DESCRIPTORS_MIN) else { return Ok(()) };
    Err(Failure::own(format!(
        "this process may open {few} files and sockets at once, and needs at least {DESCRIPTORS_MIN}\n  \
         The hard limit of whoever started it is too low for any client. Raise it there: ulimit -n 1024 in a new shell,\n  \
         LimitNOFILE= in a systemd unit, nofile in /etc/security/limits.conf, --ulimit nofile= in Docker."
    )))
}

/// A runtime for a gateway: one thread, on which a call crosses no other. It serves tens of thousands of calls a
/// second, and each costs less than where workers wake one another.
///
/// # Errors
///
/// A system that gives no event queue.
pub(crate) fn one_thread() -> Result<tokio::runtime::Runtime, Failure> {
    enough_descriptors()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::own)
}

/// A runtime for a command that does much at once.
///
/// # Errors
///
/// A system that gives no threads.
pub(crate) fn many_threads() -> Result<tokio::runtime::Runtime, Failure> {
    enough_descriptors()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_about_http_2_means_something_else() {
        let row = crate::settings::ROWS.iter().find(|row| row.key == "upstream.http2").unwrap();
        let clearline_model::Kind::Word(words) = row.kind else { panic!("no list of words") };
        let meant: Vec<_> = words.iter().map(|word| http2(word)).collect();
        assert_eq!(meant, [Http2::Off, Http2::Auto, Http2::Prior]);
        assert_eq!(http2(row.default), Http2::default());
    }

    #[test]
    fn most_descriptors_are_for_callers_and_some_are_kept() {
        assert_eq!([0, 32, 64, 1024].map(for_callers), [1, 1, 24, 744]);
    }

    #[test]
    fn what_is_tuned_is_as_in_the_library() {
        let sources = crate::settings::Sources { file: None, lookup: &|_| None, flags: &[] };
        assert_eq!(tuning(&crate::settings::resolve(&sources).unwrap()), Tuning::default());
    }
}
