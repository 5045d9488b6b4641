//! Reading JSON (RFC 8259) the strict way, straight into the types of [`crate::written`].
//!
//! Why not serde: a manifest's author wants every error at once with line and column, duplicate keys must be
//! errors at any depth, keys match in any case, and a hostile document must not build a tree in memory.
//! What nobody asks for is skipped without being stored.

mod decode;
mod lexer;
mod locate;
mod parser;

pub(crate) use decode::{Decode, Object, ZERO_TIME, object, optional, wrong_kind};
pub(crate) use locate::Places;
pub(crate) use parser::{Kind, Parser};

/// Why reading ended at once: the text is no JSON, or exceeds a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stop {
    /// Offset in bytes.
    pub(crate) at: usize,
    pub(crate) message: String,
}

impl Stop {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}
