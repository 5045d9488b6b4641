//! A store in memory, for tests and for `SealMode` `Disabled`.

/// Keeps everything in memory.
#[derive(Debug, Default)]
pub struct MemoryStore;
