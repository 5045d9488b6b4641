//! What this machine can do: issue evidence and protect a key.
//!
//! SGX under Gramine and Occlum, TDX and SEV-SNP under Linux, the software TEE ([`emulated`]) and explicit simulation. A machine
//! without a usable TEE is an error with a hint, never a silent simulation; a TEE that does not work is an error, never
//! another one.

mod detect;
pub mod emulated;
mod gramine;
mod ioctl;
mod machine;
mod occlum;
mod open_enclave;
mod pseudo_file;
mod sealed;
mod sev_guest;
mod tpm;
mod tsm;

use std::path::Path;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use detect::{Wish, detect_in, detect_on};
pub use gramine::Gramine;
pub use machine::{LibraryOs, Machine, Uname};
pub use occlum::{Occlum, SgxDevice};
pub use sev_guest::{GuestDevice, SevGuest};
pub use tpm::{OpenTpm, Pcrs, TpmDevice, WithTpm};
pub use tsm::Tsm;

/// What to seal to; from the manifest's `Config.SealMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SealTo {
    /// Any later version of the same product.
    Product,
    /// This very build.
    Unique,
}

/// The trusted execution environment that this process runs in.
pub trait Tee: Send + Sync + std::fmt::Debug {
    /// Names the kind of TEE in stored state, so that a state is opened only where it was made.
    fn origin(&self) -> &'static str;

    /// Seals a small secret so that only the same software in the same kind of TEE gets it back.
    ///
    /// # Errors
    /// If the TEE gives no sealing key.
    fn seal(&self, secret: &[u8], to: SealTo) -> Result<Vec<u8>, TeeError>;

    /// Takes out what [`Tee::seal`] sealed.
    ///
    /// # Errors
    /// If it was sealed elsewhere or damaged.
    fn unseal(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, TeeError>;

    /// Evidence over 64 bytes of report data; `None` in simulation, where there is none.
    ///
    /// # Errors
    /// If the TEE gives no evidence.
    fn evidence(&self, report_data: &[u8; 64]) -> Result<Option<Vec<u8>>, TeeError>;
}

/// The machine cannot do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TeeError {
    /// No TEE was found and none was asked to be simulated.
    #[error(
        "no trusted execution environment was found on this machine; set OE_SIMULATION=1 to run without protection, for development only"
    )]
    None,
    /// Stored bytes are not what this TEE sealed.
    #[error("the sealed key was not made by this TEE: {0}")]
    NotOurs(String),
    /// A TEE is there, and less was asked for.
    #[error(
        "this machine has a TEE ({origin}), and inside one neither simulation nor the emulator is allowed; take OE_SIMULATION and the emulator's socket out of the environment"
    )]
    Less {
        /// What was found.
        origin: &'static str,
    },
    /// The TEE has no key that only it can derive.
    #[error(
        "this TEE has no sealing key; a key has to come from elsewhere: from a TPM (EDG_COORDINATOR_SEAL_TPM) or other Coordinators"
    )]
    NoSealingKey,
    /// The TEE has one, and another was asked for.
    #[error(
        "this machine ({origin}) seals by itself, and a TPM in its place could only open more; take EDG_COORDINATOR_SEAL_TPM out of the environment"
    )]
    OwnSealingKey {
        /// What was found.
        origin: &'static str,
    },
    /// The TEE is there and refuses.
    #[error("the TEE refuses: {0}")]
    Refused(String),
    /// The TEE, or what speaks for it, does not answer.
    #[error("no TEE answers at {place}: {why}")]
    Unreachable {
        /// Where it was asked.
        place: String,
        /// What the system said.
        why: String,
    },
}

impl TeeError {
    fn unreachable(place: &Path, why: impl ToString) -> Self {
        Self::Unreachable { place: place.display().to_string(), why: why.to_string() }
    }
}

/// Explicit simulation: nothing is protected.
#[derive(Debug, Clone, Copy)]
pub struct Simulation;

impl Tee for Simulation {
    fn origin(&self) -> &'static str {
        "simulation"
    }

    fn seal(&self, secret: &[u8], _: SealTo) -> Result<Vec<u8>, TeeError> {
        Ok(secret.to_vec())
    }

    fn unseal(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, TeeError> {
        Ok(Zeroizing::new(sealed.to_vec()))
    }

    fn evidence(&self, _: &[u8; 64]) -> Result<Option<Vec<u8>>, TeeError> {
        Ok(None)
    }
}

/// The TEE of this machine, or simulation if it was asked for and there is none.
///
/// # Errors
/// As [`detect_in`].
pub fn detect(simulation: bool) -> Result<Box<dyn Tee>, TeeError> {
    detect_in(Path::new("/"), if simulation { &Wish::Simulation } else { &Wish::Hardware })
}
