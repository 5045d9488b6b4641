//! The way to a TPM: Linux' resource manager, or a socket of a program that plays one.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::TeeError;

/// Linux' own limit for commands and answers.
const MAX_BYTES: usize = 4096;

/// Tag, size and code stand before everything else.
pub(super) const HEADER_BYTES: usize = 10;

/// Making a primary key takes a discrete TPM seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Carries a command to a TPM and its answer back.
pub trait TpmDevice: Send + Sync + std::fmt::Debug {
    /// The whole answer to one command.
    ///
    /// # Errors
    /// If none comes.
    fn transact(&self, command: &[u8]) -> io::Result<Zeroizing<Vec<u8>>>;

    /// Where it was found.
    fn place(&self) -> String;
}

/// A TPM that was opened; one command at a time.
#[derive(Debug)]
pub struct OpenTpm {
    place: PathBuf,
    way: Mutex<Way>,
}

#[derive(Debug)]
enum Way {
    File(File),
    Socket(UnixStream),
}

impl OpenTpm {
    /// The TPM at `place`: a device such as `/dev/tpmrm0`, or a Unix socket.
    ///
    /// # Errors
    /// If it is not there or may not be opened.
    pub fn at(place: &Path) -> Result<Self, TeeError> {
        let way = open(place).map_err(|why| TeeError::unreachable(place, why))?;
        Ok(Self { place: place.to_owned(), way: Mutex::new(way) })
    }
}

fn open(place: &Path) -> io::Result<Way> {
    if !fs::metadata(place)?.file_type().is_socket() {
        return File::options().read(true).write(true).open(place).map(Way::File);
    }
    let socket = UnixStream::connect(place)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(Way::Socket(socket))
}

impl TpmDevice for OpenTpm {
    fn transact(&self, command: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *way {
            Way::File(file) => exchange(file, command),
            Way::Socket(socket) => exchange(socket, command),
        }
    }

    fn place(&self) -> String {
        self.place.display().to_string()
    }
}

/// A device wants a command in one piece and gives its answer in one; a socket may cut both.
fn exchange(way: &mut (impl Read + Write), command: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    way.write_all(command)?;
    let mut answer = Zeroizing::new(vec![0; MAX_BYTES]);
    let mut filled = 0;
    while filled < length(answer.get(..filled).unwrap_or_default())? {
        match way.read(answer.get_mut(filled..).unwrap_or_default())? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
    }
    answer.truncate(filled);
    Ok(answer)
}

/// How long the answer is that begins so: at least a header, then what the header says.
fn length(begun: &[u8]) -> io::Result<usize> {
    let Some(&[_, _, a, b, c, d]) = begun.get(..6) else { return Ok(HEADER_BYTES) };
    match u32::from_be_bytes([a, b, c, d]) as usize {
        length @ HEADER_BYTES..=MAX_BYTES => Ok(length),
        other => Err(io::Error::other(format!("an answer of {other} bytes"))),
    }
}
