//! Files that are written whole or not at all, readable by their owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::Failure;

/// A file that takes its place when it is complete. Made before an action whose result it is to hold, it shows that
/// there will be a place for the result; dropped unfinished, it leaves nothing behind.
#[derive(Debug)]
pub struct PendingFile {
    file: File,
    /// Written beside the target and then renamed. `None` for a target that is no regular file (a terminal, a pipe).
    temporary: Option<PathBuf>,
    target: PathBuf,
}

impl PendingFile {
    /// Opens a new file of mode 0600 beside `target`, which may exist.
    ///
    /// # Errors
    /// What the system says, above all if the folder is missing or read-only.
    pub fn create(target: &Path) -> io::Result<Self> {
        // A link stays a link: the file that it points at is what is replaced.
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        match fs::metadata(&target) {
            Ok(there) if there.is_dir() => Err(io::Error::from(ErrorKind::IsADirectory)),
            Ok(there) if !there.is_file() => {
                let file = OpenOptions::new().write(true).open(&target)?;
                Ok(Self { file, temporary: None, target })
            }
            _ => Self::beside(target),
        }
    }

    fn beside(target: PathBuf) -> io::Result<Self> {
        let name = target.file_name().ok_or(ErrorKind::InvalidInput)?.to_owned();
        for attempt in 0..100 {
            let mut hidden = std::ffi::OsString::from(".");
            hidden.push(&name);
            hidden.push(format!(".{}-{attempt}.tmp", std::process::id()));
            let temporary = target.with_file_name(hidden);
            match private().write(true).create_new(true).open(&temporary) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                opened => return Ok(Self { file: opened?, temporary: Some(temporary), target }),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    /// Writes the content durably and puts the file in its place.
    ///
    /// # Errors
    /// What the system says; the target is then as it was.
    pub fn finish(mut self, content: &[u8]) -> io::Result<()> {
        self.file.write_all(content)?;
        let Some(temporary) = self.temporary.as_ref() else {
            return self.file.flush();
        };
        self.file.sync_all()?;
        fs::rename(temporary, &self.target)?;
        self.temporary = None;
        // A crash right now should not undo the rename either; not every file system can promise that.
        let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty());
        let _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Writes a whole file at once, mode 0600.
///
/// # Errors
/// What the system says; the target is then as it was.
pub fn write(target: &Path, content: &[u8]) -> io::Result<()> {
    PendingFile::create(target)?.finish(content)
}

/// Writes a new file, mode 0600; one that is there already is left as it is.
///
/// # Errors
/// What the system says, above all if the file exists. No part of the content is left behind then.
pub fn write_new(target: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = private().write(true).create_new(true).open(target)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(target);
    }
    written
}

/// Options that make a file which its owner alone can read. On Windows that is what a profile's folders give to what is made
/// in them.
fn private() -> OpenOptions {
    #[allow(unused_mut, reason = "there is a mode on Unix only")]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The content of a small file that may hold a secret; `what` it is stands in the error.
///
/// # Errors
/// If it cannot be read, or is longer than any key or recovery secret.
pub(crate) fn read_secret(path: &Path, what: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    const LONGEST: usize = 64 << 10;
    let failed = |source| Failure::Io { doing: format!("reading {what} from {}", path.display()), source };
    // One buffer of the final size: growing would leave unwiped copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    fill(&mut content, path, LONGEST, what).map_err(failed)?;
    Ok(content)
}

/// The whole of a file of at most `most` bytes; `what` it should be stands in the error.
///
/// # Errors
/// If it cannot be read or is larger, with the file's name.
pub(crate) fn read(path: &Path, most: usize, what: &str) -> Result<Vec<u8>, Failure> {
    let failed = |source| Failure::Io { doing: format!("reading {}", path.display()), source };
    within(path, most, what).map_err(failed)
}

/// As [`read`], for those who name the file themselves.
///
/// # Errors
/// What the system says, or [`ErrorKind::FileTooLarge`].
pub(crate) fn within(path: &Path, most: usize, what: &str) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    fill(&mut content, path, most, what)?;
    Ok(content)
}

/// Devices and pipes have no size, so what is read is counted.
fn fill(content: &mut Vec<u8>, path: &Path, most: usize, what: &str) -> io::Result<()> {
    let file = File::open(path)?;
    // All that is announced at once: what grows leaves unwiped copies of secrets behind.
    let announced = file.metadata().map_or(0, |file| file.len()).min(most as u64);
    content.reserve(usize::try_from(announced).unwrap_or(0) + 1);
    file.take(most as u64 + 1).read_to_end(content)?;
    if content.len() <= most {
        return Ok(());
    }
    let why =
        format!("it has more than {most} bytes, more than {what} may have; name the file that was meant");
    Err(io::Error::new(ErrorKind::FileTooLarge, why))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("secret");
        fs::write(&target, "a longer old content").unwrap();
        write(&target, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(folder.path()), ["secret"]);
    }

    #[test]
    fn an_unfinished_file_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("secret");
        fs::write(&target, "old").unwrap();
        drop(PendingFile::create(&target).unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["secret"]);
    }

    #[test]
    fn what_is_there_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("signature");
        write_new(&target, b"first").unwrap();
        assert_eq!(write_new(&target, b"second").unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&target).unwrap(), b"first");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_link_stays_and_a_device_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write(&link, b"new").unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        write(Path::new("/dev/null"), b"gone").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn what_is_larger_than_it_may_be_is_refused_and_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "12345").unwrap();
        assert_eq!(within(&path, 5, "a test").unwrap(), b"12345");
        let error = read(&path, 4, "a test").unwrap_err().to_string();
        assert!(error.contains("file: it has more than 4 bytes, more than a test may have"), "{error}");
        // What has no end, too.
        let error = read_secret(Path::new("/dev/zero"), "the key").unwrap_err().to_string();
        assert!(error.contains("the key from /dev/zero: it has more than 65536 bytes"), "{error}");
    }

    #[test]
    fn what_cannot_be_written_is_known_before() {
        let folder = tempfile::tempdir().unwrap();
        assert!(PendingFile::create(&folder.path().join("missing/secret")).is_err());
        assert!(PendingFile::create(folder.path()).is_err());
    }
}
