//! Killed at every system call that a commit makes on the sealed state: after a restart there is the old or the new
//! state, never a fresh one after an acknowledged commit, and never a recovery that was not there before.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use marblerun_testkit::program::{Options, Process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::holders;
use crate::running::{PATIENCE, Running, manifest, options, plain, run};
use crate::updates::{self, Owned};

/// What writes; a kill between two reads differs in nothing.
const CALLS: &str = "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,ftruncate,link,linkat,mkdir";

/// One kind of commit.
struct Commit {
    /// Makes the sealed state that is there before.
    before: Box<dyn Fn(&Path)>,
    /// Does it, and says whether it was acknowledged.
    act: Box<dyn Fn(&Running) -> bool>,
    /// What may be there after a restart.
    check: fn(&mut Running, acknowledged: bool),
}

#[test]
fn of_a_first_manifest() {
    at_every_call(&Commit {
        before: Box::new(|_| {}),
        act: Box::new(set_plain),
        check: old_is_a_first_start,
    });
}

#[test]
fn of_an_activation_that_counts() {
    at_every_call(&Commit {
        before: Box::new(|folder| drop(serving_with_one_activation(folder))),
        act: Box::new(running_activate),
        check: counts_one_or_two,
    });
}

#[test]
fn of_a_manifest_set_anew_in_recovery() {
    at_every_call(&Commit {
        before: Box::new(|folder| {
            drop(serving_with_one_activation(folder));
            fs::remove_file(folder.join("sealed_key")).unwrap();
        }),
        act: Box::new(|running| set(running, &anew())),
        check: old_is_recovery,
    });
}

/// With a key that does not open, so that keeping it aside is part of it.
#[test]
fn of_a_recovery() {
    at_every_call(&Commit {
        before: Box::new(|folder| {
            let running = Running::with(Options { seal_dir: Some(folder.into()), ..options() });
            let secrets = holders::set(&running, &holders::manifest(&[holders::ONE], 0), &[holders::ONE]);
            running.activate("cellar").unwrap();
            drop(running);
            fs::write(folder.join("sealed_key"), b"damaged").unwrap();
            fs::write(folder.join("recovery-body"), secrets[0].body()).unwrap();
        }),
        act: Box::new(recover),
        check: recovered_or_to_be_recovered,
    });
}

/// An owner's update, with the marble type that it adds.
#[test]
fn of_an_update() {
    at_every_call(&update(&json!({})));
}

/// Both data keys are in `sealed_key` on the way, so that a kill never leads to recovery.
#[test]
fn of_an_update_that_changes_the_data_key() {
    at_every_call(&update(&json!({"RecoveryKeys": holders::manifest(&[holders::ONE], 0)["RecoveryKeys"]})));
}

fn update(changes: &Value) -> Commit {
    let mut marbles = plain()["Marbles"].take();
    marbles["orchard"] = json!({"Package": "cider"});
    let mut changes = changes.clone();
    changes["Marbles"] = marbles;
    // The owner's key is made once, for the state of before and for every attempt.
    let owned = std::rc::Rc::new(std::cell::OnceCell::<Owned>::new());
    let (first, then) = (std::rc::Rc::clone(&owned), owned);
    Commit {
        before: Box::new(move |folder| {
            let owned = Owned::new(Options { seal_dir: Some(folder.into()), ..options() }, 1, &json!({}));
            owned.running.activate("cellar").unwrap();
            assert!(first.set(owned.stopped()).is_ok());
        }),
        act: Box::new(move |running| {
            let owned = then.get().unwrap();
            let manifest = owned.manifest(&changes);
            let call = updates::post(
                running.process.client_addr,
                owned.identity(0),
                "/api/v2/update",
                manifest.to_string(),
            );
            running.runtime.block_on(call).is_ok_and(|answer| answer.status == 200)
        }),
        check: updated_or_not,
    }
}

fn updated_or_not(running: &mut Running, acknowledged: bool) {
    assert_eq!(running.state(), 3, "never recovery");
    let updated = running.activate("orchard").is_ok();
    assert!(updated || !acknowledged);
    let left = (0..4).take_while(|_| running_activate(running)).count();
    assert_eq!(left, 2, "the activation of before counts");
    running.process.restart().unwrap();
    assert_eq!((running.state(), running.activate("orchard").is_ok()), (3, updated));
}

