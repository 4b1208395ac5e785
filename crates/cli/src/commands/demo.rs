//! `clearline demo`: a bad day, twice.

use std::convert::Infallible;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clearline::{Client, Observer, PoolKey};
use clearline_gateway::{Gateway, LogTarget, Options, Readers, Summary};
use clearline_model::{CallRecord, Dur, Event, Foreign, Secret};
use clearline_net::Fence;
use clearline_report::{Args, Prose};
use clearline_sim::{Scenario, Sim};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::commands::sim::BUILT_IN;
use crate::demo::{self, Credential, Ended, Progress, Report, Tally};
use crate::exit::{self, Failure};
use crate::out::grouped;
use crate::{look, out, serve, signals};

/// The keys that the scenario knows. The second one is revoked in the middle of the day.
const KEYS: [&str; 2] = ["sk-ant-fake-batch-1", "sk-ant-fake-batch-2"];
const ALIASES: [&str; 2] = ["batch-1", "batch-2"];
/// A stream that is silent for this long has failed; the real default would outlast the demo.
const IDLE: Dur = Dur::secs(5);

/// Shows all of it at once: a bad day of the API, straight and through clearline, without a key and without a network
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Keeps the gateway running afterwards, for calls of your own
    #[arg(long)]
    keep: bool,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
    /// Another bad day
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

impl Demo {
    pub(crate) fn run(self, lang: Option<&str>, config: Option<&Path>) -> Result<u8, Failure> {
        serve::many_threads()?.block_on(self.play(&look::prose(lang, config)))
    }

    async fn play(self, prose: &Prose) -> Result<u8, Failure> {
        let (text, seed) = scenario(self.seed)?;
        let calls = Arc::new(demo::plan(seed));
        if !self.json {
            let count = u64::try_from(calls.len()).unwrap_or(u64::MAX);
            let count = prose.count("calls", count, &grouped(count));
            let begins = prose.say("demo-begins", &Args::default().with("calls", Foreign::new(&count)));
            out::say(&format!("{begins}\n{}\n", prose.word("demo-day")))?;
        }
        let begun = Instant::now();
        let day = || Scenario::parse(&text).map_err(Failure::own);
        let straight_api =
            Sim::start(day()?, clearline_sim::Options::default()).await.map_err(Failure::own)?;
        let api = Sim::start(day()?, clearline_sim::Options::default()).await.map_err(Failure::own)?;
        let served = Served::start(&api.base_url(), seed).await?;
        let sides = [Arc::new(Progress::default()), Arc::new(Progress::default())];
        let watch = show(prose, sides.clone(), begun);
        let [a, b] = sides;
        let alternating: Credential = |n| if n.is_multiple_of(2) { KEYS[0] } else { KEYS[1] };
        let both = async {
            tokio::join!(
                demo::run(straight_api.addr(), Arc::clone(&calls), alternating, a),
                demo::run(served.addr, Arc::clone(&calls), |_| "sk-ant-fake-caller", b),
            )
        };
        let (straight, through) = tokio::select! {
            ended = both => ended,
            never = watch => match never {},
        };
        out::Progress::new().clear();
        let report = served.report(seed, begun.elapsed().into(), &straight, &through);
        if self.json {
            out::say(&demo::json(prose, &report).to_string())?;
        } else {
            out::say(&demo::text(prose, &report))?;
        }
        straight_api.stop().await;
        if self.keep {
            keep(prose, &served).await?;
        }
        served.stop().await?;
        api.stop().await;
        Ok(if report.through.corrupt == 0 { exit::WELL } else { exit::PROBLEM })
    }
}

/// The scenario of the bad day with its seed, or another one.
fn scenario(seed: Option<u64>) -> Result<(String, u64), Failure> {
    let text = BUILT_IN.iter().find(|(name, _)| *name == "demo").map(|(_, text)| *text).unwrap_or_default();
    let own = Scenario::parse(text).map_err(Failure::own)?.seed();
    let Some(seed) = seed else { return Ok((text.to_owned(), own)) };
    let line = |l: &str| if l.starts_with("seed ") { format!("seed = {seed}\n") } else { format!("{l}\n") };
    Ok((text.lines().map(line).collect(), seed))
}

