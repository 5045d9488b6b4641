//! Writes the files of a marble: mode 0600, new parent folders 0700, and never half of one.
//!
//! Nothing is made durable: the files come anew with every activation.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Writes every file; relative paths start at `base`. An existing file is replaced; what is no ordinary file (a
/// device of an enclave runtime, say) is written into.
///
/// # Errors
/// The first file that cannot be written. Those before it stay.
pub fn write_files(files: &BTreeMap<String, Zeroizing<Vec<u8>>>, base: &Path) -> Result<(), FileError> {
    files.iter().try_for_each(|(name, content)| {
        let failed = |why: &io::Error| FileError { name: name.clone(), why: why.to_string() };
        write(&base.join(name), content).map_err(|error| failed(&error))
    })
}

/// As [`write_files`], in an enclave. `gramine` is the folder of Gramine's device, where it takes keys of encrypted files:
/// these come first, since other files may lie where they are needed.
///
/// # Errors
/// As [`write_files`]; also if Gramine has no key of that name.
pub(crate) fn write_files_in_enclave(
    files: &BTreeMap<String, Zeroizing<Vec<u8>>>,
    base: &Path,
    gramine: Option<&Path>,
) -> Result<(), FileError> {
    let is_key = |name: &str| gramine.is_some_and(|device| is_gramine_key(&base.join(name), device));
    let (keys, others): (BTreeMap<_, _>, BTreeMap<_, _>) = files
        .iter()
        .map(|(name, content)| (name.clone(), content.clone()))
        .partition(|(name, _)| is_key(name));
    for (name, key) in &keys {
        let failed = |why: io::Error| FileError { name: name.clone(), why: why.to_string() };
        write_into(&base.join(name), key).map_err(failed)?;
    }
    write_files(&others, base)
}

/// Neither can be replaced or made: they only look like files.
fn is_gramine_key(path: &Path, device: &Path) -> bool {
    path == device.join("protected_files_key") || path.starts_with(device.join("keys"))
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let (Some(folder), Some(_)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("the path names no file"));
    };
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(io::Error::other("the path names a folder"));
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    match fs::symlink_metadata(path) {
        Ok(existing) if existing.is_dir() => Err(io::Error::other("there is a folder of that name")),
        Ok(existing) if !existing.is_file() && !existing.is_symlink() => write_into(path, content),
        _ => replace(path, folder, content),
    }
}

fn write_into(path: &Path, content: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(content)
}

fn replace(path: &Path, folder: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = unfinished(folder)?;
    let written = create(&unfinished, content).and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}

fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(content)
}

/// A name that nobody can have placed before.
fn unfinished(folder: &Path) -> io::Result<PathBuf> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("the system gives no randomness"))?;
    Ok(folder.join(format!(".marble-{:016x}", u64::from_ne_bytes(bytes))))
}

/// A file of the manifest could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("writing the file {name:?} that the manifest gives this marble: {why}")]
pub struct FileError {
    /// Its name in the manifest.
    pub name: String,
    /// What the system said.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn files(entries: &[(&str, &[u8])]) -> BTreeMap<String, Zeroizing<Vec<u8>>> {
        entries.iter().map(|(name, content)| ((*name).into(), content.to_vec().into())).collect()
    }

    #[test]
    fn files_and_their_new_folders_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let absolute = folder.path().join("absolute/key").display().to_string();
        write_files(&files(&[(&absolute, b"\x00\xff"), ("a/b/c", b""), ("plain", b"x")]), folder.path())
            .unwrap();
        let check = |path: &str, content: &[u8]| {
            let path = folder.path().join(path);
            assert_eq!(fs::read(&path).unwrap(), content);
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        };
        check("absolute/key", b"\x00\xff");
        check("a/b/c", b"");
        check("plain", b"x");
        assert_eq!(mode(&folder.path().join("a")), 0o700);
        assert_eq!(mode(&folder.path().join("a/b")), 0o700);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing unfinished is left");
    }

    #[test]
    fn an_open_file_of_that_name_is_replaced_not_filled() {
        let folder = tempfile::tempdir().unwrap();
        let (readable, link) = (folder.path().join("readable"), folder.path().join("link"));
        fs::write(&readable, "old").unwrap();
        fs::set_permissions(&readable, fs::Permissions::from_mode(0o644)).unwrap();
        symlink(&readable, &link).unwrap();
        write_files(&files(&[("link", b"new")]), folder.path()).unwrap();
        assert_eq!(fs::read(&readable).unwrap(), b"old", "a link is not followed");
        write_files(&files(&[("readable", b"new")]), folder.path()).unwrap();
        assert_eq!(mode(&readable), 0o600);
        write_files(&files(&[("/dev/null", b"new")]), folder.path()).unwrap();
        assert_ne!(mode(Path::new("/dev/null")), 0o600, "a device stays what it is");
    }

    #[test]
    fn keys_of_gramine_are_written_into_its_device_and_before_all_else() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("dev/attestation");
        fs::create_dir_all(device.join("keys")).unwrap();
        for key in ["keys/default", "protected_files_key"] {
            fs::write(device.join(key), "").unwrap();
            fs::set_permissions(device.join(key), fs::Permissions::from_mode(0o666)).unwrap();
        }
        let all = [
            ("a/folder/", &b"fails"[..]),
            ("dev/attestation/keys/default", b"key"),
            ("dev/attestation/protected_files_key", b"old"),
        ];
        let failed = write_files_in_enclave(&files(&all), folder.path(), Some(&device)).unwrap_err();
        assert_eq!(failed.name, "a/folder/");
        assert_eq!(fs::read(device.join("keys/default")).unwrap(), b"key");
        assert_eq!(fs::read(device.join("protected_files_key")).unwrap(), b"old");
        assert_eq!(mode(&device.join("keys/default")), 0o666, "it was not replaced");

        let unknown = [("dev/attestation/keys/unknown", &b"key"[..]), ("other", b"")];
        write_files_in_enclave(&files(&unknown), folder.path(), Some(&device)).unwrap_err();
        assert!(!folder.path().join("other").exists());
        assert_eq!(fs::read_dir(device.join("keys")).unwrap().count(), 1, "no key is made");
        write_files_in_enclave(&files(&unknown), folder.path(), None).unwrap();
        assert_eq!(mode(&device.join("keys/unknown")), 0o600, "in Occlum it is a file as any other");
    }

    #[test]
    fn what_names_no_file_is_an_error_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        for name in ["", "/", "..", "folder/", "file/below", "nul\0"] {
            let error = write_files(&files(&[(name, b"secret")]), folder.path()).unwrap_err();
            assert_eq!(error.name, name);
            assert!(!error.to_string().contains("secret"));
        }
    }
}
