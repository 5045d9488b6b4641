//! A Coordinator process on free loopback ports, with a seal folder of its own.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::process::{POLL, Process};
use crate::client::tls;

/// Far above what a start takes (tens of milliseconds), for machines that do much else.
const READY_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// A free port can be taken by somebody else before the child binds it: then others are tried.
const PORT_TRIES: usize = 3;

/// What a Coordinator is started with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The program; `None` builds `marblerun-coordinator` of this workspace.
    pub program: Option<PathBuf>,
    /// Command line arguments.
    pub args: Vec<String>,
    /// On top of the environment that every test Coordinator gets (simulation, addresses, seal folder, and nothing
    /// of the test's own but `PATH`); `None` unsets.
    pub env: Vec<(String, Option<String>)>,
    /// The seal folder; `None` makes a temporary one.
    pub seal_dir: Option<PathBuf>,
}

impl Options {
    /// With one more environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), Some(value.to_owned())));
        self
    }
}

/// A Coordinator process. Dropping it kills it and removes its temporary folder.
#[derive(Debug)]
pub struct Coordinator {
    /// HTTPS, client API.
    pub client_addr: SocketAddr,
    /// gRPC over TLS, marble API.
    pub mesh_addr: SocketAddr,
    /// Plain HTTP, metrics and events.
    pub prometheus_addr: SocketAddr,
    /// Where its state is sealed.
    pub seal_dir: PathBuf,
    options: Options,
    program: PathBuf,
    folder: TempDir,
    process: Option<Process>,
}

impl Coordinator {
    /// Starts one and waits until its client API answers.
    ///
    /// # Errors
    /// If it ends or does not answer in time; its log is in the error.
    pub fn start(options: Options) -> Result<Self> {
        let program = match &options.program {
            Some(program) => program.clone(),
            None => super::build("marblerun-coordinator", "marblerun-coordinator")?,
        };
        let mut tries = 1;
        loop {
            let mut coordinator = Self::prepare(options.clone(), program.clone())?;
            match coordinator.start_again() {
                Err(error) if tries < PORT_TRIES && is_port_taken(&error) => tries += 1,
                other => return other.map(|()| coordinator),
            }
        }
    }

    fn prepare(options: Options, program: PathBuf) -> Result<Self> {
        let folder = tempfile::tempdir().context("temporary folder")?;
        let seal_dir = options.seal_dir.clone().unwrap_or_else(|| folder.path().join("seal"));
        let [client_addr, mesh_addr, prometheus_addr] = free_addresses()?;
        Ok(Self {
            client_addr,
            mesh_addr,
            prometheus_addr,
            seal_dir,
            options,
            program,
            folder,
            process: None,
        })
    }

