//! The gateways that are compared, each as its own process before the same upstream.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench::proc;
use crate::{setup, sh};

/// A child that ends with the benchmark.
pub(crate) struct Started(Child);

impl Started {
    /// It and all that it started.
    pub(crate) fn pids(&self) -> Vec<u32> {
        proc::family(self.0.id())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // nginx ends its workers on SIGTERM alone; `kill` sends SIGKILL.
        let pid = self.0.id().to_string();
        let _asked = Command::new("kill").arg(&pid).status().is_ok();
        let _ended = self.0.wait().is_ok();
    }
}

/// Something that calls go through.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) addr: SocketAddr,
    pub(crate) process: Started,
    /// Headers that it wants besides those of the API.
    pub(crate) headers: Vec<(String, String)>,
}

impl Peer {
    pub(crate) const fn plain(name: &'static str, addr: SocketAddr, process: Started) -> Self {
        Self { name, addr, process, headers: Vec::new() }
    }
}

/// Where everything is made, and how it is kept apart.
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    cores: bool,
}

impl Place {
    /// A folder of its own. Gateways and load get one core each where there are two.
    pub(crate) fn new() -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("clearline-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let several = std::thread::available_parallelism().is_ok_and(|n| n.get() > 1);
        Ok(Self { folder, cores: several && sh::has("taskset") })
    }

    /// Whether gateways and load have a core each.
    pub(crate) const fn apart(&self) -> bool {
        self.cores
    }

    /// A program on the core of the gateways (0) or on that of upstream and load (1), with as many files as it may have.
    pub(crate) fn command(&self, core: u8, program: impl AsRef<Path>, arguments: &[&str]) -> Command {
        let program = program.as_ref().display().to_string();
        let files = format!("--nofile={}", proc::files_max().min(1 << 20));
        let mut words = vec!["prlimit", files.as_str()];
        let core = core.to_string();
        if self.cores {
            words.extend(["taskset", "-c", core.as_str()]);
        }
        words.push(program.as_str());
        words.extend(arguments);
        let (first, rest) = words.split_first().map_or(("prlimit", &[][..]), |(first, rest)| (first, rest));
        let mut command = sh::command(first, rest);
        command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::null());
        command
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.folder.join(name);
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }

    /// Starts a server that listens where it was told.
    pub(crate) fn server(
        &self,
        mut command: Command,
        name: &str,
        at: (SocketAddr, Duration),
    ) -> Result<Started, String> {
        let log = std::fs::File::create(self.folder.join(format!("{name}.out")));
        if let Ok(log) = log {
            command.stderr(log);
        }
        let child = command.spawn().map(Started).map_err(|e| format!("{name} cannot be started: {e}"))?;
        let (addr, patience) = at;
        let said = || std::fs::read_to_string(self.folder.join(format!("{name}.out"))).unwrap_or_default();
        reachable(addr, patience).map_err(|e| format!("{name}: {e}\n{}", said()))?;
        Ok(child)
    }

    /// nginx with this server of ours, one worker.
    pub(crate) fn nginx(&self, core: u8, name: &str, at: (SocketAddr, &str)) -> Result<Started, String> {
        let (addr, servers) = at;
        let own = self.folder.join(name);
        std::fs::create_dir_all(&own).map_err(|e| format!("{}: {e}", own.display()))?;
        let text = format!(
            "daemon off; worker_processes 1; pid {own}/pid; error_log {own}/error.log crit;\n\
             events {{ worker_connections {files}; }}\n\
             http {{ client_body_temp_path {own}/b; proxy_temp_path {own}/p; fastcgi_temp_path {own}/f; uwsgi_temp_path {own}/u; \
             scgi_temp_path {own}/s; keepalive_requests 100000000; client_max_body_size 64m; client_body_buffer_size 128k; \
             client_header_buffer_size 4k; {servers} }}\n",
            own = own.display(),
            files = NGINX_CONNECTIONS,
        );
        let config = self.write(&format!("{name}/nginx.conf"), &text)?;
        let (prefix, config) = (own.display().to_string(), config.display().to_string());
        let nginx = self.command(core, "nginx", &["-p", &prefix, "-c", &config]);
        let started = self.server(nginx, name, (addr, FAST))?;
        // It listens before its worker is there as a whole; what is no request the worker answers alone.
        let told = TcpStream::connect(addr).and_then(|mut stream| {
            stream.set_read_timeout(Some(FAST))?;
            stream.write_all(b"no request\r\n\r\n")?;
            stream.read(&mut [0; 16])
        });
        told.map_err(|e| format!("{name} has no worker: {e}"))?;
        Ok(started)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.folder).is_ok();
    }
}

