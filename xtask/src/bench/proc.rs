//! What the kernel says of processes.

use std::path::Path;
use std::process::{Command, Stdio};

/// CPU time of all threads of these processes so far, nanoseconds.
pub(crate) fn cpu(pids: &[u32]) -> u64 {
    pids.iter().flat_map(|pid| threads(*pid)).map(|task| ran(&task)).sum()
}

fn threads(pid: u32) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    entries.map(|e| e.path().display().to_string()).collect()
}

/// The scheduler's own count, which is finer than the ticks of `stat`.
fn ran(task: &str) -> u64 {
    let text = std::fs::read_to_string(format!("{task}/schedstat")).unwrap_or_default();
    text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Resident memory of these processes, KiB.
pub(crate) fn resident(pids: &[u32]) -> u64 {
    pids.iter().filter_map(|pid| number(&format!("/proc/{pid}/status"), "VmRSS:")).sum()
}

/// How many files this process and its children may open at most, whatever they ask for.
pub(crate) fn files_max() -> u64 {
    let text = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("Max open files"));
    let hard = line.and_then(|l| l.split_whitespace().nth(1)?.parse().ok());
    hard.unwrap_or(u64::MAX)
}

/// Lets this process and its children open so many files, where it may: as root beyond what it was given, up to what the
/// kernel allows anybody (`fs.nr_open`).
pub(crate) fn raise_files(wanted: u64) {
    let hard = files_max().min(1 << 20);
    let pid = std::process::id().to_string();
    // std has no call for it. What it was given as the most, it may take itself.
    for limit in [hard.max(wanted), hard] {
        let nofile = format!("--nofile={limit}:{limit}");
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--pid", &pid, &nofile]).stderr(Stdio::null());
        if prlimit.status().is_ok_and(|s| s.success()) {
            return;
        }
    }
}

/// How many connections to one address may be open at once: each has a port of this machine.
pub(crate) fn ports() -> u32 {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = text.split_whitespace().filter_map(|n| n.parse::<u32>().ok());
    let (first, last) = (bounds.next().unwrap_or(0), bounds.next().unwrap_or(u32::MAX - 1));
    (last + 1).saturating_sub(first)
}

/// The number behind this word of a file of `/proc`.
fn number(path: &str, word: &str) -> Option<u64> {
    let text = std::fs::read_to_string(Path::new(path)).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A process and all that it started.
pub(crate) fn family(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids: Vec<u32> = entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).collect();
    let parents: Vec<(u32, u32)> = pids.into_iter().filter_map(|pid| Some((pid, parent_of(pid)?))).collect();
    let mut all = vec![parent];
    let mut at = 0;
    while let Some(one) = all.get(at).copied() {
        all.extend(parents.iter().filter(|(_, p)| *p == one).map(|(pid, _)| *pid));
        at += 1;
    }
    all
}

fn parent_of(pid: u32) -> Option<u32> {
    // The name before it may hold anything.
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_cpu_memory_and_a_parent() {
        let own = std::process::id();
        assert!(cpu(&[own]) > 0);
        assert!(resident(&[own]) > 100);
        assert!(files_max() > 0 && ports() > 0);
        assert!(family(parent_of(own).unwrap()).contains(&own));
    }
}
