//! The demo as a user runs it: to its end, and interrupted on the way.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// For processes that were killed to disappear.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// A demo in a temporary folder of its own, whose path stands in the environment of all its descendants.
struct Demo {
    folder: TempDir,
    child: Child,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_notes-demo"));
        command.env("TMPDIR", folder.path()).stdin(Stdio::null()).stdout(Stdio::piped());
        Self { child: command.spawn().unwrap(), folder }
    }

    /// Reads its page until a line contains `text`, or to the end.
    fn read_until(&mut self, text: Option<&str>) -> String {
        let mut page = String::new();
        let mut lines = BufReader::new(self.child.stdout.as_mut().unwrap());
        while lines.read_line(&mut page).unwrap() > 0 {
            if text.is_some_and(|text| page.lines().last().unwrap_or_default().contains(text)) {
                return page;
            }
        }
        assert_eq!(text, None, "the page ended early:\n{page}");
        page
    }

    fn end(mut self, signal: Option<Signal>) -> (ExitStatus, TempDir) {
        if let Some(signal) = signal {
            kill_process(Pid::from_child(&self.child), signal).unwrap();
        }
        (self.child.wait().unwrap(), self.folder)
    }
}

/// Processes in whose environment `folder` stands.
fn descendants(folder: &Path) -> Vec<String> {
    let marker = format!("TMPDIR={}\0", folder.display());
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ours = processes.filter(|process| {
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        environment.windows(marker.len()).any(|window| window == marker.as_bytes())
    });
    ours.map(|process| std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default()).collect()
}

/// Polled, since nothing wakes us when somebody else's children end.
fn assert_nobody_is_left(folder: &Path, when: &str) {
    let start = Instant::now();
    while start.elapsed() < GONE_WITHIN {
        if descendants(folder).is_empty() {
            return;
        }
        std::thread::yield_now();
    }
    panic!("left behind when {when}: {:?}", descendants(folder));
}

#[test]
fn it_shows_what_it_promises_and_leaves_nothing() {
    let mut demo = Demo::start();
    let page = demo.read_until(None);
    let (status, folder) = demo.end(None);
    assert_eq!(status.code(), Some(0), "{page}");
    let mut rest = page.as_str();
    for wanted in [
        "SOFTWARE TEE",
        "Build the programs",
        "emulator sign bin/notes-server",
        "Start a Coordinator",
        "Manifest successfully set",
        "listening on 127.0.0.1:",
        "wrote     note 1",
        "wrote     note 2",
        "I asked   notes-server",
        "over      TLSv1.3",
        "read      note 2",
        "admitted notes-client",
        "a client without a certificate is refused",
        "a client with a certificate of its own making is refused",
        "kill -9",
        "it holds the same manifest and the same root certificate",
        "no 8 in a row of any note among them",
        "with 2 notes",
        "read      note 2",
        "does not open with this marble's key",
        "Packages.notes-server.SecurityVersion",
        "the old build may not come back",
        "not the one that was signed",
        "Revoked",
        "opens the notes",
        "the root secret is rotated",
        "1 user still needs to acknowledge",
        "Update successfully",
        "now under a",
        "new keys for both, and the notes are all there",
        "recovery mode",
        "Remaining",
        "Recovery successful.",
        "the same root certificate, the same manifest",
        "with 2 notes",
        "Initial manifest set",
        "Waiting for acknowledgments",
        "Complete Manifest updated",
        "the tree has exactly these entries",
        "All of this was seen to be so",
    ] {
        let (_, after) =
            rest.split_once(wanted).unwrap_or_else(|| panic!("no {wanted:?} in\n{rest}\n\nof\n{page}"));
        rest = after;
    }
    let long: Vec<_> = page.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(long.is_empty(), "lines are short: {long:?}");
    assert!(!page.contains('\u{1b}'), "no colour in a pipe");
    assert_nobody_is_left(folder.path(), "it ended by itself");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "its folder is removed");
}

#[test]
fn a_signal_at_any_moment_leaves_no_process_and_no_file() {
    for (moment, signal) in [
        ("Build the programs", Signal::INT),
        ("Set the manifest", Signal::TERM),
        ("writes and reads notes", Signal::HUP),
        ("Kill the Coordinator", Signal::INT),
        ("Restart the notes service", Signal::TERM),
        ("A flaw is found", Signal::INT),
        ("A tampered build", Signal::TERM),
        ("Alice proposes new keys", Signal::INT),
        ("The sealed key is lost", Signal::HUP),
    ] {
        let mut demo = Demo::start();
        demo.read_until(Some(moment));
        let (status, folder) = demo.end(Some(signal));
        assert_eq!(status.code(), Some(130), "{moment}");
        assert_nobody_is_left(folder.path(), moment);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{moment}: its folder is removed");
    }
}

#[test]
fn even_when_the_demo_itself_is_killed_nobody_is_left() {
    let mut demo = Demo::start();
    demo.read_until(Some("writes and reads notes"));
    let (status, folder) = demo.end(Some(Signal::KILL));
    assert_eq!(status.signal(), Some(9));
    assert_nobody_is_left(folder.path(), "it was killed");
}
