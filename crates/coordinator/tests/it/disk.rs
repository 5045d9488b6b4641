//! A store that fails: what is in memory and what is on disk stay the same, and nothing acknowledged is lost.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use marblerun_coordinator::ledger::{Found, Ledger, LedgerError};
use marblerun_coordinator::writer::{CommitError, Published, Writer};
use marblerun_core::keys::FreshKeys;
use marblerun_core::pki::Pki;
use marblerun_core::{Abilities, Command, Deployment, Phase, Prepared, Recovery, State, prepare};
use marblerun_store::faulty::{Fault, Faulty, Plan};
use marblerun_store::{FileStore, MemoryStore, Store};
use marblerun_testkit::program::{Coordinator, Options};
use tempfile::TempDir;

use crate::running::{Running, manifest, options, plain};

/// A ledger and its writer, as a process has them.
pub(crate) struct Life {
    writer: Writer,
    pub(crate) published: Arc<Published>,
    runtime: tokio::runtime::Runtime,
    thread: std::thread::JoinHandle<()>,
}

impl Life {
    pub(crate) fn begin(store: Box<dyn Store>) -> Result<Self, LedgerError> {
        let tee: Arc<dyn marblerun_tee::Tee> = marblerun_tee::detect(true).unwrap().into();
        let (ledger, found) = Ledger::open(store, tee.into(), Arc::new(FreshKeys))?;
        let state = match found {
            Found::Nothing => State::Accepting(Arc::new(pki())),
            Found::Deployment(deployment) => State::Serving(*deployment),
            Found::Locked { header, reason } => {
                State::Recovery(Arc::new(Recovery::new(pki(), Some(*header), reason)))
            }
        };
        let published = Arc::new(ArcSwap::from_pointee(state));
        let (writer, thread) = Writer::start(ledger, Arc::clone(&published)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Ok(Self { writer, published, runtime, thread })
    }

    fn set(&self, manifest: &serde_json::Value) -> Result<(), CommitError> {
        self.submit(Command::SetManifest(self.prepared(manifest)))
    }

    pub(crate) fn prepared(&self, manifest: &serde_json::Value) -> Arc<Prepared> {
        let state = self.published.load();
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000);
        Arc::new(
            prepare(manifest.to_string().as_bytes(), state.pki(), &FreshKeys, &Abilities::default(), now)
                .unwrap(),
        )
    }

    pub(crate) fn count(&self) -> Result<(), CommitError> {
        self.submit(Command::CountActivation { marble_type: "cellar".into(), epoch: self.deployment().epoch })
    }

    pub(crate) fn submit(&self, command: Command) -> Result<(), CommitError> {
        self.runtime.block_on(self.writer.submit(command)).map(drop)
    }

    fn deployment(&self) -> Deployment {
        self.published.load().deployment().unwrap().clone()
    }

    pub(crate) fn counted(&self) -> u64 {
        self.deployment().activations.get("cellar").copied().unwrap_or_default()
    }

    pub(crate) fn phase(&self) -> Phase {
        self.published.load().phase()
    }

    /// The process ends; its store is closed.
    pub(crate) fn end(self) {
        drop(self.writer);
        self.thread.join().unwrap();
    }
}

fn pki() -> Pki {
    Pki::generate(&["localhost".into()], &[], &FreshKeys, SystemTime::UNIX_EPOCH).unwrap()
}

/// `cellar` is limited, far away.
fn counting() -> serde_json::Value {
    manifest(
        serde_json::json!({"cellar": {"Package": "cider", "MaxActivations": 100_000}}),
        serde_json::json!({}),
    )
}

pub(crate) fn is_not_durable(outcome: &Result<(), CommitError>) -> bool {
    matches!(outcome, Err(CommitError::NotDurable(_)))
}

/// A first life that counted twice, in memory that outlives it.
fn counted_twice() -> MemoryStore {
    let store = MemoryStore::new();
    let life = Life::begin(Box::new(store.clone())).unwrap();
    life.set(&counting()).unwrap();
    life.count().unwrap();
    life.count().unwrap();
    life.end();
    store
}

fn counted_in(store: &MemoryStore) -> u64 {
    let life = Life::begin(Box::new(store.clone())).unwrap();
    let counted = life.counted();
    life.end();
    counted
}

