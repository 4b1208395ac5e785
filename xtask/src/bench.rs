//! The gateway against nginx as a plain proxy, in the same run: ratios, because the machine is noisy.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::load;
use crate::sh::{self, cargo, command, say};

/// The rate at which the added time is measured, calls a second.
const RATE: u32 = 200;
/// Connections of the load under which CPU is measured.
const CONNECTIONS: &str = "16";
/// Ticks of the kernel's clock a second, as `/proc` counts (`getconf CLK_TCK` on every Linux of today).
const TICKS: f64 = 100.0;

/// How long, and how often.
struct Plan {
    runs: usize,
    seconds: u32,
    json: bool,
}

/// Runs the engine's scenes in virtual time.
///
/// # Errors
/// A build or a run that fails.
pub(crate) fn resilience(words: &[&str]) -> Result<(), String> {
    let run = ["run", "--release", "--locked", "-p", "clearline-policy", "--example", "resilience", "--"];
    cargo(&[&run[..], words].concat())
}

/// Runs the comparison.
///
/// # Errors
/// A program that is missing or fails.
pub(crate) fn run(flags: &[&str]) -> Result<(), String> {
    let known = ["--quick", "--json"];
    if let Some(unknown) = flags.iter().find(|f| !known.contains(f)) {
        return Err(format!("unknown flag {unknown}; known are {}", known.join(", ")));
    }
    for program in ["nginx", "wrk"] {
        if !sh::has(program) {
            return Err(format!(
                "{program} is not installed: run cargo xtask setup as root, or install it yourself"
            ));
        }
    }
    let quick = flags.contains(&"--quick");
    let plan = Plan {
        runs: if quick { 1 } else { 5 },
        seconds: if quick { 1 } else { 5 },
        json: flags.contains(&"--json"),
    };
    cargo(&["build", "--release", "--locked", "-p", "clearline-cli"])?;
    let bench = Bench::start()?;
    let (mut added, mut cpu) = (Vec::new(), Vec::new());
    for n in 1..=plan.runs {
        // Interleaved, so that what the machine does beside hits all of them.
        let direct = bench.median(bench.upstream)?;
        let through = bench.median(bench.gateway)?;
        let nginx = bench.cpu(&plan, bench.proxy, &bench.nginx_pids())?;
        let ours = bench.cpu(&plan, bench.gateway, &[bench.clearline.0.id()])?;
        if !plan.json {
            say(&format!(
                "run {n}: direct {direct} µs, through {through} µs · CPU of a call: nginx {nginx:.1} µs, clearline {ours:.1} µs"
            ));
        }
        added.push((direct, through));
        cpu.push((nginx, ours));
    }
    say(&report(&plan, &added, &cpu));
    Ok(())
}

/// The medians and ratios.
fn report(plan: &Plan, added: &[(u64, u64)], cpu: &[(f64, f64)]) -> String {
    let sorted = |values: Vec<f64>| {
        let mut values = values;
        values.sort_by(f64::total_cmp);
        values
    };
    let median = |values: Vec<f64>| sorted(values).get(cpu.len() / 2).copied().unwrap_or(0.0);
    let best = |values: Vec<f64>| sorted(values).first().copied().unwrap_or(0.0);
    let micros = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    let adds = median(added.iter().map(|(d, t)| micros(*t) - micros(*d)).collect());
    let (nginx, ours) =
        (cpu.iter().map(|c| c.0).collect::<Vec<_>>(), cpu.iter().map(|c| c.1).collect::<Vec<_>>());
    let ratio = best(ours.clone()) / best(nginx.clone());
    let middle = median(ours.clone()) / median(nginx.clone());
    if plan.json {
        return format!(
            "{{\"schema\":\"clearline.bench-gateway/1\",\"runs\":{},\"added_us\":{adds:.0},\"cpu_us\":{:.1},\"nginx_cpu_us\":{:.1},\"cpu_ratio_best\":{ratio:.2},\"cpu_ratio_median\":{middle:.2}}}",
            plan.runs,
            best(ours),
            best(nginx)
        );
    }
    let mut text = String::new();
    let _written = writeln!(text, "the gateway adds {adds:.0} µs at the median, at {RATE} calls a second");
    let _written = write!(
        text,
        "CPU of a call: {:.1} µs against {:.1} µs of nginx, {ratio:.2} × (best of {}); medians {middle:.2} ×",
        best(ours),
        best(nginx),
        plan.runs
    );
    text
}

/// A child that ends with the benchmark.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // nginx ends its workers on SIGTERM alone; `kill` sends SIGKILL.
        let pid = self.0.id().to_string();
        let _asked = Command::new("kill").arg(&pid).status().is_ok();
        let _ended = self.0.wait().is_ok();
    }
}

struct Bench {
    folder: PathBuf,
    upstream: SocketAddr,
    proxy: SocketAddr,
    gateway: SocketAddr,
    nginx: Started,
    clearline: Started,
    _upstream: Started,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.folder).is_ok();
    }
}

/// An answer of the API, as small as they are.
const ANSWER: &str = r#"{"id":"msg_bench","type":"message","role":"assistant","model":"claude-sonnet-5-5","content":[{"type":"text","text":"Not long."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":12,"output_tokens":4}}"#;

