//! Three namespaces with everything in them, and their end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::names::Names;
use crate::plan::{Place, Plan};
use crate::serve::link;
use crate::{Problem, pki};

/// Where the files of running labs are.
pub(crate) const RUN: &str = "/run/clearline-lab";
/// What every namespace of a lab is called first.
pub(crate) const PREFIX: &str = "clab";

/// A lab that stands. It ends with its reaper, whatever happens to this process.
pub(crate) struct World {
    pub(crate) id: String,
    pub(crate) dir: PathBuf,
    pub(crate) plan: Plan,
    services: Vec<(Child, Option<ChildStdin>)>,
    reaper: Option<Child>,
}

/// The namespace of a place in a lab.
pub(crate) fn namespace(id: &str, place: Place) -> String {
    format!("{id}-{}", place.word())
}

/// The directory of a lab.
pub(crate) fn directory(id: &str) -> PathBuf {
    Path::new(RUN).join(id)
}

impl World {
    /// Builds a lab. Where that fails, nothing is left behind.
    ///
    /// # Errors
    /// The step that failed, with what the program said.
    pub(crate) fn up(id: &str, plan: Plan, names: &Names, detached: bool) -> Result<Self, Problem> {
        let dir = directory(id);
        std::fs::create_dir_all(dir.join("home"))?;
        let reaper = if detached { None } else { Some(reaper(id)?) };
        let mut world = Self { id: id.to_owned(), dir, plan, services: Vec::new(), reaper };
        world.build(names, detached)?;
        Ok(world)
    }

    fn build(&mut self, names: &Names, detached: bool) -> Result<(), Problem> {
        std::fs::write(self.dir.join("plan.json"), serde_json::to_string_pretty(&self.plan)?)?;
        pki::make(&self.plan, &self.dir)?;
        self.client_files()?;
        shell(&namespaces(&self.id)?, "the namespaces")?;
        let [cli, rtr, _] = Place::ALL.map(|p| namespace(&self.id, p));
        let lan = if self.plan.link.is_some() {
            self.start(Place::Rtr, &["link", &self.dir.display().to_string()], detached)?;
            let far = link::FAR;
            format!(
                "ip -n {rtr} link set {far} netns {cli} && ip -n {cli} link set {far} name {}",
                link::NEAR
            )
        } else {
            format!("ip link add lan0 netns {cli} type veth peer name lan0 netns {rtr}")
        };
        shell(&lan, "the link of the LAN")?;
        shell(&links(&self.id, &self.plan, names)?, "the links")?;
        for (place, rules) in [(Place::Rtr, router_rules(&self.plan)), (Place::Cli, client_rules(&self.plan))]
        {
            self.filter(place, &rules)?;
        }
        for (place, commands) in &self.plan.run {
            for command in commands {
                let done = self.command(*place, &["sh", "-c", command]).output()?;
                if !done.status.success() {
                    return Err(format!("{command}: {}", String::from_utf8_lossy(&done.stderr)).into());
                }
            }
        }
        for place in [Place::Net, Place::Rtr, Place::Cli] {
            self.start(place, &["serve", &self.dir.display().to_string(), place.word()], detached)?;
        }
        Ok(())
    }

    /// The files that `ip netns exec` lays over `/etc`.
    fn client_files(&self) -> Result<(), Problem> {
        let (client, etc) = (&self.plan.client, etc(&self.id, Place::Cli));
        let certs = etc.join("ssl").join("certs");
        std::fs::create_dir_all(&certs)?;
        std::fs::write(etc.join("resolv.conf"), &client.resolv)?;
        std::fs::write(etc.join("hosts"), client.hosts.join("\n") + "\n")?;
        std::fs::write(etc.join("nsswitch.conf"), &client.nsswitch)?;
        for (name, text) in &client.files {
            std::fs::write(self.dir.join("home").join(name), text)?;
        }
        let mut bundle = String::new();
        for ca in &client.store {
            let pem = std::fs::read_to_string(self.dir.join(format!("ca-{ca}.pem")))?;
            std::fs::write(certs.join(format!("{ca}.pem")), &pem)?;
            bundle.push_str(&pem);
        }
        std::fs::write(certs.join("ca-certificates.crt"), bundle)?;
        if let Ok(config) = std::fs::read("/etc/ssl/openssl.cnf") {
            std::fs::write(etc.join("ssl").join("openssl.cnf"), config)?;
        }
        shell(&format!("openssl rehash {} 2>/dev/null", certs.display()), "openssl rehash")
    }

