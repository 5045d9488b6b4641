//! One file of secret bytes, encrypted and authenticated under a key that only this marble is given.
//!
//! Format: `NOTES 1` and a newline, a random 96-bit nonce, then AES-256-GCM ciphertext with its tag; the first line is
//! authenticated too. Every write makes a new nonce, far below the 2^32 writes that random nonces allow under one key
//! (NIST SP 800-38D section 8.3). A write replaces the file in one step, so a crash leaves the old one or the new one.
//!
//! It cannot tell that somebody put back an older file of the same marble.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

const MAGIC: &[u8] = b"NOTES 1\n";

/// Far above what the service keeps; a larger file is not ours, and none is written.
const MAX_FILE: u64 = 64 << 20;

/// An encrypted file and its key. Has no `Debug`, since it holds a key.
pub struct Vault {
    file: PathBuf,
    key: RandomizedNonceKey,
}

impl Vault {
    /// The vault in `file` under the 32 bytes in `hex_key`. Nothing is read yet.
    ///
    /// # Errors
    /// [`VaultError::Key`] if that is no such key.
    pub fn new(file: &Path, hex_key: &str) -> Result<Self, VaultError> {
        let bytes = Zeroizing::new(hex::decode(hex_key.trim()).map_err(|_| VaultError::Key)?);
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| VaultError::Key)?;
        Ok(Self { file: file.to_owned(), key })
    }

    /// The content; `None` if nothing was stored yet.
    ///
    /// # Errors
    /// [`VaultError::Sealed`] if the file was not written under this key, or was changed since.
    pub fn load(&self) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        match File::open(&self.file) {
            Ok(open) => self.open(&read(open).map_err(|error| self.failed("reading", &error))?).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("reading", &error)),
        }
    }

    /// Replaces the content, durably.
    ///
    /// # Errors
    /// If the file cannot be written; the old one then stays.
    pub fn store(&self, content: &[u8]) -> Result<(), VaultError> {
        let sealed = self.seal(content)?;
        if sealed.len() as u64 > MAX_FILE {
            return Err(self.failed("writing", &too_large()));
        }
        let unfinished = self.file.with_extension("unfinished");
        replace(&self.file, &unfinished, &sealed).map_err(|error| self.failed("writing", &error))
    }

    fn open(&self, file: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let sealed = || VaultError::Sealed { file: self.file.clone() };
        let rest = file.strip_prefix(MAGIC).ok_or_else(sealed)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_LEN).ok_or_else(sealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| sealed())?;
        let mut content = Zeroizing::new(ciphertext.to_vec());
        let length = self
            .key
            .open_in_place(nonce, Aad::from(MAGIC), content.as_mut_slice())
            .map_err(|_| sealed())?
            .len();
        content.truncate(length);
        Ok(content)
    }

    fn seal(&self, content: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut ciphertext = content.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(MAGIC), &mut ciphertext)
            .map_err(|_| VaultError::Encrypt)?;
        Ok([MAGIC, nonce.as_ref(), &ciphertext].concat())
    }

    fn failed(&self, doing: &'static str, error: &io::Error) -> VaultError {
        VaultError::Io { file: self.file.clone(), doing, why: error.to_string() }
    }
}

fn read(open: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE { Err(too_large()) } else { Ok(bytes) }
}

fn too_large() -> io::Error {
    io::Error::other(format!("the file is larger than {MAX_FILE} bytes"))
}

fn replace(file: &Path, unfinished: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(unfinished)?;
    open.write_all(bytes)?;
    open.sync_all()?;
    fs::rename(unfinished, file)?;
    let folder = file.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// The vault did not open or close.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// No key.
    #[error("the notes' key is not 32 bytes in hex; the manifest gives it in NOTES_KEY")]
    Key,
    /// Another key, or a changed file.
    #[error(
        "{} does not open with this marble's key: it was written under another UUID, or changed since; start with the \
         UUID file that it was written under, or move it away to begin anew", file.display()
    )]
    Sealed {
        /// Which file.
        file: PathBuf,
    },
    /// The cryptographic library failed.
    #[error("encrypting the notes: the system gives no randomness")]
    Encrypt,
    /// The file cannot be used.
    #[error("{doing} {}: {why}", file.display())]
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
    use super::*;

    const SECRET: &[u8] = b"the butler did it";

    fn vault(folder: &Path, key: u8) -> Vault {
        Vault::new(&folder.join("notes"), &hex::encode([key; 32])).unwrap()
    }

    #[test]
    fn what_is_stored_comes_back_under_the_same_key_only() {
        let folder = tempfile::tempdir().unwrap();
        assert!(vault(folder.path(), 1).load() == Ok(None));
        vault(folder.path(), 1).store(SECRET).unwrap();
        assert_eq!(**vault(folder.path(), 1).load().unwrap().unwrap(), *SECRET);
        let sealed = VaultError::Sealed { file: folder.path().join("notes") };
        assert_eq!(vault(folder.path(), 2).load().err(), Some(sealed));
    }

    #[test]
    fn the_file_is_ciphertext_and_never_the_same_twice() {
        let folder = tempfile::tempdir().unwrap();
        let store = || {
            vault(folder.path(), 1).store(SECRET).unwrap();
            fs::read(folder.path().join("notes")).unwrap()
        };
        let (first, second) = (store(), store());
        assert!(!first.windows(6).any(|window| SECRET.windows(6).any(|part| part == window)));
        assert_ne!(first[8..], second[8..]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing unfinished is left");
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path(), 1);
        let good = vault.seal(SECRET).unwrap();
        for index in 0..good.len() {
            let mut changed = good.clone();
            changed[index] ^= 1;
            assert!(vault.open(&changed).is_err(), "byte {index}");
            assert!(vault.open(&good[..index]).is_err(), "cut at {index}");
        }
        assert!(vault.open(&good).is_ok());
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        for key in ["", "00", "x".repeat(64).as_str(), "0".repeat(66).as_str()] {
            assert_eq!(Vault::new(Path::new("notes"), key).err(), Some(VaultError::Key));
        }
    }
}
