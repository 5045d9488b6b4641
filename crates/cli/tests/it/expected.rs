//! Marbles that were built for one Coordinator: they start for that one, and for no other.

use marblerun_attest::{Appraisal, Binding, Collateral, Memory, Roots, Vendor};
use marblerun_testkit::client::grpc;
use marblerun_testkit::client::tls::Identity;
use marblerun_testkit::impostor::{Impostor, Trick};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use crate::attested::Mesh;

/// A mesh with an admitted package, and what marbles expect of its Coordinator.
fn scene() -> (Mesh, Value) {
    scene_of(Mesh::new())
}

fn scene_of(mesh: Mesh) -> (Mesh, Value) {
    let manifest = mesh.manifest(&mesh.sign(&["--svn", "2"]));
    mesh.set(&manifest);
    let mut era = mesh.package.clone();
    era["Infrastructures"] = manifest["Infrastructures"].clone();
    (mesh, era)
}

impl Mesh {
    fn start_for(&self, era: &Value) -> Result<String, String> {
        self.lab.desk.write("era.json", &era.to_string());
        self.start_with(&["--coordinator-era", "era.json"])
    }

    #[track_caller]
    fn not_started_for(&self, era: &Value, words: &[&str]) {
        let why = self.start_for(era).unwrap_err();
        assert!(words.iter().all(|word| why.contains(word)), "{words:?}:\n{why}");
        let log = self.coordinator.log();
        assert!(!log.contains("marble activated"), "nothing was asked of it: {log}");
    }
}

#[test]
fn a_marble_starts_for_the_coordinator_that_it_was_built_for_and_for_no_other() {
    let (mesh, era) = scene();
    let changed = |field: &str, value: Value| {
        let mut era = era.clone();
        era[field] = value;
        era
    };
    let not_it = "the Coordinator's evidence does not count";
    mesh.not_started_for(&changed("SignerID", json!("22".repeat(32))), &[not_it, "SignerID"]);
    mesh.not_started_for(&changed("SecurityVersion", json!(9)), &[not_it, "SecurityVersion"]);
    mesh.not_started_for(&changed("Infrastructures", json!({})), &[not_it, "no trusted root"]);
    mesh.not_started_for(&json!({}), &["EDG_MARBLE_COORDINATOR_ERA", "era.json", "UniqueID"]);
    let printed = mesh.start_for(&era).unwrap_or_else(|why| panic!("{why}\n{}", mesh.coordinator.log()));
    assert!(printed.contains("GREETING=hello"), "{printed}");
    assert!(mesh.coordinator.log().contains("marble activated"));
}

/// Without its root in the manifest, nobody vouches for a software TEE, and the Coordinator has no collateral to send.
#[test]
fn a_coordinator_that_nobody_vouches_for_starts_no_marble() {
    let mesh = Mesh::new();
    let mut manifest = mesh.manifest(&mesh.sign(&[]));
    let mut era = mesh.package.clone();
    era["Infrastructures"] = manifest.as_object_mut().unwrap().remove("Infrastructures").unwrap();
    mesh.set(&manifest);
    mesh.not_started_for(&era, &["sent no collateral for its evidence", "Infrastructures"]);
}

/// He has a key of his own, asks the genuine Coordinator whatever he likes, and passes on what he likes of it.
#[tokio::test]
async fn a_man_in_the_middle_learns_nothing_and_starts_no_marble() {
    let (mesh, era) = tokio::task::spawn_blocking(scene).await.unwrap();
    let mesh = std::sync::Arc::new(mesh);
    mesh.lab.desk.write("era.json", &era.to_string());
    for (trick, words) in [
        (Trick::PassOn, "the connection shows another certificate than the Coordinator's evidence speaks of"),
        (Trick::OwnCertificate, "the evidence is bound to"),
        (Trick::Replay, "the evidence is bound to"),
        (Trick::NoCollateral, "sent no collateral"),
    ] {
        let impostor = Impostor::start(mesh.coordinator.mesh_addr, trick).await.unwrap();
        let start = |flags: &'static [&str]| {
            let (mesh, at) = (std::sync::Arc::clone(&mesh), impostor.address);
            tokio::task::spawn_blocking(move || mesh.start_at(at, flags))
        };
        let why = start(&["--coordinator-era", "era.json"]).await.unwrap().unwrap_err();
        assert!(why.contains(words), "{trick:?}: {why}");
        assert_eq!(impostor.activations(), 0, "{trick:?}: nothing was asked of him");
        // Whoever expects nobody in particular is lost.
        start(&[]).await.unwrap().unwrap_err();
        assert_eq!(impostor.activations(), 1, "{trick:?}: he would have answered");
    }
    assert!(!mesh.coordinator.log().contains("marble activated"));
}

