//! One child process whose output is kept, and which never outlives its owner.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How often a condition of another process is looked at: there is nothing to be woken by.
pub(super) const POLL: Duration = Duration::from_millis(5);

/// A running child. Dropping it kills and reaps it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, with no input, and both outputs appended to the file `log`.
    ///
    /// # Errors
    /// If the program or the file is missing.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let output = open(log)?;
        let errors = output.try_clone().context("the log")?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child =
            command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that was written to both outputs up to now (and by predecessors with the same log).
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// If the operating system does not say.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("wait for the process")
    }

    /// Waits for it to end by itself.
    ///
    /// # Errors
    /// If it still runs after `within`; its log is in the error.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("process {} still runs after {within:?}; its log:\n{}", self.pid(), self.log());
            }
            sleep(POLL);
        }
    }

    /// Waits until the log contains `text`.
    ///
    /// # Errors
    /// If the process ends or `within` passes before that; the log is in the error.
    pub fn wait_for_log(&mut self, text: &str, within: Duration) -> Result<()> {
        let deadline = Instant::now() + within;
        while !self.log().contains(text) {
            if self.exited()?.is_some() || Instant::now() > deadline {
                bail!("{text:?} does not appear in the log:\n{}", self.log());
            }
            sleep(POLL);
        }
        Ok(())
    }

    /// SIGKILL, and reap.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill().context("kill")?;
        self.child.wait().context("reap")
    }

    /// SIGTERM, and wait for the end.
    ///
    /// # Errors
    /// If it still runs after `within`.
    pub fn terminate(&mut self, within: Duration) -> Result<ExitStatus> {
        if self.exited()?.is_none() {
            // The standard library has no other signal than SIGKILL; `kill` is built into every shell.
            let kill = format!("kill -TERM {}", self.pid());
            Command::new("sh").args(["-c", &kill]).status().context("send SIGTERM")?;
        }
        self.wait(within)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.kill();
    }
}

fn open(log: &Path) -> Result<File> {
    OpenOptions::new().create(true).append(true).open(log).with_context(|| format!("open {}", log.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (tempfile::TempDir, Process) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let process = Process::start(&mut command, &folder.path().join("log")).expect("sh starts");
        (folder, process)
    }

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn keeps_both_outputs_and_the_status() {
        let (_folder, mut process) = shell("echo out; echo err >&2; exit 7");
        assert_eq!(process.wait(SOON).expect("ends").code(), Some(7));
        assert_eq!(process.log(), "out\nerr\n");
    }

    #[test]
    fn terminates_with_a_signal_that_can_be_caught() {
        let (_folder, mut process) = shell("trap 'echo bye; exit 3' TERM; echo up; while :; do :; done");
        process.wait_for_log("up", SOON).expect("starts");
        assert_eq!(process.terminate(SOON).expect("ends").code(), Some(3));
        assert!(process.log().ends_with("bye\n"));
    }

    #[test]
    fn a_wait_that_is_in_vain_shows_the_log() {
        let (_folder, mut process) = shell("echo reason; exec cat /dev/zero > /dev/null");
        process.wait_for_log("reason", SOON).expect("starts");
        let error = process.wait(Duration::ZERO).expect_err("still runs").to_string();
        assert!(error.contains("reason"), "{error}");
        let (_folder, mut process) = shell("echo other");
        assert!(process.wait_for_log("reason", SOON).expect_err("never").to_string().contains("other"));
    }

    #[test]
    fn dropping_kills() {
        let (_folder, process) = shell("exec cat /dev/zero > /dev/null");
        let proc = format!("/proc/{}", process.pid());
        assert!(Path::new(&proc).exists());
        drop(process);
        assert!(!Path::new(&proc).exists());
    }
}
