//! The Coordinator's certificates, kept from the command that verified them for those that come later.
//!
//! The file is PEM, intermediate then root, as the Go command line writes it. A line before the first block says
//! whether evidence was verified; PEM readers skip it. A file without that line was written by other hands.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use marblerun_api::client::{CertificateChain, CertificateDer, pem_certificates};

use crate::{Failure, Surroundings, file};

const VERIFIED: &str = "# The evidence for this certificate was verified.";
const UNVERIFIED: &str = "# NOT VERIFIED: saved by a command with --insecure.";

/// Largest cache that is read, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// What the cache holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    /// The certificate that the Coordinator must prove: the last one of the file.
    pub root: CertificateDer<'static>,
    /// Whether evidence was verified before it was saved, as far as the file says.
    pub verified: bool,
}

/// What [`save`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// The file holds the new certificates.
    Written,
    /// The file holds a verified certificate, which an unverified one must not replace.
    KeptVerified,
}

/// Where the cache is when no flag says so.
///
/// # Errors
/// [`Failure::NoConfigFolder`] if the environment does not say where configuration lives.
pub fn default_path(surroundings: &Surroundings) -> Result<PathBuf, Failure> {
    let config = surroundings.config_home.clone().filter(|path| path.is_absolute());
    let home = surroundings.home.as_ref().filter(|path| path.is_absolute()).map(|home| home.join(".config"));
    let folder = config.or(home).ok_or(Failure::NoConfigFolder)?;
    Ok(folder.join("marblerun").join("coordinator-cert.pem"))
}

/// Reads the cache.
///
/// # Errors
/// [`Failure::Cache`] if there is none, or none with a certificate in it.
pub fn load(path: &Path) -> Result<Cached, Failure> {
    let bad = |reason: String| Failure::Cache { path: path.to_owned(), reason };
    let text = read(path).map_err(|e| bad(e.to_string()))?;
    let certificates = pem_certificates(&text).map_err(|e| bad(e.to_string()))?;
    let root =
        certificates.into_iter().next_back().ok_or_else(|| bad("there is no certificate in it".into()))?;
    Ok(Cached { root, verified: says_verified(&text) })
}

/// Writes the cache, its folder included. An unverified chain never replaces a verified one.
///
/// # Errors
/// What the system says.
pub fn save(path: &Path, chain: &CertificateChain, verified: bool) -> Result<Saved, Failure> {
    let failed = |source| Failure::Io {
        doing: format!("saving the Coordinator's certificates in {}", path.display()),
        source,
    };
    if !verified && keeps_verified(path) {
        return Ok(Saved::KeptVerified);
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mark = if verified { VERIFIED } else { UNVERIFIED };
    file::write(path, format!("{mark}\n{}", chain.to_pem()).as_bytes()).map_err(failed)?;
    Ok(Saved::Written)
}

/// What cannot be read at all is not known to be verified, and is replaced.
fn keeps_verified(path: &Path) -> bool {
    read(path).is_ok_and(|text| says_verified(&text))
}

fn says_verified(text: &[u8]) -> bool {
    text.split(|b| *b == b'\n')
        .take_while(|line| !line.starts_with(b"-----BEGIN"))
        .any(|line| line == VERIFIED.as_bytes())
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    file::within(path, MAX_BYTES, "a chain of certificates")
}
