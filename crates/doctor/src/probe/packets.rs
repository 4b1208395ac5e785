//! Do packets leave this machine? A filter of its own drops them before any interface counts them.

use clearline_diagnose::Probe;
use clearline_model::{Dur, Fact, Stage};
use clearline_net::{Egress, Pass};
use futures_util::future::join_all;

use super::host;
use crate::world::World;

/// Connections begun at once: each sends one packet, if packets leave.
const EACH: u64 = 4;
/// Rounds; other programs' packets only make a round useless.
const ROUNDS: u8 = 3;
/// How long a round waits.
const ROUND: Dur = Dur::millis(250);
/// The most lines of filters that are told.
const LINES_MAX: usize = 8;

/// Begins connections and counts what the interfaces sent meanwhile: `EACH` packets at least, or fewer in some round, and
/// then none of them left. Beside it, the filters of this machine where it shows them.
pub(super) async fn leave(world: &World, probe: &Probe) -> Vec<Fact> {
    let path = &probe.path;
    let Some(addr) = world.address_of(path) else { return Vec::new() };
    let mut least = u64::MAX;
    for _ in 0..ROUNDS {
        let Some(before) = sent() else { return Vec::new() };
        join_all((0..EACH).map(|_| clearline_net::dial(&world.fence, addr, None, ROUND))).await;
        let Some(after) = sent() else { return Vec::new() };
        least = least.min(after.saturating_sub(before));
        if least < EACH {
            break;
        }
    }
    let word = if least < EACH { "none" } else { "some" };
    let mut facts = vec![world.said(path, Stage::Connect, "packets.left", word)];
    // The one thread of a diagnosis has connections to time meanwhile.
    let pass = world.fence.check(Egress::Child).ok();
    let lines =
        tokio::task::spawn_blocking(move || pass.map(filters)).await.ok().flatten().unwrap_or_default();
    facts.extend(lines.iter().map(|line| world.said(path, Stage::Connect, "filter", line)));
    facts
}

/// Packets that all interfaces but the loopback one have sent.
fn sent() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/net/dev").ok()?;
    let count = |line: &str| {
        host::interface(line)?;
        // Eight columns of what came in; the second of what went out counts packets.
        line.split_once(':')?.1.split_whitespace().nth(9)?.parse::<u64>().ok()
    };
    Some(text.lines().filter_map(count).sum())
}

/// The lines of this machine's own filters that drop or reject what goes out. They show themselves to the administrator
/// alone.
fn filters(_pass: Pass) -> Vec<String> {
    let tries: [(&[&str], &[&str]); 2] = [
        (&["nft", "/usr/sbin/nft"], &["list", "ruleset"]),
        (&["iptables", "/usr/sbin/iptables"], &["-S", "OUTPUT"]),
    ];
    for (programs, arguments) in tries {
        let text = programs.iter().find_map(|program| {
            let done = std::process::Command::new(program).args(arguments).output().ok()?;
            done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
        });
        let lines: Vec<String> = text.as_deref().map(outgoing).unwrap_or_default();
        if !lines.is_empty() {
            return lines;
        }
    }
    Vec::new()
}

/// The lines of chains of the output hook that end in a refusal.
fn outgoing(text: &str) -> Vec<String> {
    let (mut is_output, mut lines) = (false, Vec::new());
    for line in text.lines().map(str::trim) {
        if line.starts_with("chain ") {
            is_output = false;
        }
        is_output |= line.contains("hook output");
        let lower = line.to_ascii_lowercase();
        let refuses = ["drop", "reject"].iter().any(|word| lower.split([' ', ';']).any(|w| w == *word));
        if refuses && (is_output || line.starts_with("-A OUTPUT") || line.starts_with("-P OUTPUT")) {
            lines.push(line.to_owned());
        }
    }
    lines.truncate(LINES_MAX);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_refuse_what_goes_out_are_found() {
        let text = "table inet a {\n\tchain i {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n\tchain o {\n\t\ttype filter hook output priority filter; policy accept;\n\t\ttcp dport 443 counter packets 2 bytes 120 reject with tcp reset\n\t\ttcp dport 80 accept\n\t}\n}\n";
        assert_eq!(outgoing(text), ["tcp dport 443 counter packets 2 bytes 120 reject with tcp reset"]);
        assert_eq!(
            outgoing("-P OUTPUT ACCEPT\n-A OUTPUT -p tcp -j REJECT\n"),
            ["-A OUTPUT -p tcp -j REJECT"]
        );
        assert!(outgoing("").is_empty());
    }
}