impl Bench {
    fn start() -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("clearline-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let (upstream, proxy) = (free()?, free()?);
        let answers = format!(
            "server {{ listen {upstream}; access_log off; default_type application/json; \
             location / {{ add_header request-id req_bench always; return 200 '{ANSWER}'; }} }}"
        );
        let proxies = format!(
            "upstream api {{ server {upstream}; keepalive 64; }} server {{ listen {proxy}; access_log {log}; \
             location / {{ proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}",
            log = folder.join("access.log").display()
        );
        let lua = format!(
            "wrk.method = \"POST\"\nwrk.body = [[{}]]\nwrk.headers[\"content-type\"] = \"application/json\"\n\
             wrk.headers[\"x-api-key\"] = \"sk-ant-fake-bench\"\nwrk.headers[\"anthropic-version\"] = \"2023-06-01\"\n",
            load::BODY
        );
        write(&folder, "post.lua", &lua)?;
        let first = nginx(&folder, "upstream", &answers)?;
        let second = nginx(&folder, "proxy", &proxies)?;
        let (clearline, gateway) = clearline(&folder, upstream)?;
        for addr in [upstream, proxy] {
            reachable(addr)?;
        }
        Ok(Self { folder, upstream, proxy, gateway, nginx: second, clearline, _upstream: first })
    }

    /// The median time of a call, microseconds.
    fn median(&self, addr: SocketAddr) -> Result<u64, String> {
        let took = load::run(addr, RATE, Duration::from_secs(3))?;
        took.get(took.len() / 2).copied().ok_or_else(|| format!("no call to {addr} was made"))
    }

    /// CPU of a call, microseconds, of these processes under a full load.
    fn cpu(&self, plan: &Plan, addr: SocketAddr, pids: &[u32]) -> Result<f64, String> {
        let used = || pids.iter().map(|pid| ticks(*pid)).sum::<u64>();
        let before = used();
        let (script, lasts) =
            (self.folder.join("post.lua").display().to_string(), format!("{}s", plan.seconds));
        let url = format!("http://{addr}/v1/messages");
        let wrk = command("wrk", &["-t1", "-c", CONNECTIONS, "-d", &lasts, "-s", &script, &url]);
        let said = sh::output(wrk, "wrk")?;
        let calls = requests(&said).ok_or_else(|| format!("wrk said nothing of requests: {said}"))?;
        if said.contains("Non-2xx") {
            return Err(format!("not every call succeeded: {said}"));
        }
        let spent = f64::from(u32::try_from(used() - before).unwrap_or(u32::MAX));
        Ok(spent / TICKS * 1e6 / f64::from(calls.max(1)))
    }

    /// The proxy's master and its workers.
    fn nginx_pids(&self) -> Vec<u32> {
        let master = self.nginx.0.id();
        let mut pids = vec![master];
        pids.extend(children(master));
        pids
    }
}

fn requests(said: &str) -> Option<u32> {
    said.lines().find(|l| l.contains(" requests in "))?.split_whitespace().next()?.parse().ok()
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, String> {
    let path = folder.join(name);
    std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(path)
}

fn nginx(folder: &Path, name: &str, servers: &str) -> Result<Started, String> {
    let own = folder.join(name);
    std::fs::create_dir_all(&own).map_err(|e| format!("{}: {e}", own.display()))?;
    let text = format!(
        "daemon off; worker_processes 1; pid {own}/pid; error_log {own}/error.log crit; events {{ worker_connections 1024; }}\n\
         http {{ client_body_temp_path {own}/b; proxy_temp_path {own}/p; fastcgi_temp_path {own}/f; uwsgi_temp_path {own}/u; \
         scgi_temp_path {own}/s; keepalive_requests 100000000; {servers} }}\n",
        own = own.display()
    );
    let config = write(&own, "nginx.conf", &text)?;
    let mut nginx =
        command("nginx", &["-p", &own.display().to_string(), "-c", &config.display().to_string()]);
    let child = nginx.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
    child.map(Started).map_err(|e| format!("nginx cannot be started: {e}"))
}

fn clearline(folder: &Path, upstream: SocketAddr) -> Result<(Started, SocketAddr), String> {
    let (log, url) = (folder.join("gateway.jsonl").display().to_string(), format!("http://{upstream}"));
    let flags =
        ["gateway", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", &url, "--log", &log];
    let mut gateway = command(sh::clearline(), &flags);
    gateway.env_remove("ANTHROPIC_API_KEY").env_remove("CLEARLINE_KEYS").env("CLEARLINE_FENCE", "loopback");
    let child = gateway.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|e| format!("clearline cannot be started: {e}"))?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        let mut out = BufReader::new(out);
        out.read_line(&mut line).map_err(|e| format!("clearline says nothing: {e}"))?;
        // What it says later is read and forgotten, so that it never waits for a reader.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()).is_ok());
    }
    let addr = line.trim().strip_prefix("listening on http://").and_then(|a| a.parse().ok());
    let addr = addr.ok_or_else(|| format!("clearline did not say where it listens: {line}"))?;
    Ok((Started(child), addr))
}

/// An address that nobody listens on.
fn free() -> Result<SocketAddr, String> {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(|e| format!("no free port: {e}"))
}

/// Waits until somebody listens.
fn reachable(addr: SocketAddr) -> Result<(), String> {
    let begun = Instant::now();
    while TcpStream::connect(addr).is_err() {
        if begun.elapsed() > Duration::from_secs(10) {
            return Err(format!("nobody listens on {addr}"));
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// The fields of `/proc/PID/stat` behind the name, which may hold anything.
fn stat(pid: u32) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind = text.rsplit_once(')').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    behind.split_whitespace().map(str::to_owned).collect()
}

/// CPU time so far, in ticks: user and system.
fn ticks(pid: u32) -> u64 {
    let fields = stat(pid);
    let field = |n: usize| fields.get(n).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    field(11) + field(12)
}

fn children(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| stat(*pid).get(1) == Some(&parent.to_string())).collect()
}