/// Says once a second how far both sides are.
async fn show(prose: &Prose, sides: [Arc<Progress>; 2], begun: Instant) -> Infallible {
    let line = out::Progress::new();
    loop {
        let [a, b] = &sides;
        let count = |p: &Progress| {
            let (done, well) = (p.done.load(Ordering::Relaxed), p.well.load(Ordering::Relaxed));
            let args = Args::default().with("well", Foreign::new(&well.to_string()));
            prose.say("demo-done", &args.with("done", Foreign::new(&done.to_string())))
        };
        let secs = begun.elapsed().as_secs();
        let [straight, through] = ["demo-straight", "demo-through"].map(|word| prose.word(word));
        line.show(&format!("{secs} s   {straight} {}   {through} {}", count(a), count(b)));
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Keeps every record, and passes everything on to the gateway's own readers.
struct Records {
    readers: Arc<Readers>,
    all: Mutex<Vec<CallRecord>>,
}

impl Observer for Records {
    fn event(&self, event: &Event) {
        self.readers.event(event);
    }

    fn ended(&self, record: &CallRecord) {
        self.readers.ended(record);
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
    }
}

/// The gateway of the demo.
struct Served {
    addr: std::net::SocketAddr,
    admin: Option<std::net::SocketAddr>,
    records: Arc<Records>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Summary>,
}

impl Served {
    async fn start(upstream: &str, seed: u64) -> Result<Self, Failure> {
        let readers = Readers::new(LogTarget::None, ALIASES.map(str::to_owned).to_vec());
        let records = Arc::new(Records { readers: Arc::clone(&readers), all: Mutex::default() });
        let key = |(alias, key): (&str, &str)| PoolKey {
            alias: alias.to_owned(),
            secret: Secret::new(key.as_bytes().to_vec()),
        };
        let mut policy = clearline_policy::Settings::default();
        policy.timeouts.idle = IDLE;
        let observer: Arc<dyn Observer> = Arc::<Records>::clone(&records);
        let client = Client::builder(upstream)
            .keys(ALIASES.into_iter().zip(KEYS).map(key).collect())
            .policy(policy)
            .fence(Fence::parse(Some("loopback")).map_err(Failure::own)?)
            .observer(observer)
            .seed(seed)
            .build()
            .map_err(|e| serve::refused(&e))?;
        let any = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
        let options = Options { listen: any, admin: Some(any), has_pool: true, ..Options::default() };
        let gateway = Gateway::bind(options, client, readers).await.map_err(Failure::own)?;
        let (addr, admin) = (gateway.addr(), gateway.admin_addr());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(gateway.serve(async move { drop(stopped.await) }));
        Ok(Self { addr, admin, records, stop, task })
    }

    fn report(&self, seed: u64, took: Dur, straight: &[Ended], through: &[Ended]) -> Report {
        let summary = self.records.readers.summary();
        let calls = u64::try_from(straight.len()).unwrap_or(u64::MAX);
        Report {
            seed,
            took,
            straight: Tally::of(straight, calls),
            through: Tally::of(through, summary.attempts),
            summary,
            records: self.records.all.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            aliases: ALIASES.map(str::to_owned).to_vec(),
        }
    }

    async fn stop(self) -> Result<Summary, Failure> {
        drop(self.stop);
        self.task.await.map_err(Failure::own)
    }
}

/// Tells how to use the gateway that stays, and waits.
async fn keep(prose: &Prose, served: &Served) -> Result<(), Failure> {
    let stop = signals::stop()?;
    let admin = served.admin.map(|a| format!("\n    curl http://{a}/metrics")).unwrap_or_default();
    out::say(&format!(
        "\n{}\n    export ANTHROPIC_BASE_URL=http://{}\n    export ANTHROPIC_API_KEY=sk-ant-fake-caller{admin}\n{}",
        prose.word("demo-stays"),
        served.addr,
        prose.word("demo-ends")
    ))?;
    stop.await;
    Ok(())
}
