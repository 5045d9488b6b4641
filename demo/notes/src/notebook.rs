//! The notes: what they are, how many there may be, and that they are on disk before anybody hears of them.

use serde::{Deserialize, Serialize};

use crate::vault::{Vault, VaultError};

/// The longest note, in bytes.
pub const MAX_NOTE: usize = 4 << 10;

/// More are not kept: a client must not fill the disk.
pub const MAX_NOTES: usize = 1000;

/// One note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// From 1, in the order of writing.
    pub number: usize,
    /// UUID of the marble that wrote it, from its certificate.
    pub author: String,
    /// What it says.
    pub text: String,
}

/// The body of a `POST /notes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewNote {
    /// What it shall say.
    pub text: String,
}

/// All notes, in memory and encrypted on disk.
pub struct Notebook {
    vault: Vault,
    notes: Vec<Note>,
}

impl Notebook {
    /// The notes that `vault` holds. If it opens under the key of `previous` alone, they are encrypted anew under its own;
    /// also says whether that happened.
    ///
    /// # Errors
    /// If the vault does not open, or holds something else.
    pub fn open(vault: Vault, previous: Option<Vault>) -> Result<(Self, bool), NotebookError> {
        let (content, moved) = load(&vault, previous)?;
        let notes = match content {
            Some(content) => serde_json::from_slice(&content).map_err(|_| NotebookError::Content)?,
            None => Vec::new(),
        };
        let notebook = Self { vault, notes };
        if moved {
            notebook.save()?;
        }
        Ok((notebook, moved))
    }

    /// All notes.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Adds a note; when this returns, it is on disk.
    ///
    /// # Errors
    /// If it is empty or too long, there are too many, or the disk refuses; then nothing changes.
    pub fn add(&mut self, author: &str, text: &str) -> Result<Note, NotebookError> {
        if text.is_empty() || text.len() > MAX_NOTE {
            return Err(NotebookError::Length(text.len()));
        }
        if self.notes.len() >= MAX_NOTES {
            return Err(NotebookError::Full);
        }
        let note = Note { number: self.notes.len() + 1, author: author.to_owned(), text: text.to_owned() };
        self.notes.push(note.clone());
        if let Err(error) = self.save() {
            self.notes.pop();
            return Err(error);
        }
        Ok(note)
    }

    fn save(&self) -> Result<(), NotebookError> {
        let content = serde_json::to_vec(&self.notes).map_err(|_| NotebookError::Content)?;
        Ok(self.vault.store(&zeroize::Zeroizing::new(content))?)
    }
}

type Content = Option<zeroize::Zeroizing<Vec<u8>>>;

/// The content under either key, and whether it was the previous one. What opens under neither fails as under the own.
fn load(vault: &Vault, previous: Option<Vault>) -> Result<(Content, bool), VaultError> {
    match (vault.load(), previous) {
        (Err(sealed @ VaultError::Sealed { .. }), Some(previous)) => match previous.load() {
            Ok(content) => Ok((content, true)),
            Err(_) => Err(sealed),
        },
        (loaded, _) => Ok((loaded?, false)),
    }
}

/// A note was not kept, or the notes were not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotebookError {
    /// Not between 1 and [`MAX_NOTE`] bytes.
    #[error("a note has 1 to {MAX_NOTE} bytes, this one has {0}")]
    Length(usize),
    /// [`MAX_NOTES`] are there.
    #[error("the notebook is full: it keeps {MAX_NOTES} notes")]
    Full,
    /// The file opens, but holds no notes.
    #[error("the file holds no notes that this version can read")]
    Content,
    /// The file.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn open(folder: &Path) -> Notebook {
        Notebook::open(vault(folder, "ab"), None).unwrap().0
    }

    fn vault(folder: &Path, key: &str) -> Vault {
        Vault::new(&folder.join("notes"), &key.repeat(32)).unwrap()
    }

    #[test]
    fn a_rotated_key_opens_the_notes_once_more() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).add("a", "one").unwrap();
        let (new, old) = (|| vault(folder.path(), "cd"), || vault(folder.path(), "ab"));
        assert!(Notebook::open(new(), None).is_err());
        assert!(Notebook::open(new(), Some(vault(folder.path(), "ef"))).is_err());
        let (notebook, moved) = Notebook::open(new(), Some(old())).unwrap();
        assert!(moved && notebook.notes().len() == 1);
        let (_, moved) = Notebook::open(new(), Some(old())).unwrap();
        assert!(!moved && old().load().is_err(), "it lies under the new key now");
    }

    #[test]
    fn notes_are_there_again_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path()).add("a", "one").unwrap();
        assert_eq!(first.number, 1);
        let mut again = open(folder.path());
        again.add("b", "two").unwrap();
        assert_eq!(open(folder.path()).notes(), again.notes());
        assert_eq!(again.notes()[0], first);
    }

    #[test]
    fn what_is_not_kept_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut notebook = open(folder.path());
        for length in [0, MAX_NOTE + 1] {
            assert_eq!(notebook.add("a", &"x".repeat(length)), Err(NotebookError::Length(length)));
        }
        std::fs::remove_dir_all(folder.path()).unwrap();
        assert!(matches!(notebook.add("a", "one"), Err(NotebookError::Vault(_))));
        assert!(notebook.notes().is_empty());
    }
}
