//! A manifest written in YAML, and the one JSON text that it becomes.
//!
//! The JSON decides the manifest's hash, and people compare that hash, so it has to be exactly what the Go
//! implementation makes of the same document: YAML 1.1 words as booleans, keys sorted by bytes, no spaces, `<`, `>`
//! and `&` escaped. What that would change on the way (`1.10`, `0x1F`, `012`, a key `on`, a second document) is
//! refused with the advice to quote it: an error is annoying, another hash is a lie.
//!
//! Everything is bounded: depth, size of the source, size of the JSON with all aliases expanded.

mod compose;
mod emit;
mod node;
mod quirks;
mod scalar;

pub use marblerun_manifest::Position;
pub use node::{Entry, Node, Value};

/// Deepest nesting, aliases expanded.
pub const MAX_DEPTH: usize = 100;
/// Largest source and largest JSON, in bytes.
pub const MAX_BYTES: usize = 8 << 20;

/// Why a YAML document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {message}", .at.line, .at.column)]
pub struct YamlError {
    /// Where.
    pub at: Position,
    /// What was seen, and what to write instead.
    pub message: String,
}

impl YamlError {
    fn new(at: Position, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// Reads one YAML document.
///
/// # Errors
/// What was seen where, for documents that are no YAML, that are lossy, or that are too large.
pub fn parse(text: &str) -> Result<Node, YamlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    check_characters(text)?;
    compose::compose(text)
}

/// The JSON of a document.
///
/// # Errors
/// If the JSON would be too large, or holds text whose spelling in JSON is not settled.
pub fn to_json(document: &Node) -> Result<Vec<u8>, YamlError> {
    emit::emit(document)
}

/// The characters that YAML 1.1 calls printable (section 5.1), less those that it takes for line breaks and YAML 1.2
/// does not: a document with them would mean two different things.
fn check_characters(text: &str) -> Result<(), YamlError> {
    let start = Position { line: 1, column: 1 };
    if text.len() > MAX_BYTES {
        return Err(YamlError::new(start, format!("the document is longer than {MAX_BYTES} bytes")));
    }
    let mut at = start;
    for c in text.chars() {
        if !allowed(c) {
            let hint = "write it as an escape in double quotes, or leave it out";
            return Err(YamlError::new(
                at,
                format!("the character U+{:04X} is not allowed; {hint}", u32::from(c)),
            ));
        }
        at = if c == '\n' {
            Position { line: at.line + 1, column: 1 }
        } else {
            Position { column: at.column + 1, ..at }
        };
    }
    Ok(())
}

fn allowed(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' | ' '..='~' => true,
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => false,
        c => c >= '\u{a0}',
    }
}

#[cfg(test)]
mod tests;