/// The connections of an nginx. From fifteen sixteenths of them on it closes those that wait for a request, new ones among them;
/// so there are more than twice the ports that a machine has, whatever files it may open.
const NGINX_CONNECTIONS: u32 = 1 << 16;
/// How long a small server may take to listen, and a large one.
pub(crate) const FAST: Duration = Duration::from_secs(10);
const SLOW: Duration = Duration::from_secs(120);

/// The upstream of all, an nginx that answers by itself.
pub(crate) fn upstream(place: &Place) -> Result<(Started, SocketAddr), String> {
    answering(place, "upstream", "")
}

/// The same with this word behind the address where it listens.
pub(crate) fn answering(place: &Place, name: &str, how: &str) -> Result<(Started, SocketAddr), String> {
    let addr = free()?;
    let server = format!(
        "server {{ listen {addr} {how}; access_log off; default_type application/json; \
         location / {{ add_header request-id req_bench always; return 200 '{ANSWER}'; }} }}"
    );
    Ok((place.nginx(1, name, (addr, &server))?, addr))
}

/// An answer of the API, as small as they are.
const ANSWER: &str = r#"{"id":"msg_bench","type":"message","role":"assistant","model":"claude-sonnet-5-5","content":[{"type":"text","text":"Not long."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":12,"output_tokens":4}}"#;

/// nginx as a plain proxy.
pub(crate) fn nginx(place: &Place, upstream: SocketAddr) -> Result<Peer, String> {
    nginx_listening(place, upstream, ("proxy", ""))
}

/// The same with this word behind the address where it listens.
pub(crate) fn nginx_listening(
    place: &Place,
    upstream: SocketAddr,
    (folder, how): (&str, &str),
) -> Result<Peer, String> {
    let addr = free()?;
    let server = format!(
        "upstream api {{ server {upstream}; keepalive 64; }} server {{ listen {addr} {how}; access_log off; \
         location / {{ proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
         proxy_buffering off; proxy_read_timeout 600s; }} }}"
    );
    Ok(Peer::plain("nginx", addr, place.nginx(0, folder, (addr, &server))?))
}

/// HAProxy as a plain proxy.
pub(crate) fn haproxy(place: &Place, upstream: SocketAddr) -> Result<Peer, String> {
    haproxy_speaking(place, upstream, ("", ""))
}

/// The same with these words behind the address where it listens, and that of the upstream.
pub(crate) fn haproxy_speaking(
    place: &Place,
    upstream: SocketAddr,
    (bind, server): (&str, &str),
) -> Result<Peer, String> {
    let addr = free()?;
    let text = format!(
        "global\n  nbthread 1\n  maxconn 256\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 600s\n  timeout server 600s\n  http-reuse always\n\
         frontend in\n  bind {addr} {bind}\n  default_backend api\n\
         backend api\n  server api {upstream} {server}\n"
    );
    let name = format!("haproxy-{}", addr.port());
    let config = place.write(&format!("{name}.cfg"), &text)?.display().to_string();
    let haproxy = place.command(0, "haproxy", &["-db", "-f", &config]);
    Ok(Peer::plain("haproxy", addr, place.server(haproxy, &name, (addr, FAST))?))
}

/// The gateway of this repository, with its log and its metrics.
pub(crate) fn clearline(place: &Place, upstream: SocketAddr) -> Result<Peer, String> {
    clearline_set(place, upstream, &[])
}

/// The same with these settings, as variables.
pub(crate) fn clearline_set(
    place: &Place,
    upstream: SocketAddr,
    settings: &[(&str, &str)],
) -> Result<Peer, String> {
    let (log, url) = (place.folder.join("gateway.jsonl").display().to_string(), format!("http://{upstream}"));
    let flags =
        ["gateway", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", &url, "--log", &log];
    let mut gateway = gateway(place, &flags);
    gateway.envs(settings.iter().copied()).stdout(Stdio::piped());
    let mut child = gateway.spawn().map_err(|e| not_started(&e))?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        let mut out = BufReader::new(out);
        out.read_line(&mut line).map_err(|e| format!("clearline says nothing: {e}"))?;
        // What it says later is read and forgotten, so that it never waits for a reader.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()).is_ok());
    }
    let child = Started(child);
    let addr = line.trim().strip_prefix("listening on http://").and_then(|a| a.parse().ok());
    let addr = addr.ok_or_else(|| format!("clearline did not say where it listens: {line}"))?;
    Ok(Peer::plain("clearline", addr, child))
}

