//! A host that lies about time: evidence is refused with what is wrong about the clock or the collateral, nothing panics,
//! and nobody is admitted. The clock of the Coordinator's process is set by libfaketime.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use marblerun_testkit::program::Coordinator;

use crate::scene::Scene;

/// As libfaketime is told by how much the clock is wrong.
const TEN_YEARS_AGO: &str = "-3650d";
const IN_TEN_YEARS: &str = "+3650d";

/// A scene whose Coordinator has ended with collateral on disk, and what sets clocks; `None`, said aloud, if nothing does.
fn scene() -> Option<(Scene, PathBuf)> {
    let library = library()?;
    let mut scene = Scene::new();
    scene.activate(scene.asks_from("default")).unwrap();
    assert!(scene.coordinator.stop().unwrap().success());
    Some((scene, library))
}

/// Where Debian has it: under the name of the machine's architecture. Says aloud if it is not there.
pub(crate) fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
    let mut libraries = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1"));
    let found = libraries.find(|library| library.exists());
    if found.is_none() {
        let _ = writeln!(std::io::stderr(), "SKIPPED: faketime is not installed here");
    }
    found
}

/// The Coordinator on the same state, with a clock that is wrong. Preloaded and not by the program `faketime`, which would
/// stand between the test and the process.
fn start_at(scene: &Scene, library: &Path, offset: &str) -> Result<Coordinator, String> {
    let options = scene.options.clone().env("LD_PRELOAD", &library.display().to_string());
    // Only what time it is changes; time-outs go on as they are.
    let options = options.env("FAKETIME", offset).env("DONT_FAKE_MONOTONIC", "1");
    Coordinator::start(options).map_err(|error| format!("{error:#}"))
}

/// Nobody is admitted, for these reasons; and who refuses is in good health.
#[track_caller]
fn refuses(scene: &Scene, words: &[&str]) {
    let why = scene.activate(scene.asks_from("default")).unwrap_err();
    assert!(words.iter().all(|word| why.contains(word)), "{words:?}: {why}");
    assert_eq!(scene.get("/api/v2/status").status, 200);
    assert!(!scene.coordinator.log().contains("panicked"), "{}", scene.coordinator.log());
}

#[test]
fn a_clock_before_what_a_vendor_signed_is_not_started_with() {
    let Some((scene, library)) = scene() else { return };
    let error = start_at(&scene, &library, TEN_YEARS_AGO).unwrap_err();
    assert!(error.contains("set the clock") && !error.contains("panicked"), "{error}");
}

#[test]
fn a_clock_years_back_admits_nobody() {
    let Some((mut scene, library)) = scene() else { return };
    // Whoever sets the clock back can take away what was kept, too.
    fs::remove_dir_all(scene.lab.desk.path("seal/collateral")).unwrap();
    scene.coordinator = start_at(&scene, &library, TEN_YEARS_AGO).unwrap();
    refuses(&scene, &["the collateral for", "is valid from", "not at"]);
}

#[test]
fn a_clock_years_ahead_admits_nobody() {
    let Some((mut scene, library)) = scene() else { return };
    scene.coordinator = start_at(&scene, &library, IN_TEN_YEARS).unwrap();
    refuses(&scene, &["the collateral for", "its nextUpdate has passed"]);
    // Nothing was spoilt by it.
    scene.coordinator.kill().unwrap();
    scene.coordinator = Coordinator::start(scene.options.clone()).unwrap();
    scene.activate(scene.asks_from("default")).unwrap();
}
