//! The sockets of platforms: the kernel says which process asks, and the emulator measures it.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use marblerun_tee::emulated::{Emulator, MAX_MESSAGE_BYTES};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::run::doing;
use crate::Failure;

const PATIENCE: Duration = Duration::from_secs(10);
const MOST_CONNECTIONS: usize = 64;

/// Opens the socket of a platform. One that an emulator left behind is taken over; one that answers is not.
///
/// # Errors
/// If another emulator answers there, or what the system says.
pub(super) fn bind(path: &Path) -> Result<UnixListener, Failure> {
    let failed = |source| doing(&format!("opening the socket {}", path.display()), source);
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => return Err(failed(io::Error::new(ErrorKind::AddrInUse, "another emulator answers there"))),
        Err(why) if why.kind() == ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(failed)?
        }
        Err(_) => {}
    }
    UnixListener::bind(path).map_err(failed)
}

/// Answers the programs of one platform for as long as the emulator runs.
pub(super) async fn serve(emulator: Arc<Emulator>, platform: String, listener: UnixListener) {
    let free = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&free).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (emulator, platform) = (Arc::clone(&emulator), platform.clone());
        tokio::spawn(async move {
            // A program that hangs up or says nothing is its own loss.
            let _ = timeout(PATIENCE, converse(emulator, platform, stream)).await;
            drop(place);
        });
    }
}

async fn converse(emulator: Arc<Emulator>, platform: String, mut stream: UnixStream) -> io::Result<()> {
    let pid =
        stream.peer_cred()?.pid().and_then(|pid| u32::try_from(pid).ok()).ok_or(ErrorKind::Unsupported)?;
    let mut line = Vec::new();
    BufReader::new((&mut stream).take(MAX_MESSAGE_BYTES as u64)).read_until(b'\n', &mut line).await?;
    // Reading a large executable takes a while; nobody else waits for it.
    let answer = tokio::task::spawn_blocking(move || emulator.answer_process(&platform, pid, &line)).await?;
    stream.write_all(&answer).await?;
    stream.shutdown().await
}
