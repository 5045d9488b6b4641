//! Starts our programs as real processes, for tests at the outermost boundary.
//!
//! Everything here blocks and belongs to tests; nothing of it is linked into a program.

mod build;
mod coordinator;
mod process;

pub use build::build;
pub use coordinator::{Coordinator, Options};
pub use process::Process;
