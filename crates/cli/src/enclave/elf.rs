//! Sections of an ELF file (System V ABI, "Object Files"; 64 bits, little-endian), as far as they lead to a name.
//!
//! Reads what it needs and within bounds, wherever the file says that something lies; it maps and runs nothing.

use std::io::{self, Read, Seek, SeekFrom};

/// How every ELF file begins.
pub(crate) const MAGIC: [u8; 4] = *b"\x7fELF";

const HEADER_BYTES: u64 = 64;
const ENTRY_BYTES: u16 = 64;
/// More than linkers and signing tools write into any section that is read here.
const LARGEST: u64 = 4 << 20;
/// ELFCLASS64, ELFDATA2LSB, EV_CURRENT.
const IDENTITY: [u8; 3] = [2, 1, 1];
/// SHT_NOBITS: a section without content in the file.
const NO_BITS: u32 = 8;

/// Why an ELF file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ElfError {
    /// The system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Another kind of ELF.
    #[error("it is no ELF file of 64 bits, little-endian, as enclaves are")]
    Kind,
    /// Offsets that lead out of the file.
    #[error("its {0} lies beyond the end of the file; it was cut off or damaged")]
    Beyond(&'static str),
    /// Sizes that nobody needs.
    #[error("its {what} has {size} bytes; at most {LARGEST} are read")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// Bytes.
        size: u64,
    },
    /// Two sections of one name: tools and loaders could each mean another.
    #[error("it has several sections {0}; an enclave has one")]
    Several(String),
}

/// An ELF file's sections.
#[derive(Debug)]
pub(crate) struct Sections<R> {
    file: R,
    entries: Vec<Entry>,
    names: Vec<u8>,
}

/// An entry of the section header table.
#[derive(Debug, Clone, Copy)]
struct Entry {
    name: u32,
    kind: u32,
    offset: u64,
    size: u64,
}

/// Where the section header table lies, and which section holds the names.
struct Table {
    offset: u64,
    count: u16,
    names: u16,
}

impl<R: Read + Seek> Sections<R> {
    /// Reads the table of sections and their names. A file without sections has none, which is no error.
    ///
    /// # Errors
    /// If it is another kind of file, or not whole.
    pub(crate) fn read(mut file: R) -> Result<Self, ElfError> {
        let header = part(&mut file, "ELF header", 0, HEADER_BYTES)?;
        let table = Table::parse(&header)?;
        let size = u64::from(table.count) * u64::from(ENTRY_BYTES);
        let bytes = part(&mut file, "section header table", table.offset, size)?;
        let entries: Vec<Entry> = bytes.chunks_exact(ENTRY_BYTES.into()).map(Entry::parse).collect();
        let names = match entries.get(usize::from(table.names)) {
            Some(entry) => part(&mut file, "table of section names", entry.offset, entry.size)?,
            None => Vec::new(),
        };
        Ok(Self { file, entries, names })
    }

    /// The content of the section of this name.
    ///
    /// # Errors
    /// If several have it, or the file ends before its content does.
    pub(crate) fn content(&mut self, name: &str) -> Result<Option<Vec<u8>>, ElfError> {
        let mut named = self.entries.iter().filter(|entry| self.is_named(entry, name));
        match (named.next().copied(), named.next()) {
            (None, _) => Ok(None),
            (Some(entry), None) => part(&mut self.file, "section", entry.offset, entry.size).map(Some),
            (Some(_), Some(_)) => Err(ElfError::Several(name.into())),
        }
    }

    fn is_named(&self, entry: &Entry, name: &str) -> bool {
        let start = usize::try_from(entry.name).unwrap_or(usize::MAX);
        let text = self.names.get(start..).and_then(|rest| rest.strip_prefix(name.as_bytes()));
        entry.kind != NO_BITS && text.is_some_and(|rest| rest.starts_with(&[0]))
    }
}

impl Table {
    fn parse(header: &[u8]) -> Result<Self, ElfError> {
        let table = Self { offset: u64(header, 40), count: u16(header, 60), names: u16(header, 62) };
        let kind = header.starts_with(&MAGIC) && header[4..7] == IDENTITY;
        match kind && (table.count == 0 || u16(header, 58) == ENTRY_BYTES) {
            true => Ok(table),
            false => Err(ElfError::Kind),
        }
    }
}

impl Entry {
    fn parse(bytes: &[u8]) -> Self {
        Self { name: u32(bytes, 0), kind: u32(bytes, 4), offset: u64(bytes, 24), size: u64(bytes, 32) }
    }
}

