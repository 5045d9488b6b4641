//! The marble's UUID, kept across restarts: per-marble keys follow from it.
//!
//! The file is written before the first activation and made durable: a marble that encrypted data and then lost its
//! UUID could never derive its keys again. For the same reason a file that holds no UUID is an error, never a reason
//! to make a new one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use uuid::{Builder, Uuid};

/// Far above any spelling of a UUID; a larger file is something else.
const MAX_BYTES: u64 = 256;

/// The UUID in `file`; if there is no such file, a new random one (RFC 9562 version 4), stored there with mode 0600.
///
/// Every usual spelling is read: upper case, without hyphens, `urn:uuid:`, in braces; white space around it is fine.
/// Of several processes that start at once with no file, all get the UUID of the one that wrote first.
///
/// # Errors
/// If the file holds something else, or cannot be read or written.
pub fn load_or_create(file: &Path) -> Result<Uuid, UuidFileError> {
    match File::open(file) {
        Ok(open) => read(file, open),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(file),
        Err(error) => Err(failed(file, "reading", &error)),
    }
}

fn read(file: &Path, open: File) -> Result<Uuid, UuidFileError> {
    let mut text = Vec::new();
    open.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(|error| failed(file, "reading", &error))?;
    let not_uuid = || UuidFileError::NotUuid { file: file.to_owned(), bytes: text.len() };
    let trimmed = std::str::from_utf8(&text).map_err(|_| not_uuid())?.trim();
    Uuid::try_parse(trimmed).map_err(|_| not_uuid())
}

fn create(file: &Path) -> Result<Uuid, UuidFileError> {
    let random = random().map_err(|error| failed(file, "making a UUID for", &error))?;
    let uuid = Builder::from_random_bytes(random).into_uuid();
    match store(file, uuid) {
        Ok(()) => Ok(uuid),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => load_or_create(file),
        Err(error) => Err(failed(file, "writing", &error)),
    }
}

/// A reader sees no file or the whole of it: the text is written beside it and then linked to its name, which fails
/// if another process was faster.
fn store(file: &Path, uuid: Uuid) -> io::Result<()> {
    let folder = match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let unfinished = folder.join(format!(".uuid-{}", uuid.simple()));
    let stored = write(&unfinished, uuid).and_then(|()| link(&unfinished, file));
    let _ = fs::remove_file(&unfinished);
    stored?;
    File::open(folder)?.sync_all()
}

fn write(file: &Path, uuid: Uuid) -> io::Result<()> {
    let mut open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    open.write_all(uuid.hyphenated().to_string().as_bytes())?;
    open.sync_all()
}

/// File systems of library operating systems may know no hard links: there a rename must do, which is atomic too but
/// lets the last of several processes win.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => fs::rename(from, to),
        linked => linked,
    }
}

fn random() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("the system gives no randomness"))?;
    Ok(bytes)
}

fn failed(file: &Path, doing: &'static str, error: &io::Error) -> UuidFileError {
    UuidFileError::Io { file: file.to_owned(), doing, why: error.to_string() }
}

/// The UUID could not be read or kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UuidFileError {
    /// The file holds no UUID.
    #[error(
        "the UUID file {} holds {bytes} bytes that are no UUID; restore it, since the marble's keys follow from its \
         UUID, or remove it to start as a new marble", file.display()
    )]
    NotUuid {
        /// Which file.
        file: PathBuf,
        /// How much was read of it.
        bytes: usize,
    },
    /// The file cannot be used.
    #[error("{doing} the UUID file {}: {why}", file.display())]
    Io {
        /// Which file.
        file: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_new_uuid_is_kept_privately() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/folder/uuid");
        let uuid = load_or_create(&file).unwrap();
        assert_eq!(uuid.get_version_num(), 4);
        assert_eq!(load_or_create(&file), Ok(uuid));
        assert_eq!(fs::read_to_string(&file).unwrap(), uuid.to_string());
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let entries = fs::read_dir(file.parent().unwrap()).unwrap().count();
        assert_eq!(entries, 1, "nothing is left beside it");
    }

    #[test]
    fn every_usual_spelling_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("uuid");
        let uuid = Uuid::from_u128(0x0d1e_2f30_4152_4637_8a9b_acbd_cedf_f001);
        for text in [
            "0d1e2f30-4152-4637-8a9b-acbdcedff001\n",
            "0D1E2F30-4152-4637-8A9B-ACBDCEDFF001",
            " 0d1e2f30415246378a9bacbdcedff001 ",
            "urn:uuid:0d1e2f30-4152-4637-8a9b-acbdcedff001",
            "{0d1e2f30-4152-4637-8a9b-acbdcedff001}",
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(load_or_create(&file), Ok(uuid), "{text}");
        }
    }

    #[test]
    fn what_is_no_uuid_is_an_error_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("uuid");
        let check = |content: &[u8], bytes: usize| {
            fs::write(&file, content).unwrap();
            assert_eq!(load_or_create(&file), Err(UuidFileError::NotUuid { file: file.clone(), bytes }));
            assert_eq!(fs::read(&file).unwrap(), content);
        };
        check(b"", 0);
        check(b"0d1e2f30-4152-4637", 18);
        check(&[0xff; 16], 16);
        check(&vec![b' '; 1 << 20], 257);
    }

    #[test]
    fn processes_that_start_at_once_agree() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("uuid");
        let starts: Vec<_> = (0..16)
            .map(|_| {
                let file = file.clone();
                std::thread::spawn(move || load_or_create(&file).unwrap())
            })
            .collect();
        let mut seen: Vec<_> = starts.into_iter().map(|start| start.join().unwrap()).collect();
        seen.dedup();
        assert_eq!(seen, [load_or_create(&file).unwrap()]);
    }
}
