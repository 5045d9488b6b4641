//! What is on stage: the Coordinator, the notes service, and the folders and ports that they use.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use tokio::process::Command;

use crate::lab::{Lab, TEE};
use crate::process::{Finished, Process, Talking, command, open, pause, tail};
use crate::programs::Programs;

const POLLS: usize = 3000;
/// A free port can be taken by somebody else before the child binds it: then others are tried.
const PORT_TRIES: usize = 3;

/// The demo's folder, the software TEE in it, the ports of its Coordinator, and how its marbles are started.
pub(crate) struct Stage {
    pub(crate) programs: Programs,
    /// Where collateral is served.
    collateral: String,
    folder: TempDir,
    pub(crate) client_port: u16,
    mesh_port: u16,
}

impl Stage {
    pub(crate) fn new(programs: Programs, keep: bool) -> anyhow::Result<Self> {
        let mut folder = tempfile::Builder::new().prefix("marblerun-notes-").tempdir()?;
        folder.disable_cleanup(keep);
        Ok(Self { programs, collateral: String::new(), folder, client_port: 0, mesh_port: 0 })
    }

    /// A folder of that name, made if it is not there.
    pub(crate) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).context("making a folder")?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the software TEE.
    pub(crate) async fn start_tee(&mut self) -> anyhow::Result<Lab> {
        let lab = Lab::start(&self.programs, &self.folder("operator")?).await?;
        self.collateral.clone_from(&lab.collateral);
        Ok(lab)
    }

    /// Where a signed program lies.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.path().join("operator/bin").join(name)
    }

    fn socket(&self) -> PathBuf {
        self.path().join("operator").join(TEE).join("default.sock")
    }

    /// Starts a Coordinator on free ports.
    pub(crate) async fn start_coordinator(&mut self) -> anyhow::Result<Process> {
        let mut tries = 1;
        loop {
            (self.client_port, self.mesh_port) = free_ports()?;
            match self.start_coordinator_again().await {
                Err(error) if tries < PORT_TRIES && format!("{error:#}").contains("in use") => tries += 1,
                started => return started,
            }
        }
    }

    /// Starts a Coordinator on the ports and the state of the last one.
    pub(crate) async fn start_coordinator_again(&self) -> anyhow::Result<Process> {
        let folder = self.folder("coordinator")?;
        let log = folder.join("log");
        let mut command = command(self.program("marblerun-coordinator"));
        command.current_dir(&folder).stdout(open(&log)?).stderr(open(&log)?);
        command
            .env("EDG_EMULATOR", self.socket())
            .env("EDG_PCCS_URL", &self.collateral)
            .env("EDG_COORDINATOR_CLIENT_ADDR", format!("127.0.0.1:{}", self.client_port))
            .env("EDG_COORDINATOR_MESH_ADDR", format!("127.0.0.1:{}", self.mesh_port))
            .env("EDG_COORDINATOR_SEAL_DIR", folder.join("state"));
        let mut process = Process::start("the Coordinator", &mut command)?;
        for port in [self.client_port, self.mesh_port] {
            listens(port, &mut process, &log).await?;
        }
        Ok(process)
    }

    /// Starts the notes service as a marble, and waits until it listens on its port.
    pub(crate) async fn start_service(&self, uuid_file: &str) -> anyhow::Result<(Talking, u16)> {
        let log = self.folder("server")?.join("log");
        let mut command = self.service(uuid_file)?;
        let mut service = Talking::start("the notes service", &mut command, &log)?;
        let line = service.introduce().await?;
        let port = line.split([':', ' ']).find_map(|word| word.parse().ok()).context("its port")?;
        Ok((service, port))
    }

    /// Starts the notes service and waits until it ends, which it does if it cannot open its notes.
    pub(crate) async fn run_service(&self, uuid_file: &str) -> anyhow::Result<Finished> {
        Finished::of("the notes service", &mut self.service(uuid_file)?).await
    }

    fn service(&self, uuid_file: &str) -> anyhow::Result<Command> {
        let mut command = self.premain("notes-server", "server", uuid_file)?;
        command.arg(self.program("notes-server")).env("NOTES_LISTEN", "127.0.0.1:0");
        Ok(command)
    }

    /// Runs the client as a marble, to its end.
    pub(crate) async fn run_client(&self, port: u16, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = self.premain("notes-client", "client", "uuid")?;
        command
            .arg(self.program("notes-client"))
            .args(arguments)
            .env("NOTES_SERVER", format!("localhost:{port}"));
        Ok(Finished::of("the client", &mut command).await?.successful("notes-client")?.stdout)
    }

    /// The premain for a marble of this type.
    fn premain(&self, marble_type: &str, folder: &str, uuid_file: &str) -> anyhow::Result<Command> {
        let mut command = command(self.program("marblerun-premain"));
        command
            .current_dir(self.folder(folder)?)
            .env("EDG_EMULATOR", self.socket())
            .args(["--type", marble_type, "--uuid-file", uuid_file, "--timeout", "30s"])
            .env("EDG_MARBLE_COORDINATOR_ADDR", format!("localhost:{}", self.mesh_port));
        Ok(command)
    }
}

/// Both at once, so that they differ.
fn free_ports() -> anyhow::Result<(u16, u16)> {
    let one = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok((one.local_addr()?.port(), other.local_addr()?.port()))
}

/// Waits until `process` accepts connections. Its end is looked for first: a stranger on the port must not pass for it.
async fn listens(port: u16, process: &mut Process, log: &Path) -> anyhow::Result<()> {
    for _ in 0..POLLS {
        if let Some(status) = process.ended()? {
            bail!("the Coordinator ended with {status}; its log:\n{}", tail(log));
        }
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(());
        }
        pause().await;
    }
    bail!("the Coordinator does not listen; its log:\n{}", tail(log))
}