/// A part of the file; nothing is reserved for what is only announced.
fn part<R: Read + Seek>(file: &mut R, what: &'static str, at: u64, size: u64) -> Result<Vec<u8>, ElfError> {
    if size > LARGEST {
        return Err(ElfError::TooLarge { what, size });
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at)).map_err(|_| ElfError::Beyond(what))?;
    file.take(size).read_to_end(&mut bytes)?;
    match bytes.len() as u64 == size {
        true => Ok(bytes),
        false => Err(ElfError::Beyond(what)),
    }
}

fn u16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

fn u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

fn u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

/// `at` is a constant within a header whose whole length was read.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut value = [0; N];
    value.copy_from_slice(&bytes[at..at + N]);
    value
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    /// A section `.oeinfo` with this content, one without content, and the names.
    fn file(content: &[u8]) -> Vec<u8> {
        let names = b"\0.oeinfo\0.bss\0.names\0";
        let (at_content, at_names) = (HEADER_BYTES, HEADER_BYTES + content.len() as u64);
        let mut bytes = vec![0; HEADER_BYTES as usize];
        bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        bytes[40..48].copy_from_slice(&(at_names + names.len() as u64).to_le_bytes());
        bytes[58..64].copy_from_slice(&[64, 0, 3, 0, 2, 0]);
        bytes.extend_from_slice(content);
        bytes.extend_from_slice(names);
        bytes.extend(entry(1, 1, at_content, content.len() as u64));
        bytes.extend(entry(9, NO_BITS, at_content, 1 << 40));
        bytes.extend(entry(14, 3, at_names, names.len() as u64));
        bytes
    }

    fn entry(name: u32, kind: u32, offset: u64, size: u64) -> Vec<u8> {
        let mut bytes = vec![0; ENTRY_BYTES.into()];
        bytes[0..4].copy_from_slice(&name.to_le_bytes());
        bytes[4..8].copy_from_slice(&kind.to_le_bytes());
        bytes[24..32].copy_from_slice(&offset.to_le_bytes());
        bytes[32..40].copy_from_slice(&size.to_le_bytes());
        bytes
    }

    fn content(bytes: &[u8], name: &str) -> Result<Option<Vec<u8>>, String> {
        let mut sections = Sections::read(Cursor::new(bytes)).map_err(|error| error.to_string())?;
        sections.content(name).map_err(|error| error.to_string())
    }

    fn check_refused(bytes: &[u8], words: &str) {
        let refused = content(bytes, ".oeinfo").unwrap_err();
        assert!(refused.contains(words), "{refused}");
    }

    #[test]
    fn a_section_is_found_by_its_whole_name() {
        let bytes = file(b"properties");
        assert_eq!(content(&bytes, ".oeinfo"), Ok(Some(b"properties".to_vec())));
        for name in [".oe", "oeinf", ".bss", ".note.sgxmeta"] {
            assert_eq!(content(&bytes, name), Ok(None), "{name}");
        }
        assert_eq!(content(&bytes, "oeinfo"), Ok(None));
    }

    #[test]
    fn what_lies_elsewhere_or_twice_is_refused() {
        let whole = file(b"properties");
        let table = whole.len() - 3 * 64;
        let changed = |at: usize, value: &[u8]| {
            let mut bytes = whole.clone();
            bytes[at..at + value.len()].copy_from_slice(value);
            bytes
        };
        check_refused(&whole[..63], "ELF header lies beyond");
        check_refused(&whole[..whole.len() - 1], "section header table lies beyond");
        check_refused(&changed(4, &[1]), "64 bits");
        check_refused(&changed(58, &[63]), "64 bits");
        check_refused(&changed(40, &[0xff; 8]), "section header table lies beyond");
        check_refused(&changed(table + 24, &[0xff; 4]), "section lies beyond");
        check_refused(&changed(table + 32, &[0xff; 4]), "its section has 4294967295 bytes");
        check_refused(&changed(table + 64, &[1, 0, 0, 0, 1]), "several sections .oeinfo");
        assert_eq!(content(&changed(60, &[0]), ".oeinfo"), Ok(None));
        assert_eq!(content(&changed(62, &[9]), ".oeinfo"), Ok(None));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(changes in prop::collection::vec((0..400_usize, any::<u8>()), 0..8), length in 0..400_usize) {
            let mut bytes = file(b"properties");
            for (at, value) in changes {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            bytes.truncate(length);
            let _ = content(&bytes, ".oeinfo");
        }
    }
}
