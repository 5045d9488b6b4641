//! Random sequences of calls and restarts: a folder does what a vector of bytes would do.

use marblerun_store::{FileStore, Loaded, MemoryStore, Store};
use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<u8>),
    Replace(Vec<u8>),
    WriteKey(Vec<u8>),
    CopyAside,
    Clear,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || vec(any::<u8>(), 0..40);
    prop_oneof![
        4 => bytes().prop_map(Step::Append),
        2 => bytes().prop_map(Step::Replace),
        1 => bytes().prop_map(Step::WriteKey),
        1 => Just(Step::CopyAside),
        1 => Just(Step::Clear),
        1 => Just(Step::Restart),
    ]
}

/// Whether the call was accepted.
fn take(store: &mut dyn Store, step: &Step) -> bool {
    let position = store.load().unwrap().position;
    match step {
        Step::Append(bytes) => store.append(position, bytes).is_ok(),
        Step::Replace(bytes) => store.replace(position, bytes).is_ok(),
        Step::WriteKey(bytes) => store.write_key(bytes).is_ok(),
        Step::CopyAside => store.copy_aside("x").is_ok(),
        Step::Clear => store.clear().is_ok(),
        Step::Restart => true,
    }
}

fn content(loaded: Loaded) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    (loaded.key, loaded.data)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_folder_equals_memory(steps in vec(step(), 1..30)) {
        let folder = TempDir::new().unwrap();
        let mut memory = MemoryStore::new();
        let mut file = FileStore::open(folder.path()).unwrap();
        for step in &steps {
            if matches!(step, Step::Restart) {
                drop(file);
                file = FileStore::open(folder.path()).unwrap();
            }
            prop_assert_eq!(take(&mut file, step), take(&mut memory, step));
            prop_assert_eq!(content(file.load().unwrap()), content(memory.load().unwrap()));
        }
    }
}
