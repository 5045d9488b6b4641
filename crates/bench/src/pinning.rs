//! Who runs on which CPU: the server alone on the first, the load generator on the last (taskset(1) of util-linux).
//!
//! Where that is impossible, servers run unpinned and the report says so.

use std::ffi::OsStr;
use std::process::Stdio;

use tokio::process::Command;

/// CPUs of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cpus {
    /// The first one only.
    First,
    /// The last one only.
    Last,
    /// All of them.
    All,
}

/// Whether and among how many CPUs processes can be pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pinning {
    /// CPUs of this machine.
    pub(crate) cpus: usize,
    /// There are at least two, and `taskset` works.
    pub(crate) works: bool,
}

impl Pinning {
    /// Tries it.
    pub(crate) async fn detect() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let mut pinning = Self { cpus, works: cpus > 1 };
        pinning.works = pinning.works && pinning.pin_self(Cpus::All).await;
        pinning
    }

    /// A command that runs the program on these CPUs, under the same process id.
    pub(crate) fn command(&self, cpus: Cpus, program: &OsStr) -> Command {
        if !self.works {
            return Command::new(program);
        }
        let mut command = Command::new("taskset");
        command.arg("-c").arg(self.list(cpus)).arg(program);
        command
    }

    /// Moves this process, all its threads included; says whether that worked.
    pub(crate) async fn pin_self(&self, cpus: Cpus) -> bool {
        if !self.works {
            return false;
        }
        let mut command = Command::new("taskset");
        command.args(["-a", "-c", "-p", &self.list(cpus), &std::process::id().to_string()]);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().await;
        status.is_ok_and(|status| status.success())
    }

    /// Numbers of these CPUs.
    pub(crate) fn numbers(&self, cpus: Cpus) -> std::ops::Range<usize> {
        match cpus {
            Cpus::First => 0..1,
            Cpus::Last => self.cpus - 1..self.cpus,
            Cpus::All => 0..self.cpus,
        }
    }

    fn list(&self, cpus: Cpus) -> String {
        let range = self.numbers(cpus);
        format!("{}-{}", range.start, range.end - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let pinning = Pinning { cpus: 4, works: true };
        let lists = [Cpus::First, Cpus::Last, Cpus::All].map(|cpus| pinning.list(cpus));
        assert_eq!(lists, ["0-0", "3-3", "0-3"]);
    }

    #[test]
    fn without_pinning_the_program_itself_is_run() {
        let pinning = Pinning { cpus: 1, works: false };
        assert_eq!(pinning.command(Cpus::First, "server".as_ref()).as_std().get_program(), "server");
    }
}
