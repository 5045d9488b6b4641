//! A platform that its vendor revokes while the Coordinator runs, and a collateral service that goes away: what counts for
//! how long, by the Coordinator's own clock. libfaketime sets it while the process runs.

use std::path::PathBuf;

use marblerun_testkit::program::Coordinator;

use crate::clocks::library;
use crate::lab::SOON;
use crate::pccs::Gate;
use crate::scene::Scene;

/// Rules, identity and lists are all fetched anew; this is one of them.
const QUESTION: &str = "/sgx/certification/v4/tcb?";

/// A scene whose Coordinator's clock is what a file says.
struct Days {
    scene: Scene,
    file: PathBuf,
}

impl Days {
    /// With `refresh` as `EDG_COLLATERAL_REFRESH`; `None`, said aloud, if nothing sets clocks here.
    fn new(refresh: &str) -> Option<Self> {
        let library = library()?;
        let mut scene = Scene::new();
        assert!(scene.coordinator.stop().unwrap().success());
        let file = scene.lab.desk.path("clock");
        let days = |scene| Self { scene, file: file.clone() };
        let options = scene.options.clone().env("LD_PRELOAD", &library.display().to_string());
        let options = options.env("FAKETIME_TIMESTAMP_FILE", &file.display().to_string());
        // Read each time; and only what time it is changes, time-outs go on as they are.
        let options = options.env("FAKETIME_NO_CACHE", "1").env("DONT_FAKE_MONOTONIC", "1");
        std::fs::write(&file, "+0s").unwrap();
        scene.coordinator = Coordinator::start(options.env("EDG_COLLATERAL_REFRESH", refresh)).unwrap();
        Some(days(scene))
    }

    /// So much later than it is.
    fn later(&self, offset: &str) {
        // Replaced as a whole, so that nobody reads half of it.
        let new = self.file.with_extension("new");
        std::fs::write(&new, offset).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }

    fn activate(&self) -> Result<(), String> {
        self.scene.activate(self.scene.asks_from("default"))
    }

    fn revoke(&self) {
        let folder = self.scene.folder();
        let mut settings = folder.settings().unwrap();
        settings.published.revoked_platforms = vec!["default".to_owned()].into_iter().collect();
        folder.set(&settings).unwrap();
    }

    fn until_logged(&mut self, words: &str) {
        self.scene.coordinator.process().unwrap().wait_for_log(words, SOON).unwrap();
    }
}

#[test]
fn a_revocation_counts_after_the_renewal_and_without_a_restart() {
    let Some(mut days) = Days::new("1h") else { return };
    days.activate().unwrap();
    let asked = days.scene.pccs.asked(QUESTION);
    days.revoke();
    days.later("+59m");
    days.activate().unwrap();
    assert_eq!(days.scene.pccs.asked(QUESTION), asked, "what is kept counts, and nobody is asked");
    // Whoever comes first after the hour does not wait for the renewal, and the next one is judged by it.
    days.later("+61m");
    days.activate().unwrap();
    days.until_logged("collateral was renewed");
    let why = days.activate().unwrap_err();
    assert!(why.contains("revoked"), "{why}");
}

#[test]
fn collateral_is_renewed_though_nobody_comes() {
    let Some(mut days) = Days::new("1m") else { return };
    days.activate().unwrap();
    days.revoke();
    days.later("+2m");
    days.until_logged("collateral was renewed");
    let why = days.activate().unwrap_err();
    assert!(why.contains("revoked"), "{why}");
}

#[test]
fn a_service_that_went_away_is_said_and_counts_until_the_end() {
    let Some(mut days) = Days::new("1h") else { return };
    days.activate().unwrap();
    days.scene.pccs.turn(Gate::Away);
    days.revoke();
    for offset in ["+5h", "+29d"] {
        days.later(offset);
        days.activate().unwrap();
    }
    days.until_logged("collateral cannot be renewed: what is kept counts until its end");
    days.later("+31d");
    let why = days.activate().unwrap_err();
    assert!(why.contains("the evidence cannot be judged"), "{why}");
    days.until_logged("collateral has ended and cannot be renewed");
    assert!(!days.scene.coordinator.log().contains("panicked"));
}
