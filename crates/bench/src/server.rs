//! Servers to measure: processes of their own, pinned, in folders of their own, gone when dropped.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::http_client::HttpClient;
use crate::manifests::Setting;
use crate::pinning::{Cpus, Pinning};
use crate::procfs::{self, CpuTime};
use crate::tls;

/// A server that is not ready by then never will be.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// Background work of a fresh server (pools of keys) may last so long before it is measured anyway.
const QUIET_WITHIN: Duration = Duration::from_secs(90);
const ACCEPTING_MANIFEST: u8 = 2;
/// The state of a Coordinator with a manifest.
pub(crate) const ACCEPTING_MARBLES: u8 = 3;

/// Where and how servers are started.
pub(crate) struct Site {
    /// The Coordinator's program.
    pub(crate) coordinator: PathBuf,
    /// Parent of the servers' folders.
    pub(crate) folder: PathBuf,
    /// Who runs where.
    pub(crate) pinning: Pinning,
    /// The software TEE that Coordinators run in; none runs them in simulation.
    pub(crate) tee: Option<Tee>,
}

/// A software TEE as a Coordinator is told of it.
#[derive(Debug, Clone)]
pub(crate) struct Tee {
    /// Its socket.
    pub(crate) socket: PathBuf,
    /// Where it publishes collateral.
    pub(crate) collateral: String,
}

/// A running server. Dropping it kills the process, then removes its folder.
pub(crate) struct Server {
    process: Child,
    /// The process to measure.
    pub(crate) pid: u32,
    /// Where marbles activate.
    pub(crate) address: SocketAddr,
    /// From starting the process to its first answer.
    pub(crate) ready_after: Duration,
    /// Where it may run.
    pub(crate) cpus: Cpus,
    folder: TempDir,
}

