//! What a running program is: the measurement of its files, and who signed them as which product.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{self, Context, SHA256, SHA384};

use super::platform::measure_machine;
use super::signature::Signature;
use super::{EmulatorError, Enclave, Guest, TrustDomain};
use crate::pseudo_file;

/// Longer files are no signature, in bytes.
const LONGEST: u64 = 4096;

/// A program whose files were measured and found to be what its signature says.
#[derive(Debug, Clone)]
pub struct Program {
    measurement: [u8; 32],
    signature: Signature,
}

impl Program {
    /// The program that runs as process `pid`, and the files that it says it will start (their paths, as the emulator
    /// sees them). The executable is read through the process itself, so that another file of its name does not count.
    /// The signature lies beside the last file, or beside the executable if there are none: `FILE.sig`.
    ///
    /// # Errors
    /// If a file cannot be read, is not signed, or is not what was signed.
    pub fn of_process(pid: u32, starts: &[PathBuf]) -> Result<Self, EmulatorError> {
        let link = PathBuf::from(format!("/proc/{pid}/exe"));
        let path = std::fs::read_link(&link).map_err(|why| EmulatorError::file(&link, &why))?;
        let mut files = vec![measure_file(&link)?];
        for start in starts {
            files.push(measure_file(start)?);
        }
        Self::checked(combine(&files), starts.last().unwrap_or(&path))
    }

    /// A program that is known only by its measurement and signature.
    ///
    /// # Errors
    /// If the signature is another program's or not genuine.
    pub fn signed(measurement: [u8; 32], signature: Signature) -> Result<Self, EmulatorError> {
        signature.check(&measurement)?;
        Ok(Self { measurement, signature })
    }

    fn checked(measurement: [u8; 32], named: &Path) -> Result<Self, EmulatorError> {
        let path = signature_path(named);
        let signature = pseudo_file::within(&path, LONGEST)
            .map_err(|_| EmulatorError::Unsigned { path: path.clone() })?;
        let signature = Signature::from_bytes(&signature)?;
        Self::signed(measurement, signature)
            .map_err(|why| EmulatorError::NotAsSigned { program: named.to_owned(), why: why.to_string() })
    }

    /// SHA-256 of the executable, or over all its files.
    #[must_use]
    pub fn measurement(&self) -> &[u8; 32] {
        &self.measurement
    }

    pub(super) fn svn(&self) -> u16 {
        self.signature.svn()
    }

    pub(super) fn is_debug(&self) -> bool {
        self.signature.is_debug()
    }

    /// What all versions of the product have in common.
    pub(super) fn product_bytes(&self) -> Vec<u8> {
        [&self.signature.signer()[..], &self.signature.product().to_le_bytes()].concat()
    }

    /// As an enclave.
    #[must_use]
    pub fn enclave(&self) -> Enclave {
        let enclave = Enclave {
            isv_prod_id: self.signature.product(),
            isv_svn: self.signature.svn(),
            ..Enclave::new(self.measurement, self.signature.signer())
        };
        enclave.with_debug(self.is_debug())
    }

    /// As a trust domain that runs nothing else: MRTD is SHA-384 of the measurement. TDX knows no signer.
    #[must_use]
    pub fn trust_domain(&self) -> TrustDomain {
        TrustDomain::new(measure_machine(&self.measurement)).with_debug(self.is_debug())
    }

    /// As a guest that runs nothing else: MEASUREMENT is SHA-384 of the measurement, and the signature stands for the
    /// identity block.
    #[must_use]
    pub fn guest(&self) -> Guest {
        let mut image_id = [0; 16];
        image_id[..2].copy_from_slice(&self.signature.product().to_le_bytes());
        let mut id_key_digest = [0; 48];
        id_key_digest.copy_from_slice(digest::digest(&SHA384, &self.signature.signer()).as_ref());
        let guest = Guest {
            image_id,
            guest_svn: u32::from(self.signature.svn()),
            id_key_digest,
            ..Guest::new(measure_machine(&self.measurement))
        };
        guest.with_debug(self.is_debug())
    }
}

/// The measurement of a program and of what it starts, in this order: what [`Program::of_process`] finds for them.
///
/// # Errors
/// If a file cannot be read.
pub fn measure(files: &[PathBuf]) -> Result<[u8; 32], EmulatorError> {
    Ok(combine(&files.iter().map(|file| measure_file(file)).collect::<Result<Vec<_>, _>>()?))
}

/// Where the signature of a program lies.
#[must_use]
pub fn signature_path(program: &Path) -> PathBuf {
    let mut path = program.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}

/// One file is its SHA-256; several are the SHA-256 over a mark and theirs.
fn combine(files: &[[u8; 32]]) -> [u8; 32] {
    match files {
        [single] => *single,
        several => sha256(&[b"marblerun emulator: files\0", &several.concat()[..]].concat()),
    }
}

fn measure_file(path: &Path) -> Result<[u8; 32], EmulatorError> {
    let failed = |why| EmulatorError::file(path, &why);
    let mut file = File::open(path).map_err(failed)?;
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => break,
            read => context.update(&buffer[..read]),
        }
    }
    let mut measured = [0; 32];
    measured.copy_from_slice(context.finish().as_ref());
    Ok(measured)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&SHA256, bytes).as_ref());
    hash
}
