//! Keep these sealed bytes in order: one small trait, engines below it, one conformance suite for all.
//!
//! A store holds two things: the **key** (`sealed_key`, small, replaced as a whole) and the **data**
//! (`sealed_data`, a byte string that grows by appending and is now and then replaced by a snapshot). It sees
//! only ciphertext; what the bytes mean is the business of the journal in the core room.
//!
//! Calls block until the outcome is durable. One writer thread owns a store, so no call is concurrent with another.

pub mod conformance;
mod file;
mod memory;

pub use file::FileStore;
pub use memory::MemoryStore;

/// Where the data stands: which replacement it is and how long it is. Only the store makes sense of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Counts replacements.
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
}

/// Keeps sealed bytes in order.
pub trait Store: Send {
    /// Reads everything. Never changes anything.
    ///
    /// # Errors
    /// If something is there but cannot be read: never reported as absent.
    fn load(&mut self) -> Result<Loaded, StoreError>;

    /// Appends `bytes` to the data at `expected`, durably, and says where the end is now.
    ///
    /// After an error nothing of `bytes` counts: a later append or replace starts from `expected` again.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the data is not at `expected`; [`StoreError::Io`] otherwise.
    fn append(&mut self, expected: Position, bytes: &[u8]) -> Result<Position, StoreError>;

    /// Replaces all data by `bytes` at once, durably: afterwards there is the old or the new, never a mixture.
    ///
    /// # Errors
    /// As [`Store::append`].
    fn replace(&mut self, expected: Position, bytes: &[u8]) -> Result<Position, StoreError>;

    /// Replaces the sealed key at once, durably.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn write_key(&mut self, bytes: &[u8]) -> Result<(), StoreError>;

    /// Moves key and data aside under `label`, so that the store is empty and nothing is destroyed.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn set_aside(&mut self, label: &str) -> Result<(), StoreError>;
}
