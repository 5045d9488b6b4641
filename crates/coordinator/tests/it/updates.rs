//! Updates over the wire: what several owners do at once, what survives a kill, and who can recover afterwards.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marblerun_core::journal::keyfile::KeyFile;
use marblerun_testkit::client::http::{Request, Response, Transport, send};
use marblerun_testkit::client::tls::Identity;
use marblerun_testkit::program::Options;
use serde_json::{Value, json};

use crate::holders::{self, Holder, ONE, Secret, TWO, refused};
use crate::running::{Running, data, options};
use crate::users::Person;

const OWNERS: [&str; 3] = ["alice", "bob", "carol"];

/// A Coordinator and the owners of its manifest.
pub(crate) struct Owned {
    pub(crate) running: Running,
    owners: Arc<Vec<Person>>,
}

impl Owned {
    pub(crate) fn new(options: Options, owners: usize, changes: &Value) -> Self {
        let owners = OWNERS[..owners].iter().map(|name| Person::new(name)).collect();
        let owned = Self { running: Running::with(options), owners: Arc::new(owners) };
        assert_eq!(owned.running.set(&owned.manifest(changes)).status, 200);
        owned
    }

    /// Ends the process; who the owners are is still known.
    pub(crate) fn stopped(mut self) -> Self {
        self.running.process.kill().unwrap();
        self
    }

    /// The owners' manifest, with other values for some sections.
    pub(crate) fn manifest(&self, changes: &Value) -> Value {
        let mut manifest = crate::running::plain();
        manifest["Roles"]["owner"] = json!({"ResourceType": "Manifest", "Actions": ["UpdateManifest"]});
        for (name, owner) in OWNERS.iter().zip(&*self.owners) {
            manifest["Users"][*name] = json!({"Certificate": owner.pem, "Roles": ["owner"]});
        }
        for (section, value) in changes.as_object().unwrap() {
            manifest[section.as_str()] = value.clone();
        }
        manifest
    }

    pub(crate) fn identity(&self, owner: usize) -> Identity {
        self.owners[owner].identity()
    }

    pub(crate) fn post(&self, owner: usize, path: &str, manifest: &Value) -> anyhow::Result<Response> {
        let call = post(self.running.process.client_addr, self.identity(owner), path, manifest.to_string());
        self.running.runtime.block_on(call)
    }

    fn update(&self, owner: usize, manifest: &Value) -> Response {
        self.post(owner, "/api/v2/update", manifest).unwrap()
    }

    fn acknowledge(&self, owner: usize, manifest: &Value) -> Response {
        self.post(owner, "/api/v2/update-manifest", manifest).unwrap()
    }

    /// What the log says happened.
    fn log(&self) -> Vec<String> {
        let lines = data(&self.running.get("/api/v2/update"))["updateLog"].take();
        let text =
            |line: &Value| serde_json::from_str::<Value>(line.as_str().unwrap()).unwrap()["update"].clone();
        lines.as_array().unwrap().iter().map(|line| text(line).as_str().unwrap().to_owned()).collect()
    }
}

/// A version 2 body holds the manifest in base64, a version 1 body is the manifest.
pub(crate) async fn post(
    address: std::net::SocketAddr,
    identity: Identity,
    path: &str,
    manifest: String,
) -> anyhow::Result<Response> {
    let body = match path.starts_with("/api/v2") {
        true => json!({"manifest": STANDARD.encode(manifest)}).to_string(),
        false => manifest,
    };
    let request =
        Request { method: "POST".into(), path: path.into(), headers: vec![], body: body.into_bytes() };
    send(address, Transport::Tls(Some(&identity)), request).await
}

fn next() -> Value {
    json!({"Infrastructures": {"any": {}}})
}

fn with_holders(holders: &[Holder]) -> Value {
    let manifest = holders::manifest(holders, 0);
    json!({"RecoveryKeys": manifest["RecoveryKeys"], "Config": {"UpdateThreshold": 1}})
}

