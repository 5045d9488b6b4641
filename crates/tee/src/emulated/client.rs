//! The software TEE as a program in it sees it: a local socket of the emulator, which measures who asks.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::wire::{Answer, Ask, MAX_MESSAGE_BYTES, Request};
use super::{Kind, sealed};
use crate::{SealTo, Tee, TeeError};

/// The emulator is on this machine: who waits longer waits for nobody.
const PATIENCE: Duration = Duration::from_secs(30);

/// The software TEE of one platform of an emulator that runs on this machine.
#[derive(Debug, Clone)]
pub struct Emulated {
    socket: PathBuf,
    starts: Vec<PathBuf>,
    kind: Kind,
}

impl Emulated {
    /// The platform behind `socket`. `starts` are the files that this process will start in its place; they belong to
    /// what is measured.
    ///
    /// # Errors
    /// If no emulator answers there.
    pub fn connect(socket: &Path, starts: Vec<PathBuf>) -> Result<Self, TeeError> {
        let mut tee = Self { socket: socket.to_owned(), starts, kind: Kind::Sgx };
        match tee.ask(Ask::Kind)? {
            Answer::Kind(kind) => tee.kind = kind,
            _ => return Err(tee.unexpected()),
        }
        Ok(tee)
    }

    fn ask(&self, ask: Ask) -> Result<Answer, TeeError> {
        let request = Request { starts: self.starts.clone(), ask };
        let line = serde_json::to_vec(&request).map_err(|why| self.failed(&why.to_string()))?;
        let answer = self.exchange(line).map_err(|why| self.failed(&why.to_string()))?;
        match serde_json::from_slice(&answer).map_err(|why| self.failed(&why.to_string()))? {
            Answer::Refused(why) => Err(TeeError::Refused(why)),
            answer => Ok(answer),
        }
    }

    fn exchange(&self, mut line: Vec<u8>) -> std::io::Result<Zeroizing<Vec<u8>>> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        line.push(b'\n');
        stream.write_all(&line)?;
        let mut answer = Zeroizing::new(Vec::with_capacity(MAX_MESSAGE_BYTES));
        BufReader::new(stream.take(MAX_MESSAGE_BYTES as u64)).read_until(b'\n', &mut answer)?;
        Ok(answer)
    }

    fn failed(&self, why: &str) -> TeeError {
        TeeError::Unreachable { place: self.socket.display().to_string(), why: why.to_owned() }
    }

    fn unexpected(&self) -> TeeError {
        self.failed("the answer is to another question")
    }

    fn key(&self, ask: Ask) -> Result<sealed::Key, TeeError> {
        match self.ask(ask)? {
            Answer::Key { id, key } => Ok(sealed::Key { id, key }),
            _ => Err(self.unexpected()),
        }
    }
}

impl Tee for Emulated {
    fn origin(&self) -> &'static str {
        match self.kind {
            Kind::Sgx => "emulated-sgx",
            Kind::Tdx => "emulated-tdx",
            Kind::Snp => "emulated-snp",
        }
    }

    fn seal(&self, secret: &[u8], to: SealTo) -> Result<Vec<u8>, TeeError> {
        sealed::seal(&self.key(Ask::NewKey { to })?, to, secret)
    }

    fn unseal(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, TeeError> {
        let (to, id) = sealed::key_of(sealed)?;
        sealed::open(&self.key(Ask::Key { to, id })?, sealed)
    }

    fn evidence(&self, report_data: &[u8; 64]) -> Result<Option<Vec<u8>>, TeeError> {
        match self.ask(Ask::Evidence { report_data: *report_data })? {
            Answer::Evidence(evidence) => Ok(Some(evidence)),
            _ => Err(self.unexpected()),
        }
    }
}
