//! Why a command failed, in one line for the operator.

use std::io;
use std::path::PathBuf;

use marblerun_api::client::{ChainError, ClientError};
use marblerun_attest::era::EraError;
use marblerun_attest::log::LogError;
use marblerun_collateral::CollateralError;
#[cfg(unix)]
use marblerun_tee::{TeeError, emulated::EmulatorError};

use crate::document::DocumentError;
use crate::enclave::EnclaveError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Talking to the Coordinator.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The certificates that the Coordinator sent.
    #[error("the Coordinator's certificates: {0}")]
    Chain(#[from] ChainError),
    /// The manifest file.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The system.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// The cached certificate is not there.
    #[error(
        "{}: {reason}. This command trusts the certificate that `marblerun manifest set` or `marblerun manifest verify` saved there; run one of them first, or skip the verification with --insecure", .path.display()
    )]
    Cache {
        /// Where it was looked for.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Neither XDG_CONFIG_HOME nor HOME says where the cache is.
    #[error(
        "neither XDG_CONFIG_HOME nor HOME is set to an absolute path; name the file with --coordinator-cert"
    )]
    NoConfigFolder,
    /// The expected identity of the Coordinator is missing or unusable.
    #[error("{0}")]
    Era(String),
    /// The evidence does not prove the Coordinator.
    #[error("the Coordinator at {address} is not verified: {reason}. Nothing was sent to it")]
    Unverified {
        /// Who was asked.
        address: String,
        /// What is missing.
        reason: String,
    },
    /// What vendors publish about a platform.
    #[error(transparent)]
    Collateral(#[from] CollateralError),
    /// What it says about its log does not hold.
    #[error("the Coordinator's log does not verify: {0}. Nothing was remembered of it")]
    Log(#[from] LogError),
    /// Its history contradicts what it signed before.
    #[error("{0}")]
    LogAlarm(String),
    /// The PKCS#11 token. Never says what is secret: neither PIN nor key.
    #[error("the PKCS#11 token of {name}: {reason}")]
    Token {
        /// The configuration file.
        name: String,
        /// What was tried and what the module said.
        reason: String,
    },
    /// What the Coordinator holds is not what was expected.
    #[error("the Coordinator has another manifest: expected {expected}, found {found}")]
    OtherManifest {
        /// Hex SHA-256 expected.
        expected: String,
        /// Hex SHA-256 of what it holds.
        found: String,
    },
    /// There is no update to look at.
    #[error("no update is in progress")]
    NoPendingUpdate,
    /// An answer that contradicts itself.
    #[error("the Coordinator's answer contradicts itself: {0}")]
    Contradiction(String),
    /// A signed enclave on disk.
    #[error("{}: {reason}", .path.display())]
    Enclave {
        /// Its file or folder.
        path: PathBuf,
        /// Why it does not say which enclave it is.
        reason: EnclaveError,
    },
    /// The software TEE.
    #[cfg(unix)]
    #[error("emulator: {0}")]
    Emulator(#[from] EmulatorError),
    /// The TEE that this program runs in.
    #[cfg(unix)]
    #[error(transparent)]
    Tee(#[from] TeeError),
    /// An argument that cannot be meant.
    #[error("{0}")]
    Argument(String),
    /// A command of the reference implementation that this version lacks.
    #[error("`marblerun {command}` is not built yet")]
    NotBuilt {
        /// Its words.
        command: &'static str,
    },
    /// Everything has been said already; only the exit code is left.
    #[error("failed")]
    Said,
}

impl Failure {
    /// Whether the reason has been printed already.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self, Self::Said)
    }
}

impl From<EraError> for Failure {
    fn from(error: EraError) -> Self {
        Self::Era(error.to_string())
    }
}
