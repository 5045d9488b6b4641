//! Sealing with a key of an Azure managed HSM: both the TEE and the HSM are needed to open, and what fails never leads to
//! less.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use marblerun_testkit::program::{Coordinator, Options, Process, build};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::azure::{ACCESS_TOKEN, Azure, CLIENT_SECRET, KEY, Vendors};
use crate::holders::{self, ONE};
use crate::running::{PATIENCE, PROGRAM, Running, data, plain};
use crate::updates::Owned;

/// An emulator with a signed copy of the Coordinator, and the services of Azure.
struct Cloud {
    folder: TempDir,
    azure: Azure,
    _emulator: Process,
}

impl Cloud {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let program = build("marblerun-cli", "marblerun").unwrap();
        let marblerun = |arguments: &[&str]| {
            let mut command = Command::new(&program);
            command.arg("emulator").args(arguments).current_dir(folder.path());
            command
        };
        let done = |arguments: &[&str]| {
            let output = marblerun(arguments).output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let mut command = marblerun(&["run", "--listen", "127.0.0.1:0", "tee"]);
        let mut emulator = Process::start(&mut command, &folder.path().join("log")).unwrap();
        emulator.wait_for_log("collateral: http", PATIENCE).unwrap();
        fs::copy(PROGRAM, folder.path().join("coordinator")).unwrap();
        done(&["key", "key.pem"]);
        done(&["sign", "coordinator", "--key", "key.pem"]);
        let root: Value = serde_json::from_str(&done(&["root", "tee", "--infrastructure"])).unwrap();
        let root = STANDARD.decode(root["RootCA"].as_str().unwrap()).unwrap();
        let collateral = fs::read_to_string(folder.path().join("tee/collateral.url")).unwrap();
        let azure = Azure::start(Vendors { root, collateral: collateral.trim().to_owned() });
        Self { azure, _emulator: emulator, folder }
    }

    fn start(&self, without: &[&str]) -> Running {
        Running::with(self.options(without))
    }

    /// For a Coordinator in the emulator, without some of the variables.
    fn options(&self, without: &[&str]) -> Options {
        let program = self.folder.path().join("coordinator");
        let options = Options {
            program: Some(program),
            env: vec![("OE_SIMULATION".into(), None)],
            seal_dir: Some(self.folder.path().join("seal")),
            ..Options::default()
        };
        let options =
            options.env("EDG_EMULATOR", &self.folder.path().join("tee/default.sock").display().to_string());
        let wanted = self.azure.environment().into_iter().filter(|(name, _)| !without.contains(name));
        wanted.fold(options, |options, (name, value)| options.env(name, value))
    }
}

fn gated() -> Value {
    let mut manifest = plain();
    manifest["Config"] = json!({"FeatureGates": ["AzureHSMSealing"]});
    manifest
}

fn sealed_kek(coordinator: &Coordinator) -> Vec<u8> {
    let file = fs::read(coordinator.seal_dir.join("sealed_key")).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    STANDARD.decode(file["sealed_kek"].as_str().unwrap()).unwrap()
}

fn needs_the_hsm(coordinator: &Coordinator) -> bool {
    sealed_kek(coordinator).starts_with(b"marblerun hsm v1")
}

#[test]
fn a_state_opens_only_while_the_hsm_releases_its_key() {
    let cloud = Cloud::new();
    let mut running = cloud.start(&[]);
    let set = running.set(&gated());
    assert_eq!(set.status, 200, "{}", running.process.log());
    assert!(needs_the_hsm(&running.process));
    let mut states = vec![running.state()];
    let before = sealed_kek(&running.process);
    for closed in [false, true, false] {
        cloud.azure.close(closed);
        running.process.restart().unwrap();
        states.push(running.state());
        assert_eq!(sealed_kek(&running.process), before);
    }
    assert_eq!(states, [3, 3, 1, 3]);
    let log = running.process.log();
    assert!(log.contains("the HSM refuses: status 403, Forbidden"), "{log}");
    leaks_nothing(&log, &cloud.folder.path().join("seal"));
}

/// What was given to the Coordinator, and what the services gave it.
fn leaks_nothing(log: &str, seal: &Path) {
    let files = ["sealed_key", "sealed_data"].map(|name| fs::read(seal.join(name)).unwrap());
    let places = [log.as_bytes().to_vec(), files[0].clone(), files[1].clone()];
    let key = String::from_utf8(KEY.to_vec()).unwrap();
    let forms = [hex::encode(KEY), STANDARD.encode(&KEY[..30]), URL_SAFE_NO_PAD.encode(KEY), key];
    let statement = URL_SAFE_NO_PAD.encode("{\"alg\":\"EdDSA\"}");
    let all = forms.iter().map(String::as_str).chain([CLIENT_SECRET, ACCESS_TOKEN, &statement]);
    for canary in all {
        for place in &places {
            let found = place.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} stands in {}", String::from_utf8_lossy(place));
        }
    }
}

