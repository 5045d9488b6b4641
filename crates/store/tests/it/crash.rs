//! Killed at, or refused by, every system call: the folder holds the old or the new state, never another.
//!
//! The test runs itself as a child under `strace`, which kills it at (or fails) the n-th call that touches the folder,
//! for every n until the child gets through.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use marblerun_store::{FileStore, Loaded, MemoryStore, Position, Store, StoreError};
use tempfile::TempDir;

/// What the child does, each step acknowledged before the next.
#[derive(Clone, Copy)]
enum Step {
    Key(&'static [u8]),
    Replace(&'static [u8]),
    Append(&'static [u8]),
    Aside,
    Clear,
}

const STEPS: &[Step] = &[
    Step::Key(b"key one"),
    Step::Replace(b"snapshot one,"),
    Step::Append(b"first,"),
    Step::Append(b"second,"),
    Step::Aside,
    Step::Key(b"key two"),
    Step::Replace(b"snapshot two,"),
    Step::Append(b"third"),
    Step::Clear,
    Step::Key(b"key three"),
    Step::Replace(b"snapshot three,"),
    Step::Append(b"last"),
];

const CALLS: &str =
    "openat,read,write,pwrite64,fsync,fdatasync,rename,ftruncate,unlink,mkdir,statx,newfstatat,fstat,flock";

fn take(store: &mut dyn Store, position: &mut Position, step: Step) -> Result<(), StoreError> {
    match step {
        Step::Key(bytes) => store.write_key(bytes),
        Step::Replace(bytes) => store.replace(*position, bytes).map(|moved| *position = moved),
        Step::Append(bytes) => store.append(*position, bytes).map(|moved| *position = moved),
        Step::Aside => store.copy_aside("old").map(drop),
        Step::Clear => {
            store.clear()?;
            store.load().map(|loaded| *position = loaded.position)
        }
    }
}

/// Key and data after so many steps.
fn after(steps: usize) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let mut memory = MemoryStore::new();
    let mut position = Position::default();
    for step in &STEPS[..steps] {
        take(&mut memory, &mut position, *step).unwrap();
    }
    content(memory.load().unwrap())
}

fn content(loaded: Loaded) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    (loaded.key, loaded.data)
}

/// The child: not a test of its own. After an error it does what a writer does: it tries again, with a replacement
/// by what it holds in memory if the store asks for that.
#[test]
#[ignore = "the tests below run it as their child"]
fn child() {
    #[allow(clippy::disallowed_methods, reason = "how the parent tells where to work")]
    let (Ok(folder), Ok(log)) = (std::env::var("STORE_FOLDER"), std::env::var("STORE_LOG")) else { return };
    let mut store = FileStore::open(&folder).or_else(|_| FileStore::open(&folder)).unwrap();
    let mut position = store.load().or_else(|_| store.load()).unwrap().position;
    for (n, step) in STEPS.iter().enumerate() {
        match take(&mut store, &mut position, *step) {
            Ok(()) => {}
            Err(StoreError::Conflict { .. } | StoreError::Locked(_)) => panic!("nobody else is here"),
            Err(StoreError::ReplaceFirst(_)) => heal(&mut store, &mut position, n + 1),
            Err(_) => match take(&mut store, &mut position, *step) {
                Err(StoreError::ReplaceFirst(_)) => heal(&mut store, &mut position, n + 1),
                other => other.unwrap(),
            },
        }
        fs::write(&log, (n + 1).to_string()).unwrap();
    }
    assert_eq!(content(store.load().or_else(|_| store.load()).unwrap()), after(STEPS.len()));
}

fn heal(store: &mut FileStore, position: &mut Position, steps: usize) {
    *position = store.replace(*position, &after(steps).1.unwrap()).unwrap();
}

/// One run of the child.
struct Run {
    output: Output,
    place: TempDir,
    /// How many steps it acknowledged.
    acknowledged: usize,
    /// The names of the calls that touched the folder, in order.
    calls: Vec<String>,
}

impl Run {
    fn found(&self) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        content(FileStore::open(self.place.path().join("state")).unwrap().load().unwrap())
    }

