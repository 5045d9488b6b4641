//! Updates through `decide` and `apply`: who may send what, what is kept, and every order in which three owners can act.

use std::collections::BTreeMap;
use std::sync::Arc;

use marblerun_core::keys::FreshKeys;
use marblerun_core::secrets::SecretValue;
use marblerun_core::update::{
    Making, PreparedUpdate, Sent, begin_acknowledgement, begin_update, prepare_update,
};
use marblerun_core::{
    Abilities, Command, Deployment, Event, Refusal, State, User, apply, decide, decode_events,
    decode_snapshot, encode_events, encode_snapshot, milliseconds,
};
use serde_json::{Value, json};

use crate::lifecycle::{accepting, now, set};
use crate::users::Person;

/// Three owners, one who raises versions of `p`, and one without rights.
pub(crate) struct People(BTreeMap<&'static str, Person>);

const OWNERS: [&str; 3] = ["alice", "bob", "carol"];

impl People {
    fn new() -> Self {
        Self(["alice", "bob", "carol", "brewer", "idle"].map(|name| (name, Person::new())).into())
    }

    fn login(&self, deployment: &Deployment, name: &str) -> User {
        User::login(deployment, &self.0[name].der).unwrap()
    }

    fn manifest(&self, changes: &Value) -> String {
        let mut manifest = json!({
            "Packages": {
                "p": {"SignerID": "ab".repeat(32), "ProductID": 1, "SecurityVersion": 5},
                "q": {"UniqueID": "cd".repeat(32)},
            },
            "Marbles": {"web": {"Package": "p", "MaxActivations": 9}},
            "Secrets": {
                "kept": {"Type": "symmetric-key", "Size": 128, "Shared": true},
                "grown": {"Type": "symmetric-key", "Size": 128, "Shared": true},
                "gone": {"Type": "symmetric-key", "Size": 128, "Shared": true},
                "crate": {"Type": "cert-ecdsa", "Size": 256, "Shared": true},
                "note": {"Type": "plain", "UserDefined": true},
            },
            "Roles": {
                "owner": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]},
                "brewer": {"ResourceType": "Packages", "ResourceNames": ["p", "q"], "Actions": ["UpdateSecurityVersion"]},
            },
        });
        for (name, person) in &self.0 {
            let roles = match *name {
                "idle" => json!([]),
                "brewer" => json!(["brewer"]),
                _ => json!(["owner"]),
            };
            manifest["Users"][*name] = json!({"Certificate": person.pem, "Roles": roles});
        }
        merge(&mut manifest, changes);
        manifest.to_string()
    }

    fn serving(&self, changes: &Value) -> Deployment {
        set(&accepting(), &self.manifest(changes)).unwrap().deployment().unwrap().clone()
    }
}

/// RFC 7386.
fn merge(into: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else { return into.clone_from(patch) };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            into.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut into[key], value);
        }
    }
}

fn making() -> Making<'static> {
    Making { names: &[], addresses: &[], keys: &FreshKeys, now: now() }
}

fn at() -> u64 {
    milliseconds(now())
}

fn after(deployment: &Deployment, command: &Command) -> Result<Deployment, Refusal> {
    let events = decide(&State::Serving(deployment.clone()), command)?;
    // As a restart reads them.
    let events: Vec<Event> = decode_events(&encode_events(&events).unwrap()).unwrap();
    let state =
        events.iter().fold(State::Serving(deployment.clone()), |state, event| apply(&state, event).unwrap());
    let deployment = state.deployment().unwrap();
    Ok(decode_snapshot(&encode_snapshot(deployment).unwrap()).unwrap())
}

/// The command that a word of this user leads to.
fn command(deployment: &Deployment, user: &User, sent: Sent, fingerprint: [u8; 32]) -> Command {
    let user = user.clone();
    match sent {
        Sent::Ready(ready) => {
            Command::Update(Arc::new(prepare_update(deployment, user, ready, making()).unwrap()))
        }
        Sent::Waits { manifest, .. } => Command::ProposeUpdate { user, manifest, at: at() },
        Sent::Counts => Command::AcknowledgeUpdate { user, fingerprint, at: at() },
    }
}

fn send(deployment: &Deployment, user: &User, raw: &str) -> Result<Deployment, Refusal> {
    let sent = begin_update(deployment, user, raw.as_bytes(), &Abilities::default(), now())?;
    after(deployment, &command(deployment, user, sent, [0; 32]))
}