fn recover(running: &Running) -> bool {
    let body = fs::read(running.process.seal_dir.join("recovery-body")).unwrap();
    let answer = running.request("POST", "/api/v2/recover", &body);
    answer.is_ok_and(|answer| answer.status == 200)
}

fn recovered_or_to_be_recovered(running: &mut Running, acknowledged: bool) {
    if running.state() == 1 {
        assert!(!acknowledged);
        assert!(recover(running), "recovery goes on as one");
        running.process.restart().unwrap();
    }
    assert_eq!(running.state(), 3);
    let left = (0..4).take_while(|_| running_activate(running)).count();
    assert_eq!(left, 2, "the activation of before counts");
    let kept = fs::read(running.process.seal_dir.join("sealed_key.before-recovery-2"));
    assert_eq!(kept.unwrap(), b"damaged");
}

/// A manifest that differs from [`plain`].
fn anew() -> Value {
    manifest(json!({"orchard": {"Package": "cider"}}), json!({}))
}

fn set_plain(running: &Running) -> bool {
    set(running, &plain())
}

/// An error means that the connection broke before an answer.
fn set(running: &Running, manifest: &Value) -> bool {
    let answer = running.request("POST", "/manifest", manifest.to_string().as_bytes());
    answer.is_ok_and(|answer| answer.status == 200)
}

fn running_activate(running: &Running) -> bool {
    let ask = running.marble.asks("cellar", crate::running::UUID);
    let address = running.process.mesh_addr;
    let call = marblerun_testkit::client::grpc::activate(address, Some(&running.marble.identity), ask);
    matches!(running.runtime.block_on(call), Ok(Ok(_)))
}

fn serving_with_one_activation(folder: &Path) -> Running {
    let running = Running::with(Options { seal_dir: Some(folder.into()), ..options() });
    assert_eq!(running.set(&plain()).status, 200);
    running.activate("cellar").unwrap();
    running
}

fn old_is_a_first_start(running: &mut Running, acknowledged: bool) {
    if acknowledged || running.state() == 3 {
        assert_eq!(running.state(), 3);
        running.activate("press").unwrap();
    } else {
        assert_eq!(running.state(), 2);
        assert!(set_plain(running), "a first start goes on as one");
        running.process.restart().unwrap();
        assert_eq!(running.state(), 3);
    }
}

fn counts_one_or_two(running: &mut Running, acknowledged: bool) {
    assert_eq!(running.state(), 3);
    let left = (0..4).take_while(|_| running_activate(running)).count();
    assert!(left == 1 || left == 2 && !acknowledged, "{left} of 3 are left, acknowledged: {acknowledged}");
}

fn old_is_recovery(running: &mut Running, acknowledged: bool) {
    if acknowledged || running.state() == 3 {
        assert_eq!(running.state(), 3);
    } else {
        assert_eq!(running.state(), 1);
        assert!(set(running, &anew()), "recovery goes on as one");
        running.process.restart().unwrap();
        assert_eq!(running.state(), 3);
    }
    running.activate("orchard").unwrap();
    let aside = fs::read_dir(&running.process.seal_dir).unwrap();
    let kept = aside.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().contains("before-"));
    assert!(kept.count() > 0, "the old state is kept aside");
}

fn at_every_call(commit: &Commit) {
    let place = TempDir::new().unwrap();
    let before = place.path().join("before");
    (commit.before)(&before);
    let Some(calls) = calls(commit, &before) else { return };
    for (name, nth) in &calls {
        let (_folder, mut running, acknowledged) = killed_at(commit, &before, name, *nth);
        running.process.start_again().unwrap();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (commit.check)(&mut running, acknowledged);
        }));
        assert!(outcome.is_ok(), "killed at {name} number {nth} (acknowledged: {acknowledged})");
    }
    crate::say(&format!("killed at {} system calls: {calls:?}", calls.len()));
}

/// Runs to the kill; says whether the commit was acknowledged.
fn killed_at(commit: &Commit, before: &Path, name: &str, nth: usize) -> (TempDir, Running, bool) {
    let place = copy(before);
    let mut running = on(&place);
    let strace = attach(&running, &place, Some(&format!("{name}:signal=KILL:when={nth}")));
    let acknowledged = (commit.act)(&running);
    let process = running.process.process().unwrap();
    process.wait(PATIENCE).unwrap_or_else(|_| panic!("{name} number {nth} was not reached"));
    drop(strace);
    (place, running, acknowledged)
}