    fn text(&self) -> String {
        [&self.output.stdout, &self.output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
    }
}

/// Runs the child, with this fault.
fn run(fault: Option<&str>) -> Run {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("state");
    let [log, trace] = ["log", "trace"].map(|name| place.path().join(name));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "signal=none", "-e", &format!("trace={CALLS}"), "-o"]).arg(&trace);
    if let Some(fault) = fault {
        strace.args(["-e", &format!("inject={fault}")]);
    }
    for path in touched(&folder) {
        strace.arg("-P").arg(path);
    }
    let output = strace
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--ignored", "--test-threads=1", "--nocapture"])
        .env("STORE_FOLDER", &folder)
        .env("STORE_LOG", &log)
        .output()
        .unwrap();
    let acknowledged = fs::read_to_string(&log).map_or(0, |text| text.parse().unwrap_or(0));
    let calls = fs::read_to_string(&trace).unwrap().lines().filter_map(name).collect();
    Run { output, place, acknowledged, calls }
}

/// `4711 fsync(3) = 0` -> `fsync`.
fn name(line: &str) -> Option<String> {
    let (before, _) = line.split_once('(')?;
    before.split_whitespace().last().map(str::to_owned)
}

fn touched(folder: &Path) -> Vec<PathBuf> {
    let names = ["", ".lock", "sealed_data", "sealed_key", ".sealed_data.new", ".sealed_key.new"];
    let aside = ["sealed_data.old", "sealed_key.old"];
    let parent = folder.parent().unwrap().to_path_buf();
    [parent].into_iter().chain(names.iter().chain(&aside).map(|name| folder.join(name))).collect()
}

/// The calls to break, each by its name and which of that name it is; `None`, said aloud, if they cannot be traced.
fn calls() -> Option<Vec<(String, usize)>> {
    let works = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    if !works.is_ok_and(|status| status.success()) {
        crate::say("SKIPPED: strace is not installed or may not trace here");
        return None;
    }
    let whole = run(None);
    assert!(whole.output.status.success(), "{}", whole.text());
    assert_eq!((whole.acknowledged, whole.found()), (STEPS.len(), after(STEPS.len())));
    assert!(whole.calls.len() > 60, "the filter misses some: {:?}", whole.calls);
    let numbered = whole.calls.iter().enumerate().map(|(at, name)| {
        let nth = whole.calls[..=at].iter().filter(|other| *other == name).count();
        (name.clone(), nth)
    });
    Some(numbered.collect())
}

#[test]
fn killed_at_every_system_call_it_holds_the_old_or_the_new() {
    for (name, n) in calls().unwrap_or_default() {
        let run = run(Some(&format!("{name}:signal=KILL:when={n}")));
        assert!(!run.output.status.success(), "{name} {n} was not reached");
        let found = run.found();
        let (old, new) = (after(run.acknowledged), after((run.acknowledged + 1).min(STEPS.len())));
        let allowed = match STEPS.get(run.acknowledged) {
            // The key goes first: data without a key asks for recovery.
            Some(Step::Clear) => vec![(None, old.1.clone()), old, new],
            _ => vec![old, new],
        };
        assert!(allowed.contains(&found), "{name} {n}: {} steps, found {found:?}", run.acknowledged);
    }
}

#[test]
fn refused_any_system_call_it_goes_on_and_loses_nothing() {
    for (name, n) in calls().unwrap_or_default() {
        let run = run(Some(&format!("{name}:error=EIO:when={n}")));
        let text = run.text();
        assert!(run.output.status.success(), "{name} {n}, {} steps:\n{text}", run.acknowledged);
        assert_eq!(run.found(), after(STEPS.len()), "{name} {n}");
    }
}

/// What the kernel dropped in a failed sync cannot be known, and the next one would not tell.
#[test]
fn after_a_failed_sync_all_is_written_anew_before_anything_is_appended() {
    let syncs = calls().unwrap_or_default().into_iter().filter(|(name, _)| name == "fdatasync");
    for (name, n) in syncs {
        let run = run(Some(&format!("{name}:error=EIO:when={n}")));
        let failed = run.calls.iter().enumerate().filter(|(_, call)| **call == name).nth(n - 1).unwrap().0;
        let next = run.calls[failed..].iter().find(|call| ["pwrite64", "rename"].contains(&call.as_str()));
        assert_eq!(next.map(String::as_str), Some("rename"), "{n}: {:?}", run.calls);
    }
}
