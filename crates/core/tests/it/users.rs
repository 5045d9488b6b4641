//! What users and marbles change: uploads and counters, through `decide` and `apply`, without any IO.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use marblerun_core::keys::FreshKeys;
use marblerun_core::pki::CertificateRequest;
use marblerun_core::secrets::{SecretValue, Upload};
use marblerun_core::{
    ActiveMarble, Command, Deployment, Event, Refusal, State, User, apply, decide, decode_events,
    decode_snapshot, encode_events, encode_snapshot, read_secrets, upload_secrets,
};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::certificates::{public, request_der};
use crate::lifecycle::{accepting, manifest, now, set};

pub(crate) struct Person {
    pub(crate) der: Vec<u8>,
    pub(crate) pem: String,
}

impl Person {
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
        Self { der: certificate.der().to_vec(), pem: certificate.pem() }
    }
}

/// `alice` may write `note` and read all; `web` uses `note` as a text, `raw` takes it as it is.
fn serving(alice: &Person) -> Deployment {
    let rest = serde_json::json!({
        "Secrets": {
            "note": {"Type": "plain", "UserDefined": true},
            "blob": {"Type": "plain", "UserDefined": true},
            "shared": {"Type": "symmetric-key", "Size": 128, "Shared": true},
        },
        "Users": {"alice": {"Certificate": alice.pem, "Roles": ["w", "r"]}},
        "Roles": {
            "w": {"ResourceType": "Secrets", "ResourceNames": ["note", "blob"], "Actions": ["WriteSecret"]},
            "r": {"ResourceType": "Secrets", "ResourceNames": ["note", "shared"], "Actions": ["ReadSecret"]},
        },
    });
    let rest = rest.to_string();
    let parameters = r#", "MaxActivations": 9, "Parameters": {
        "Env": {"N": "{{ string .Secrets.note }}{{ base64 .Secrets.blob }}"}, "Files": {"/n": "{{ raw .Secrets.note }}"}}"#;
    let text = manifest(parameters, &format!(", {}", &rest[1..rest.len() - 1]));
    set(&accepting(), &text).unwrap().deployment().unwrap().clone()
}

fn upload(name: &str, bytes: &[u8]) -> BTreeMap<String, Upload> {
    let key = Some(Zeroizing::new(bytes.to_vec()));
    BTreeMap::from([(name.to_owned(), Upload { key, ..Upload::default() })])
}

fn after(state: &State, events: &[Event]) -> State {
    events.iter().fold(state.clone(), |state, event| apply(&state, event).unwrap())
}

#[test]
fn an_upload_is_one_event_that_says_who_and_what_and_ends_the_epoch() {
    let alice = Person::new();
    let deployment = serving(&alice);
    let user = User::login(&deployment, &alice.der).unwrap();
    let command = upload_secrets(&deployment, &user, upload("note", b"abc"), now()).unwrap();
    let state = State::Serving(deployment);
    let events = decide(&state, &command).unwrap();
    assert_eq!(events.len(), 1);
    let replayed = decode_events(&encode_events(&events).unwrap()).unwrap();
    let state = after(&state, &replayed);
    let deployment = state.deployment().unwrap();
    assert!(deployment.secrets["note"] == SecretValue::Bytes(Zeroizing::new(b"abc".to_vec())));
    assert_eq!(deployment.epoch, 1);
    let line = deployment.log.line(1).unwrap();
    let expected = r#"{"secret":"note","time":"2027-01-15T08:00:00Z","type":"plain","update":"Secret set","user":"alice"}"#;
    assert_eq!(line, expected);
    assert!(!line.contains("abc"));
    let again = decode_snapshot(&encode_snapshot(deployment).unwrap()).unwrap();
    assert!(again.secrets == deployment.secrets && again.log == deployment.log);
    let count = Command::CountActivation { marble_type: "web".into(), epoch: 0 };
    assert_eq!(decide(&state, &count).err(), Some(Refusal::Superseded), "rendered with older values");
}

fn check_refused(deployment: &Deployment, user: &User, uploads: BTreeMap<String, Upload>, expected: &str) {
    let refusal = upload_secrets(deployment, user, uploads, now()).err().unwrap().to_string();
    assert!(refusal.contains(expected), "{refusal}");
}

#[test]
fn an_upload_is_refused_for_its_names_before_its_values() {
    let alice = Person::new();
    let deployment = serving(&alice);
    let user = User::login(&deployment, &alice.der).unwrap();
    let both = |name: &str| upload("note", b"").into_iter().chain(upload(name, b"x")).collect();
    check_refused(&deployment, &user, BTreeMap::new(), "no secret is named");
    check_refused(&deployment, &user, both("nothing"), "unknown secret \"nothing\"");
    check_refused(&deployment, &user, both("shared"), "may not write secret \"shared\"");
    check_refused(&deployment, &user, both("blob"), "must not be empty");
    check_refused(&deployment, &user, upload(&"x".repeat(9999), b"x"), "unknown secret \"xxx");
    check_refused(&deployment, &user, upload("note", b"a\0b"), "Marbles.web.Parameters.Env.N");
    assert!(upload_secrets(&deployment, &user, upload("blob", b"a\0b"), now()).is_ok());
}

