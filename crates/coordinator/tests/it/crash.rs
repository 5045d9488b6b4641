//! Killed at every system call that a commit makes on the sealed state: after a restart there is the old or the new
//! state, never a fresh one after an acknowledged commit, and never a recovery that was not there before.

use std::fs;
use std::path::{Path, PathBuf};

use marblerun_testkit::program::Options;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::running::{PROGRAM, Running, manifest, options, plain, run};

/// What writes; a kill between two reads differs in nothing.
const CALLS: &str = "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,ftruncate,link,linkat,mkdir";

/// One kind of commit.
struct Commit {
    /// Makes the sealed state that is there before.
    before: fn(&Path),
    /// Does it, and says whether it was acknowledged.
    act: fn(&Running) -> bool,
    /// What may be there after a restart.
    check: fn(&mut Running, acknowledged: bool),
}

#[test]
fn of_a_first_manifest() {
    at_every_call(&Commit { before: |_| {}, act: set_plain, check: old_is_a_first_start });
}

#[test]
fn of_an_activation_that_counts() {
    at_every_call(&Commit {
        before: |folder| drop(serving_with_one_activation(folder)),
        act: |running| running_activate(running),
        check: counts_one_or_two,
    });
}

#[test]
fn of_a_manifest_set_anew_in_recovery() {
    at_every_call(&Commit {
        before: |folder| {
            drop(serving_with_one_activation(folder));
            fs::remove_file(folder.join("sealed_key")).unwrap();
        },
        act: |running| set(running, &anew()),
        check: old_is_recovery,
    });
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
        let (folder, acknowledged) = killed_at(commit, &before, name, *nth);
        let restarted = Options { seal_dir: Some(folder.path().join("state")), ..options() };
        let mut running = Running::with(restarted);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (commit.check)(&mut running, acknowledged);
        }));
        assert!(outcome.is_ok(), "killed at {name} number {nth} (acknowledged: {acknowledged})");
    }
    crate::say(&format!("killed at {} system calls: {calls:?}", calls.len()));
}

/// Runs to the kill; gives the folder and whether the commit was acknowledged.
fn killed_at(commit: &Commit, before: &Path, name: &str, nth: usize) -> (TempDir, bool) {
    let place = copy(before);
    let fault = format!("{name}:signal=KILL:when={nth}");
    let traced = traced(&place, Some(&fault));
    let mut running = Running::with(traced);
    let acknowledged = (commit.act)(&running);
    let process = running.process.process().unwrap();
    process.wait(crate::running::PATIENCE).unwrap_or_else(|_| panic!("{name} number {nth} was not reached"));
    (place, acknowledged)
}

/// The calls of the commit, each by its name and which of that name it is in the life of the process; `None`, said
/// aloud, if they cannot be traced here.
fn calls(commit: &Commit, before: &Path) -> Option<Vec<(String, usize)>> {
    let tried = run("strace", &["-D", "-f", "-qq", "-o", "/dev/null", "true"], before.parent().unwrap())?;
    if !tried.status.success() {
        crate::say("SKIPPED: strace may not trace here");
        return None;
    }
    let place = copy(before);
    let running = Running::with(traced(&place, None));
    let trace = || {
        let text = fs::read_to_string(place.path().join("trace")).unwrap();
        text.lines().filter(|line| !line.contains("resumed>")).map(str::to_owned).collect::<Vec<_>>()
    };
    let earlier = trace().len();
    assert!((commit.act)(&running));
    let all = trace();
    let names: Vec<_> = all.iter().filter_map(|line| name(line)).collect();
    assert_eq!(names.len(), all.len());
    let numbered = (earlier..names.len()).filter(|at| all[*at].contains("O_CREAT") || names[*at] != "openat");
    let numbered =
        numbered.map(|at| (names[at].clone(), names[..=at].iter().filter(|n| **n == names[at]).count()));
    let numbered: Vec<_> = numbered.collect();
    assert!(numbered.iter().any(|(name, _)| name.ends_with("sync")), "the filter misses some: {all:?}");
    Some(numbered)
}

/// `4711 fsync(3) = 0` -> `fsync`.
fn name(line: &str) -> Option<String> {
    let (before, _) = line.split_once('(')?;
    before.split_whitespace().last().map(str::to_owned)
}

/// The Coordinator below strace, which looks at the files of the sealed state alone. `-D` makes strace the child, so
/// that the process we start becomes the Coordinator.
fn traced(place: &TempDir, fault: Option<&str>) -> Options {
    let folder = place.path().join("state");
    let mut args = vec!["-D".to_owned(), "-f".into(), "-qq".into(), "-e".into(), "signal=none".into()];
    args.extend(["-e".into(), format!("trace={CALLS}"), "-o".into(), path(&place.path().join("trace"))]);
    args.extend(fault.iter().flat_map(|fault| ["-e".to_owned(), format!("inject={fault}")]));
    args.extend(touched(&folder).iter().flat_map(|file| ["-P".to_owned(), path(file)]));
    args.push(PROGRAM.into());
    Options { program: Some("strace".into()), args, seal_dir: Some(folder), ..Options::default() }
}

fn touched(folder: &Path) -> Vec<PathBuf> {
    let names = ["sealed_data", "sealed_key", ".sealed_data.new", ".sealed_key.new"];
    [folder.to_owned()].into_iter().chain(names.map(|name| folder.join(name))).collect()
}

fn path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
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
    running.process.restart().unwrap();
    counts_one_or_two(&mut running, true);
}
