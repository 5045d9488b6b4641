//! SGX through Gramine's pseudo-files (Gramine documentation, "Attestation and Secret Provisioning"): report data in, a
//! DCAP quote out, and the enclave's sealing keys.
//!
//! Nothing here speaks to the network or to a quoting service; Gramine does, and who reads a quote verifies it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use crate::open_enclave;
use crate::pseudo_file;
use crate::sealed::{self, fields, purpose_byte, purpose_of};
use crate::{SealTo, Tee, TeeError};

/// What Gramine calls the attestation that gives quotes with certificate chains.
const DCAP: &str = "dcap";

/// "MRG1", what it is sealed to (1 byte), salt (32 bytes).
const MARK: &[u8] = b"MRG1";
const SALT_BYTES: usize = 32;
const HEADER_BYTES: usize = 4 + 1 + SALT_BYTES;

/// An SGX enclave under Gramine.
#[derive(Debug)]
pub struct Gramine {
    device: PathBuf,
    /// Report data and quote are two files of the whole process: one question at a time.
    turn: Mutex<()>,
}

impl Gramine {
    /// The enclave behind `device`, usually `/dev/attestation`; `None` if it is not there.
    ///
    /// # Errors
    /// If it is there and gives no DCAP quotes: a program that is told to run in a TEE must not go on without.
    pub fn at(device: &Path) -> Result<Option<Self>, TeeError> {
        // Outside SGX Gramine has the folder too, but not this file; without remote attestation it has both, and no quote.
        if !device.join("user_report_data").exists() {
            return Ok(None);
        }
        let kind = device.join("attestation_type");
        if let Ok(kind) = pseudo_file::read(&kind) {
            let kind = String::from_utf8_lossy(&kind);
            let kind = kind.trim_end_matches(['\0', '\n']);
            if kind != DCAP {
                let why =
                    format!("sgx.remote_attestation is {kind:?} in the Gramine manifest; set it to \"dcap\"");
                return Err(TeeError::Refused(why));
            }
        }
        Ok(Some(Self { device: device.to_owned(), turn: Mutex::new(()) }))
    }

    /// A key of 32 bytes from the enclave's key and a salt.
    ///
    /// Gramine derives its keys for the enclave's present security versions (ISVSVN and CPUSVN): after an update they
    /// are others.
    fn key(&self, to: SealTo, salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, TeeError> {
        let path = self.device.join(match to {
            SealTo::Product => "keys/_sgx_mrsigner",
            SealTo::Unique => "keys/_sgx_mrenclave",
        });
        let device_key = Zeroizing::new(pseudo_file::read(&path)?);
        if device_key.len() != 16 {
            return Err(TeeError::unreachable(
                &path,
                format!("a key of {} bytes instead of 16", device_key.len()),
            ));
        }
        sealed::derive(&device_key, salt, "marblerun gramine seal")
    }
}

impl Tee for Gramine {
    fn origin(&self) -> &'static str {
        "sgx"
    }

    fn seal(&self, secret: &[u8], to: SealTo) -> Result<Vec<u8>, TeeError> {
        let salt = sealed::random()?;
        let header = [MARK, &[purpose_byte(to)], &salt].concat();
        sealed::seal(header, self.key(to, &salt)?.as_slice(), secret)
    }

    fn unseal(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, TeeError> {
        let header = fields(sealed, MARK, HEADER_BYTES, "an enclave under Gramine")?;
        let key = self.key(purpose_of(header[0])?, &header[1..])?;
        sealed::open(HEADER_BYTES, key.as_slice(), sealed)
    }

    fn evidence(&self, report_data: &[u8; 64]) -> Result<Option<Vec<u8>>, TeeError> {
        let _mine = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (question, quote) = (self.device.join("user_report_data"), self.device.join("quote"));
        fs::write(&question, report_data).map_err(|why| TeeError::unreachable(&question, why))?;
        let evidence = pseudo_file::read(&quote)?;
        if evidence.is_empty() {
            return Err(TeeError::unreachable(&quote, "an empty quote"));
        }
        Ok(Some(open_enclave::wrap(&evidence)))
    }
}
