//! Users and their rights: every route for users, every role, and every way to come with the wrong certificate.

use marblerun_testkit::client::http::{Request, Response, Transport, send};
use marblerun_testkit::client::tls::Identity;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};

use crate::running::{Running, data, manifest};

/// Every route for users: method, path, a body that is well-formed.
const ROUTES: [(&str, &str, &str); 11] = [
    ("GET", "/secrets?s=shared", ""),
    ("GET", "/api/v2/secrets?s=shared", ""),
    ("POST", "/secrets", r#"{"note":{"Key":"YWJj"}}"#),
    ("POST", "/api/v2/secrets", r#"{"secrets":{"note":{"Key":"YWJj"}}}"#),
    ("POST", "/update", r#"{"Packages":{"cider":{"SecurityVersion":6}}}"#),
    ("POST", "/api/v2/update", r#"{"manifest":"e30="}"#),
    ("POST", "/update-manifest", "{}"),
    ("POST", "/api/v2/update-manifest", r#"{"manifest":"e30="}"#),
    ("POST", "/update-cancel", ""),
    ("POST", "/api/v2/update-cancel", ""),
    ("GET", "/api/v3/audit", ""),
];

/// Users and what their one role allows; `idle` has none.
const USERS: [&str; 7] = ["reader", "writer", "other-reader", "raiser", "updater", "auditor", "idle"];

/// A key with its certificate.
pub(crate) struct Person {
    key: PrivateKeyDer<'static>,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) pem: String,
}

impl Person {
    pub(crate) fn new(name: &str) -> Self {
        Self::with_key(name, &KeyPair::generate().unwrap(), |_| {})
    }

    fn with_key(name: &str, key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let certificate = params.self_signed(key).unwrap();
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Self { key: der, certificate: certificate.der().clone(), pem: certificate.pem() }
    }

    pub(crate) fn identity(&self) -> Identity {
        self.showing(&[&self.certificate])
    }

    /// With the own key, but these certificates.
    fn showing(&self, chain: &[&CertificateDer<'static>]) -> Identity {
        Identity::new(chain.iter().map(|certificate| (*certificate).clone()).collect(), &self.key).unwrap()
    }
}

pub(crate) struct Orchard {
    pub(crate) running: Running,
    people: Vec<Person>,
    keys: Vec<KeyPair>,
}

impl Orchard {
    pub(crate) fn new() -> Self {
        Self::on(Running::start())
    }

    /// With its manifest set in `running`.
    pub(crate) fn on(running: Running) -> Self {
        let keys: Vec<_> = USERS.iter().map(|_| KeyPair::generate().unwrap()).collect();
        let people: Vec<_> =
            USERS.iter().zip(&keys).map(|(name, key)| Person::with_key(name, key, |_| {})).collect();
        assert_eq!(running.set(&with_users(&people)).status, 200);
        Self { running, people, keys }
    }

    pub(crate) fn ask(
        &self,
        identity: Option<&Identity>,
        (method, path, body): (&str, &str, &str),
    ) -> anyhow::Result<Response> {
        let request =
            Request { method: method.into(), path: path.into(), headers: vec![], body: body.into() };
        self.running.runtime.block_on(send(
            self.running.process.client_addr,
            Transport::Tls(identity),
            request,
        ))
    }

    pub(crate) fn status(&self, identity: Option<&Identity>, route: (&str, &str, &str)) -> u16 {
        self.ask(identity, route).unwrap().status
    }

    pub(crate) fn person(&self, name: &str) -> &Person {
        &self.people[USERS.iter().position(|user| *user == name).unwrap()]
    }
}

fn with_users(people: &[Person]) -> Value {
    let mut manifest = manifest(
        json!({"press": {"Package": "cider", "Parameters": {"Env": {
            "NOTE": "{{ base64 .Secrets.note }}", "SHARED": "{{ hex .Secrets.shared }}",
        }}}}),
        json!({
            "shared": {"Type": "symmetric-key", "Size": 128, "Shared": true},
            "other": {"Type": "symmetric-key", "Size": 128, "Shared": true},
            "own": {"Type": "symmetric-key", "Size": 128},
            "note": {"Type": "plain", "UserDefined": true},
            "wrap": {"Type": "symmetric-key", "Size": 128, "UserDefined": true},
        }),
    );
    let role = |kind: &str, names: Value, action: &str| {
        let mut role = json!({"ResourceType": kind, "Actions": [action]});
        if !names.is_null() {
            role["ResourceNames"] = names;
        }
        role
    };
    manifest["Roles"] = json!({
        "reader": role("Secrets", json!(["shared", "note", "wrap"]), "ReadSecret"),
        "writer": role("Secrets", json!(["note", "wrap"]), "WriteSecret"),
        "other-reader": role("Secrets", json!(["other"]), "ReadSecret"),
        "raiser": role("Packages", json!(["cider"]), "UpdateSecurityVersion"),
        "updater": role("Manifest", Value::Null, "UpdateManifest"),
        "auditor": role("Audit", Value::Null, "ReadAudit"),
    });
    for (name, person) in USERS.iter().zip(people) {
        let roles = if *name == "idle" { json!([]) } else { json!([name]) };
        manifest["Users"][*name] = json!({"Certificate": person.pem, "Roles": roles});
    }
    manifest
}

/// Whoever does not prove the key of a user's own certificate is nobody, on every route and whatever the user may do.
#[test]
fn only_the_proven_leaf_logs_in_on_every_route_for_every_role() {
    let orchard = Orchard::new();
    let stranger = Person::new("stranger");
    let mut asked = 0;
    for (user, key) in orchard.people.iter().zip(&orchard.keys) {
        let twin = Person::with_key("reader", key, |params| params.serial_number = Some(7.into()));
        let expired = Person::with_key("reader", key, |params| {
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        });
        let chains = [
            stranger.identity(),
            stranger.showing(&[&stranger.certificate, &user.certificate]),
            stranger.showing(&[&stranger.certificate, &user.certificate, &stranger.certificate]),
            stranger.showing(&[&stranger.certificate, &stranger.certificate, &user.certificate]),
            twin.identity(),
            twin.showing(&[&twin.certificate, &user.certificate]),
            expired.showing(&[&expired.certificate, &user.certificate]),
        ];
        for route in ROUTES {
            for (number, chain) in chains.iter().enumerate() {
                assert_eq!(orchard.status(Some(chain), route), 401, "{route:?}, chain {number}");
                asked += 1;
            }
        }
        // The user's certificate first, without its key: the handshake itself fails.
        for chain in [&[&user.certificate][..], &[&user.certificate, &stranger.certificate]] {
            assert!(orchard.ask(Some(&stranger.showing(chain)), ROUTES[0]).is_err());
        }
        // The user is one whatever stands behind the leaf.
        for chain in [&[&user.certificate][..], &[&user.certificate, &stranger.certificate]] {
            assert_ne!(orchard.status(Some(&user.showing(chain)), ROUTES[0]), 401);
        }
    }
    for route in ROUTES {
        assert_eq!(orchard.status(None, route), 401, "{route:?} without a certificate");
    }
    crate::say(&format!("{asked} requests with chains of strangers, none let in"));
}

/// Before a manifest there is no user, whatever is asked.
#[test]
fn nobody_logs_in_before_a_manifest() {
    let orchard = Orchard { running: Running::start(), people: vec![Person::new("reader")], keys: vec![] };
    let identity = orchard.people[0].identity();
    for route in ROUTES {
        assert_eq!(orchard.status(Some(&identity), route), 401, "{route:?}");
    }
}

/// What each role may do with updates, and that no other role may do it.
#[test]
fn only_those_who_may_update_do() {
    let orchard = Orchard::new();
    let (raise, cancel) = (ROUTES[4], ROUTES[9]);
    for name in USERS {
        let identity = orchard.person(name).identity();
        let raised = orchard.status(Some(&identity), raise);
        assert_eq!(raised, if name == "raiser" { 200 } else { 403 }, "{name} raises");
        let cancelled = orchard.status(Some(&identity), cancel);
        assert_eq!(cancelled, if name == "updater" { 404 } else { 403 }, "{name} cancels nothing");
        let acknowledged = orchard.status(Some(&identity), ROUTES[7]);
        assert_eq!(acknowledged, if name == "updater" { 404 } else { 403 }, "{name} acknowledges nothing");
        let sent = orchard.status(Some(&identity), ROUTES[5]);
        let expected = if ["raiser", "updater"].contains(&name) { 400 } else { 403 };
        assert_eq!(sent, expected, "{name} sends an empty manifest");
    }
}

/// What each role may do with secrets, and that no other role may do it.
#[test]
fn every_role_does_what_it_says_and_nothing_else() {
    let orchard = Orchard::new();
    let (read, write) = (ROUTES[1], ROUTES[3]);
    for name in USERS {
        let identity = orchard.person(name).identity();
        let expected = |may: &str| if name == may { 200 } else { 403 };
        assert_eq!(orchard.status(Some(&identity), read), expected("reader"), "{name} reads");
        assert_eq!(orchard.status(Some(&identity), write), expected("writer"), "{name} writes");
        let other = ("GET", "/api/v2/secrets?s=other", "");
        assert_eq!(
            orchard.status(Some(&identity), other),
            expected("other-reader"),
            "{name} reads the other"
        );
        let both = ("GET", "/api/v2/secrets?s=shared&s=other", "");
        assert_eq!(orchard.status(Some(&identity), both), 403, "{name} reads both");
        let generated = ("POST", "/api/v2/secrets", r#"{"secrets":{"shared":{"Key":"YWJj"}}}"#);
        assert_eq!(orchard.status(Some(&identity), generated), 403, "{name} writes a generated one");
        let own = ("GET", "/api/v2/secrets?s=own", "");
        assert_eq!(orchard.status(Some(&identity), own), 403, "{name} reads a marble's own");
        let audit = ("GET", "/api/v3/audit", "");
        assert_eq!(orchard.status(Some(&identity), audit), expected("auditor"), "{name} reads the audit");
        let unknown = ("GET", "/api/v2/secrets?s=malt", "");
        assert_eq!(orchard.status(Some(&identity), unknown), 404, "{name} reads one that is not there");
    }
}

/// Of an upload everything is accepted or nothing; what is accepted reaches marbles and survives a kill.
#[test]
fn an_upload_is_whole_or_nothing_and_lasts() {
    let mut orchard = Orchard::new();
    let writer = orchard.person("writer").identity();
    let set =
        |orchard: &Orchard, body: &str| orchard.status(Some(&writer), ("POST", "/api/v2/secrets", body));
    for (body, expected) in [
        (r#"{"secrets":{"note":{"Key":"YWJj"},"wrap":{"Key":"AAAA"}}}"#, 400),
        (r#"{"secrets":{"note":{"Key":"YWJj"},"other":{"Key":"AAAA"}}}"#, 403),
        (r#"{"secrets":{"note":{"Key":"YWJj"},"malt":{"Key":"AAAA"}}}"#, 404),
        (r#"{"secrets":{"note":{"Key":"YWJj","Size":1}}}"#, 400),
        (r#"{"secrets":{"note":{"Key":"YWJj"},"note":{"Key":"AAAA"}}}"#, 400),
        (r#"{"secrets":{"note":{"Key":""}}}"#, 400),
        (r#"{"secrets":{}}"#, 400),
        (r#"{"secrets":{"note":{"Key":"YWJj"}}} x"#, 400),
    ] {
        assert_eq!(set(&orchard, body), expected, "{body}");
        let refused = orchard.running.activate("press").unwrap_err();
        assert!(refused.message().contains("note"), "{body}: {refused}");
    }
    assert_eq!(set(&orchard, r#"{"secrets":{"note":{"Key":"YWJj"}}}"#), 200);
    assert_eq!(orchard.running.activate("press").unwrap().env["NOTE"], b"YWJj");
    orchard.running.process.restart().unwrap();
    assert_eq!(orchard.running.activate("press").unwrap().env["NOTE"], b"YWJj");
    let reader = orchard.person("reader").identity();
    let read = orchard.ask(Some(&reader), ("GET", "/secrets?s=note&s=wrap", "")).unwrap();
    assert_eq!(data(&read)["note"]["Private"], "YWJj");
    assert_eq!(data(&read)["wrap"]["Private"], Value::Null);
    let log = data(&orchard.running.get("/api/v2/update"));
    let line: Value = serde_json::from_str(log["updateLog"][1].as_str().unwrap()).unwrap();
    assert_eq!(
        (&line["update"], &line["user"], &line["secret"], &line["type"]),
        (&json!("Secret set"), &json!("writer"), &json!("note"), &json!("plain"))
    );
}
