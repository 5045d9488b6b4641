//! Updates: what they would change, and that nobody sends one by mistake.

use marblerun_testkit::impostor::answering;
use marblerun_testkit::program::Coordinator;
use serde_json::{Value, json};

use crate::desk::{Desk, coordinator};
use crate::trust::switchboard;

/// A desk with the files of `alice` and `bob`, who have to agree to updates.
struct Owners {
    desk: Desk,
    manifest: Value,
    coordinator: Coordinator,
    address: String,
}

impl Owners {
    fn new() -> Self {
        let (coordinator, address) = coordinator();
        let desk = Desk::new();
        let users: serde_json::Map<String, Value> =
            ["alice", "bob"].iter().map(|name| ((*name).into(), user(&desk, name))).collect();
        let manifest = json!({
            "Packages": {"p": {"SignerID": "11".repeat(32), "ProductID": 1, "SecurityVersion": 3}},
            "Marbles": {"m": {"Package": "p"}},
            "Secrets": {"pooled": {"Type": "symmetric-key", "Size": 128, "Shared": true}},
            "Users": users,
            "Roles": {
                "owner": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]},
                "raiser": {"ResourceType": "Packages", "ResourceNames": ["p"], "Actions": ["UpdateSecurityVersion"]},
            },
        });
        desk.write("manifest.json", &manifest.to_string());
        desk.done(&["manifest", "set", "manifest.json", &address, "-i"]);
        desk.write("raise.json", r#"{"Packages":{"p":{"SecurityVersion":5}}}"#);
        let owners = Self { desk, manifest, coordinator, address };
        owners.next(|_| {});
        owners
    }

    /// Writes `next.json`: the manifest with a longer secret, and what else is wanted.
    fn next(&self, change: impl FnOnce(&mut Value)) {
        let mut next = self.manifest.clone();
        next["Secrets"]["pooled"]["Size"] = json!(256);
        change(&mut next);
        self.desk.write("next.json", &next.to_string());
    }

    fn as_user<'a>(&'a self, name: &str, args: &[&'a str]) -> Vec<String> {
        let login = [format!("--cert={name}.pem"), format!("--key={name}.key")];
        args.iter().map(|arg| arg.replace("ADDR", &self.address)).chain(login).collect()
    }

    fn done(&self, name: &str, args: &[&str]) -> String {
        let args = self.as_user(name, args);
        self.desk.done(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn refused(&self, name: &str, args: &[&str], words: &str) {
        let args = self.as_user(name, args);
        self.desk.refused(&args.iter().map(String::as_str).collect::<Vec<_>>(), words);
    }

    fn plan(&self, file: &str) -> Value {
        let plan = self.desk.done(&["manifest", "plan", file, &self.address, "--format", "json"]);
        serde_json::from_str(&plan).unwrap()
    }
}

fn user(desk: &Desk, name: &str) -> Value {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap().pem();
    desk.write(&format!("{name}.pem"), &certificate);
    desk.write(&format!("{name}.key"), &key.serialize_pem());
    json!({"Certificate": certificate, "Roles": ["owner", "raiser"]})
}

const APPLY: [&str; 5] = ["manifest", "update", "apply", "next.json", "ADDR"];

#[test]
fn what_is_planned_is_what_happens() {
    let owners = Owners::new();
    let plan = owners.plan("next.json");
    assert_eq!(plan["changes"][0]["name"], "pooled", "{plan}");
    assert_eq!(plan["consent"], json!({"users": ["alice", "bob"], "needed": 2, "possible": true}));
    assert_eq!((&plan["pending"], &plan["nobodyCanUpdate"]), (&Value::Null, &json!(false)));

    owners.done("alice", &APPLY);
    assert_eq!(owners.plan("next.json")["pending"], json!({"same": true, "missingUsers": ["bob"]}));
    assert_eq!(owners.plan("raise.json")["pending"]["same"], false);
    let text = owners.desk.done(&["manifest", "plan", "raise.json", &owners.address]);
    assert!(text.contains("! Another update is pending"), "{text}");
    owners.done("bob", &["manifest", "update", "acknowledge", "next.json", "ADDR"]);
    assert_eq!(owners.plan("next.json")["changes"], json!([]));
}

#[test]
fn a_plan_knows_what_was_raised() {
    let owners = Owners::new();
    let first = |plan: &Value| plan["changes"][0]["text"].as_str().unwrap().to_owned();
    let plan = owners.plan("raise.json");
    assert_eq!(first(&plan), "package `p` needs SecurityVersion 5 instead of 3");
    assert_eq!(plan["consent"]["needed"], 1);
    owners.done("bob", &["manifest", "update", "apply", "raise.json", "ADDR"]);
    assert_eq!(first(&owners.plan("raise.json")), "package `p` stays at SecurityVersion 5");
    let full = first(&owners.plan("next.json"));
    assert!(full.contains("needs only SecurityVersion 3 instead of 5"), "{full}");
}

#[test]
fn a_manifest_that_nobody_could_update_again_needs_force() {
    let owners = Owners::new();
    owners.next(|next| next["Roles"]["owner"]["Actions"] = json!([]));
    owners.refused("alice", &APPLY, "nobody could ever update");
    owners.desk.refused(&["manifest", "update", "get", &owners.address], "no update is in progress");
    let plan = owners.desk.done(&["manifest", "plan", "next.json", &owners.address]);
    assert!(plan.contains("! nobody could ever update the manifest again"), "{plan}");
    owners.done("alice", &[&APPLY[..], &["--force"]].concat());
    owners.done("bob", &["manifest", "update", "acknowledge", "next.json", "ADDR", "--force"]);
    owners.refused("alice", &[&APPLY[..], &["--force"]].concat(), "403");
}

/// Evidence speaks of the root alone. An intermediate certificate from before an update is signed by that root, too, but the
/// marbles below it are to be trusted no more: it is not saved, whoever brings it.
#[tokio::test(flavor = "multi_thread")]
async fn an_intermediate_certificate_that_is_no_longer_in_force_is_not_saved() {
    let owners = tokio::task::spawn_blocking(Owners::new).await.unwrap();
    let save = |which: &str, address: &str| {
        owners.desk.done(&["certificate", which, address, "-i", "-o", "saved.pem"]);
        owners.desk.read("saved.pem")
    };
    let before = save("chain", &owners.address);
    owners.done("bob", &["manifest", "update", "apply", "raise.json", "ADDR"]);
    let answer = json!({"status": "success", "data": {"cert": before, "quote": null}});
    let (impostor, genuine) = (answering(answer.to_string()).await.unwrap(), owners.coordinator.client_addr);
    for which in ["intermediate", "chain"] {
        let now = save(which, &owners.address);
        let through = tokio::task::block_in_place(|| save(which, &switchboard(vec![impostor, genuine])));
        assert_eq!(through, now, "{which}");
        assert_ne!(through, before, "{which}");
    }
}

#[test]
fn what_is_wrong_is_said_before_anything_is_sent() {
    let owners = Owners::new();
    owners.next(|next| next["Marbles"]["m"]["Package"] = json!("missing"));
    owners.refused("alice", &APPLY, "next.json:1:");
    owners.refused("alice", &[&APPLY[..], &["--force"]].concat(), "400");
    owners.next(|_| {});
    owners.refused("alice", &[&APPLY[..], &["-r", "missing/recovery.json"]].concat(), "was not sent");
    owners.desk.refused(&["manifest", "update", "get", &owners.address], "no update is in progress");
    owners.done("alice", &APPLY);
    owners.desk.write("other.json", &(owners.desk.read("next.json") + "\n"));
    owners.refused("bob", &["manifest", "update", "acknowledge", "other.json", "ADDR"], "40");
    let cancelled = owners.done("bob", &["manifest", "update", "cancel", "ADDR"]);
    assert_eq!(cancelled, "Update successfully cancelled\n");
}

#[test]
fn recovery_secrets_are_for_the_last_who_agrees() {
    let owners = Owners::new();
    let key = json!(rsa_public_key());
    owners.next(|next| next["RecoveryKeys"] = json!({"holder": key}));
    owners.desk.write("recovery.json", "precious");
    owners.done("alice", &[&APPLY[..], &["-r", "recovery.json"]].concat());
    assert_eq!(owners.desk.read("recovery.json"), "precious", "nothing came yet");
    let acknowledge = ["manifest", "update", "acknowledge", "next.json", "ADDR"];
    // Opens like a file, and is full when something is written.
    let args = owners.as_user("bob", &[&acknowledge[..], &["-r", "/dev/full"]].concat());
    let call = owners.desk.refused(&args.iter().map(String::as_str).collect::<Vec<_>>(), "keep them");
    let json = call.stdout.lines().last().unwrap();
    let secrets: Value = serde_json::from_str(json).unwrap();
    assert!(secrets["RecoverySecrets"]["holder"].is_string(), "{call:?}");
}

fn rsa_public_key() -> String {
    let folder = marblerun_testkit::golden::folder("api").unwrap();
    std::fs::read_to_string(folder.join("keys/safe-two.public.pem")).unwrap()
}

#[test]
fn manifests_are_compared_without_a_coordinator() {
    let desk = Desk::new();
    desk.write(
        "old.yaml",
        "Packages: {p: {SignerID: \"AA\", ProductID: 1, SecurityVersion: 3}}\nMarbles: {m: {Package: p}}\n"
            .replace("AA", &"11".repeat(32))
            .as_str(),
    );
    desk.write("raise.json", r#"{"Packages":{"p":{"SecurityVersion":5}}}"#);
    let text = desk.done(&["manifest", "diff", "old.yaml", "raise.json"]);
    for line in [
        "Packages:\n  - package `p` needs SecurityVersion 5 instead of 3\n",
        "Marbles:\n  ! marble `m` refuses marbles that were admitted: builds below SecurityVersion 5\n",
        "! No user may raise all of these packages",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    let same: Value =
        serde_json::from_str(&desk.done(&["manifest", "diff", "old.yaml", "old.yaml", "--format", "json"]))
            .unwrap();
    assert_eq!((&same["kind"], &same["old"]), (&json!("manifest"), &same["new"]));
    assert_eq!(same["consent"]["possible"], false);
    desk.write("bad.yaml", "Packages: {}\nMarbles: {m: {Package: q}}\n");
    desk.refused(&["manifest", "diff", "old.yaml", "bad.yaml"], "bad.yaml:2:");
    desk.refused(&["manifest", "diff", "bad.yaml", "old.yaml"], "bad.yaml:2:");
    // An update is not what another one can be compared with.
    desk.refused(&["manifest", "diff", "raise.json", "old.yaml"], "raise.json");
}
