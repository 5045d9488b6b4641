//! A Coordinator that proves itself in the software TEE, and a program that wants to see the proof before it sends
//! anything.

use marblerun_testkit::program::Coordinator;
use serde_json::{Value, json};

use crate::lab::Lab;

const CACHE: &str = "config/marblerun/coordinator-cert.pem";

struct Scene {
    lab: Lab,
    coordinator: Coordinator,
    /// The Coordinator's identity, with the emulator's root.
    era: Value,
    address: String,
    url: String,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        let (coordinator, mut era) = lab.coordinator();
        let root = lab.desk.done(&["emulator", "root", "tee", "--infrastructure"]);
        era["Infrastructures"] = json!({ "emulator": serde_json::from_str::<Value>(&root).unwrap() });
        let (address, url) = (coordinator.client_addr.to_string(), lab.url());
        let scene = Self { lab, coordinator, era, address, url };
        scene.expect(|_| {});
        scene
    }

    /// Writes `era.json`, changed.
    fn expect(&self, change: impl Fn(&mut Value)) {
        let mut era = self.era.clone();
        change(&mut era);
        self.lab.desk.write("era.json", &era.to_string());
    }

    fn args<'a>(&'a self, command: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
        let flags = [&self.address, "--era-config", "era.json", "--pccs-url", &self.url];
        [command, &flags, more].concat()
    }

    fn done(&self, command: &[&str], more: &[&str]) -> String {
        self.lab.desk.done(&self.args(command, more))
    }

    /// Every command that verifies says these words, and the Coordinator gets nothing.
    fn refused(&self, words: &str) {
        for command in
            [&["manifest", "set", "manifest.json"][..], &["manifest", "get"], &["certificate", "root"]]
        {
            let call = self.lab.desk.refused(&self.args(command, &[]), words);
            assert!(call.stderr.contains("Nothing was sent"), "{call:?}");
        }
        assert!(!self.lab.desk.path(CACHE).exists() && !self.lab.desk.path("marblerunRootCA.crt").exists());
        assert!(
            self.lab.desk.done(&["status", &self.address, "-i"]).starts_with("2:"),
            "no manifest got through"
        );
    }

    fn set(&self, what: &[&str]) {
        self.lab.desk.done(&[&["emulator", "set", "tee"], what].concat());
    }
}

#[test]
fn a_coordinator_that_proves_itself_is_verified_by_every_command() {
    let scene = Scene::new();
    scene.done(&["manifest", "set", "manifest.json"], &["--save-sgx-quote", "quote.bin"]);
    assert!(scene.lab.desk.read(CACHE).starts_with("# The evidence for this certificate was verified."));
    let verify = ["manifest", "verify", "manifest.json"];
    let found =
        scene.done(&verify, &["--nonce", "fresh", "--save-sgx-quote", "fresh.bin", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&found).unwrap()["verified"], true);
    let quote = |name: &str| std::fs::read(scene.lab.desk.path(name)).unwrap();
    assert_ne!(quote("quote.bin")[368..400], quote("fresh.bin")[368..400], "the nonce is in the report data");
    scene.done(&["manifest", "get"], &[]);
    scene.done(&["certificate", "chain"], &[]);
    // What later commands trust was verified.
    let status = scene.lab.desk.call(&["status", &scene.address]);
    assert!(status.stdout.starts_with("3:") && !status.stderr.contains("without verification"), "{status:?}");
    // The evidence that was saved can be looked at, with the same root and for the same reasons.
    let inspect = ["evidence", "inspect", "quote.bin", "--verify", "--pccs-url", &scene.url];
    scene.lab.desk.refused(&inspect, "");
    let era = ["--era-config", "era.json"];
    let seen = scene.lab.desk.done(&[&inspect[..], &era, &["--format", "json"]].concat());
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!((&seen["verification"], &seen["tcb_status"]), (&json!("genuine"), &json!("UpToDate")));
}

#[test]
fn another_coordinator_is_not_taken_for_the_expected_one() {
    let scene = Scene::new();
    scene.expect(|era| era["SignerID"] = "22".repeat(32).into());
    scene.refused("SignerID is");
    scene.expect(|era| era["SecurityVersion"] = 3.into());
    scene.refused("SecurityVersion is 2, the era-config wants at least 3");
    // The software TEE counts where its root is named, and nowhere else.
    scene.expect(|era| era["Infrastructures"] = json!({}));
    scene.refused("no trusted root");
    scene.expect(|era| era["Infrastructures"]["emulator"]["FMSPCs"] = json!(["000000000000"]));
    scene.refused("Infrastructures.emulator.FMSPCs");
}

#[test]
fn a_platform_that_is_out_of_date_or_revoked_is_refused() {
    let scene = Scene::new();
    scene.set(&["--tcb", "OutOfDate"]);
    scene.refused("AcceptedTCBStatuses is OutOfDate");
    scene.done(&["certificate", "root"], &["--accepted-tcb-statuses", "OutOfDate"]);
}

#[test]
fn a_revoked_platform_is_refused_whatever_is_tolerated() {
    let scene = Scene::new();
    scene.set(&["--revoke"]);
    scene.refused("was revoked");
    scene.set(&["--reinstate", "--tcb", "Revoked"]);
    scene.expect(|era| era["AcceptedTCBStatuses"] = json!(["Revoked", "OutOfDate"]));
    scene.refused("TCB is Revoked");
}

#[test]
fn without_a_network_a_bundle_does() {
    let mut scene = Scene::new();
    let desk = &scene.lab.desk;
    desk.done(&["certificate", "root", &scene.address, "-i", "--save-sgx-quote", "quote.bin"]);
    let export = ["collateral", "export", "bundle.json", "--for", "quote.bin", "--era-config", "era.json"];
    desk.done(&[&export[..], &["--pccs-url", &scene.url]].concat());
    std::fs::remove_file(desk.path("marblerunRootCA.crt")).unwrap();
    scene.url = "http://127.0.0.1:1".to_owned();
    scene.refused("check the address of the collateral service");
    scene.done(&["manifest", "set", "manifest.json"], &["--collateral", "bundle.json"]);
    assert!(scene.coordinator.client_addr.ip().is_loopback());
}

/// Once a manifest names the root of its platform, the Coordinator has collateral itself and sends it with its quote.
#[test]
fn without_a_network_the_coordinator_sends_what_its_vendor_publishes() {
    let mut scene = Scene::new();
    let mut manifest: Value = serde_json::from_str(&scene.lab.desk.read("manifest.json")).unwrap();
    manifest["Infrastructures"] = scene.era["Infrastructures"].clone();
    scene.lab.desk.write("manifest.json", &manifest.to_string());
    scene.done(&["manifest", "set", "manifest.json"], &[]);
    scene.url = "http://127.0.0.1:1".to_owned();
    let verify = scene.args(&["manifest", "verify", "manifest.json"], &[]);
    let call = scene.lab.desk.call(&verify);
    assert!(call.code == 0 && call.stderr.contains("sent collateral that is still valid"), "{call:?}");
    // It is the platform's, and says the same of it to everybody.
    scene.expect(|era| era["Infrastructures"] = json!({}));
    scene.lab.desk.refused(&verify, "and the Coordinator sent collateral that does not count");
}
