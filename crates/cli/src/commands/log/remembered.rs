//! The last checkpoint that was verified, kept beside the cached certificate: a signed note, one file per deployment.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use marblerun_attest::log::{Checkpoint, VerifierKey};

use crate::trust::Context;
use crate::{Failure, file};

/// Longer files are not read, in bytes.
const LONGEST: usize = 1 << 20;

/// The file for one deployment.
pub(super) struct Remembered {
    path: PathBuf,
}

impl Remembered {
    /// For the log with this key. Its name contains the hash of the root certificate, so nobody but the holder of that
    /// root's key can have a say in this file.
    pub(super) fn of(key: &VerifierKey, context: &Context) -> Result<Self, Failure> {
        let root = key.name().rsplit('/').next().unwrap_or_default();
        let cache = context.cache_path()?;
        let folder = cache.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Self { path: folder.join(format!("log-checkpoint-{root}.txt")) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where a checkpoint is kept that contradicts the remembered one.
    pub(super) fn contradiction(&self) -> PathBuf {
        self.path.with_extension("contradiction.txt")
    }

    /// What was remembered; `None` the first time. A file that is there and does not verify is an error: taking it for
    /// nothing would be forgetting.
    pub(super) fn load(&self, key: &VerifierKey) -> Result<Option<Checkpoint>, Failure> {
        let note = match file::within(&self.path, LONGEST, "a checkpoint") {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|source| Failure::Io {
                doing: format!("reading {}", self.path.display()),
                source,
            })?,
        };
        // What is no text has no signature either.
        let note = String::from_utf8_lossy(&note);
        let checkpoint = Checkpoint::open(&note, key).map_err(|error| {
            Failure::Argument(format!(
                "{}: {error}. It was changed or damaged: restore it from a backup; without it this command cannot see a \
                 roll-back to before today (delete it to begin anew)",
                self.path.display()
            ))
        })?;
        Ok(Some(checkpoint))
    }

    pub(super) fn save(&self, note: &str) -> Result<(), Failure> {
        write(&self.path, note)
    }

    pub(super) fn save_contradiction(&self, note: &str) -> Result<(), Failure> {
        write(&self.contradiction(), note)
    }
}

fn write(path: &Path, note: &str) -> Result<(), Failure> {
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    folder.and_then(|()| file::write(path, note.as_bytes())).map_err(|source| Failure::Io {
        doing: format!("saving the checkpoint in {}", path.display()),
        source,
    })
}