fn texts(deployment: &Deployment) -> Vec<String> {
    let text = |line| serde_json::from_str::<Value>(line).unwrap()["update"].as_str().unwrap().to_owned();
    deployment.log.iter().map(text).collect()
}

fn alone() -> Value {
    json!({"Config": {"UpdateThreshold": 1}})
}

#[test]
fn versions_go_up_and_nothing_else_changes() {
    let people = People::new();
    let before = people.serving(&json!({}));
    let brewer = people.login(&before, "brewer");
    let raised = send(&before, &brewer, r#"{"Packages": {"p": {"SecurityVersion": 6}}}"#).unwrap();
    assert_eq!(raised.security_version("p"), Some(6));
    assert_eq!(raised.manifest.raw, before.manifest.raw);
    assert!(
        raised.secrets["kept"] == before.secrets["kept"]
            && raised.secrets["crate"] != before.secrets["crate"]
    );
    assert!(raised.pki.root == before.pki.root && raised.pki.marble_root != before.pki.marble_root);
    assert_ne!(raised.chain, before.chain);
    assert_eq!(raised.epoch, before.epoch + 1);
    assert!(send(&raised, &brewer, r#"{"Packages": {"p": {"SecurityVersion": 6}}}"#).is_ok(), "equal counts");
    let lower = send(&raised, &brewer, r#"{"Packages": {"p": {"SecurityVersion": 5}}}"#);
    assert!(matches!(lower, Err(Refusal::LowerVersion { sent: 5, current: 6, .. })));
    let unnamed = send(&raised, &brewer, r#"{"Packages": {"q": {"SecurityVersion": 5}}}"#);
    assert!(matches!(unnamed, Err(Refusal::NoSecurityVersion(_))));
    let unknown = send(&raised, &brewer, r#"{"Packages": {"r": {"SecurityVersion": 5}}}"#);
    assert!(matches!(unknown, Err(Refusal::UnknownPackage(_))));
    let manifest = send(&raised, &brewer, &people.manifest(&json!({})));
    assert!(matches!(manifest, Err(Refusal::MayNotUpdate { .. })));
    let owner = people.login(&raised, "alice");
    let foreign = send(&raised, &owner, r#"{"Packages": {"p": {"SecurityVersion": 7}}}"#);
    assert!(matches!(foreign, Err(Refusal::MayNotRaise { .. })));
    let idle = send(&raised, &people.login(&raised, "idle"), "no JSON");
    assert!(matches!(idle, Err(Refusal::MayNotUpdate { .. })), "rights come before the document");
}

#[test]
fn a_manifest_keeps_what_is_defined_as_before() {
    let people = People::new();
    let mut before = people.serving(&alone());
    let note = SecretValue::Bytes(zeroize::Zeroizing::new(b"remember".to_vec()));
    Arc::make_mut(&mut before.secrets).insert("note".into(), note.clone());
    let before = after(&before, &Command::CountActivation { marble_type: "web".into(), epoch: 0 }).unwrap();
    let brewer = people.login(&before, "brewer");
    let before = send(&before, &brewer, r#"{"Packages": {"p": {"SecurityVersion": 9}}}"#).unwrap();
    let next = json!({"Config": {"UpdateThreshold": 2}, "Secrets": {
        "grown": {"Size": 256}, "gone": null, "fresh": {"Type": "symmetric-key", "Size": 64, "Shared": true},
    }});
    let updated = send(&before, &people.login(&before, "alice"), &people.manifest(&next)).unwrap();
    let names: Vec<&str> = updated.secrets.keys().map(String::as_str).collect();
    assert_eq!(names, ["crate", "fresh", "grown", "kept", "note"]);
    assert!(updated.secrets["kept"] == before.secrets["kept"] && updated.secrets["note"] == note);
    assert!(updated.secrets["grown"] != before.secrets["grown"]);
    assert!(updated.secrets["crate"] != before.secrets["crate"], "certificates are issued anew");
    assert!(updated.root_secret == before.root_secret && updated.previous.is_none());
    assert_eq!(updated.security_version("p"), Some(5), "as the manifest says, also below a raised one");
    assert_eq!(updated.activations["web"], 1);
    assert!(updated.manifest_signature != before.manifest_signature);
}

#[test]
fn a_rotation_keeps_the_last_values_as_previous_ones() {
    let people = People::new();
    let first = people.serving(&alone());
    let rotating = people.manifest(&json!({"Config": {"UpdateThreshold": 1, "RotateRootSecret": true}}));
    let second = send(&first, &people.login(&first, "alice"), &rotating).unwrap();
    let previous = second.previous.clone().unwrap();
    assert!(previous.root_secret == first.root_secret && second.root_secret != first.root_secret);
    assert!(previous.secrets == *first.secrets && second.secrets["kept"] != first.secrets["kept"]);
    let third = send(&second, &people.login(&second, "bob"), &people.manifest(&alone())).unwrap();
    assert!(third.previous.unwrap().secrets == previous.secrets, "it stays at the last rotation");
    assert!(third.secrets["kept"] == second.secrets["kept"]);
}

/// A package update beside a pending one would be undone by it, silently.
#[test]
fn one_update_is_pending_at_a_time() {
    let people = People::new();
    let before = people.serving(&json!({}));
    let next = people.manifest(&json!({"Infrastructures": {"any": {}}}));
    let pending = send(&before, &people.login(&before, "alice"), &next).unwrap();
    assert_eq!(pending.standing().unwrap().missing, 2);
    assert_eq!(pending.manifest.raw, before.manifest.raw);
    for (who, what) in [
        ("alice", next.as_str()),
        ("bob", &people.manifest(&json!({"Infrastructures": {"other": {}}}))),
        ("brewer", r#"{"Packages": {"p": {"SecurityVersion": 6}}}"#),
    ] {
        let refused = send(&pending, &people.login(&pending, who), what);
        assert!(matches!(refused, Err(Refusal::UpdatePending(_))), "{who}");
    }
    let other = begin_acknowledgement(&pending, &people.login(&pending, "bob"), &[7; 32]);
    assert!(matches!(other, Err(Refusal::OtherUpdate { .. })));
    let idle = begin_acknowledgement(&pending, &people.login(&pending, "idle"), &[7; 32]);
    assert!(matches!(idle, Err(Refusal::MayNotUpdate { .. })));
    let nothing = begin_acknowledgement(&before, &people.login(&before, "bob"), &[7; 32]);
    assert!(matches!(nothing, Err(Refusal::NoUpdatePending)));
}

/// What waits was checked when it was sent, and a certificate that would be expired meanwhile is refused then.
#[test]
fn everything_is_checked_before_it_waits() {
    let people = People::new();
    let before = people.serving(&json!({}));
    let alice = people.login(&before, "alice");
    for wrong in [
        json!({"Marbles": {"web": {"Parameters": {"Env": {"X": "{{ hex .Secrets.none }}"}}}}}),
        json!({"Config": {"FeatureGates": ["AzureHSMSealing"]}}),
        json!({"Secrets": {"crate": {"Cert": {"NotAfter": "2001-01-01T00:00:00Z"}}}}),
    ] {
        let refused = send(&before, &alice, &people.manifest(&wrong));
        assert!(matches!(refused, Err(Refusal::Manifest(_) | Refusal::Unsupported { .. })), "{wrong}");
    }
}

#[test]
fn new_holders_get_a_new_data_key_and_the_same_ones_do_not() {
    let people = People::new();
    let key = include_str!("../../../../testdata/golden/api/keys/safe-one.public.pem");
    let with = |changes: Value| {
        let mut all = json!({"Config": {"UpdateThreshold": 1}, "RecoveryKeys": {"one": key}});
        merge(&mut all, &changes);
        people.manifest(&all)
    };
    let before = set(&accepting(), &with(json!({}))).unwrap().deployment().unwrap().clone();
    let able = Abilities { hsm_sealing: Ok(()) };
    let rekeyed = |changes: Value| {
        let user = people.login(&before, "alice");
        let sent = begin_update(&before, &user, with(changes).as_bytes(), &able, now()).unwrap();
        let Sent::Ready(ready) = sent else { panic!("one owner is enough") };
        let announced = ready.makes_recovery_secrets(&before);
        let prepared = prepare_update(&before, user, ready, making()).unwrap();
        assert_eq!(announced, prepared.rekey.is_some());
        prepared.rekey.map(|rekey| rekey.shares.encrypted.len())
    };
    assert_eq!(rekeyed(json!({})), None);
    assert_eq!(rekeyed(json!({"Infrastructures": {"any": {}}})), None);
    assert_eq!(rekeyed(json!({"RecoveryKeys": {"one": null, "uno": key}})), Some(1));
    assert_eq!(rekeyed(json!({"RecoveryKeys": null})), Some(0), "nobody can recover it any more");
    assert_eq!(rekeyed(json!({"Config": {"SealMode": "UniqueKey"}})), Some(1));
    assert_eq!(
        rekeyed(json!({"Config": {"FeatureGates": ["AzureHSMSealing"]}})),
        Some(1),
        "sealed in another way"
    );
}

/// A word of an owner, made ready on the state of some moment, and said later.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Word {
    Acknowledge(usize),
    Cancel(usize),
}

const WORDS: [Word; 6] = [
    Word::Acknowledge(0),
    Word::Acknowledge(1),
    Word::Acknowledge(2),
    Word::Cancel(0),
    Word::Cancel(1),
    Word::Cancel(2),
];

/// T10: every sequence of four words of three owners, where each word may have been made ready before the word before it
/// took effect. The update applies at most once, never after it was cancelled, and only with all three owners' word.
#[test]
fn every_order_of_three_owners_has_one_outcome() {
    let people = People::new();
    let before = people.serving(&json!({}));
    let next = people.manifest(&json!({"Infrastructures": {"any": {}}}));
    let pending = send(&before, &people.login(&before, "alice"), &next).unwrap();
    let mut seen = [0; 3];
    let mut memory = Memory::default();
    for sequence in 0..WORDS.len().pow(4) {
        let words = [1, 6, 36, 216].map(|by| WORDS[sequence / by % 6]);
        for stale in 0..2_usize.pow(3) {
            let late = [false, stale & 1 != 0, stale & 2 != 0, stale & 4 != 0];
            let outcome = play(&people, &pending, words, late, &mut memory);
            seen[outcome] += 1;
        }
    }
    assert!(seen.iter().all(|times| *times > 0), "applied, cancelled, pending: {seen:?}");
    println!("applied, cancelled, still pending: {seen:?}");
}

/// Prepared updates are costly and depend on nothing but who said the last word: made once each.
#[derive(Default)]
struct Memory(BTreeMap<usize, Arc<PreparedUpdate>>);

/// 0: applied, 1: cancelled, 2: still pending.
fn play(
    people: &People,
    pending: &Deployment,
    words: [Word; 4],
    late: [bool; 4],
    memory: &mut Memory,
) -> usize {
    let (mut states, mut agreed) = (vec![pending.clone()], vec![true, false, false]);
    let (mut applied, mut cancelled) = (0, 0);
    for (word, late) in words.into_iter().zip(late) {
        let current = states.last().unwrap().clone();
        let seen = if late { states[states.len().saturating_sub(2)].clone() } else { current.clone() };
        let outcome = say(people, &seen, &current, word, memory);
        if let Ok(after) = outcome {
            match word {
                Word::Cancel(_) => cancelled += 1,
                Word::Acknowledge(owner) => agreed[owner] = true,
            }
            applied += usize::from(after.manifest.fingerprint != current.manifest.fingerprint);
            states.push(after);
        }
        let last = states.last().unwrap();
        assert!(applied + cancelled <= 1, "{words:?} {late}");
        assert_eq!(last.pending.is_some(), applied + cancelled == 0);
        assert!(applied == 0 || agreed == [true; 3], "{words:?}: {agreed:?}");
        let done = texts(last).iter().filter(|text| *text == "Complete Manifest updated").count();
        assert_eq!(done, applied);
    }
    match (applied, cancelled) {
        (1, _) => 0,
        (_, 1) => 1,
        _ => 2,
    }
}

/// Says a word that was made ready on `seen`, in the state `current`.
fn say(
    people: &People,
    seen: &Deployment,
    current: &Deployment,
    word: Word,
    memory: &mut Memory,
) -> Result<Deployment, Refusal> {
    let owner = match word {
        Word::Acknowledge(owner) | Word::Cancel(owner) => owner,
    };
    let user = people.login(seen, OWNERS[owner]);
    let command = match word {
        Word::Cancel(_) => Command::CancelUpdate { user, at: at() },
        Word::Acknowledge(_) => {
            let Some(pending) = &seen.pending else { return Err(Refusal::NoUpdatePending) };
            let fingerprint = pending.manifest.fingerprint;
            match begin_acknowledgement(seen, &user, &fingerprint)? {
                Sent::Ready(ready) => {
                    let prepare = || Arc::new(prepare_update(seen, user.clone(), ready, making()).unwrap());
                    Command::Update(Arc::clone(memory.0.entry(owner).or_insert_with(prepare)))
                }
                sent => command(seen, &user, sent, fingerprint),
            }
        }
    };
    let events = decide(&State::Serving(current.clone()), &command)?;
    let state =
        events.iter().fold(State::Serving(current.clone()), |state, event| apply(&state, event).unwrap());
    Ok(state.deployment().unwrap().clone())
}
