//! A disk without space: errors, nothing lost, and on it goes once there is space again. On a small tmpfs.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;

use marblerun_store::{FileStore, Position, Store, StoreError};
use tempfile::TempDir;

/// A file system of 256 KiB; unmounted when dropped.
struct Small {
    folder: TempDir,
}

impl Small {
    fn mount() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            crate::say("SKIPPED: a tmpfs cannot be mounted here (root and CAP_SYS_ADMIN are needed)");
        }
        mounted.then_some(Self { folder })
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Leaves no space at all.
    fn fill(&self) {
        let mut size = 1 << 16;
        while size > 0 {
            let path = self.folder.path().join(format!("filler-{size}-{}", names(&self.folder)));
            if fs::write(path, vec![1; size]).is_err() {
                size /= 2;
            }
        }
    }

    fn free(&self) {
        for entry in fs::read_dir(self.folder.path()).unwrap().map(Result::unwrap) {
            if entry.file_name().to_string_lossy().starts_with("filler") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }
}

/// How many names there are: a number that no filler has yet.
fn names(folder: &TempDir) -> usize {
    fs::read_dir(folder.path()).unwrap().count()
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.folder.path()).status();
    }
}

/// Appends pages until there is no space; gives what was acknowledged.
fn exhaust(store: &mut FileStore, mut position: Position, data: &mut Vec<u8>) -> Position {
    for n in 0.. {
        let page = [n; 5000];
        match store.append(position, &page) {
            Ok(next) => {
                position = next;
                data.extend(page);
            }
            Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::StorageFull => break,
            Err(other) => panic!("{other}"),
        }
    }
    position
}

#[test]
fn a_full_disk_refuses_writes_keeps_everything_and_goes_on_when_space_is_back() {
    let Some(disk) = Small::mount() else { return };
    let mut store = FileStore::open(disk.state()).unwrap();
    store.write_key(b"key").unwrap();
    let position = store.load().unwrap().position;
    let mut data = b"start".to_vec();
    let position = store.replace(position, &data).unwrap();
    fs::write(disk.folder.path().join("filler"), vec![1; 100_000]).unwrap();
    let position = exhaust(&mut store, position, &mut data);
    disk.fill();

    assert!(store.append(position, &[7; 5000]).is_err());
    assert!(store.replace(position, &[8; 50_000]).is_err());
    assert!(store.write_key(&[9; 5000]).is_err());
    assert!(store.copy_aside("old").is_err());
    let found = store.load().unwrap();
    assert_eq!((found.key.as_deref(), found.data.as_ref()), (Some(&b"key"[..]), Some(&data)));

    disk.free();
    let position = store.append(position, b"after").unwrap();
    data.extend(b"after");
    drop(store);
    let mut store = FileStore::open(disk.state()).unwrap();
    assert_eq!(store.load().unwrap().data.unwrap(), data);
    assert_eq!(position.length, data.len() as u64);
}
