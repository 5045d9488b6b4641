//! A store in memory, for tests and for `SealMode` `Disabled`. It survives nothing but its own handles.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{DATA_LIMIT, KEY_LIMIT, Loaded, Position, Store, StoreError, label};

/// Keeps everything in memory. A clone is another handle on the same bytes, as a second Coordinator on one engine
/// or the same one after a restart would have.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    key: Option<Vec<u8>>,
    data: Option<Vec<u8>>,
    generation: u64,
    aside: BTreeMap<String, Aside>,
}

/// What was kept aside: key and data, as far as there were any.
pub type Aside = (Option<Vec<u8>>, Option<Vec<u8>>);

impl MemoryStore {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was kept aside, by label.
    pub fn aside(&self) -> BTreeMap<String, Aside> {
        self.memory().aside.clone()
    }

    /// The bytes outlive a panic of whoever held the lock: every change below is a single assignment.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        let memory = self.memory();
        Ok(Loaded { key: memory.key.clone(), data: memory.data.clone(), position: memory.position() })
    }

    fn append(&mut self, expected: Position, bytes: &[u8]) -> Result<Position, StoreError> {
        let mut memory = self.memory();
        memory.at(expected)?;
        within(expected.length.saturating_add(bytes.len() as u64), DATA_LIMIT, "append to the data")?;
        let Some(data) = &mut memory.data else {
            return Err(refused("append to the data", ErrorKind::NotFound, "there is none"));
        };
        data.extend_from_slice(bytes);
        Ok(memory.position())
    }

    fn replace(&mut self, expected: Position, bytes: &[u8]) -> Result<Position, StoreError> {
        let mut memory = self.memory();
        memory.at(expected)?;
        within(bytes.len() as u64, DATA_LIMIT, "replace the data")?;
        memory.data = Some(bytes.to_vec());
        memory.generation += 1;
        Ok(memory.position())
    }

    fn write_key(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        within(bytes.len() as u64, KEY_LIMIT, "write the key")?;
        self.memory().key = Some(bytes.to_vec());
        Ok(())
    }

    fn copy_aside(&mut self, label: &str) -> Result<String, StoreError> {
        let mut memory = self.memory();
        let label = label::free(label, |candidate| Ok(memory.aside.contains_key(candidate)))?;
        let state = (memory.key.clone(), memory.data.clone());
        memory.aside.insert(label.clone(), state);
        Ok(label)
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        let mut memory = self.memory();
        (memory.key, memory.data) = (None, None);
        memory.generation += 1;
        Ok(())
    }
}

impl Memory {
    fn position(&self) -> Position {
        let length = self.data.as_ref().map_or(0, Vec::len) as u64;
        Position { generation: self.generation, length }
    }

    fn at(&self, expected: Position) -> Result<(), StoreError> {
        let found = self.position();
        if found == expected { Ok(()) } else { Err(StoreError::Conflict { expected, found }) }
    }
}

fn within(length: u64, limit: u64, what: &str) -> Result<(), StoreError> {
    if length <= limit {
        return Ok(());
    }
    Err(refused(what, ErrorKind::FileTooLarge, &format!("{length} bytes are more than the {limit} allowed")))
}

fn refused(what: &str, kind: ErrorKind, why: &str) -> StoreError {
    StoreError::Io { what: what.to_owned(), source: Error::new(kind, why.to_owned()) }
}