/// T3: every possible short read, and a flipped bit at many places, once. Either the start is refused, or all that was
/// acknowledged before and after is there.
#[test]
fn one_bad_read_at_start_loses_nothing() {
    let whole = counted_twice().load().unwrap().data.unwrap().len();
    let short = (0..whole).map(Fault::Short);
    let flipped = (0..whole).step_by(7).map(Fault::Flipped);
    let mut refused = 0;
    let template = counted_twice();
    for fault in short.step_by(5).chain([whole - 1, whole - 8, whole - 40].map(Fault::Short)).chain(flipped) {
        let store = clone_of(&template);
        let plan = Plan::new();
        plan.fail_after(0, fault);
        match Life::begin(Box::new(Faulty::new(store.clone(), plan))) {
            Err(_) => refused += 1,
            Ok(life) => {
                life.count().unwrap();
                life.end();
                assert_eq!(counted_in(&store), 3, "{fault:?}");
                continue;
            }
        }
        assert_eq!(counted_in(&store), 2, "{fault:?}");
    }
    assert!(refused > 100, "bad reads are noticed: {refused}");
}

/// Other bytes in another place: clones of a memory store share theirs.
fn clone_of(store: &MemoryStore) -> MemoryStore {
    let found = store.clone().load().unwrap();
    let mut copy = MemoryStore::new();
    copy.write_key(&found.key.unwrap()).unwrap();
    let empty = copy.load().unwrap().position;
    copy.replace(empty, &found.data.unwrap()).unwrap();
    copy
}

/// T5: every call of the store fails once, in each way, during a first manifest and two counts: what is published is
/// what a restart finds, and the next attempt succeeds.
#[test]
fn memory_equals_disk_whatever_call_fails() {
    for fault in
        [Fault::Refuse(ErrorKind::StorageFull), Fault::Refuse(ErrorKind::ReadOnlyFilesystem), Fault::Doubt]
    {
        for nth in 0..8 {
            let (store, plan) = (MemoryStore::new(), Plan::new());
            let life = Life::begin(Box::new(Faulty::new(store.clone(), plan.clone()))).unwrap();
            plan.fail_after(nth, fault);
            let case = format!("{fault:?} at call {nth}");
            set_until_done(&life, &case);
            let mut acknowledged = 0;
            for _ in 0..3 {
                let outcome = life.count();
                assert!(outcome.is_ok() || is_not_durable(&outcome), "{case}");
                acknowledged += u64::from(outcome.is_ok());
                assert_eq!(life.counted(), acknowledged, "{case}");
                assert_eq!(counted_in(&store), acknowledged, "{case}");
            }
            assert!(acknowledged >= 2, "{case}: it goes on");
            life.end();
        }
    }
}

fn set_until_done(life: &Life, case: &str) {
    let first = life.set(&counting());
    if first.is_err() {
        assert!(is_not_durable(&first), "{case}");
        assert_eq!(life.phase(), Phase::AcceptingManifest, "{case}");
        life.set(&counting()).unwrap();
    }
    assert_eq!(life.phase(), Phase::AcceptingMarbles, "{case}");
}

/// A file system of a given size; unmounted when dropped.
pub(crate) struct Small(TempDir);

