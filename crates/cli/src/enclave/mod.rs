//! Signed enclaves on disk: where the signature lies in what build tools leave behind.
//!
//! What the signature states is not held against the program: nothing here measures.

mod elf;
mod folder;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use marblerun_attest::{Malformed, Sigstruct};

use elf::{ElfError, Sections};
pub(crate) use folder::locate;

/// Sections that hold a signature, and what puts them there.
const SECTIONS: [(&str, &str); 2] =
    [(".oeinfo", "Open Enclave and EGo"), (".note.sgxmeta", "the SGX SDK and Occlum")];

/// Why a file or folder does not say which enclave it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnclaveError {
    /// The system.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    /// A pipe, a device.
    #[error("neither a file nor a folder")]
    NoFile,
    /// A folder without a signed enclave at the places that are known.
    #[error("{0}")]
    Folder(String),
    /// A folder with several.
    #[error("the folder holds several signed enclaves: {}; name the one that you mean", .0.join(", "))]
    Choice(Vec<String>),
    /// Neither a program nor a signature.
    #[error(
        "no signed enclave: neither an ELF file (Open Enclave, EGo, SGX SDK) nor a SIGSTRUCT (the .sig file of Gramine or of `marblerun emulator sign`)"
    )]
    Form,
    /// A damaged program.
    #[error("not readable as a program: {0}")]
    Program(String),
    /// A program that is no enclave.
    #[error(
        "a program without the section .oeinfo (Open Enclave, EGo) or .note.sgxmeta (SGX SDK, Occlum), so no enclave by itself; if Gramine or the emulator runs it, name its .sig file"
    )]
    NoSection,
    /// An enclave without signature.
    #[error(
        "an enclave of {tool} that is not signed: its section {section} holds no SIGSTRUCT; sign it first"
    )]
    Unsigned {
        /// Whose enclaves these are.
        tool: &'static str,
        /// Where it was looked for.
        section: &'static str,
    },
    /// A damaged signature.
    #[error("its signature cannot be read: {0}. A SIGSTRUCT has {size} bytes; sign it anew", size = Sigstruct::BYTES)]
    Signature(#[from] Malformed),
    /// Signatures that contradict each other.
    #[error("it holds signatures of different enclaves ({first} and {second}); sign it anew")]
    Contradiction {
        /// A UniqueID.
        first: String,
        /// Another, or the same of another signer or version.
        second: String,
    },
}

impl From<ElfError> for EnclaveError {
    fn from(error: ElfError) -> Self {
        Self::Program(error.to_string())
    }
}

/// The signature in a file.
///
/// # Errors
/// If there is none, or not exactly one statement.
pub(crate) fn read(path: &Path) -> Result<Sigstruct, EnclaveError> {
    let mut file = File::open(path)?;
    let mut start = Vec::new();
    // One byte more, so that a file with something behind its signature is noticed.
    let limit = Sigstruct::BYTES as u64 + 1;
    (&mut file).take(limit).read_to_end(&mut start)?;
    match start.as_slice() {
        program if program.starts_with(&elf::MAGIC) => in_program(Sections::read(file)?),
        signature if signature.starts_with(&Sigstruct::HEADER) => Ok(Sigstruct::parse(signature)?),
        _ => Err(EnclaveError::Form),
    }
}

fn in_program(mut program: Sections<File>) -> Result<Sigstruct, EnclaveError> {
    let mut stated = None;
    for (section, tool) in SECTIONS {
        let Some(content) = program.content(section)? else { continue };
        let found = Sigstruct::find(&content)?;
        let unsigned = EnclaveError::Unsigned { tool, section };
        stated = Some(one(stated.into_iter().chain(found))?.ok_or(unsigned)?);
    }
    stated.ok_or(EnclaveError::NoSection)
}

/// The SGX SDK repeats a signature for loaders of older versions; whatever else differs is a contradiction.
fn one(mut all: impl Iterator<Item = Sigstruct>) -> Result<Option<Sigstruct>, EnclaveError> {
    let Some(first) = all.next() else { return Ok(None) };
    match all.find(|other| *other != first) {
        None => Ok(Some(first)),
        Some(other) => Err(EnclaveError::Contradiction {
            first: first.mrenclave.to_string(),
            second: other.mrenclave.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_may_be_there_twice_but_not_two_of_them() {
        let bytes =
            std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/sigstruct/signed.sig"));
        let mut bytes = bytes.unwrap();
        let first = Sigstruct::parse(&bytes).unwrap();
        // ISVSVN: the same build, as another version.
        bytes[1026] += 1;
        let second = Sigstruct::parse(&bytes).unwrap();
        let check = |all: &[&Sigstruct]| one(all.iter().map(|one| (*one).clone()));
        assert_eq!(check(&[]).unwrap(), None);
        assert_eq!(check(&[&first, &first]).unwrap(), Some(first.clone()));
        let refused = check(&[&first, &first, &second]);
        assert!(matches!(refused, Err(EnclaveError::Contradiction { .. })), "{refused:?}");
    }
}
