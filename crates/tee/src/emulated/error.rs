//! Why the emulator cannot do what it was asked.

use std::io;
use std::path::{Path, PathBuf};

/// Why the emulator cannot do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// The cryptographic library failed.
    #[error("the cryptographic library gave {0}")]
    Crypto(&'static str),
    /// Something does not encode, or does not decode.
    #[error("encoding: {0}")]
    Encoding(String),
    /// A key cannot be used.
    #[error("the key {0}")]
    Key(String),
    /// A file.
    #[error("{}: {why}", .path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// A platform that was not made.
    #[error("there is no platform {name:?} in the emulator's settings; there are: {known}")]
    NoPlatform {
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The emulator does not make that.
    #[error("the emulator does not make {0}")]
    Unsupported(String),
    /// A program without a signature.
    #[error("{} cannot be read, so the program is not signed; sign it with `marblerun emulator sign`", .path.display())]
    Unsigned {
        /// Where its signature should be.
        path: PathBuf,
    },
    /// A program that is not what its signature says.
    #[error("{}: {why}; a program that was changed has to be signed again", .program.display())]
    NotAsSigned {
        /// The program.
        program: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// A signature that does not count.
    #[error("the signature does not count: {0}")]
    Signature(&'static str),
    /// A sealing key of something newer.
    #[error("this was sealed by a newer {what}")]
    Newer {
        /// Of what.
        what: &'static str,
    },
    /// A clock beyond any calendar.
    #[error("the clock is before 1970 or beyond any calendar")]
    Time,
}

impl EmulatorError {
    /// The failure of a file operation.
    pub(super) fn file(path: &Path, why: &io::Error) -> Self {
        Self::File { path: path.to_owned(), why: why.to_string() }
    }
}

impl From<der::Error> for EmulatorError {
    fn from(why: der::Error) -> Self {
        Self::Encoding(why.to_string())
    }
}

impl From<serde_json::Error> for EmulatorError {
    fn from(why: serde_json::Error) -> Self {
        Self::Encoding(why.to_string())
    }
}