impl Small {
    /// `None`, said aloud, where mounting is not allowed.
    pub(crate) fn mount(size: &str) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mount = ["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"];
        let mounted = Program::new("mount").args(mount).arg(folder.path()).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            crate::say("SKIPPED: a tmpfs cannot be mounted here (root and CAP_SYS_ADMIN are needed)");
            return None;
        }
        Some(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves no space at all.
    pub(crate) fn fill(&self) {
        for (n, size) in [1 << 16, 1 << 12, 1 << 8, 1].into_iter().enumerate() {
            for m in 0.. {
                let filler = self.path().join(format!("filler-{n}-{m}"));
                if std::fs::write(filler, vec![1; size]).is_err() {
                    break;
                }
            }
        }
    }

    pub(crate) fn free(&self) {
        for file in std::fs::read_dir(self.path()).unwrap().map(Result::unwrap) {
            if file.file_name().to_string_lossy().starts_with("filler") {
                std::fs::remove_file(file.path()).unwrap();
            }
        }
    }

    fn remount(&self, how: &str) {
        let remounted =
            Program::new("mount").args(["-o", &format!("remount,{how}")]).arg(self.path()).status();
        assert!(remounted.unwrap().success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Program::new("umount").arg(self.path()).status();
    }
}

fn file_store(disk: &Small) -> Box<dyn Store> {
    Box::new(FileStore::open(disk.path().join("state")).unwrap())
}

#[test]
fn a_full_disk_refuses_writes_and_goes_on_when_space_is_back() {
    let Some(disk) = Small::mount("128k") else { return };
    let life = Life::begin(file_store(&disk)).unwrap();
    disk.fill();
    assert!(is_not_durable(&life.set(&counting())));
    assert_eq!(life.phase(), Phase::AcceptingManifest);
    disk.free();
    life.set(&counting()).unwrap();

    disk.fill();
    // What is left of the last page can still be used.
    let mut counted = 0;
    while life.count().is_ok() {
        counted += 1;
    }
    assert!(counted < 100, "the disk is full");
    assert!(is_not_durable(&life.count()));
    assert_eq!(life.counted(), counted, "reads go on, and show what is durable");

    disk.free();
    life.count().unwrap();
    assert_eq!(life.counted(), counted + 1);
    life.end();
    let life = Life::begin(file_store(&disk)).unwrap();
    assert_eq!(life.counted(), counted + 1, "memory equals disk");
    life.end();
}

#[test]
fn a_full_disk_is_a_named_error_over_the_wire_and_reads_go_on() {
    let Some(disk) = Small::mount("128k") else { return };
    let folder: PathBuf = disk.path().join("state");
    let mut running = Running::with(Options { seal_dir: Some(folder), ..options() });
    disk.fill();
    let refused = running.set(&plain());
    assert_eq!(refused.status, 500);
    assert!(String::from_utf8_lossy(&refused.body).contains("could not be stored"));
    assert_eq!(running.state(), 2);
    disk.free();
    assert_eq!(running.set(&plain()).status, 200);
    disk.fill();
    running.activate("press").unwrap();
    assert_eq!(running.get("/api/v2/manifest").status, 200);
    disk.free();
    running.process.restart().unwrap();
    assert_eq!(running.state(), 3);
    running.process.kill().unwrap();
}

#[test]
fn a_read_only_folder_is_refused_at_start_and_named() {
    let Some(disk) = Small::mount("128k") else { return };
    let folder = disk.path().join("state");
    let mut first = Running::with(Options { seal_dir: Some(folder.clone()), ..options() });
    assert_eq!(first.set(&plain()).status, 200);
    first.process.kill().unwrap();
    disk.remount("ro");
    let error =
        Coordinator::start(Options { seal_dir: Some(folder.clone()), ..options() }).unwrap_err().to_string();
    assert!(error.contains("exit status: 1") && error.contains("state"), "{error}");
    assert!(error.contains("Read-only file system"), "{error}");
    disk.remount("rw");
    first.process.start_again().unwrap();
    assert_eq!(first.state(), 3);
    (0..3).for_each(|_| drop(first.activate("cellar").unwrap()));
    first.process.kill().unwrap();
}

/// What the kernel says to each `fsync` of a commit: an error to the caller, and the next attempt succeeds and is what
/// a restart finds.
#[test]
fn a_failed_fsync_is_an_error_and_the_next_attempt_counts() {
    let tried = Program::new("strace").args(["-D", "-qq", "-o", "/dev/null", "true"]).status();
    if !tried.is_ok_and(|status| status.success()) {
        return crate::say("SKIPPED: strace is not installed or may not trace here");
    }
    let mut failures = 0;
    for (call, nth) in
        [("fsync", 1), ("fsync", 2), ("fsync", 3), ("fsync", 4), ("fsync", 5), ("fdatasync", 1)]
    {
        let place = TempDir::new().unwrap();
        let folder = place.path().join("state");
        std::fs::create_dir(&folder).unwrap();
        let fault = format!("inject={call}:error=EIO:when={nth}");
        let args =
            ["-D", "-f", "-qq", "-e", "signal=none", "-e", "trace=fsync,fdatasync", "-o", "/dev/null", "-e"];
        let mut args: Vec<String> = args.map(str::to_owned).into();
        args.extend([fault, crate::running::PROGRAM.to_owned()]);
        let options =
            Options { program: Some("strace".into()), args, seal_dir: Some(folder.clone()), ..options() };
        let running = Running::with(options);
        failures += usize::from(again(|| running.set(&plain()).status == 200));
        failures += usize::from(again(|| running.activate("cellar").is_ok()));
        drop(running);
        let running = Running::with(Options { seal_dir: Some(folder), ..crate::running::options() });
        assert_eq!(running.state(), 3, "{call} {nth}");
        let left = (0..4).take_while(|_| running.activate("cellar").is_ok()).count();
        assert_eq!(left, 2, "{call} {nth}");
    }
    assert!(failures >= 4, "{failures} callers saw an error");
}

/// Whether the first attempt failed; the second one must not.
fn again(attempt: impl Fn() -> bool) -> bool {
    let failed = !attempt();
    assert!(!failed || attempt());
    failed
}