    fn filter(&self, place: Place, rules: &str) -> Result<(), Problem> {
        let mut nft = self.command(place, &["nft", "-f", "-"]);
        let mut child = nft.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(rules.as_bytes())?;
        }
        let done = child.wait_with_output()?;
        if done.status.success() {
            return Ok(());
        }
        Err(format!("nft: {}\n{rules}", String::from_utf8_lossy(&done.stderr)).into())
    }

    /// Starts this program in a namespace and waits until it is ready.
    fn start(&mut self, place: Place, words: &[&str], detached: bool) -> Result<(), Problem> {
        let own = std::env::current_exe()?.display().to_string();
        let mut arguments = [&[own.as_str()], words].concat();
        if detached {
            arguments.push("--detached");
        }
        let mut command = self.command(place, &arguments);
        let stdin = if detached { Stdio::null() } else { Stdio::piped() };
        command.env("PATH", path()).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        // An interrupt of the terminal ends the runner; the reaper ends what it started.
        command.process_group(0);
        let mut child = command.spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        if line.trim() != "ready" {
            let mut said = String::new();
            if let Some(mut err) = child.stderr.take() {
                err.read_to_string(&mut said)?;
            }
            return Err(format!("{} did not start: {}", words.join(" "), said.trim()).into());
        }
        let stdin = child.stdin.take();
        self.services.push((child, stdin));
        Ok(())
    }

    /// A command in a namespace, with an empty environment.
    pub(crate) fn command(&self, place: Place, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &namespace(&self.id, place)]).args(arguments);
        command.env_clear().env("PATH", path()).stdin(Stdio::null());
        command
    }

    /// The environment of the client's programs.
    pub(crate) fn environment(&self) -> Result<BTreeMap<String, String>, Problem> {
        let own = std::fs::metadata(format!("/run/netns/{}", namespace(&self.id, Place::Cli)))?;
        let mut all: BTreeMap<String, String> = [
            ("HOME", self.dir.join("home").display().to_string()),
            ("PATH", path()),
            ("LANG", "C.UTF-8".to_owned()),
            ("CLEARLINE_FENCE", format!("netns:{}", own.ino())),
            ("CLEARLINE_PUBLIC_ROOTS", self.dir.join("public-roots.pem").display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for (name, value) in &self.plan.client.env {
            // An empty value takes a variable of the world away.
            if value.is_empty() {
                all.remove(name);
            } else {
                all.insert(name.clone(), value.clone());
            }
        }
        Ok(all)
    }

    /// What the services of a place have seen.
    pub(crate) fn log(&self, place: Place) -> String {
        std::fs::read_to_string(self.dir.join(format!("{}.log", place.word()))).unwrap_or_default()
    }

    /// How often rules with `counter name hit` have been met.
    pub(crate) fn hits(&self, place: Place) -> Result<u64, Problem> {
        let out = self.command(place, &["nft", "list", "counter", "inet", "lab", "hit"]).output()?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let count = text.split("packets ").nth(1).and_then(|t| t.split_whitespace().next());
        Ok(count.and_then(|c| c.parse().ok()).unwrap_or(0))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let Some(mut reaper) = self.reaper.take() else { return };
        for (_, stdin) in &mut self.services {
            drop(stdin.take());
        }
        drop(reaper.stdin.take());
        let _gone = reaper.wait().is_err();
        for (child, _) in &mut self.services {
            let _gone = child.wait().is_err();
        }
    }
}

/// A process that takes the lab down when this one lets go of it, or dies.
fn reaper(id: &str) -> Result<Child, Problem> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["reap", id]).stdin(Stdio::piped()).process_group(0);
    Ok(command.spawn()?)
}

/// Waits for the end of its starter, then takes the lab down.
///
/// # Errors
/// Something could not be removed.
pub(crate) fn reap(id: &str) -> Result<(), Problem> {
    let _more = std::io::stdin().read_to_end(&mut Vec::new()).is_ok();
    down(id)
}

/// Takes a lab down: its processes, its namespaces, its files.
///
/// # Errors
/// Something could not be removed.
pub(crate) fn down(id: &str) -> Result<(), Problem> {
    let mut script = String::new();
    for place in Place::ALL {
        let ns = namespace(id, place);
        writeln!(script, "for p in $(ip netns pids {ns} 2>/dev/null); do kill -9 $p 2>/dev/null; done")?;
        writeln!(script, "ip netns del {ns} 2>/dev/null; rm -rf {}", etc(id, place).display())?;
    }
    writeln!(script, "rm -rf {}", directory(id).display())?;
    writeln!(script, "true")?;
    shell(&script, "taking the lab down")
}

/// The labs that stand.
pub(crate) fn standing() -> Vec<String> {
    let entries = std::fs::read_dir(RUN).into_iter().flatten().flatten();
    let mut all: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    all.retain(|id| id.starts_with(PREFIX));
    all.sort();
    all
}

fn etc(id: &str, place: Place) -> PathBuf {
    Path::new("/etc/netns").join(namespace(id, place))
}

fn path() -> String {
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()
}

fn shell(script: &str, what: &str) -> Result<(), Problem> {
    let done = Command::new("sh").args(["-c", script]).stdin(Stdio::null()).output()?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("{what}: {}", String::from_utf8_lossy(&done.stderr).trim()).into())
}

