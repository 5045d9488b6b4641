//! From a manifest to an activated marble, through `decide` and `apply`, without any IO.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use marblerun_attest::{Binding, SimulationVerifier, Verified, Verifier};
use marblerun_core::activation::{Admission, Request, TTLS_CONFIG, admit};
use marblerun_core::keys::FreshKeys;
use marblerun_core::pki::Pki;
use marblerun_core::{
    Abilities, Command, Deployment, Event, Refusal, State, apply, decide, decode_events, decode_snapshot,
    encode_events, encode_snapshot, prepare,
};

const ID: &str = "0d1e2f30-4152-4637-8a9b-acbdcedff001";

pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

pub(crate) fn accepting() -> State {
    State::Accepting(Arc::new(Pki::generate(&["localhost".into()], &[], &FreshKeys, now()).unwrap()))
}

/// A manifest with one marble type `web` whose entry is `marble`, and `rest` beside the packages.
pub(crate) fn manifest(marble: &str, rest: &str) -> String {
    format!(
        r#"{{"Packages": {{"p": {{"UniqueID": "{id}"}}}}, "Marbles": {{"web": {{"Package": "p"{marble}}}}}{rest}}}"#,
        id = "ab".repeat(32)
    )
}

pub(crate) fn set(state: &State, manifest: &str) -> Result<State, Refusal> {
    let prepared = prepare(manifest.as_bytes(), state.pki(), &FreshKeys, &Abilities::default(), now())?;
    let events = decide(state, &Command::SetManifest(Arc::new(prepared)))?;
    Ok(events.iter().fold(state.clone(), |state, event| apply(&state, event).unwrap()))
}

fn serving(manifest: &str) -> Deployment {
    set(&accepting(), manifest).unwrap().deployment().unwrap().clone()
}

fn verified() -> Verified {
    SimulationVerifier.verify(&[], &Binding::MarbleCertificate([0; 32]), now()).unwrap()
}

fn csr() -> Vec<u8> {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    parameters.serialize_request(&key).unwrap().der().to_vec()
}

fn activate(deployment: &Deployment, marble_type: &str, uuid: &str) -> Result<Admission, Refusal> {
    let csr = csr();
    admit(deployment, &verified(), Request { marble_type, uuid, csr: &csr }, &FreshKeys, now())
}

fn env(admission: &Admission, name: &str) -> String {
    String::from_utf8(admission.parameters.env[name].to_vec()).unwrap()
}

#[test]
fn a_manifest_is_set_once() {
    let state = set(&accepting(), &manifest("", "")).unwrap();
    assert_eq!(set(&state, &manifest("", "")).err(), Some(Refusal::ManifestAlreadySet));
}

#[test]
fn a_manifest_prepared_for_other_certificates_is_void() {
    let prepared =
        prepare(manifest("", "").as_bytes(), accepting().pki(), &FreshKeys, &Abilities::default(), now())
            .unwrap();
    let decided = decide(&accepting(), &Command::SetManifest(Arc::new(prepared)));
    assert_eq!(decided.err(), Some(Refusal::Superseded));
}

#[test]
fn no_marble_joins_before_a_manifest() {
    let count = Command::CountActivation { marble_type: "web".into(), epoch: 0 };
    assert!(matches!(decide(&accepting(), &count), Err(Refusal::NotServing(_))));
}

#[test]
fn what_is_refused_and_in_which_order() {
    let deployment = serving(&manifest("", ""));
    assert!(
        matches!(activate(&deployment, "db", "not a UUID"), Err(Refusal::UnknownMarble(_))),
        "type first"
    );
    assert!(matches!(activate(&deployment, "Web", ID), Err(Refusal::UnknownMarble(_))), "case counts");
    assert!(matches!(activate(&deployment, "web", "not a UUID"), Err(Refusal::Uuid(_))));
    let request = Request { marble_type: "web", uuid: ID, csr: b"no request" };
    assert!(matches!(admit(&deployment, &verified(), request, &FreshKeys, now()), Err(Refusal::Request(_))));
}

