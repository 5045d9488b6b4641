//! Holders of recovery keys: what they do with their private keys, outside the Coordinator.

use std::collections::BTreeMap;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marblerun_testkit::client::http::Response;
use serde_json::{Value, json};

use crate::running::{Running, data, plain};

/// One of `testdata/golden/api/keys`.
#[derive(Clone, Copy)]
pub(crate) struct Holder(pub(crate) &'static str);

pub(crate) const ONE: Holder = Holder("safe-one");
pub(crate) const TWO: Holder = Holder("safe-two");
pub(crate) const THREE: Holder = Holder("safe-three");

/// A recovery secret, decrypted.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) Holder, pub(crate) Vec<u8>);

impl Holder {
    fn pem(self, kind: &str) -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/golden/api/keys");
        std::fs::read_to_string(format!("{folder}/{}.{kind}.pem", self.0)).unwrap()
    }

    fn der(self, kind: &str) -> Vec<u8> {
        let pem = self.pem(kind);
        STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap()
    }

    pub(crate) fn public(self) -> Vec<u8> {
        self.der("public")
    }

    pub(crate) fn decrypt(self, encrypted: &[u8]) -> Vec<u8> {
        let key = PrivateDecryptingKey::from_pkcs8(&self.der("key")).unwrap();
        let key = OaepPrivateDecryptingKey::new(key).unwrap();
        let mut secret = vec![0; key.min_output_size()];
        key.decrypt(&OAEP_SHA256_MGF1SHA256, encrypted, &mut secret, None).unwrap().to_vec()
    }

    pub(crate) fn sign(self, secret: &[u8]) -> Vec<u8> {
        let key = RsaKeyPair::from_pkcs8(&self.der("key")).unwrap();
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), secret, &mut signature).unwrap();
        signature
    }
}

impl Secret {
    /// The body that sends it.
    pub(crate) fn body(&self) -> Vec<u8> {
        body(&self.1, &self.0.sign(&self.1))
    }
}

/// A body of `POST /api/v2/recover`.
pub(crate) fn body(secret: &[u8], signature: &[u8]) -> Vec<u8> {
    json!({
        "recoverySecret": STANDARD.encode(secret),
        "recoverySecretSignature": STANDARD.encode(signature),
    })
    .to_string()
    .into_bytes()
}

/// [`plain`] with these recovery keys.
pub(crate) fn manifest(holders: &[Holder], threshold: usize) -> Value {
    let mut manifest = plain();
    let keys = holders.iter().map(|holder| (holder.0.to_owned(), holder.pem("public").into()));
    manifest["RecoveryKeys"] = keys.collect::<serde_json::Map<_, _>>().into();
    manifest["Config"] = json!({"RecoveryThreshold": threshold});
    manifest
}

/// Sets the manifest and opens what each holder gets.
pub(crate) fn set(running: &Running, manifest: &Value, holders: &[Holder]) -> Vec<Secret> {
    let answer = running.set(manifest);
    assert_eq!(answer.status, 200);
    let sealed: BTreeMap<String, String> =
        serde_json::from_value(data(&answer)["RecoverySecrets"].take()).unwrap();
    let open =
        |holder: &Holder| Secret(*holder, holder.decrypt(&STANDARD.decode(&sealed[holder.0]).unwrap()));
    holders.iter().map(open).collect()
}

/// Encrypts to the Coordinator's ephemeral key.
pub(crate) fn encrypt(public_key: &[u8], secret: &[u8]) -> Vec<u8> {
    let key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(public_key).unwrap()).unwrap();
    let mut encrypted = vec![0; key.ciphertext_size()];
    key.encrypt(&OAEP_SHA256_MGF1SHA256, secret, &mut encrypted, None).unwrap().to_vec()
}

impl Running {
    /// `POST /api/v2/recover`.
    pub(crate) fn recover(&self, body: &[u8]) -> Response {
        self.request("POST", "/api/v2/recover", body).unwrap()
    }

    /// Kills it, removes `sealed_key`, and starts it in recovery.
    pub(crate) fn lose_key(&mut self) {
        self.process.kill().unwrap();
        self.process.remove_file("sealed_key").unwrap();
        self.process.start_again().unwrap();
        assert_eq!(self.state(), 1);
    }
}

/// How many more secrets the answer asks for.
#[track_caller]
pub(crate) fn remaining(answer: &Response) -> u64 {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    data(answer)["remaining"].as_u64().unwrap()
}

/// That the answer is a refusal of this kind, with these words.
#[track_caller]
pub(crate) fn refused(answer: &Response, status: u16, words: &str) {
    let text = String::from_utf8_lossy(&answer.body);
    assert!(answer.status == status && text.contains(words), "{}: {text}", answer.status);
}
