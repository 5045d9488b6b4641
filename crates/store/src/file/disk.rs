//! Single steps on files, each durable or an error that names the file.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::StoreError;

/// An open file and which one it is.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) file: File,
    /// Device and inode: no other file has both as long as this one is open.
    identity: (u64, u64),
}

impl Held {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { file, identity: (metadata.dev(), metadata.ino()) })
    }

    /// The length of this file if `path` leads to it; `None` if it leads elsewhere or nowhere.
    pub(super) fn named(&self, path: &Path) -> io::Result<Option<u64>> {
        let there = absent_is_none(fs::metadata(path))?;
        Ok(there.filter(|there| (there.dev(), there.ino()) == self.identity).map(|there| there.len()))
    }
}

/// Makes the folder and lets its parents remember it: otherwise a power cut could take an acknowledged state along.
pub(super) fn create(folder: &Path) -> Result<(), StoreError> {
    let missing = |path: &&Path| *path != Path::new("") && !path.is_dir();
    let made: Vec<&Path> = folder.ancestors().take_while(missing).collect();
    if made.is_empty() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io("create", folder))?;
    made.into_iter().try_for_each(sync_parent)
}

fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(io("sync", parent))
}

/// One process per folder. The file is never removed: removing it would let two processes lock two files.
pub(super) fn lock(folder: &Path, name: &str) -> Result<Held, StoreError> {
    let path = folder.join(name);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Held::new(file).map_err(io("examine", &path)),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(folder.display().to_string())),
        Err(TryLockError::Error(source)) => Err(io("lock", &path)(source)),
    }
}

pub(super) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(file) = absent_is_none(File::open(path)).map_err(io("open", path))? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(io("read", path))?;
    within(bytes.len() as u64, limit, path)?;
    Ok(Some(bytes))
}

pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<Held> {
    let mut file = OpenOptions::new().create_new(true).read(true).write(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Held::new(file)
}

pub(super) fn exists(path: &Path) -> Result<bool, StoreError> {
    Ok(absent_is_none(fs::symlink_metadata(path)).map_err(io("examine", path))?.is_some())
}

pub(super) fn within(length: u64, limit: u64, path: &Path) -> Result<u64, StoreError> {
    if length <= limit {
        return Ok(length);
    }
    let why = format!("{length} bytes or more, and at most {limit} are allowed");
    Err(io("use", path)(io::Error::new(ErrorKind::FileTooLarge, why)))
}

pub(super) fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn io(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let what = format!("{verb} {}", path.display());
    move |source| StoreError::Io { what, source }
}