/// T17: a package may say which names its marbles have.
#[test]
fn a_package_may_list_the_names_of_its_marbles() {
    let listing = |names: &str| {
        let text =
            manifest("", "").replace("\"UniqueID\"", &format!("\"AllowedDNSNames\": {names}, \"UniqueID\""));
        activate(&serving(&text), "web", ID)
    };
    assert!(listing(r#"["web.example", "LOCALHOST"]"#).is_ok());
    for names in [r#"["web.example"]"#, "[]"] {
        let refusal = listing(names).err().unwrap();
        assert!(matches!(&refusal, Refusal::DnsName { name, .. } if name == "localhost"), "{refusal}");
        assert!(refusal.to_string().contains("Packages.p.AllowedDNSNames"), "{refusal}");
    }
}

#[test]
fn names_from_the_wire_are_cut_before_they_reach_a_log() {
    let deployment = serving(&manifest("", ""));
    let long = "x".repeat(100_000);
    for (marble_type, uuid) in [(long.as_str(), ID), ("web", long.as_str())] {
        let refusal = activate(&deployment, marble_type, uuid).err().unwrap();
        assert!(refusal.to_string().len() < 300, "{refusal}");
    }
}

#[test]
fn every_spelling_of_a_uuid_is_the_same_marble() {
    let secrets = r#", "Secrets": {"k": {"Type": "symmetric-key", "Size": 128}}"#;
    let deployment = serving(&manifest(r#", "Parameters": {"Env": {"K": "{{ hex .Secrets.k }}"}}"#, secrets));
    let simple = ID.replace('-', "");
    let spellings = [ID.into(), ID.to_uppercase(), simple, format!("urn:uuid:{ID}"), format!("{{{ID}}}")];
    let keys: Vec<String> =
        spellings.iter().map(|uuid| env(&activate(&deployment, "web", uuid).unwrap(), "K")).collect();
    assert!(keys.iter().all(|key| *key == keys[0] && key.len() == 32), "{keys:?}");
    let other = activate(&deployment, "web", "0d1e2f30-4152-4637-8a9b-acbdcedff002").unwrap();
    assert_ne!(env(&other, "K"), keys[0]);
}

#[test]
fn a_limit_is_counted_by_events_and_survives_a_snapshot() {
    let deployment = serving(&manifest(r#", "MaxActivations": 2"#, ""));
    let mut state = State::Serving(deployment);
    for _ in 0..2 {
        let count = activate(state.deployment().unwrap(), "web", ID).unwrap().count.unwrap();
        let events = decode_events(&encode_events(&decide(&state, &count).unwrap()).unwrap()).unwrap();
        state = apply(&state, &events[0]).unwrap();
        state =
            State::Serving(decode_snapshot(&encode_snapshot(state.deployment().unwrap()).unwrap()).unwrap());
    }
    let deployment = state.deployment().unwrap();
    let reached = Refusal::LimitReached { marble_type: "web".into(), limit: 2 };
    assert_eq!(activate(deployment, "web", ID).err(), Some(reached.clone()), "before anything is made");
    let count = Command::CountActivation { marble_type: "web".into(), epoch: deployment.epoch };
    assert_eq!(decide(&state, &count).err(), Some(reached), "and where it is decided");
}

#[test]
fn an_admission_under_another_epoch_is_void() {
    let mut deployment = serving(&manifest(r#", "MaxActivations": 2"#, ""));
    let count = activate(&deployment, "web", ID).unwrap().count.unwrap();
    deployment.epoch += 1;
    assert_eq!(decide(&State::Serving(deployment), &count).err(), Some(Refusal::Superseded));
}

#[test]
fn a_snapshot_gives_the_same_deployment() {
    let secrets = r#", "Secrets": {"k": {"Type": "symmetric-key", "Size": 256, "Shared": true},
        "c": {"Type": "cert-ecdsa", "Size": 256, "Shared": true}}"#;
    let before = serving(&manifest("", secrets));
    let after = decode_snapshot(&encode_snapshot(&before).unwrap()).unwrap();
    assert_eq!(after.manifest.fingerprint, before.manifest.fingerprint);
    assert_eq!(after.manifest_signature, before.manifest_signature);
    assert!(after.secrets == before.secrets && after.secrets.len() == 2);
    assert!(after.root_secret == before.root_secret);
    assert_eq!(after.chain, before.chain);
    assert_eq!(after.log, before.log);
    assert_eq!(encode_snapshot(&after).unwrap(), encode_snapshot(&before).unwrap());
}

#[test]
fn certificate_and_key_of_a_secret_belong_together_within_an_activation() {
    let marble = r#", "TLS": ["t"], "Parameters": {"Env": {
        "CERT": "{{ pem .Secrets.c.Cert }}", "KEY": "{{ pem .Secrets.c.Private }}"}}"#;
    let rest = r#", "Secrets": {"c": {"Type": "cert-ecdsa", "Size": 256}},
        "TLS": {"t": {"Incoming": [{"Port": "1", "Cert": "c", "DisableClientAuth": true}]}}"#;
    let deployment = serving(&manifest(marble, rest));
    let first = activate(&deployment, "web", ID).unwrap();
    let ttls: serde_json::Value = serde_json::from_slice(&first.parameters.env[TTLS_CONFIG]).unwrap();
    let incoming = &ttls["tls"]["Incoming"]["*:1"];
    assert_eq!(incoming["clicrt"], env(&first, "CERT"));
    assert_eq!(incoming["clikey"], env(&first, "KEY"));
    assert_eq!(incoming["clientAuth"], false);
    let second = activate(&deployment, "web", ID).unwrap();
    assert_ne!(env(&first, "KEY"), env(&second, "KEY"), "made anew at each activation");
}

#[test]
fn an_unset_secret_names_itself_and_who_has_to_act() {
    let marble = r#", "Parameters": {"Env": {"T": "{{ string .Secrets.token }}"}}"#;
    let rest = r#", "Secrets": {"token": {"Type": "plain", "UserDefined": true}}"#;
    let refusal = activate(&serving(&manifest(marble, rest)), "web", ID).err().unwrap().to_string();
    assert!(refusal.contains("Marbles.web.Parameters.Env.T") && refusal.contains("secret set"), "{refusal}");
}

#[test]
fn the_manifest_cannot_set_the_coordinators_variables() {
    let marble =
        r#", "Parameters": {"Env": {"MARBLE_PREDEFINED_ROOT_CA": "mine", "MARBLE_TTLS_CONFIG": "mine"}}"#;
    let admission = activate(&serving(&manifest(marble, "")), "web", ID).unwrap();
    assert!(env(&admission, "MARBLE_PREDEFINED_ROOT_CA").starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(!admission.parameters.env.contains_key(TTLS_CONFIG), "without tags there is none");
}

#[test]
fn arguments_are_literal_unless_they_are_objects() {
    let marble = r#", "Parameters": {"Argv": ["./web", "{{ raw }}", {"Data": "{{ hex .Secrets.k }}"}]}"#;
    let rest = r#", "Secrets": {"k": {"Type": "symmetric-key", "Size": 64, "Shared": true}}"#;
    let admission = activate(&serving(&manifest(marble, rest)), "web", ID).unwrap();
    let argv: Vec<&str> = admission.parameters.argv.iter().map(|argument| argument.as_str()).collect();
    assert_eq!(argv[..2], ["./web", "{{ raw }}"]);
    assert_eq!(argv[2].len(), 16);
}

#[test]
fn events_that_cannot_have_happened_are_refused() {
    let state = accepting();
    assert!(apply(&state, &Event::Activated { marble_type: "web".into() }).is_err());
    for bytes in [&b"[]x"[..], b"[{\"Unknown\":1}]", b"{"] {
        assert!(decode_events(bytes).is_err());
    }
}

#[test]
fn a_gate_without_its_machinery_is_refused() {
    let config = r#", "Config": {"FeatureGates": ["AzureHSMSealing"]}"#;
    let refusal = set(&accepting(), &manifest("", config)).err();
    assert!(matches!(refusal, Some(Refusal::Unsupported { .. })), "{refusal:?}");
}

#[test]
fn a_decoding_error_never_quotes_what_stands_there() {
    let error =
        decode_events(br#"[{"Activated":{"marble_type":5,"canary-7f3a":"canary-7f3a"}}]"#).err().unwrap();
    assert!(!error.to_string().contains("canary"), "{error}");
}

/// The host sets the clock. What it says may be refused; it never ends the process, and no certificate that is already
/// over comes out.
#[test]
fn no_clock_makes_a_panic_or_an_expired_certificate() {
    const YEAR: u64 = 31_556_952;
    let secrets = r#", "Secrets": {"c": {"Type": "cert-ed25519", "ValidFor": 1}, "s": {"Type": "cert-ed25519", "Shared": true}}"#;
    let text = manifest(r#", "Parameters": {"Env": {"C": "{{pem .Secrets.c.Cert}}"}}"#, secrets);
    let deployment = serving(&text);
    let after = |years: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(years * YEAR);
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(10 * YEAR);
    let mut admitted = 0;
    for clock in
        [before, after(0), after(47), after(67), after(300), after(7_800), after(8_029), after(1_000_000)]
    {
        if let Ok(pki) = Pki::generate(&["localhost".into()], &[], &FreshKeys, clock) {
            drop(prepare(text.as_bytes(), &pki, &FreshKeys, &Abilities::default(), clock));
        }
        let csr = csr();
        let request = Request { marble_type: "web", uuid: ID, csr: &csr };
        if let Ok(admission) = admit(&deployment, &verified(), request, &FreshKeys, clock) {
            for name in ["C", "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN"] {
                let end = not_after(env(&admission, name).as_bytes());
                assert!(end > clock, "{name} at {clock:?} ends at {end:?}");
            }
            admitted += 1;
        }
    }
    assert_eq!(admitted, 4, "from 1970 on, as long as a certificate can end before the year 10000");
}

fn not_after(pem: &[u8]) -> SystemTime {
    let chain = x509_cert::Certificate::load_pem_chain(pem).unwrap();
    chain[0].tbs_certificate().validity().not_after.to_system_time()
}
