//! Keep these sealed bytes in order: one small trait, engines below it, one conformance suite for all.
//!
//! A store holds two things: the **key** (`sealed_key`, small, replaced as a whole) and the **data**
//! (`sealed_data`, a byte string that grows by appending and is now and then replaced by a snapshot). It sees
//! only ciphertext; what the bytes mean is the business of the journal in the core room.
//!
//! Calls block until the outcome is durable. One writer thread owns a store, so no call is concurrent with another.

pub mod conformance;
pub mod faulty;
mod file;
mod label;
mod memory;

pub use file::FileStore;
pub use memory::{Aside, MemoryStore};

/// Upper bound of `sealed_key`, in bytes. More is refused when it is written and when it is read.
pub const KEY_LIMIT: u64 = 1 << 20;

/// Upper bound of `sealed_data`, in bytes: what a hostile disk can make a Coordinator read. Appending beyond it
/// is refused too, so that whatever was acknowledged can be read again.
pub const DATA_LIMIT: u64 = 1 << 30;

/// Where the data stands: which replacement it is and how long it is. Only the store makes sense of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Counts replacements, at least for as long as one process runs.
    pub generation: u64,
    /// Length of the data in bytes.
    pub length: u64,
}

/// Everything a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaded {
    /// The sealed key; `None` if there is none.
    pub key: Option<Vec<u8>>,
    /// The data; `None` if there is none (which differs from empty).
    pub data: Option<Vec<u8>>,
    /// Where appending goes on.
    pub position: Position,
}

/// Why a store could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The data moved on under us: another writer, or a stale position.
    #[error("the stored state moved on: expected {expected:?}, found {found:?}")]
    Conflict {
        /// What the caller believed.
        expected: Position,
        /// What there is.
        found: Position,
    },
    /// Another process uses the same state.
    #[error("{0} is in use by another process; stop it, or name another folder")]
    Locked(String),
    /// The operating system said no. Nothing of the call took effect, as far as the store can tell; the data
    /// may have to be replaced by a snapshot before anything can be appended again.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, on what.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// An earlier failure left the end of the data in doubt (what failed is named). Nothing can be appended
    /// until [`Store::replace`] has succeeded.
    #[error("the stored state must be written anew before it can grow, since this failed: {0}")]
    ReplaceFirst(String),
}

/// Keeps sealed bytes in order.
pub trait Store: Send {
    /// Reads everything. Never changes what is stored.
    ///
    /// # Errors
    /// If something is there but cannot be read: never reported as absent.
    fn load(&mut self) -> Result<Loaded, StoreError>;

    /// Appends `bytes` to the data at `expected`, durably, and says where the end is now. There must be data.
    ///
    /// After an error nothing of `bytes` counts, and the position is `expected` as before. Only if the process dies
    /// before it stored anything else may a restart find `bytes` whole or in part.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the data is not at `expected`; [`StoreError::ReplaceFirst`] if an earlier failure
    /// asks for a replacement; [`StoreError::Io`] otherwise.
    fn append(&mut self, expected: Position, bytes: &[u8]) -> Result<Position, StoreError>;

    /// Replaces all data by `bytes` at once, durably: afterwards there is the old or the new, never a mixture.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the data is not at `expected`; [`StoreError::Io`] otherwise. After an error the
    /// position is `expected` as before.
    fn replace(&mut self, expected: Position, bytes: &[u8]) -> Result<Position, StoreError>;

    /// Replaces the sealed key at once, durably: afterwards there is the old or the new.
    ///
    /// # Errors
    /// [`StoreError::Io`]. Then the old key is there or, if only the last step failed, the new one.
    fn write_key(&mut self, bytes: &[u8]) -> Result<(), StoreError>;

    /// Keeps copies of key and data under `label`, durably, and gives the label that was used: another one if this
    /// one is taken, for nothing is ever overwritten. Key and data stay in place, so that a crash between this call and
    /// those that replace them finds the old state and not an empty store.
    ///
    /// # Errors
    /// [`StoreError::Io`], also if `label` is not 1 to 64 letters, digits, `-` or `_`.
    fn copy_aside(&mut self, label: &str) -> Result<String, StoreError>;

    /// Removes key and data, in this order, durably: a crash in between leaves data without its key, which asks for
    /// recovery, and never a key without its data.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn clear(&mut self) -> Result<(), StoreError>;
}