/// The same software, signed for debug mode: the host reads what marbles tell it.
#[test]
fn a_coordinator_in_debug_mode_starts_no_marble() {
    let (mesh, mut era) = scene_of(Mesh::with_coordinator(&["--debug"]));
    assert_eq!(era["Debug"], true);
    era["Debug"] = json!(false);
    mesh.not_started_for(&era, &["the Coordinator's evidence does not count", "Debug", "debug enclave"]);
}

/// The same software on a machine of somebody who makes his own evidence, with collateral that fits.
#[test]
fn another_vendors_coordinator_starts_no_marble() {
    let ((ours, era), (theirs, _)) = (scene(), scene());
    ours.lab.desk.write("era.json", &era.to_string());
    let why = ours.start_at(theirs.coordinator.mesh_addr, &["--coordinator-era", "era.json"]).unwrap_err();
    assert!(why.contains("no trusted root"), "{why}");
    assert!(!theirs.coordinator.log().contains("marble activated"));
}

#[tokio::test]
async fn the_coordinators_evidence_covers_both_certificates_and_the_nonce() {
    let (mesh, era) = tokio::task::spawn_blocking(scene).await.unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap().pem();
    let identity = Identity::from_pem(certificate.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let ask = async |nonce: &[u8]| {
        grpc::challenge(mesh.coordinator.mesh_addr, Some(&identity), nonce).await.unwrap()
    };
    let answer = ask(b"nonce").await.unwrap();
    let collateral: Collateral = serde_json::from_slice(&answer.collateral).unwrap();
    let root: Vec<u8> = serde_json::from_value::<marblerun_api::rest::Base64>(
        era["Infrastructures"]["lab"]["RootCA"].clone(),
    )
    .unwrap()
    .0;
    let roots = Roots::new([(Vendor::Intel, root)]).unwrap();
    #[allow(clippy::disallowed_methods, reason = "a test compares with its own clock")]
    let now = std::time::SystemTime::now();
    let genuine = |binding: Binding| {
        let appraisal = Appraisal { roots: &roots, collateral: &collateral, memory: &Memory::default(), now };
        appraisal.genuine(&answer.quote, &binding).map(drop).map_err(|failure| failure.code())
    };
    let (root, mesh_root) = (&*answer.root_certificate, &*answer.marble_root_certificate);
    assert_eq!(genuine(Binding::coordinator_for_marble(root, mesh_root, b"nonce")), Ok(()));
    for wrong in [
        Binding::coordinator_for_marble(root, mesh_root, b"older"),
        Binding::coordinator_for_marble(root, root, b"nonce"),
        Binding::coordinator_for_marble(mesh_root, mesh_root, b"nonce"),
        Binding::fresh_marble(root, &answer.challenge),
        Binding::marble(root),
    ] {
        assert_eq!(genuine(wrong), Err("binding_mismatch"));
    }
    let brief = ask(b"").await.unwrap();
    assert!(brief.quote.is_empty() && !brief.challenge.is_empty(), "evidence is made for those who ask");
    let refused = ask(&[7; 65]).await.unwrap_err();
    assert!(refused.message().contains("65 bytes; at most 64"), "{refused:?}");
    let nobody = grpc::challenge(mesh.coordinator.mesh_addr, None, b"").await.unwrap().unwrap_err();
    assert_eq!(nobody.code() as i32, 16, "UNAUTHENTICATED: {nobody:?}");
}