#[test]
fn a_manifest_is_not_set_while_the_hsm_refuses() {
    let cloud = Cloud::new();
    let running = cloud.start(&[]);
    cloud.azure.close(true);
    let refused = running.set(&gated());
    assert_eq!((refused.status, running.state()), (500, 2));
    let log = running.process.log();
    assert!(log.contains("AzureHSMSealing: the HSM refuses: status 403, Forbidden"), "{log}");
    assert!(!running.process.seal_dir.join("sealed_data").exists());
    cloud.azure.close(false);
    assert_eq!((running.set(&gated()).status, running.state()), (200, 3));
}

#[test]
fn what_is_missing_is_named_and_the_manifest_refused() {
    let cloud = Cloud::new();
    let running = cloud.start(&["EDG_AZURE_CLIENT_SECRET", "EDG_MAA_URL"]);
    let refused = running.set(&gated());
    let text = String::from_utf8(refused.body).unwrap();
    assert_eq!((refused.status, running.state()), (400, 2), "{text}");
    for words in ["Config.FeatureGates", "AzureHSMSealing", "EDG_AZURE_CLIENT_SECRET", "EDG_MAA_URL"] {
        assert!(text.contains(words), "{text}");
    }
    assert!(!text.contains("EDG_AZURE_TENANT_ID"), "{text}");
    assert_eq!(running.set(&plain()).status, 200, "without the gate nothing is missing");
    assert!(!needs_the_hsm(&running.process));
}

#[test]
fn a_state_that_needs_the_hsm_waits_for_its_settings() {
    let cloud = Cloud::new();
    let running = cloud.start(&[]);
    assert_eq!(running.set(&gated()).status, 200);
    drop(running);
    let without = cloud.start(&["EDG_AZURE_HSM_KEY_VERSION"]);
    assert_eq!(without.state(), 1);
    assert!(
        without.process.log().contains("not set: EDG_AZURE_HSM_KEY_VERSION"),
        "{}",
        without.process.log()
    );
    drop(without);
    assert_eq!(cloud.start(&[]).state(), 3);
}

#[test]
fn simulation_has_no_evidence_to_show() {
    let running = Running::start();
    let refused = running.set(&gated());
    let text = String::from_utf8(refused.body).unwrap();
    assert!(refused.status == 400 && text.contains("in simulation there is no evidence"), "{text}");
}

/// The Coordinator's own quote is genuine, and bound to its root certificate: to no key.
#[test]
fn the_stand_in_refuses_what_is_not_bound_or_not_signed() {
    let cloud = Cloud::new();
    let quote = data(&cloud.start(&[]).get("/api/v2/quote"));
    let evidence = STANDARD.decode(quote["quote"].as_str().unwrap()).unwrap();
    let chain = quote["cert"].as_str().unwrap();
    let root = &chain[chain.rfind("-----BEGIN").unwrap()..];
    let root =
        STANDARD.decode(root.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
    let (status, answer) = cloud.azure.attest(&evidence, &root);
    assert_eq!(status, 200, "genuine, and bound to this");
    let mut forged = evidence.clone();
    forged[368] ^= 1;
    assert_eq!(cloud.azure.attest(&forged, &root).0, 400, "not genuine");
    assert_eq!(cloud.azure.attest(&evidence, b"{}").0, 400, "not bound to this");
    let statement = answer["token"].as_str().unwrap();
    let (claims, signature) = statement.rsplit_once('.').unwrap();
    assert_eq!(cloud.azure.release(statement).0, 403, "a statement about no key");
    assert_eq!(cloud.azure.release(&format!("{claims}x.{signature}")).0, 403, "another statement");
}

/// From the update on, the TEE alone does not open the state.
#[test]
fn an_update_can_open_the_gate_and_close_it() {
    let cloud = Cloud::new();
    let mut owned = Owned::new(cloud.options(&[]), 1, &json!({}));
    let mut update = |changes: Value| {
        let manifest = owned.manifest(&changes);
        let answer = owned.post(0, "/api/v2/update", &manifest).unwrap();
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        cloud.azure.close(true);
        owned.running.process.restart().unwrap();
        let alone = owned.running.state();
        cloud.azure.close(false);
        owned.running.process.restart().unwrap();
        (alone, owned.running.state())
    };
    assert_eq!(update(json!({"Config": {"FeatureGates": ["AzureHSMSealing"]}})), (1, 3));
    assert_eq!(update(json!({"Config": {}})), (3, 3));
}

/// Recovery keys open what the HSM does not, and what they opened is sealed with an HSM again, or not at all.
#[test]
fn who_recovers_seals_with_the_hsm_again() {
    let cloud = Cloud::new();
    let mut running = cloud.start(&[]);
    let mut manifest = holders::manifest(&[ONE], 0);
    manifest["Config"]["FeatureGates"] = json!(["AzureHSMSealing"]);
    let secrets = holders::set(&running, &manifest, &[ONE]);
    let before = sealed_kek(&running.process);
    cloud.azure.close(true);
    running.process.restart().unwrap();
    let refused = running.recover(&secrets[0].body());
    assert_eq!((refused.status, running.state()), (500, 1));
    assert_eq!(sealed_kek(&running.process), before, "nothing is lost");
    cloud.azure.close(false);
    assert_eq!((running.recover(&secrets[0].body()).status, running.state()), (200, 3));
    assert!(needs_the_hsm(&running.process) && sealed_kek(&running.process) != before);
}