/// The recovery secrets in an answer, opened.
fn opened(answer: &Response, holders: &[Holder]) -> Vec<Secret> {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let sealed = data(answer)["recoverySecrets"].take();
    let open = |holder: &Holder| {
        let sealed = STANDARD.decode(sealed[holder.0].as_str().unwrap()).unwrap();
        Secret(*holder, holder.decrypt(&sealed))
    };
    holders.iter().map(open).collect()
}

/// The last acknowledgement twice, and a cancellation, all at once, many times: exactly one outcome, applied once.
#[test]
fn the_last_word_said_by_several_at_once_counts_once() {
    for round in 0..8 {
        let owned = Owned::new(options(), 3, &json!({}));
        let manifest = owned.manifest(&next());
        assert_eq!(owned.update(0, &manifest).status, 200);
        assert_eq!(owned.acknowledge(1, &manifest).status, 200);
        let address = owned.running.process.client_addr;
        let calls =
            [(2, "/api/v2/update-manifest"), (2, "/api/v2/update-manifest"), (1, "/api/v2/update-cancel")];
        let calls = calls.map(|(owner, path)| {
            let (identity, manifest) = (owned.identity(owner), manifest.to_string());
            owned.running.runtime.spawn(post(address, identity, path, manifest))
        });
        let statuses = calls.map(|call| owned.running.runtime.block_on(call).unwrap().unwrap().status);
        let log = owned.log();
        let count = |text: &str| log.iter().filter(|line| line.contains(text)).count();
        let (applied, cancelled) = (count("Complete Manifest updated"), count("cancelled"));
        assert_eq!(applied + cancelled, 1, "round {round}: {statuses:?} {log:?}");
        assert_eq!(statuses[2] == 200, cancelled == 1, "round {round}: {statuses:?} {log:?}");
        assert_eq!(statuses[..2].contains(&200), applied == 1, "round {round}: {statuses:?} {log:?}");
        let wanted = if applied == 1 { &manifest } else { &owned.manifest(&json!({})) };
        let served = data(&owned.running.get("/manifest"))["Manifest"].take();
        assert_eq!(served, STANDARD.encode(wanted.to_string()));
    }
}

/// What version 1 cannot answer with is refused when it is sent and at the last acknowledgement, and nothing changes.
#[test]
fn version_1_makes_no_recovery_secrets() {
    let owned = Owned::new(options(), 2, &json!({}));
    let manifest = owned.manifest(&json!({"RecoveryKeys": with_holders(&[ONE])["RecoveryKeys"]}));
    refused(&owned.post(0, "/update", &manifest).unwrap(), 409, "/api/v2");
    assert_eq!(owned.running.get("/update-manifest").status, 404);
    assert_eq!(owned.update(0, &manifest).status, 200);
    refused(&owned.post(1, "/update-manifest", &manifest).unwrap(), 409, "/api/v2");
    assert_eq!(owned.running.get("/update-manifest").status, 200);
    assert_eq!(opened(&owned.acknowledge(1, &manifest), &[ONE]).len(), 1);
}

/// After the holders changed, the new ones recover and the old ones do not.
#[test]
fn new_holders_recover_and_old_ones_do_not() {
    let mut owned = Owned::new(options(), 1, &json!({}));
    let first = opened(&owned.update(0, &owned.manifest(&with_holders(&[ONE]))), &[ONE]);
    owned.running.activate("cellar").unwrap();
    let second = opened(&owned.update(0, &owned.manifest(&with_holders(&[ONE, TWO]))), &[ONE, TWO]);
    owned.running.activate("cellar").unwrap();
    owned.running.process.restart().unwrap();
    assert_eq!(owned.running.state(), 3, "no recovery by itself");
    owned.running.lose_key();
    refused(&owned.running.recover(&first[0].body()), 400, "not a recovery secret of the stored state");
    for secret in &second {
        assert_eq!(owned.running.recover(&secret.body()).status, 200);
    }
    assert_eq!(owned.running.state(), 3);
    owned.running.activate("cellar").unwrap();
    assert!(owned.running.activate("cellar").is_err(), "three activations were counted");
    let none = owned.update(0, &owned.manifest(&json!({"Config": {"UpdateThreshold": 1}})));
    assert_eq!(data(&none)["recoverySecrets"], json!({}));
    owned.running.lose_key();
    refused(&owned.running.recover(&second[0].body()), 409, "recovery key");
}