/// The gateway on this address, and when it was started.
pub(crate) fn clearline_at(
    place: &Place,
    addr: SocketAddr,
    upstream: SocketAddr,
) -> Result<(Started, Instant), String> {
    let (listen, url) = (addr.to_string(), format!("http://{upstream}"));
    let log = place.folder.join("start.jsonl").display().to_string();
    let flags = ["gateway", "--listen", &listen, "--admin", "127.0.0.1:0", "--upstream", &url, "--log", &log];
    let begun = Instant::now();
    let child = gateway(place, &flags).spawn().map_err(|e| not_started(&e))?;
    Ok((Started(child), begun))
}

fn gateway(place: &Place, flags: &[&str]) -> Command {
    let mut gateway = place.command(0, sh::clearline(), flags);
    gateway.env_remove("ANTHROPIC_API_KEY").env_remove("CLEARLINE_KEYS").env("CLEARLINE_FENCE", "loopback");
    gateway.env("CLEARLINE_GATEWAY_CONNECTIONS_MAX", "100000");
    gateway
}

fn not_started(why: &std::io::Error) -> String {
    format!("clearline cannot be started: {why}")
}

/// LiteLLM's program, where it is installed.
pub(crate) fn litellm_program() -> PathBuf {
    setup::gateways_folder().join("python").join("bin").join("litellm")
}

/// Portkey's program, where it is installed.
pub(crate) fn portkey_program() -> PathBuf {
    setup::gateways_folder()
        .join("node")
        .join("node_modules")
        .join("@portkey-ai")
        .join("gateway")
        .join("build")
        .join("start-server.js")
}

/// LiteLLM, one worker.
pub(crate) fn litellm(place: &Place, upstream: SocketAddr) -> Result<Peer, String> {
    let addr = free()?;
    let text = format!(
        "model_list:\n  - model_name: claude-sonnet-5-5\n    litellm_params:\n      model: anthropic/claude-sonnet-5-5\n      \
         api_base: http://{upstream}\n      api_key: sk-ant-fake-bench\n\
         litellm_settings:\n  telemetry: false\n"
    );
    let config = place.write("litellm.yaml", &text)?.display().to_string();
    let port = addr.port().to_string();
    let flags = ["--config", &config, "--host", "127.0.0.1", "--port", &port, "--num_workers", "1"];
    let mut litellm = place.command(0, litellm_program(), &flags);
    // Its list of prices comes with it; it would ask for the newest one.
    litellm.env("LITELLM_LOCAL_MODEL_COST_MAP", "True").env("LITELLM_LOG", "ERROR");
    // It asks for a key of its own otherwise, which no other here asks for.
    litellm.env("LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY", "true");
    Ok(Peer::plain("litellm", addr, place.server(litellm, "litellm", (addr, SLOW))?))
}

/// Portkey, whose target is told in headers.
pub(crate) fn portkey(place: &Place, upstream: SocketAddr) -> Result<Peer, String> {
    let addr = free()?;
    let program = portkey_program().display().to_string();
    let port = format!("--port={}", addr.port());
    let node = place.command(0, "node", &[&program, &port, "--headless"]);
    let process = place.server(node, "portkey", (addr, SLOW))?;
    let headers = vec![
        ("x-portkey-provider".to_owned(), "anthropic".to_owned()),
        ("x-portkey-custom-host".to_owned(), format!("http://{upstream}/v1")),
    ];
    Ok(Peer { headers, ..Peer::plain("portkey", addr, process) })
}

/// An address that nobody listens on.
pub(crate) fn free() -> Result<SocketAddr, String> {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(|e| format!("no free port: {e}"))
}

/// Waits until somebody listens.
fn reachable(addr: SocketAddr, patience: Duration) -> Result<(), String> {
    let begun = Instant::now();
    while TcpStream::connect(addr).is_err() {
        if begun.elapsed() > patience {
            return Err(format!("nobody listens on {addr}"));
        }
        std::thread::yield_now();
    }
    Ok(())
}