#[test]
fn reading_needs_a_name_and_the_right_to_each() {
    let alice = Person::new();
    let deployment = serving(&alice);
    let user = User::login(&deployment, &alice.der).unwrap();
    let read = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let read = read_secrets(&deployment, &user, &names)?;
        Ok::<_, Refusal>(read.values().map(|(_, value)| value.is_some()).collect::<Vec<_>>())
    };
    assert_eq!(read(&["shared", "note", "note"]), Ok(vec![false, true]));
    assert_eq!(read(&[]), Err(Refusal::NoSecretNamed));
    assert_eq!(read(&["note", ""]), Err(Refusal::NoSecretNamed));
    assert_eq!(read(&["note", "nothing"]), Err(Refusal::UnknownSecret("nothing".into())));
    assert!(matches!(read(&["note", "blob"]), Err(Refusal::NotAllowed { action: "read", .. })));
}

#[test]
fn a_user_belongs_to_one_manifest() {
    let (alice, other) = (Person::new(), Person::new());
    let (deployment, elsewhere) = (serving(&alice), serving(&other));
    assert!(User::login(&deployment, &other.der).is_none());
    assert!(User::login(&deployment, b"").is_none());
    let user = User::login(&deployment, &alice.der).unwrap();
    let command = upload_secrets(&deployment, &user, upload("note", b"abc"), now()).unwrap();
    assert_eq!(decide(&State::Serving(elsewhere.clone()), &command).err(), Some(Refusal::Superseded));
    let refused = upload_secrets(&elsewhere, &user, upload("note", b"abc"), now()).err();
    assert_eq!(refused, Some(Refusal::Superseded));
    assert_eq!(read_secrets(&elsewhere, &user, &["note".into()]).err(), Some(Refusal::Superseded));
}

fn leaf(deployment: &Deployment, marble_type: &str) -> Vec<u8> {
    let request = CertificateRequest::parse(&request_der(&["localhost"], &[])).unwrap();
    let public = public(marblerun_core::keys::KeyKind::Ed25519);
    let uuid = Uuid::from_u128(7).to_string();
    deployment.pki.issue_marble(&request, marble_type, &uuid, &public, &FreshKeys, now()).unwrap()
}

fn raise(state: &State, marble: &ActiveMarble, name: &str, value: u64) -> State {
    let command = Command::RaiseCounter { marble: marble.clone(), name: name.into(), value };
    let events = decode_events(&encode_events(&decide(state, &command).unwrap()).unwrap()).unwrap();
    after(state, &events)
}

fn value(state: &State, marble: &ActiveMarble, name: &str) -> u64 {
    state.deployment().unwrap().counters.value(&marble.counter(name.into()))
}

#[test]
fn counters_rise_survive_a_snapshot_and_end_with_their_certificate() {
    let deployment = serving(&Person::new());
    let marble = ActiveMarble::login(&deployment, &leaf(&deployment, "web"), now()).unwrap();
    let late = now() + Duration::from_secs(400 * 365 * 86_400);
    assert!(ActiveMarble::login(&deployment, &leaf(&deployment, "web"), late).is_none());
    assert!(ActiveMarble::login(&deployment, &leaf(&deployment, "gone"), now()).is_none());
    let mut state = State::Serving(deployment);
    for (value_sent, expected) in [(5, 5), (3, 5), (0, 5), (9, 9), (9, 9)] {
        state = raise(&state, &marble, "n", value_sent);
        assert_eq!(value(&state, &marble, "n"), expected);
    }
    let snapshot = encode_snapshot(state.deployment().unwrap()).unwrap();
    let mut updated = decode_snapshot(&snapshot).unwrap();
    assert_eq!(value(&State::Serving(updated.clone()), &marble, "n"), 9);
    updated.pki = Arc::new(updated.pki.with_new_intermediate(&[], &[], &FreshKeys, now()).unwrap());
    let command = Command::RaiseCounter { marble, name: "n".into(), value: 10 };
    assert_eq!(decide(&State::Serving(updated), &command).err(), Some(Refusal::Superseded));
}

#[test]
fn what_users_and_marbles_change_needs_a_manifest_and_a_definition() {
    let id = marblerun_core::CounterId { marble_type: "web".into(), uuid: Uuid::nil(), name: String::new() };
    let values = BTreeMap::from([("gone".to_owned(), SecretValue::Bytes(Zeroizing::new(vec![1])))]);
    let set = Event::SecretsSet { at: 0, user: "alice".into(), values };
    assert!(apply(&accepting(), &Event::CounterRaised { id, value: 1 }).is_err());
    assert!(apply(&accepting(), &set).is_err());
    assert!(apply(&State::Serving(serving(&Person::new())), &set).is_err());
}

/// The time of the fastest of some batches of raises, each on a state with that many counters.
fn cost_with(counters: u64) -> Duration {
    let mut deployment = serving(&Person::new());
    let marble = ActiveMarble::login(&deployment, &leaf(&deployment, "web"), now()).unwrap();
    let all: Vec<_> = (0..counters).map(|n| (marble.counter(format!("counter {n}")), 1)).collect();
    deployment.counters = serde_json::from_value(serde_json::to_value(all).unwrap()).unwrap();
    let mut state = State::Serving(deployment);
    let batch = |round: u64| {
        let start = Instant::now();
        for n in 0..50 {
            // The state before stays alive, as it does for readers.
            let before = state.clone();
            state = raise(&before, &marble, &format!("counter {n}"), round + 2);
        }
        start.elapsed()
    };
    (0..20).map(batch).min().unwrap()
}

/// Doubling of a tree's depth is allowed for; a copy of everything would be a thousand times as much.
#[test]
fn raising_a_counter_does_not_cost_more_with_many() {
    let (few, many) = (cost_with(50), cost_with(50_000));
    assert!(many < few * 20, "{few:?} with 50 counters, {many:?} with 50,000");
}