/// The commands that make namespaces and prepare them.
fn namespaces(id: &str) -> Result<String, Problem> {
    let [cli, rtr, net] = Place::ALL.map(|p| namespace(id, p));
    let mut text = String::from("set -e\n");
    for (ns, more) in [
        (&cli, ""),
        (&rtr, "set_one net/ipv4/ip_forward 1; set_one net/ipv6/conf/all/forwarding 1; "),
        (&net, ""),
    ] {
        // Duplicate address detection makes IPv6 look broken for its first seconds.
        let quiet = "set_one() { [ ! -e /proc/sys/$1 ] || echo $2 > /proc/sys/$1; }; for d in all default; do \
                     set_one net/ipv6/conf/$d/disable_ipv6 0; set_one net/ipv6/conf/$d/accept_dad 0; \
                     set_one net/ipv6/conf/$d/dad_transmits 0; set_one net/ipv6/conf/$d/accept_ra 0; \
                     set_one net/ipv4/conf/$d/rp_filter 0; done; \
                     set_one net/ipv4/icmp_ratelimit 0; set_one net/ipv6/icmp/ratelimit 0; ";
        writeln!(text, "ip netns add {ns}")?;
        writeln!(text, "ip netns exec {ns} sh -c '{quiet}{more}true'")?;
        writeln!(text, "ip -n {ns} link set lo up")?;
    }
    writeln!(text, "ip link add wan0 netns {rtr} type veth peer name wan0 netns {net}")?;
    Ok(text)
}

/// The commands that make addresses and routes.
fn links(id: &str, plan: &Plan, names: &Names) -> Result<String, Problem> {
    let [cli, rtr, net] = Place::ALL.map(|p| namespace(id, p));
    let mut text = String::from("set -e\n");
    for (ns, device) in [(&cli, "lan0"), (&rtr, "lan0"), (&rtr, "wan0"), (&net, "wan0")] {
        writeln!(text, "ip netns exec {ns} ethtool -K {device} tso off gso off gro off >/dev/null")?;
    }
    let n = |name: &str| names.get(name).to_owned();
    for (ns, device, v4, v6) in [
        (&cli, "lan0", n("client"), n("client6")),
        (&rtr, "lan0", n("router"), n("router6")),
        (&rtr, "wan0", n("wan_router"), n("wan_router6")),
        (&net, "wan0", n("wan_net"), n("wan_net6")),
    ] {
        writeln!(text, "ip -n {ns} addr add {v4}/24 dev {device}")?;
        writeln!(text, "ip -n {ns} addr add {v6}/64 dev {device} nodad")?;
        writeln!(text, "ip -n {ns} link set {device} up")?;
    }
    for (ns, place) in [(&rtr, Place::Rtr), (&net, Place::Net)] {
        for addr in plan.addresses(place) {
            let (length, last) = if addr.is_ipv4() { (32, "") } else { (128, " nodad") };
            let device = if place == Place::Rtr && in_lan(addr, names) { "lan0" } else { "lo" };
            writeln!(text, "ip -n {ns} addr add {addr}/{length} dev {device}{last}")?;
        }
    }
    let gateway = &plan.client.gateway;
    writeln!(text, "ip -n {cli} route add default via {}", n(gateway))?;
    writeln!(text, "ip -n {cli} -6 route add default via {}", n(&format!("{gateway}6")))?;
    writeln!(text, "ip -n {rtr} route add default via {}", n("wan_net"))?;
    writeln!(text, "ip -n {rtr} -6 route add default via {}", n("wan_net6"))?;
    writeln!(text, "ip -n {net} route add {} via {}", n("lan"), n("wan_router"))?;
    writeln!(
        text,
        "ip -n {net} -6 route add {}/64 via {}",
        n("router6").replace("::1", "::"),
        n("wan_router6")
    )?;
    // Who is asked for an address that nobody has stays silent.
    writeln!(text, "ip -n {net} -6 route add blackhole default")?;
    Ok(text)
}

/// Whether an address is one of the LAN, which answers for it itself.
fn in_lan(addr: IpAddr, names: &Names) -> bool {
    let net = |text: &str| text.rsplit_once(['.', ':']).map(|(net, _)| net.to_owned());
    let own = if addr.is_ipv4() { names.get("router") } else { names.get("router6") };
    net(&addr.to_string()) == net(own)
}

fn router_rules(plan: &Plan) -> String {
    let rules = &plan.rules;
    let mut text = format!("table inet lab {{\ncounter hit {{ }}\n{}\n", rules.sets.join("\n"));
    text += &chain("c_fwd", "filter hook forward priority 0", &rules.forward);
    text += &chain("c_in", "filter hook input priority 0", &rules.input);
    text += &chain("c_pre", "nat hook prerouting priority -100", &rules.prerouting);
    text + "}\n"
}

fn client_rules(plan: &Plan) -> String {
    let output = chain("c_out", "filter hook output priority 0", &plan.rules.output);
    format!("table inet lab {{\ncounter hit {{ }}\n{output}}}\n")
}

fn chain(name: &str, kind: &str, rules: &[String]) -> String {
    if rules.is_empty() {
        return String::new();
    }
    format!("chain {name} {{\ntype {kind};\n{}\n}}\n", rules.join("\n"))
}
