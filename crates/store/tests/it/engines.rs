//! Both engines, and the faulty wrapper without faults, conform.

use std::io::ErrorKind;

use marblerun_store::conformance::{Engine, run};
use marblerun_store::faulty::{Fault, Faulty, Plan};
use marblerun_store::{FileStore, Loaded, MemoryStore, Position, Store, StoreError};
use tempfile::TempDir;

struct Folders(TempDir);

impl Engine for Folders {
    fn clear(&mut self) {
        self.0 = TempDir::new().unwrap();
    }

    fn open(&mut self) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(FileStore::open(self.0.path().join("state"))?))
    }

    fn is_shared(&self) -> bool {
        false
    }
}

struct Memories(MemoryStore);

impl Engine for Memories {
    fn clear(&mut self) {
        self.0 = MemoryStore::new();
    }

    fn open(&mut self) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(Faulty::new(self.0.clone(), Plan::new())))
    }

    fn is_shared(&self) -> bool {
        true
    }
}

fn check(engine: &mut dyn Engine) {
    let outcomes = run(engine);
    let failed: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.is_err()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(outcomes.len() >= 18);
}

#[test]
fn files_conform() {
    check(&mut Folders(TempDir::new().unwrap()));
}

#[test]
fn memory_conforms_through_a_faultless_wrapper() {
    check(&mut Memories(MemoryStore::new()));
}

/// A store that forgets to check positions: the suite must notice.
struct Careless(MemoryStore);

impl Store for Careless {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        self.0.load()
    }

    fn append(&mut self, _: Position, bytes: &[u8]) -> Result<Position, StoreError> {
        let position = self.0.load()?.position;
        self.0.append(position, bytes)
    }

    fn replace(&mut self, expected: Position, bytes: &[u8]) -> Result<Position, StoreError> {
        self.0.replace(expected, bytes)
    }

    fn write_key(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.0.write_key(bytes)
    }

    fn copy_aside(&mut self, label: &str) -> Result<String, StoreError> {
        self.0.copy_aside(label)
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        self.0.clear()
    }
}

#[test]
fn the_suite_notices_a_store_without_position_checks() {
    struct Broken(MemoryStore);
    impl Engine for Broken {
        fn clear(&mut self) {
            self.0 = MemoryStore::new();
        }
        fn open(&mut self) -> Result<Box<dyn Store>, StoreError> {
            Ok(Box::new(Careless(self.0.clone())))
        }
        fn is_shared(&self) -> bool {
            true
        }
    }
    let outcomes = run(&mut Broken(MemoryStore::new()));
    let failed: Vec<_> = outcomes.iter().filter(|(_, o)| o.is_err()).map(|(name, _)| *name).collect();
    assert_eq!(
        failed,
        [
            "a stale position cannot append",
            "a position from before a replacement of the same length is stale",
            "a cleared place is empty, keeps what is aside, and can be used again",
            "a second process is kept out or conflicts"
        ]
    );
}

#[test]
fn planned_faults_happen_once_and_as_planned() {
    let shared = MemoryStore::new();
    let plan = Plan::new();
    let mut store = Faulty::new(shared.clone(), plan.clone());
    let start = store.load().unwrap().position;
    let position = store.replace(start, b"abc").unwrap();

    plan.fail_after(0, Fault::Refuse(ErrorKind::StorageFull));
    let refused = store.append(position, b"d");
    assert!(matches!(refused, Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::StorageFull));
    let position = store.append(position, b"d").unwrap();

    plan.fail_after(0, Fault::Doubt);
    assert!(store.append(position, b"e").is_err());
    assert!(matches!(store.append(position, b"e"), Err(StoreError::ReplaceFirst(_))));
    let position = store.replace(position, b"abcd").unwrap();

    plan.fail_after(0, Fault::Flipped(0));
    plan.fail_after(1, Fault::Short(2));
    assert_eq!(store.load().unwrap().data.unwrap(), b"`bcd");
    assert_eq!(store.load().unwrap().data.unwrap(), b"ab");
    assert_eq!(store.load().unwrap().data.unwrap(), b"abcd");

    plan.fail_after(0, Fault::Torn(2));
    assert!(store.append(position, b"efg").is_err());
    assert!(plan.is_dead() && store.load().is_err());
    assert_eq!(shared.clone().load().unwrap().data.unwrap(), b"abcdef");

    plan.restart();
    let position = store.load().unwrap().position;
    plan.fail_after(0, Fault::Unheard);
    assert!(store.replace(position, b"new").is_err());
    assert_eq!(shared.clone().load().unwrap().data.unwrap(), b"new");
}
