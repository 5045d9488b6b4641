//! A software TEE for what is measured with evidence: an emulator that `marblerun` runs, and signed copies of the programs.
//!
//! Evidence is made before the clock runs: it is the Coordinator's part that is measured, not the emulator's.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// An emulator that has not said where it serves collateral by then never will.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Names of the copies, in the lab's folder. The marble is `marblerun` itself, which asks for evidence about itself.
const COORDINATOR: &str = "coordinator";
const MARBLE: &str = "marble";

/// A running emulator. Dropping it kills the process, then removes its folder.
pub(crate) struct Lab {
    _emulator: Child,
    folder: TempDir,
}

impl Lab {
    /// Starts an emulator below `folder`, and signs copies of `marblerun` and of the Coordinator's program.
    pub(crate) async fn start(folder: &Path, coordinator: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("marblerun-bench-").tempdir_in(folder)?;
        let program = std::env::current_exe()?.with_file_name("marblerun");
        let copy = |from: &Path, to| {
            std::fs::copy(from, folder.path().join(to)).with_context(|| {
                format!("no program at {}: build it (cargo build --release)", from.display())
            })
        };
        copy(&program, MARBLE)?;
        copy(coordinator, COORDINATOR)?;
        let mut command = Command::new(folder.path().join(MARBLE));
        command.args(["emulator", "run", "tee", "--listen", "127.0.0.1:0"]).current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let lab = Self { _emulator: command.spawn().context("start the emulator")?, folder };
        lab.ready().await?;
        lab.marblerun(&["emulator", "key", "key.pem"]).await?;
        lab.marblerun(&["emulator", "sign", COORDINATOR, "--key", "key.pem"]).await?;
        Ok(lab)
    }

    /// The Coordinator's program, signed.
    pub(crate) fn coordinator(&self) -> PathBuf {
        self.path(COORDINATOR)
    }

    /// The socket of the platform that programs run on.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path("tee/default.sock")
    }

    /// Where collateral is served.
    pub(crate) fn collateral(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.path("tee/collateral.url"))?.trim().to_owned())
    }

    /// The marble as a manifest's package, and the entry of `Infrastructures` for this emulator.
    pub(crate) async fn package(&self) -> anyhow::Result<(Value, Value)> {
        let package = self.marblerun(&["emulator", "sign", MARBLE, "--key", "key.pem"]).await?;
        let root = self.marblerun(&["emulator", "root", "tee", "--infrastructure"]).await?;
        Ok((serde_json::from_slice(&package)?, serde_json::from_slice(&root)?))
    }

    /// Evidence of the marble over these bytes.
    pub(crate) async fn evidence(&self, report_data: &str) -> anyhow::Result<Vec<u8>> {
        let socket = self.socket();
        let socket = socket.to_str().context("the folder's path is not UTF-8")?;
        self.marblerun(&["emulator", "evidence", socket, "--report-data", report_data, "-o", "evidence"])
            .await?;
        Ok(std::fs::read(self.path("evidence"))?)
    }

    async fn ready(&self) -> anyhow::Result<()> {
        let start = Instant::now();
        while self.collateral().map_or(true, |url| url.is_empty()) || !self.socket().exists() {
            ensure!(start.elapsed() < READY_WITHIN, "the emulator is not ready");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn marblerun(&self, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
        let mut command = Command::new(self.path(MARBLE));
        let output =
            command.args(arguments).current_dir(self.folder.path()).kill_on_drop(true).output().await?;
        let why = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "marblerun {arguments:?}: {why}");
        Ok(output.stdout)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
