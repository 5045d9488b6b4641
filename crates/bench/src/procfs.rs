//! What Linux says about a process: CPU time and memory (proc(5)).

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

/// `/proc` counts in hundredths of a second for every program (USER_HZ).
const TICK: Duration = Duration::from_millis(10);

/// CPU time of a process at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CpuTime {
    /// User and system time of all threads, finished ones included.
    ticks: u64,
    /// Nanoseconds of each living thread: finer, but a thread's share goes away with it.
    threads: BTreeMap<u32, u64>,
}

impl CpuTime {
    /// Reads it.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let stat = read(&format!("/proc/{pid}/stat"))?;
        let ticks = ticks(&stat).with_context(|| format!("unknown form of /proc/{pid}/stat"))?;
        Ok(Self { ticks, threads: threads(pid).unwrap_or_default() })
    }

    /// What was used since the process was started.
    pub(crate) fn total(&self) -> Duration {
        self.since(&Self { ticks: 0, threads: BTreeMap::new() })
    }

    /// What was used since then: to the nanosecond unless a thread ended meanwhile, then to the tick.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let ended = earlier.threads.keys().any(|thread| !self.threads.contains_key(thread));
        if ended || self.threads.is_empty() {
            let ticks = self.ticks.saturating_sub(earlier.ticks);
            return TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX));
        }
        Duration::from_nanos(self.threads.values().sum::<u64>() - earlier.threads.values().sum::<u64>())
    }
}

/// Whether a thread of the process runs or would if a CPU were free: on a busy machine one that uses none may want some.
pub(crate) fn wants_cpu(pid: u32) -> anyhow::Result<bool> {
    let path = format!("/proc/{pid}/task");
    let threads = fs::read_dir(&path).with_context(|| format!("read {path}"))?;
    // One that ended meanwhile wants nothing.
    let mut stats = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    Ok(stats.any(|stat| runnable(&stat)))
}

/// Memory of a process.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Memory {
    /// Resident, in megabytes (10^6 bytes): with the pages of the program file that other processes may share.
    pub(crate) resident_mb: f64,
    /// Resident and the process's own: heap and stacks, in megabytes (10^6 bytes).
    pub(crate) anonymous_mb: f64,
}

impl Memory {
    /// Reads it.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let status = read(&format!("/proc/{pid}/status"))?;
        let field =
            |name| megabytes(&status, name).with_context(|| format!("/proc/{pid}/status lacks {name}"));
        Ok(Self { resident_mb: field("VmRSS:")?, anonymous_mb: field("RssAnon:")? })
    }
}

/// Idle time of each CPU since the machine started.
pub(crate) fn idle() -> anyhow::Result<Vec<Duration>> {
    Ok(idle_times(&read("/proc/stat")?))
}

/// The processor's name, as the report states it.
pub(crate) fn processor() -> String {
    let text = read("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {path}"))
}

/// Fields 14 and 15. The name in field 2 may hold blanks and parentheses; nothing after it does.
fn ticks(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(field(14)? + field(15)?)
}

/// Field 3.
fn runnable(stat: &str) -> bool {
    stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('R'))
}

fn threads(pid: u32) -> Option<BTreeMap<u32, u64>> {
    let folder = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    folder.map(|entry| thread(&entry.ok()?)).collect()
}

fn thread(entry: &fs::DirEntry) -> Option<(u32, u64)> {
    let text = fs::read_to_string(entry.path().join("schedstat")).ok()?;
    Some((entry.file_name().to_str()?.parse().ok()?, text.split(' ').next()?.parse().ok()?))
}

fn megabytes(status: &str, name: &str) -> Option<f64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: f64 = rest.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}

/// Fields 4 and 5 of each `cpuN` line: idle, and idle while a disk works.
fn idle_times(stat: &str) -> Vec<Duration> {
    let lines = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "));
    lines
        .map(|line| line.split(' ').skip(4).take(2).filter_map(|field| field.parse::<u32>().ok()).sum())
        .map(|ticks: u32| TICK.saturating_mul(ticks))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(ticks: u64, threads: &[(u32, u64)]) -> CpuTime {
        CpuTime { ticks, threads: threads.iter().copied().collect() }
    }

    #[test]
    fn cpu_time_survives_threads_that_come_and_go() {
        let before = cpu(100, &[(1, 1_000), (2, 2_000)]);
        let cases = [
            ("same threads", cpu(100, &[(1, 1_500), (2, 2_000)]), Duration::from_nanos(500)),
            ("a new thread", cpu(100, &[(1, 1_000), (2, 2_000), (3, 70)]), Duration::from_nanos(70)),
            ("a thread ended", cpu(103, &[(1, 1_500)]), Duration::from_millis(30)),
            ("threads unknown", cpu(101, &[]), Duration::from_millis(10)),
        ];
        for (name, after, expected) in cases {
            assert_eq!(after.since(&before), expected, "{name}");
        }
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_fields() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 21 13 0 0 20 0 4 0 99";
        assert_eq!(ticks(stat), Some(34));
        assert!(!runnable(stat) && runnable("7 (a) S) R 1 7"));
    }

    #[test]
    fn idle_is_per_cpu() {
        let stat = "cpu  9 9 9 9 9\ncpu0 1 2 3 100 50 6\ncpu1 1 2 3 7 0 6\nintr 5\n";
        assert_eq!(idle_times(stat), [Duration::from_millis(1500), Duration::from_millis(70)]);
    }

    #[test]
    fn this_process_has_memory_and_time() {
        let pid = std::process::id();
        assert!(Memory::of(pid).unwrap().resident_mb > 0.5);
        let earlier = CpuTime::of(pid).unwrap();
        assert!(CpuTime::of(pid).unwrap().since(&earlier) < Duration::from_secs(60));
        assert!(wants_cpu(pid).unwrap(), "it runs this test");
    }
}
