//! What is particular to a folder: modes, the lock, leftovers, files that change under us.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use marblerun_store::{FileStore, Position, Store, StoreError};
use tempfile::TempDir;

fn open(folder: &TempDir) -> FileStore {
    FileStore::open(folder.path()).unwrap()
}

fn started(folder: &TempDir, data: &[u8]) -> (FileStore, Position) {
    let mut store = open(folder);
    store.write_key(b"key").unwrap();
    let position = store.load().unwrap().position;
    let position = store.replace(position, data).unwrap();
    (store, position)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn nobody_else_can_read_what_is_written() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("a/state");
    let mut store = FileStore::open(&folder).unwrap();
    let position = store.load().unwrap().position;
    let position = store.replace(position, b"data").unwrap();
    store.append(position, b"more").unwrap();
    store.write_key(b"key").unwrap();
    store.copy_aside("old").unwrap();
    assert_eq!((mode(&folder), mode(folder.parent().unwrap())), (0o700, 0o700));
    for name in ["sealed_data", "sealed_key", "sealed_data.old", "sealed_key.old", ".lock"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
    let names = fs::read_dir(&folder).unwrap().count();
    assert_eq!(names, 5, "no temporary file is left");
}

#[test]
fn a_second_store_is_refused_until_the_first_is_dropped() {
    let folder = TempDir::new().unwrap();
    let first = open(&folder);
    let refused = FileStore::open(folder.path()).unwrap_err();
    assert!(matches!(&refused, StoreError::Locked(place) if Path::new(place) == folder.path()), "{refused}");
    drop(first);
    open(&folder);
}

#[test]
fn leftovers_of_an_interrupted_replacement_are_cleared_and_never_read() {
    let folder = TempDir::new().unwrap();
    drop(started(&folder, b"good"));
    for name in [".sealed_data.new", ".sealed_key.new"] {
        fs::write(folder.path().join(name), b"half a fi").unwrap();
    }
    let found = open(&folder).load().unwrap();
    assert_eq!((found.key.unwrap(), found.data.unwrap()), (b"key".to_vec(), b"good".to_vec()));
    assert!(!folder.path().join(".sealed_data.new").exists());
    assert!(!folder.path().join(".sealed_key.new").exists());
}

#[test]
fn what_cannot_be_read_is_never_reported_as_absent() {
    for name in ["sealed_data", "sealed_key"] {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join(name)).unwrap();
        let outcome = FileStore::open(folder.path()).and_then(|mut store| store.load());
        assert!(matches!(&outcome, Err(StoreError::Io { what, .. }) if what.contains(name)), "{outcome:?}");
    }
}

#[test]
fn a_key_of_hostile_size_is_refused() {
    let folder = TempDir::new().unwrap();
    let mut store = open(&folder);
    let file = fs::File::create(folder.path().join("sealed_key")).unwrap();
    file.set_len(1 << 40).unwrap();
    assert!(store.load().unwrap_err().to_string().contains("sealed_key"));
    assert!(store.write_key(&vec![0; (1 << 20) + 1]).is_err());
}

#[test]
fn data_that_was_removed_replaced_or_changed_under_us_is_written_anew_not_appended_to() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 4] = [
        ("removed", |data| fs::remove_file(data).unwrap()),
        ("replaced", |data| {
            fs::rename(data, data.with_file_name("elsewhere")).unwrap();
            fs::write(data, b"data").unwrap();
        }),
        ("cut", |data| fs::write(data, b"dat").unwrap()),
        ("longer", |data| fs::write(data, b"data!").unwrap()),
    ];
    for (name, harm) in harms {
        let folder = TempDir::new().unwrap();
        let (mut store, position) = started(&folder, b"data");
        harm(&folder.path().join("sealed_data"));
        for _ in 0..2 {
            let refused = store.append(position, b"x");
            assert!(matches!(refused, Err(StoreError::ReplaceFirst(_))), "{name}: {refused:?}");
        }
        let position = store.replace(position, b"whole").unwrap();
        store.append(position, b"!").unwrap();
        assert_eq!(store.load().unwrap().data.unwrap(), b"whole!", "{name}");
    }
}

#[test]
fn a_folder_that_was_emptied_under_us_belongs_to_whoever_started_next() {
    let folder = TempDir::new().unwrap();
    let (mut old, position) = started(&folder, b"old");
    for entry in fs::read_dir(folder.path()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let (mut new, _) = started(&folder, b"new");
    assert!(old.append(position, b"x").is_err());
    assert!(old.replace(position, b"x").is_err());
    assert!(old.write_key(b"x").is_err());
    assert!(old.load().is_err());
    assert_eq!(new.load().unwrap().data.unwrap(), b"new");
}

#[test]
fn what_is_kept_aside_stays_as_it_was() {
    let folder = TempDir::new().unwrap();
    let (mut store, position) = started(&folder, b"first");
    assert_eq!(store.copy_aside("t").unwrap(), "t");
    let position = store.append(position, b"!").unwrap();
    assert_eq!(store.copy_aside("t").unwrap(), "t-2");
    store.replace(position, b"other").unwrap();
    store.write_key(b"another key").unwrap();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!([read("sealed_data.t"), read("sealed_key.t")], ["first", "key"]);
    assert_eq!([read("sealed_data.t-2"), read("sealed_key.t-2")], ["first!", "key"]);
}

#[test]
fn a_label_taken_by_one_file_is_taken() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("sealed_key.t"), b"precious").unwrap();
    let mut store = started(&folder, b"data").0;
    assert_eq!(store.copy_aside("t").unwrap(), "t-2");
    assert_eq!(fs::read(folder.path().join("sealed_key.t")).unwrap(), b"precious");
}
