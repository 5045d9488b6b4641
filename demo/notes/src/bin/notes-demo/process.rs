//! Children that end with their owner.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::tether;

/// For whatever a child has to do, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that was told to end is gone in far less: 5 s.
const REAP_POLLS: usize = 5000;

/// This program as it runs, also if cargo has put a newer one in its place.
const MYSELF: &str = "/proc/self/exe";

/// A command of which every process ends with this one.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(MYSELF);
    command.arg(tether::FLAG).arg(std::process::id().to_string()).arg(program);
    command.stdin(Stdio::null()).process_group(0);
    command
}

/// A running child, a process group of its own. Dropping it kills the group and waits until it is gone.
pub(crate) struct Process {
    child: Child,
    name: &'static str,
}

impl Process {
    pub(crate) fn start(name: &'static str, command: &mut Command) -> anyhow::Result<Self> {
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        Ok(Self { child, name })
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end as long as it takes.
    pub(crate) async fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// SIGKILL: no process can notice it, let alone clean up. Returns the process id.
    pub(crate) fn kill(mut self) -> Option<u32> {
        let id = self.child.id();
        self.end();
        id
    }

    /// Asks the group to end, as Ctrl-C would, so that it can remove its temporary files.
    fn interrupt(&mut self) {
        self.signal(Signal::INT);
    }

    fn end(&mut self) {
        self.signal(Signal::KILL);
    }

    /// Signals the group and waits until its leader is gone. Nothing happens if it is already.
    fn signal(&mut self, signal: Signal) {
        let Some(id) = self.child.id() else { return };
        if let Some(group) = i32::try_from(id).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, signal);
        }
        for _ in 0..REAP_POLLS {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A child that is asked to end before it is killed: compilers and linkers have temporary files.
pub(crate) struct Courteous(pub(crate) Process);

impl Drop for Courteous {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// A child that writes a line for each thing that happens.
pub(crate) struct Talking {
    process: Process,
    lines: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
    introduction: String,
}

impl Talking {
    /// Starts it; what it complains about goes to the file `log`.
    pub(crate) fn start(name: &'static str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        command.stdout(Stdio::piped()).stderr(open(log)?);
        let mut process = Process::start(name, command)?;
        let output = process.child.stdout.take().context("its output")?;
        Ok(Self {
            process,
            lines: BufReader::new(output).lines(),
            log: log.to_owned(),
            introduction: String::new(),
        })
    }

    /// Waits for the first line, which says who it is.
    pub(crate) async fn introduce(&mut self) -> anyhow::Result<String> {
        self.introduction = self.line().await?;
        Ok(self.introduction.clone())
    }

    /// The first line.
    pub(crate) fn introduction(&self) -> &str {
        &self.introduction
    }

    /// The next line.
    pub(crate) async fn line(&mut self) -> anyhow::Result<String> {
        let name = self.process.name;
        match timeout(PATIENCE, self.lines.next_line()).await {
            Ok(line) => line?.with_context(|| format!("{name} ended; its log:\n{}", tail(&self.log))),
            Err(_) => {
                bail!("{name} says nothing for {} s; its log:\n{}", PATIENCE.as_secs(), tail(&self.log))
            }
        }
    }

    pub(crate) fn kill(self) -> Option<u32> {
        self.process.kill()
    }
}

/// How a short command ended, and what it printed.
pub(crate) struct Finished {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Runs `command` to its end.
    pub(crate) async fn of(name: &'static str, command: &mut Command) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (out, err) = (folder.path().join("out"), folder.path().join("err"));
        command.stdout(open(&out)?).stderr(open(&err)?);
        let mut process = Process::start(name, command)?;
        let status = timeout(PATIENCE, process.wait())
            .await
            .with_context(|| format!("{name} does not end:\n{}", tail(&err)))??;
        let read =
            |file: &Path| std::fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Self { success: status.success(), stdout: read(&out)?, stderr: read(&err)? })
    }

    /// Itself, if it succeeded.
    pub(crate) fn successful(self, name: &str) -> anyhow::Result<Self> {
        if self.success { Ok(self) } else { bail!("{name} failed:\n{}{}", self.stdout, self.stderr) }
    }
}

/// A moment, between two looks at something that nothing announces.
pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// For appending, so that a restart continues the log.
pub(crate) fn open(log: &Path) -> anyhow::Result<File> {
    File::options().create(true).append(true).open(log).with_context(|| format!("opening {}", log.display()))
}

/// The last lines of a log, for an error message.
pub(crate) fn tail(log: &Path) -> String {
    let text =
        std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
