//! A store in a folder: `sealed_data` and `sealed_key`.
//!
//! The data grows by a write at its known end and `fdatasync`; everything else is a new file, `fsync`, rename and
//! `fsync` of the folder. Whatever fails, the files hold a state that was once asked for. This store never guesses
//! after a failed `fsync`: what the kernel dropped cannot be known, so the data must be written anew from memory.

mod disk;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use disk::{Held, absent_is_none, create, exists, io, lock, read, within, write_new};

use crate::{DATA_LIMIT, KEY_LIMIT, Loaded, Position, Store, StoreError, label};

const DATA: &str = "sealed_data";
const KEY: &str = "sealed_key";
const LOCK: &str = ".lock";

/// Keeps everything in a folder, which it holds for itself alone until it is dropped.
///
/// Files have mode 0600; a folder that it makes has 0700. All files are held open, so that a process that ran out
/// of file descriptors can still append.
#[derive(Debug)]
pub struct FileStore {
    folder: PathBuf,
    /// For `fsync` after a rename.
    handle: File,
    lock: Held,
    data: Option<Held>,
    position: Position,
    /// Why the end of the data is in doubt.
    doubt: Option<String>,
}

impl FileStore {
    /// Opens the folder, makes it if need be, and clears away what an interrupted replacement left.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it; [`StoreError::Io`] if it cannot be used.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let folder = folder.into();
        create(&folder)?;
        let handle = File::open(&folder).map_err(io("open", &folder))?;
        let lock = lock(&folder, LOCK)?;
        let mut store = Self { folder, handle, lock, data: None, position: Position::default(), doubt: None };
        store.remove_temporary(DATA)?;
        store.remove_temporary(KEY)?;
        store.attach()?;
        Ok(store)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Where a file is made before it gets its name. No label can lead here.
    fn temporary(&self, name: &str) -> PathBuf {
        self.folder.join(format!(".{name}.new"))
    }

    fn remove_temporary(&self, name: &str) -> Result<(), StoreError> {
        let path = self.temporary(name);
        absent_is_none(fs::remove_file(&path)).map_err(io("remove", &path))?;
        Ok(())
    }

    /// Holds the data open, if there is any, and takes its length for the end.
    fn attach(&mut self) -> Result<(), StoreError> {
        let path = self.path(DATA);
        let file = absent_is_none(OpenOptions::new().read(true).write(true).open(&path))
            .map_err(io("open", &path))?;
        let (data, length) = match file {
            Some(file) => {
                let length = file.metadata().map_err(io("examine", &path))?.len();
                (Some(Held::new(file).map_err(io("examine", &path))?), length)
            }
            None => (None, 0),
        };
        (self.data, self.position.length) = (data, length);
        Ok(())
    }
}

impl Drop for FileStore {
    /// Explicitly: closing is not enough while a child process that is about to be started has a copy of the handle.
    fn drop(&mut self) {
        let _ = self.lock.file.unlock();
    }
}

impl Store for FileStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        self.owned()?;
        let key = read(&self.path(KEY), KEY_LIMIT)?;
        let data = read(&self.path(DATA), DATA_LIMIT)?;
        self.attach()?;
        let length = data.as_ref().map_or(0, Vec::len) as u64;
        self.expect_at(Position { length, ..self.position })?;
        Ok(Loaded { key, data, position: self.position })
    }

    fn append(&mut self, expected: Position, bytes: &[u8]) -> Result<Position, StoreError> {
        self.owned()?;
        self.expect_at(expected)?;
        if let Some(doubt) = &self.doubt {
            return Err(StoreError::ReplaceFirst(doubt.clone()));
        }
        let path = self.path(DATA);
        let end = within(expected.length.saturating_add(bytes.len() as u64), DATA_LIMIT, &path)?;
        self.unchanged(&path)?;
        match self.write_end(bytes) {
            Ok(()) => self.position.length = end,
            Err(failure) => return Err(self.take_back(failure, &path)),
        }
        Ok(self.position)
    }

    fn replace(&mut self, expected: Position, bytes: &[u8]) -> Result<Position, StoreError> {
        self.owned()?;
        self.expect_at(expected)?;
        let length = within(bytes.len() as u64, DATA_LIMIT, &self.path(DATA))?;
        // Until the rename the old file is untouched and stays appendable.
        self.data = Some(self.put(DATA, bytes)?);
        self.doubt = Some(format!("{} was renamed but its folder not yet synced", self.path(DATA).display()));
        self.sync_folder()?;
        self.doubt = None;
        self.position = Position { generation: expected.generation + 1, length };
        Ok(self.position)
    }

    fn write_key(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.owned()?;
        within(bytes.len() as u64, KEY_LIMIT, &self.path(KEY))?;
        self.put(KEY, bytes)?;
        self.sync_folder()
    }

    fn copy_aside(&mut self, label: &str) -> Result<String, StoreError> {
        self.owned()?;
        let label = label::free(label, |candidate| {
            Ok(exists(&self.aside(KEY, candidate))? || exists(&self.aside(DATA, candidate))?)
        })?;
        for (name, limit) in [(KEY, KEY_LIMIT), (DATA, DATA_LIMIT)] {
            if let Some(bytes) = read(&self.path(name), limit)? {
                self.put_as(name, &self.aside(name, &label), &bytes)?;
            }
        }
        self.sync_folder()?;
        Ok(label)
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        self.owned()?;
        for name in [KEY, DATA] {
            let path = self.path(name);
            absent_is_none(fs::remove_file(&path)).map_err(io("remove", &path))?;
            self.sync_folder()?;
        }
        (self.data, self.doubt) = (None, None);
        self.position = Position { generation: self.position.generation + 1, length: 0 };
        Ok(())
    }
}

