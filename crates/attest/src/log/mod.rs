//! Proofs about a Coordinator's transparency log: what its checkpoints say, who signed them, and whether one history
//! goes on from another.
//!
//! The tree is the one of RFC 6962 section 2.1 (RFC 9162 section 2.1): SHA-256, a byte 0 before a leaf and a byte 1
//! before two nodes. Checkpoints are those of C2SP tlog-checkpoint in signed notes of C2SP signed-note. This module
//! holds no log and makes no signature; it only judges what it is given.

mod checkpoint;
mod frontier;
mod key;
mod proof;
mod report;

use aws_lc_rs::digest;

pub use checkpoint::{Checkpoint, JournalHead, signed_note};
pub use frontier::Frontier;
pub use key::{VerifierKey, key_statement};
pub use proof::{verify_consistency, verify_inclusion};
pub use report::report_data;

/// SHA-256 of a leaf or node of the tree.
pub type Hash = [u8; 32];

/// What does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The verifier key is none of an Ed25519 key in the form `name+id+key`.
    #[error("the log key is not usable: {0}")]
    Key(&'static str),
    /// The root key did not sign this log key.
    #[error("the Coordinator's root key did not sign this log key")]
    KeyNotSigned,
    /// A signed note or checkpoint is malformed.
    #[error("the checkpoint is malformed: {0}")]
    Malformed(&'static str),
    /// The checkpoint carries no valid signature by the log key.
    #[error("the checkpoint is not signed by the log key")]
    NotSigned,
    /// The checkpoint is of another log.
    #[error("the checkpoint is of the log {found:?}, not of {expected:?}")]
    OtherLog {
        /// Its first line.
        found: String,
        /// The name in the log key.
        expected: String,
    },
    /// A proof does not show what it should.
    #[error("the proof does not hold: {0}")]
    Proof(&'static str),
}

/// Hash of a leaf: SHA-256 of a byte 0 and the entry.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    hash(&[&[0], entry])
}

/// Hash of an inner node: SHA-256 of a byte 1 and both children.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    hash(&[&[1], left, right])
}

/// Root of a tree without entries: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    hash(&[])
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
