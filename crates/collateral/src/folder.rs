//! The cache on disk: one file per entry, replaced as a whole, and the newest signed time. Nothing in it is trusted: each
//! entry is held against the roots when it is read, and the folder's owner can at most make us fetch again.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::{Bundle, CollateralError, Entry, Key};

/// Larger files are not read, in bytes.
const LONGEST: u64 = 4 << 20;
const NEWEST: &str = "newest";
const ENDING: &str = "json";

/// Where entries are kept across restarts.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Writes an entry and the newest signed time.
    pub(crate) fn write(&self, key: &Key, entry: Entry, newest: u64) -> Result<(), CollateralError> {
        fs::create_dir_all(&self.0).map_err(|error| failed(&self.0, &error))?;
        self.replace(&format!("{key}.{ENDING}"), &Bundle::new(vec![entry]).to_json())?;
        self.replace(NEWEST, newest.to_string().as_bytes())
    }

    /// Takes an entry away, if it is there.
    pub(crate) fn remove(&self, key: &Key) -> Result<(), CollateralError> {
        let path = self.0.join(format!("{key}.{ENDING}"));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path, &error)),
            _ => Ok(()),
        }
    }

    /// All entries that can be read, at most `at_most`, and the newest signed time. A folder that is not there is empty.
    pub(crate) fn read(&self, at_most: usize) -> Result<(Vec<Entry>, u64), CollateralError> {
        let files = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
            files => files.map_err(|error| failed(&self.0, &error))?,
        };
        let paths = files.filter_map(Result::ok).map(|file| file.path());
        let paths = paths.filter(|path| path.extension().is_some_and(|ending| ending == ENDING));
        let bundles = paths.take(at_most).filter_map(|path| Bundle::from_json(&bounded(&path).ok()?).ok());
        let entries = bundles.flat_map(|bundle| bundle.entries).take(at_most).collect();
        let newest = bounded(&self.0.join(NEWEST)).ok().and_then(|text| String::from_utf8(text).ok());
        Ok((entries, newest.and_then(|text| text.trim().parse().ok()).unwrap_or_default()))
    }

    /// The old content or the new one, whenever the machine stops.
    fn replace(&self, name: &str, content: &[u8]) -> Result<(), CollateralError> {
        let (path, temporary) = (self.0.join(name), self.0.join(format!(".{name}.tmp")));
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        };
        write().map_err(|error| failed(&path, &error))
    }
}

fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut content)?;
    Ok(content)
}

fn failed(path: &Path, error: &io::Error) -> CollateralError {
    CollateralError::Folder { path: path.display().to_string(), reason: error.to_string() }
}