/// The calls of the commit, each by its name and which of that name it is; `None`, said aloud, if they cannot be
/// traced here.
fn calls(commit: &Commit, before: &Path) -> Option<Vec<(String, usize)>> {
    let tried = run("strace", &["-f", "-qq", "-o", "/dev/null", "true"], before.parent().unwrap())?;
    if !tried.status.success() {
        crate::say("SKIPPED: strace may not trace here");
        return None;
    }
    let place = copy(before);
    let mut running = on(&place);
    let mut strace = attach(&running, &place, None);
    assert!((commit.act)(&running));
    running.process.kill().unwrap();
    // It ends with what it traces, and its trace is whole then.
    strace.wait(PATIENCE).unwrap();
    let text = fs::read_to_string(place.path().join("trace")).unwrap();
    let all: Vec<_> = text.lines().filter_map(|line| Some((name(line)?, line))).collect();
    let writes = |at: &usize| all[*at].0 != "openat" || all[*at].1.contains("O_CREAT");
    let numbered = (0..all.len()).filter(writes).map(|at| {
        let nth = all[..=at].iter().filter(|(name, _)| *name == all[at].0).count();
        (all[at].0.clone(), nth)
    });
    let numbered: Vec<_> = numbered.collect();
    assert!(numbered.iter().any(|(name, _)| name.ends_with("sync")), "the filter misses some: {all:?}");
    Some(numbered)
}

/// `4711 fsync(3) = 0` -> `fsync`.
fn name(line: &str) -> Option<String> {
    let (before, _) = line.split_once('(')?;
    before.split_whitespace().last().map(str::to_owned)
}

fn on(place: &TempDir) -> Running {
    Running::with(Options { seal_dir: Some(place.path().join("state")), ..options() })
}

/// strace on all threads of a running Coordinator, looking at the files of the sealed state alone. It counts calls by
/// thread, from now on; commits are made by one thread.
fn attach(running: &Running, place: &TempDir, fault: Option<&str>) -> Process {
    let pid = running.process.pid().unwrap();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "signal=none", "-e", &format!("trace={CALLS}")]);
    strace.args(["-p", &pid.to_string(), "-o"]).arg(place.path().join("trace"));
    strace.args(fault.iter().flat_map(|fault| ["-e".to_owned(), format!("inject={fault}")]));
    for file in touched(&place.path().join("state")) {
        strace.arg("-P").arg(file);
    }
    let mut process = Process::start(&mut strace, &place.path().join("strace.log")).unwrap();
    let begun = std::time::Instant::now();
    while !is_traced(pid) {
        assert!(process.exited().unwrap().is_none() && begun.elapsed() < PATIENCE, "{}", process.log());
        std::thread::yield_now();
    }
    process
}

/// Whether every thread is.
fn is_traced(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).unwrap_or_default()).all(
        |status| {
            status
                .lines()
                .any(|line| line.strip_prefix("TracerPid:").is_some_and(|tracer| tracer.trim() != "0"))
        },
    )
}

fn touched(folder: &Path) -> Vec<PathBuf> {
    let names = ["sealed_data", "sealed_key", ".sealed_data.new", ".sealed_key.new"];
    [folder.to_owned()].into_iter().chain(names.map(|name| folder.join(name))).collect()
}

/// A folder in which `state` has the files of `before`.
fn copy(before: &Path) -> TempDir {
    let place = TempDir::new().unwrap();
    let state = place.path().join("state");
    fs::create_dir(&state).unwrap();
    for file in fs::read_dir(before).into_iter().flatten().map(Result::unwrap) {
        fs::copy(file.path(), state.join(file.file_name())).unwrap();
    }
    place
}

/// A kill right after the answer, too: what was acknowledged is there.
#[test]
fn after_the_answer_everything_is_there() {
    let mut running = Running::serving(&plain());
    running.process.restart().unwrap();
    assert_eq!(running.state(), 3);
    running.activate("cellar").unwrap();
    running.activate("cellar").unwrap();
    running.process.restart().unwrap();
    counts_one_or_two(&mut running, true);
}