/// Writing, step by step.
impl FileStore {
    /// The lock counts only as long as it is the one that others find: somebody may have emptied the folder
    /// and started another Coordinator in it.
    fn owned(&self) -> Result<(), StoreError> {
        let path = self.path(LOCK);
        if self.lock.named(&path).map_err(io("examine", &path))?.is_some() {
            return Ok(());
        }
        let why = "the folder was emptied or replaced while in use; restart to use what is there now";
        Err(StoreError::Io { what: format!("use {}", self.folder.display()), source: io::Error::other(why) })
    }

    fn expect_at(&self, expected: Position) -> Result<(), StoreError> {
        if expected == self.position {
            return Ok(());
        }
        Err(StoreError::Conflict { expected, found: self.position })
    }

    /// The open file must be the one that a restart would read, and end where we left it.
    fn unchanged(&mut self, path: &Path) -> Result<(), StoreError> {
        let Some(data) = &self.data else {
            return Err(StoreError::Io { what: appending(path), source: ErrorKind::NotFound.into() });
        };
        let why = match data.named(path).map_err(io("examine", path))? {
            Some(length) if length == self.position.length => return Ok(()),
            Some(_) => "was cut or extended",
            None => "was removed or replaced",
        };
        let doubt = format!("{} {why} by somebody else", path.display());
        self.doubt = Some(doubt.clone());
        Err(StoreError::ReplaceFirst(doubt))
    }

    fn write_end(&self, bytes: &[u8]) -> Result<(), Failure> {
        let Held { file, .. } =
            self.data.as_ref().ok_or_else(|| Failure::Write(ErrorKind::NotFound.into()))?;
        file.write_all_at(bytes, self.position.length).map_err(Failure::Write)?;
        file.sync_data().map_err(Failure::Sync)
    }

    /// Cuts off what a failed append may have left. The end is known again only if the write was what failed (disk
    /// full, say) and cutting is durable. After a failed sync it is not: pages may be lost that look written.
    fn take_back(&mut self, failure: Failure, path: &Path) -> StoreError {
        let cut = self.data.as_ref().map_or(Ok(()), |Held { file, .. }| {
            file.set_len(self.position.length)?;
            file.sync_data()
        });
        let (source, certain) = match failure {
            Failure::Write(source) => (source, cut.is_ok()),
            Failure::Sync(source) => (source, false),
        };
        if !certain {
            self.doubt = Some(format!("{}: {source}", appending(path)));
        }
        StoreError::Io { what: appending(path), source }
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<Held, StoreError> {
        self.put_as(name, &self.path(name), bytes)
    }

    /// Makes a file that holds exactly `bytes`, on disk, and only then gives it its name.
    fn put_as(&self, name: &str, target: &Path, bytes: &[u8]) -> Result<Held, StoreError> {
        self.remove_temporary(name)?;
        let temporary = self.temporary(name);
        write_new(&temporary, bytes)
            .and_then(|file| fs::rename(&temporary, target).map(|()| file))
            .inspect_err(|_| {
                // Gives the space back. If that fails too, the next call or start clears it away.
                let _ = fs::remove_file(&temporary);
            })
            .map_err(io("write", target))
    }

    fn sync_folder(&self) -> Result<(), StoreError> {
        self.handle.sync_all().map_err(io("sync", &self.folder))
    }

    fn aside(&self, name: &str, label: &str) -> PathBuf {
        self.folder.join(format!("{name}.{label}"))
    }
}

/// Which step of an append failed.
enum Failure {
    Write(io::Error),
    Sync(io::Error),
}

fn appending(path: &Path) -> String {
    format!("append to {}", path.display())
}
