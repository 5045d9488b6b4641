//! `marblerun emulator run`: opens the sockets and answers until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use clap::Args;
use marblerun_tee::emulated::Emulator;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};

use super::{Place, http, processes};
use crate::trust::Context;
use crate::{Failure, console, file};

/// Says where collateral is served, for scripts.
const URL_FILE: &str = "collateral.url";

/// Arguments of `marblerun emulator run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Makes the folder at the first call: vendors with all their keys, and a platform `default`.

Example:
  marblerun emulator run ./emulator &
  marblerun emulator set ./emulator --tcb OutOfDate")]
pub(super) struct Run {
    #[command(flatten)]
    place: Place,
    /// Loopback address that serves collateral: Intel's PCS v4 and AMD's KDS; port 0 takes any free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
}

/// What moves on while commands run: the clock that the program's main read, and what passed since.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    started: SystemTime,
    since: Instant,
}

impl Clock {
    fn started(now: SystemTime) -> Self {
        Self { started: now, since: Instant::now() }
    }

    pub(super) fn now(self) -> SystemTime {
        self.started + self.since.elapsed()
    }
}

impl Run {
    pub(super) async fn execute(self, context: &Context) -> Result<(), Failure> {
        if !self.listen.ip().is_loopback() {
            return Err(Failure::Argument(format!(
                "--listen {}: what a software TEE says is for this machine; use a loopback address",
                self.listen
            )));
        }
        let clock = Clock::started(context.surroundings.now);
        let emulator = Arc::new(Emulator::open(self.place.folder(), clock.now())?);
        let listener = TcpListener::bind(self.listen).await.map_err(|source| doing("listening", source))?;
        let sockets = bind_all(&emulator)?;
        self.announce(&listener, &sockets)?;
        let _removed_at_the_end: Vec<_> =
            sockets.iter().map(|(_, path, _)| RemovedSocket(path.clone())).collect();
        for (platform, _, socket) in sockets {
            tokio::spawn(processes::serve(Arc::clone(&emulator), platform, socket));
        }
        tokio::spawn(http::serve(emulator, listener, clock));
        stopped().await
    }

    fn announce(&self, listener: &TcpListener, sockets: &[Socket]) -> Result<(), Failure> {
        let address = listener.local_addr().map_err(|source| doing("listening", source))?;
        let (url, path) = (format!("http://{address}"), self.place.folder.join(URL_FILE));
        file::write(&path, url.as_bytes())
            .map_err(|source| doing(&format!("writing {}", path.display()), source))?;
        console::warn("a software TEE protects nothing; trust its roots for tests and demonstrations only");
        for (platform, path, _) in sockets {
            console::print(&format!("platform {platform}: {}", path.display()))?;
        }
        console::print(&format!("collateral: {url}"))
    }
}

/// A platform, where its programs find it, and the socket.
type Socket = (String, PathBuf, UnixListener);

fn bind_all(emulator: &Emulator) -> Result<Vec<Socket>, Failure> {
    let names = emulator.settings()?.platforms.into_keys();
    names
        .map(|name| {
            let path = emulator.socket(&name);
            let socket = processes::bind(&path)?;
            Ok((name, path, socket))
        })
        .collect()
}

/// A socket that nobody listens at is only in the way.
struct RemovedSocket(PathBuf);

impl Drop for RemovedSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Ctrl-C, or SIGTERM from whoever started it.
async fn stopped() -> Result<(), Failure> {
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|source| doing("waiting for signals", source))?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(|source| doing("waiting for signals", source)),
        _ = terminate.recv() => Ok(()),
    }
}

pub(super) fn doing(what: &str, source: std::io::Error) -> Failure {
    Failure::Io { doing: what.to_owned(), source }
}
