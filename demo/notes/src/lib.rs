//! What the notes service and its client share: the notes, how they travel, and how they rest on disk.

pub mod notebook;
pub mod vault;
