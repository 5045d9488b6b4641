//! The log: what happened to a deployment, as lines that clients read and as a Merkle tree that they can hold a
//! Coordinator to.
//!
//! A line is kept as the very text that is served, because that text is the leaf: nothing that a later version does to
//! formatting can change history. There is no way to take a line back. Judging proofs is the business of
//! [`marblerun_attest::log`]; here they are made.

mod checkpoint;
mod history;
mod key;
mod line;
mod peaks;
mod proofs;

pub use history::History;
pub use key::LogKey;
pub(crate) use line::from_milliseconds;
pub use line::{LogLine, iso8601, milliseconds};
pub use proofs::RangeError;