/// How the state is sealed may change with an update, in every direction.
#[test]
fn the_seal_mode_changes_with_an_update() {
    let modes = ["UniqueKey", "Disabled", "ProductKey", "UniqueKey", "Disabled"];
    let mut owned = Owned::new(options(), 1, &json!({}));
    for mode in modes {
        let manifest = owned.manifest(&json!({"Config": {"SealMode": mode}}));
        assert_eq!(owned.update(0, &manifest).status, 200, "{mode}");
        let kept = owned.running.process.seal_dir.join("sealed_data").exists();
        assert_eq!(kept, mode != "Disabled", "{mode}");
        if kept {
            owned.running.process.restart().unwrap();
            assert_eq!(owned.running.state(), 3, "{mode}");
        }
    }
}

/// Who kept a `sealed_key` of before such an update, and can unseal it (another build of the product, or whoever reads it in
/// simulation), opens nothing that comes after.
#[test]
fn a_sealed_key_of_before_opens_nothing_of_after() {
    let mut owned = Owned::new(options(), 1, &json!({}));
    let file = owned.running.process.seal_dir.join("sealed_key");
    let read = || std::fs::read(&file).unwrap();
    let kek = |bytes: &[u8]| KeyFile::parse(bytes).unwrap().sealed_kek;
    let before = read();
    let manifest = owned.manifest(&json!({"Config": {"SealMode": "UniqueKey"}}));
    assert_eq!(owned.update(0, &manifest).status, 200);
    let after = KeyFile::parse(&read()).unwrap();
    assert_ne!(after.sealed_kek, kek(&before), "in simulation it is the key itself");
    assert_eq!((after.deks.len(), after.before), (1, None), "the keys of before are gone");
    owned.running.process.stop().unwrap();
    std::fs::write(&file, &before).unwrap();
    owned.running.process.start_again().unwrap();
    assert_eq!(owned.running.state(), 1);
}

/// T11: an update that makes many large keys holds nobody up; judged by order, not by time.
#[test]
fn an_update_that_makes_large_keys_holds_nobody_up() {
    let owned = Owned::new(options(), 1, &json!({}));
    let secret = json!({"Type": "cert-rsa", "Size": 4096, "Shared": true});
    let secrets: serde_json::Map<_, _> = (0..400).map(|n| (format!("key{n}"), secret.clone())).collect();
    let manifest = owned.manifest(&json!({"Secrets": secrets})).to_string();
    let address = owned.running.process.client_addr;
    let slow = owned.running.runtime.spawn(post(address, owned.identity(0), "/api/v2/update", manifest));
    let under_way = "server_client_api_http_in_flight_requests{path=\"/api/v2/update\"} 1";
    while !owned.running.observe("/metrics").contains(under_way) {
        assert!(!slow.is_finished());
        owned.running.runtime.block_on(tokio::task::yield_now());
    }
    for _ in 0..10 {
        assert_eq!(owned.running.state(), 3);
        owned.running.activate("press").unwrap();
    }
    owned.running.activate("cellar").unwrap();
    owned.running.runtime.block_on(tokio::task::yield_now());
    assert!(!slow.is_finished());
    // Nobody waits any more, so no more keys are made, and the next one's turn comes.
    slow.abort();
    let _ = owned.running.runtime.block_on(slow);
    assert_eq!(owned.update(0, &owned.manifest(&next())).status, 200);
}