    /// Starts it after [`kill`](Self::kill) or [`stop`](Self::stop), with the same addresses and folder.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_again(&mut self) -> Result<()> {
        let mut process = Process::start(&mut self.command(), &self.log_file())?;
        let ready = self.wait_until_ready(&mut process);
        self.process = Some(process);
        ready
    }

    /// SIGKILL, as a crash or a power failure would end it. Nothing happens if it does not run.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), |mut process| process.kill().map(drop))
    }

    /// SIGTERM, and how it ended.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        let mut process = self.process.take().context("the Coordinator does not run")?;
        process.terminate(STOP_WITHIN)
    }

    /// Kills it and starts it again on the same state.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.start_again()
    }

    /// Kills it, empties its seal folder and starts it again.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn wipe(&mut self) -> Result<()> {
        self.kill()?;
        if self.seal_dir.exists() {
            std::fs::remove_dir_all(&self.seal_dir).context("empty the seal folder")?;
        }
        self.start_again()
    }

    /// Removes a file of the seal folder.
    ///
    /// # Errors
    /// If it is not there.
    pub fn remove_file(&self, name: &str) -> Result<()> {
        std::fs::remove_file(self.seal_dir.join(name))
            .with_context(|| format!("remove {name} from the seal folder"))
    }

    /// The process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// The process, while it runs.
    pub fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }

    /// What all its runs have written to standard output and standard error.
    pub fn log(&self) -> String {
        std::fs::read(self.log_file())
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// A temporary folder beside the seal folder, for files that the test hands over.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("coordinator.log")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.options.args).current_dir(self.folder.path()).env_clear();
        #[allow(clippy::disallowed_methods, reason = "what a child needs to find its own children")]
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("OE_SIMULATION", "1")
            .env("EDG_COORDINATOR_DNS_NAMES", "localhost")
            .env("EDG_COORDINATOR_SEAL_DIR", &self.seal_dir)
            .env("EDG_COORDINATOR_CLIENT_ADDR", self.client_addr.to_string())
            .env("EDG_COORDINATOR_MESH_ADDR", self.mesh_addr.to_string())
            .env("EDG_COORDINATOR_PROMETHEUS_ADDR", self.prometheus_addr.to_string());
        for (name, value) in &self.options.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    fn wait_until_ready(&self, process: &mut Process) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            // The end is looked for first: a stranger on our port must not pass for a Coordinator that has ended.
            if let Some(status) = process.exited()? {
                bail!("the Coordinator ended with {status}; its log:\n{}", self.log());
            }
            let Err(error) = answers(self.client_addr) else { return Ok(()) };
            if Instant::now() > deadline {
                bail!(
                    "the Coordinator does not answer after {READY_WITHIN:?} ({error:#}); its log:\n{}",
                    self.log()
                );
            }
            sleep(POLL);
        }
    }
}

fn is_port_taken(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}").to_lowercase();
    text.contains("address already in use") || text.contains("address in use") || text.contains("os error 98")
}

/// One `GET /api/v2/status` that is answered with 200.
fn answers(address: SocketAddr) -> Result<()> {
    let socket = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let config = tls::client_config(None, &[b"http/1.1"])?;
    let session = rustls::ClientConnection::new(config, tls::server_name())?;
    let mut stream = rustls::StreamOwned::new(session, socket);
    stream.write_all(b"GET /api/v2/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    if &head != b"HTTP/1.1 200" {
        bail!("status answers {}", String::from_utf8_lossy(&head));
    }
    Ok(())
}

/// Ports that no other Coordinator of this process was given, and that nobody listens on.
fn free_addresses() -> Result<[SocketAddr; 3]> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().map_err(|_| anyhow::anyhow!("another test panicked"))?;
    let mut held = Vec::new();
    while held.len() < 3 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a free port")?;
        let address = listener.local_addr().context("a free port")?;
        if given.insert(address.port()) {
            held.push((listener, address));
        }
    }
    Ok([held[0].1, held[1].1, held[2].1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_free_and_differ() {
        let [a, b, c] = free_addresses().expect("ports");
        assert!(a != b && b != c && a != c);
        TcpListener::bind(a).expect("is free again");
    }

    #[test]
    fn a_program_that_ends_is_reported_with_its_log() {
        let script = Options {
            program: Some("/bin/sh".into()),
            args: vec![
                "-c".into(),
                "echo seal folder: $EDG_COORDINATOR_SEAL_DIR, home: $HOME; exit 4".into(),
            ],
            seal_dir: Some("/nowhere".into()),
            ..Options::default()
        };
        let error = Coordinator::start(script).expect_err("it ends").to_string();
        assert!(error.contains("exit status: 4"), "{error}");
        assert!(
            error.contains("seal folder: /nowhere, home:\n"),
            "the environment is not the test's: {error}"
        );
    }

    #[test]
    fn the_environment_can_be_added_to_and_unset() {
        let mut options = Options::default().env("A", "b");
        options.env.push(("OE_SIMULATION".into(), None));
        options.program = Some("/bin/sh".into());
        options.args = vec!["-c".into(), "echo $A ${OE_SIMULATION-unset}; exit 1".into()];
        let error = Coordinator::start(options).expect_err("it ends").to_string();
        assert!(error.contains("b unset"), "{error}");
    }
}
