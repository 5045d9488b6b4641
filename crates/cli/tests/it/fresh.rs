//! T20 on the wire: evidence for another key, another purpose or another challenge, and packages that want it fresh.

use std::process::Command;

use marblerun_api::grpc::ActivationReq;
use marblerun_attest::Binding;
use marblerun_testkit::client::grpc;
use marblerun_testkit::client::tls::Identity;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384};
use serde_json::{Value, json};

use crate::attested::Mesh;

/// A marble that this test plays: its key, and evidence of a signed program that says what the test wants.
struct Marble<'a> {
    mesh: &'a Mesh,
    identity: Identity,
    certificate: Vec<u8>,
    csr: Vec<u8>,
}

impl<'a> Marble<'a> {
    fn new(mesh: &'a Mesh) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let csr = params.serialize_request(&key).unwrap().der().to_vec();
        let certificate = params.self_signed(&key).unwrap();
        let pem = (certificate.pem(), key.serialize_pem());
        let identity = Identity::from_pem(pem.0.as_bytes(), pem.1.as_bytes()).unwrap();
        Self { mesh, identity, certificate: certificate.der().to_vec(), csr }
    }

    async fn challenge(&self) -> Vec<u8> {
        let address = self.mesh.coordinator.mesh_addr;
        grpc::challenge(address, Some(&self.identity), b"").await.unwrap().unwrap().challenge
    }

    fn evidence(&self, binding: &Binding) -> Vec<u8> {
        let desk = &self.mesh.lab.desk;
        let output = Command::new(&self.mesh.lab.program)
            .args(["emulator", "evidence", "-o", "evidence", "tee/default.sock", "--report-data"])
            .arg(hex::encode(binding.report_data()))
            .current_dir(desk.path(""))
            .env_clear()
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        std::fs::read(desk.path("evidence")).unwrap()
    }

    /// The code and the words with which the Coordinator answers; none for a marble that is admitted.
    async fn activate(&self, binding: &Binding, challenge: &[u8]) -> Option<String> {
        let ask = ActivationReq {
            quote: self.evidence(binding),
            csr: self.csr.clone(),
            marble_type: "web".into(),
            uuid: "0d1e2f30-4152-4637-8a9b-acbdcedff001".into(),
            challenge: challenge.to_vec(),
        };
        let answer = grpc::activate(self.mesh.coordinator.mesh_addr, Some(&self.identity), ask).await;
        answer.unwrap().err().map(|status| format!("{:?}: {}", status.code(), status.message()))
    }

    async fn refused(&self, binding: &Binding, challenge: &[u8], words: &str) {
        let why = self.activate(binding, challenge).await.unwrap();
        assert!(why.contains(words), "{binding:?}: {words:?}: {why}");
    }
}

/// A mesh whose one package is the program that evidence is made with.
fn mesh(fresh: bool) -> Mesh {
    let mesh = Mesh::new();
    let mut package = mesh.lab.sign(&["--svn", "2"]);
    package["RequireFreshEvidence"] = Value::Bool(fresh);
    mesh.set(&mesh.manifest(&package));
    mesh
}

#[tokio::test]
async fn evidence_counts_for_one_key_one_purpose_and_one_challenge() {
    let mut mesh = mesh(false);
    let marble = Marble::new(&mesh);
    let (challenge, another) = (marble.challenge().await, marble.challenge().await);
    let (old, fresh) =
        (Binding::marble(&marble.certificate), Binding::fresh_marble(&marble.certificate, &challenge));
    assert_eq!(marble.activate(&old, b"").await, None, "marbles that know of no challenge stay welcome");
    assert_eq!(marble.activate(&fresh, &challenge).await, None);

    marble.refused(&fresh, &another, "another key, purpose or nonce").await;
    marble.refused(&fresh, b"", "another key, purpose or nonce").await;
    marble.refused(&old, &challenge, "another key, purpose or nonce").await;
    let stranger = Marble::new(&mesh);
    stranger.refused(&fresh, &challenge, "another key, purpose or nonce").await;
    let purpose = Binding::coordinator_for_marble(&marble.certificate, &challenge, b"");
    marble.refused(&purpose, &challenge, "another key, purpose or nonce").await;

    let mut forged = challenge.clone();
    forged[0] ^= 1;
    let over_forged = Binding::fresh_marble(&marble.certificate, &forged);
    marble.refused(&over_forged, &forged, "Aborted: the challenge was not made by this Coordinator").await;
    let identity = marble.identity;
    let certificate = marble.certificate;
    let csr = marble.csr;
    mesh.coordinator.restart().unwrap();
    let marble = Marble { mesh: &mesh, identity, certificate, csr };
    marble.refused(&fresh, &challenge, "since it started; ask for another one").await;
}

#[tokio::test]
async fn a_package_can_want_fresh_evidence() {
    let mesh = mesh(true);
    let marble = Marble::new(&mesh);
    let challenge = marble.challenge().await;
    let fresh = Binding::fresh_marble(&marble.certificate, &challenge);
    assert_eq!(marble.activate(&fresh, &challenge).await, None);
    let old = Binding::marble(&marble.certificate);
    marble.refused(&old, b"", "PermissionDenied").await;
    marble
        .refused(&old, b"", "`Packages.p.RequireFreshEvidence` wants evidence that covers a challenge")
        .await;
}

/// Our own premain asks for a challenge whether or not the package wants one.
#[test]
fn the_premain_makes_fresh_evidence() {
    let mesh = Mesh::new();
    let mut package = mesh.sign(&["--svn", "2"]);
    package["RequireFreshEvidence"] = json!(true);
    mesh.set(&mesh.manifest(&package));
    mesh.admitted();
}
