//! Damage to the sealed files: never taken for a first start, never a panic, and the message says what to do.

use std::fs;
use std::path::Path;

use marblerun_core::journal::keyfile::KeyFile;
use marblerun_core::journal::{Dek, Header, Journal, Kek};
use marblerun_core::keys::FreshKeys;
use marblerun_core::recovery::Hints;
use marblerun_testkit::program::{Coordinator, Options};
use tempfile::TempDir;

use crate::running::{Running, options, plain};

/// What a start on this folder comes to.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// It runs in this state.
    State(u64),
    /// It ended with status 1, saying this.
    Refused(Vec<&'static str>),
}

const WHAT_TO_DO: [&str; 2] = ["Restore sealed_data from a backup", "start anew"];

#[test]
fn damage_has_the_outcome_that_loses_nothing() {
    type Damage = fn(&Path);
    let refused = || Outcome::Refused(WHAT_TO_DO.to_vec());
    let cases: &[(&str, Damage, Outcome)] = &[
        ("nothing", |_| {}, Outcome::State(3)),
        ("no files", |f| (remove(f, "sealed_data"), remove(f, "sealed_key")).0, Outcome::State(2)),
        ("no key", |f| remove(f, "sealed_key"), Outcome::State(1)),
        ("an empty key", |f| fs::write(f.join("sealed_key"), b"").unwrap(), Outcome::State(1)),
        ("a key of garbage", |f| fs::write(f.join("sealed_key"), [0xff; 500]).unwrap(), Outcome::State(1)),
        ("half a key", |f| cut(f, "sealed_key", 2), Outcome::State(1)),
        ("a flipped bit in the key", |f| flip(f, "sealed_key", 2), Outcome::State(1)),
        ("no data", |f| remove(f, "sealed_data"), refused()),
        ("empty data", |f| fs::write(f.join("sealed_data"), b"").unwrap(), refused()),
        ("data of garbage", |f| fs::write(f.join("sealed_data"), [0xff; 5000]).unwrap(), refused()),
        ("half the data", |f| cut(f, "sealed_data", 2), refused()),
        ("a flipped bit in the data", |f| flip(f, "sealed_data", 2), refused()),
        ("a flipped bit at the beginning", |f| flip(f, "sealed_data", 1000), refused()),
        (
            "damaged data without a key",
            |f| (remove(f, "sealed_key"), flip(f, "sealed_data", 1000)).0,
            refused(),
        ),
    ];
    let original = sealed();
    for (case, damage, expected) in cases {
        let folder = copy(original.path());
        damage(folder.path());
        let before = files(folder.path());
        assert_eq!(outcome(folder.path(), expected), *expected, "{case}");
        if matches!(expected, Outcome::Refused(_) | Outcome::State(1)) {
            assert_eq!(files(folder.path()), before, "{case}: nothing is changed");
        }
    }
}

#[test]
fn a_lone_unused_key_is_a_first_start() {
    let folder = TempDir::new().unwrap();
    let kek = Kek::generate(&FreshKeys).unwrap();
    let file = KeyFile::new("simulation", kek.0.to_vec());
    fs::write(folder.path().join("sealed_key"), file.to_bytes(&kek).unwrap()).unwrap();
    let running = Running::with(Options { seal_dir: Some(folder.path().into()), ..options() });
    assert_eq!(running.state(), 2);
    assert_eq!(running.set(&plain()).status, 200);
}

#[test]
fn a_state_made_elsewhere_is_refused() {
    let folder = TempDir::new().unwrap();
    let (kek, dek) = (Kek::generate(&FreshKeys).unwrap(), Dek::generate(&FreshKeys).unwrap());
    let mut file = KeyFile::new("sgx", kek.0.to_vec());
    let dek_id = file.wrap(&dek, &kek, &FreshKeys).unwrap();
    file.used = true;
    let header = Header { format: 1, origin: "sgx".into(), dek_id, recovery: Hints::default() };
    let (_, data) = Journal::start(header, dek, &kek, None, b"{}", &FreshKeys).unwrap();
    fs::write(folder.path().join("sealed_key"), file.to_bytes(&kek).unwrap()).unwrap();
    fs::write(folder.path().join("sealed_data"), data).unwrap();
    let expected =
        Outcome::Refused(vec!["was made in \"sgx\"", "runs in \"simulation\"", "Use another folder"]);
    assert_eq!(outcome(folder.path(), &expected), expected);
    remove(folder.path(), "sealed_key");
    assert_eq!(outcome(folder.path(), &expected), expected);
}

#[test]
fn a_second_coordinator_on_the_same_folder_is_refused() {
    let mut first = Running::serving(&plain());
    let folder = first.process.seal_dir.clone();
    let expected = Outcome::Refused(vec!["is in use by another process", "name another folder"]);
    assert_eq!(outcome(&folder, &expected), expected);
    assert_eq!(first.state(), 3, "the first one goes on");
    first.process.restart().unwrap();
    assert_eq!(first.state(), 3);
}

/// A folder with a deployment in it.
fn sealed() -> TempDir {
    let folder = TempDir::new().unwrap();
    let running = Running::with(Options { seal_dir: Some(folder.path().into()), ..options() });
    assert_eq!(running.set(&plain()).status, 200);
    running.activate("cellar").unwrap();
    folder
}

/// Starts there; of a refusal, only those sentences of `expected` that it says.
fn outcome(folder: &Path, expected: &Outcome) -> Outcome {
    let options = Options { seal_dir: Some(folder.into()), ..options() };
    let error = match Coordinator::start(options) {
        Ok(process) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let running = Running { process, runtime, marble: crate::running::Marble::new() };
            return Outcome::State(running.state());
        }
        Err(error) => error.to_string(),
    };
    assert!(error.contains("exit status: 1") && !error.contains("panicked"), "{error}");
    let Outcome::Refused(sentences) = expected else { panic!("{error}") };
    let said: Vec<_> = sentences.iter().copied().filter(|sentence| error.contains(sentence)).collect();
    assert_eq!(said, *sentences, "{error}");
    Outcome::Refused(said)
}

fn copy(from: &Path) -> TempDir {
    let folder = TempDir::new().unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    folder
}

fn files(folder: &Path) -> Vec<Option<Vec<u8>>> {
    ["sealed_data", "sealed_key"].map(|name| fs::read(folder.join(name)).ok()).into()
}

fn remove(folder: &Path, name: &str) {
    fs::remove_file(folder.join(name)).unwrap();
}

/// Leaves the first `part`-th.
fn cut(folder: &Path, name: &str, part: usize) {
    let bytes = fs::read(folder.join(name)).unwrap();
    fs::write(folder.join(name), &bytes[..bytes.len() / part]).unwrap();
}

/// Flips a bit after the first `part`-th.
fn flip(folder: &Path, name: &str, part: usize) {
    let mut bytes = fs::read(folder.join(name)).unwrap();
    let at = bytes.len() / part;
    bytes[at] ^= 1;
    fs::write(folder.join(name), bytes).unwrap();
}