impl Server {
    /// This program as the floor.
    pub(crate) async fn floor(site: &Site, cpus: Cpus) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("find this program")?;
        let mut command = site.pinning.command(cpus, program.as_os_str());
        command.args(["floor", "--tied"]).stdin(Stdio::piped());
        let start = Instant::now();
        let mut server = Self::spawn(site, cpus, command, Output::Piped, unspecified())?;
        server.address = server.announced().await.context("the floor server did not say where it listens")?;
        server.ready_after = start.elapsed();
        Ok(server)
    }

    /// A fresh Coordinator that accepts a manifest.
    pub(crate) async fn coordinator(site: &Site, cpus: Cpus) -> anyhow::Result<(Self, HttpClient)> {
        let (marbles, users) = free_addresses()?;
        let mut command = site.pinning.command(cpus, site.coordinator.as_os_str());
        configure(&mut command, site.tee.as_ref(), marbles, users);
        let client = HttpClient::new(users, Arc::new(tls::user()?));
        let start = Instant::now();
        let mut server = Self::spawn(site, cpus, command, Output::Logged, marbles)?;
        server.ready(&client, ACCEPTING_MANIFEST).await?;
        server.ready_after = start.elapsed();
        Ok((server, client))
    }

    /// A fresh Coordinator that accepts the marbles of this setting, its background work done.
    pub(crate) async fn coordinator_with(site: &Site, cpus: Cpus, setting: &Setting) -> anyhow::Result<Self> {
        let (server, client) = Self::coordinator(site, cpus).await?;
        client.set_manifest(setting.manifest.clone()).await.context("set the manifest")?;
        server.quiet().await?;
        Ok(server)
    }

    /// Kills a Coordinator and starts it again on its state; gives the time until it answers in this state.
    pub(crate) async fn restart(
        &mut self,
        site: &Site,
        client: &HttpClient,
        state: u8,
    ) -> anyhow::Result<Duration> {
        self.process.kill().await?;
        let mut command = site.pinning.command(self.cpus, site.coordinator.as_os_str());
        configure(&mut command, site.tee.as_ref(), self.address, client.address());
        let log = File::create(self.folder.path().join("log"))?;
        command.current_dir(self.folder.path()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let start = Instant::now();
        self.process = command.spawn()?;
        self.pid = self.process.id().context("the process has ended")?;
        self.ready(client, state).await?;
        Ok(start.elapsed())
    }

    /// Waits until the process hardly uses its CPU and does not wait for it either, for a bounded time: a Coordinator
    /// that makes keys in idle time gets little of a busy machine.
    pub(crate) async fn quiet(&self) -> anyhow::Result<()> {
        let interval = Duration::from_millis(250);
        let start = Instant::now();
        let mut earlier = CpuTime::of(self.pid)?;
        while start.elapsed() < QUIET_WITHIN {
            tokio::time::sleep(interval).await;
            let now = CpuTime::of(self.pid)?;
            if now.since(&earlier) < interval / 50 && !procfs::wants_cpu(self.pid)? {
                break;
            }
            earlier = now;
        }
        Ok(())
    }

    fn spawn(
        site: &Site,
        cpus: Cpus,
        mut command: Command,
        output: Output,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("marblerun-bench-").tempdir_in(&site.folder)?;
        let log = File::create(folder.path().join("log"))?;
        match output {
            Output::Piped => command.stdout(Stdio::piped()),
            Output::Logged => command.stdout(log.try_clone()?),
        };
        command.current_dir(folder.path()).stderr(log).kill_on_drop(true);
        let program = format!("{:?}", command.as_std());
        let process = command.spawn().with_context(|| format!("start {program}"))?;
        let pid = process.id().context("the process has ended")?;
        Ok(Self { process, pid, address, ready_after: Duration::ZERO, cpus, folder })
    }

    async fn announced(&mut self) -> anyhow::Result<SocketAddr> {
        let output = self.process.stdout.as_mut().context("no output")?;
        let mut line = String::new();
        tokio::time::timeout(READY_WITHIN, BufReader::new(output).read_line(&mut line)).await??;
        Ok(line.trim_end().strip_prefix("listening on ").context("unknown first line")?.parse()?)
    }

    async fn ready(&mut self, client: &HttpClient, expected: u8) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            if client.state().await.is_ok_and(|state| state == expected) {
                return Ok(());
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("the Coordinator ended with {status}; it said:\n{}", self.last_words());
            }
            ensure!(
                start.elapsed() < READY_WITHIN,
                "the Coordinator is not ready; it said:\n{}",
                self.last_words()
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn last_words(&self) -> String {
        let log = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

/// Where a server's standard output goes. Its standard error is always kept.
enum Output {
    Piped,
    Logged,
}

/// The program beside this one, unless told otherwise.
pub(crate) fn coordinator_program(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("marblerun-coordinator");
    let program = given.map_or(beside, Path::to_owned);
    // Servers run in folders of their own, so that a relative path would no longer fit.
    program.canonicalize().with_context(|| {
        format!(
            "no Coordinator at {}: build it (cargo build --release), or name it with --coordinator",
            program.display()
        )
    })
}

/// Nothing of the caller's own configuration may change what is measured.
fn configure(command: &mut Command, tee: Option<&Tee>, marbles: SocketAddr, users: SocketAddr) {
    for foreign in [
        "EDG_STARTUP_MANIFEST",
        "EDG_COORDINATOR_PROMETHEUS_ADDR",
        "EDG_COORDINATOR_DEV_MODE",
        "EDG_DEBUG_LOGGING",
        "EDG_DISTRIBUTED_COORDINATOR",
        "EDG_STORE_BACKEND",
    ] {
        command.env_remove(foreign);
    }
    command
        .env("EDG_COORDINATOR_MESH_ADDR", marbles.to_string())
        .env("EDG_COORDINATOR_CLIENT_ADDR", users.to_string())
        .env("EDG_COORDINATOR_DNS_NAMES", "localhost")
        // Relative to the server's own folder.
        .env("EDG_COORDINATOR_SEAL_DIR", "state")
        .stdin(Stdio::null());
    match tee {
        None => command.env("OE_SIMULATION", "1").env_remove("EDG_EMULATOR"),
        Some(tee) => command
            .env_remove("OE_SIMULATION")
            .env("EDG_EMULATOR", &tee.socket)
            .env("EDG_PCCS_URL", &tee.collateral)
            .env("EDG_KDS_URL", &tee.collateral),
    };
}

/// Two ports that are free now. A Coordinator cannot say which it took, so they are chosen for it.
fn free_addresses() -> anyhow::Result<(SocketAddr, SocketAddr)> {
    let marbles = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let users = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok((marbles.local_addr()?, users.local_addr()?))
}

fn unspecified() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}
