//! Why sealed state cannot be used, and what the operator can do.

use marblerun_core::ReplayError;
use marblerun_core::journal::JournalError;
use marblerun_core::keys::KeyError;
use marblerun_core::recovery::RecoveryError;
use marblerun_store::StoreError;

use crate::sealing::SealError;

/// Sealed state cannot be used, and taking it for a first start would lose it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key was used, but the data is gone.
    #[error(
        "sealed_key is there, but sealed_data is missing: the state is lost or was moved. Restore sealed_data from a \
         backup, or move sealed_key away to start anew (the old state cannot be recovered then)"
    )]
    DataMissing,
    /// The store did not give all that it has.
    #[error(
        "only {read} of {stored} bytes of sealed_data could be read. Nothing was changed: check the disk, then start \
         again"
    )]
    ShortRead {
        /// Bytes that were read.
        read: u64,
        /// Bytes that there are.
        stored: u64,
    },
    /// The state was made elsewhere.
    #[error(
        "the sealed state was made in {found:?}, this Coordinator runs in {here:?}: a state is only opened where it \
         was made. Use another folder, or start the Coordinator as it ran then"
    )]
    Origin {
        /// Where it was made.
        found: String,
        /// Where we are.
        here: String,
    },
    /// The journal does not verify.
    #[error("{0}. Restore sealed_data from a backup, or move it and sealed_key away to start anew")]
    Journal(JournalError),
    /// A record is not understood.
    #[error("{0}. Start the version that wrote it, or restore an older backup")]
    Replay(ReplayError),
    /// The key-encryption key is not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No randomness.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The recovery secrets open a state that is not the one they were sent for.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// A commit without a deployment: a bug of ours.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

// Not as sources: their text stands in the message, and whoever prints the chain would print it twice.

impl From<JournalError> for LedgerError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl From<ReplayError> for LedgerError {
    fn from(error: ReplayError) -> Self {
        Self::Replay(error)
    }
}
