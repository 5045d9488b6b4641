//! A client that knows one version of the API only completes every workflow: set, look, users' secrets, updates alone and
//! together, the log. Recovery over version 1 is gone, as in MarbleRun 1.9.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marblerun_testkit::client::http::{Request, Response, Transport, send};
use marblerun_testkit::client::tls::Identity;
use serde_json::{Value, json};

use crate::running::{Running, data, plain};
use crate::users::Person;

/// How one version says things.
#[derive(Clone, Copy)]
struct Version {
    prefix: &'static str,
    /// Where the manifest stands in the answer to `GET manifest`.
    manifest: &'static str,
    code: &'static str,
}

const V1: Version = Version { prefix: "", manifest: "Manifest", code: "StatusCode" };
const V2: Version = Version { prefix: "/api/v2", manifest: "manifest", code: "code" };

struct Client<'a> {
    running: &'a Running,
    version: Version,
}

impl Client<'_> {
    fn call(&self, who: Option<&Identity>, method: &str, path: &str, body: String) -> Response {
        let path = format!("{}{path}", self.version.prefix);
        let request = Request { method: method.into(), path, headers: vec![], body: body.into_bytes() };
        let call = send(self.running.process.client_addr, Transport::Tls(who), request);
        self.running.runtime.block_on(call).unwrap()
    }

    fn get(&self, who: Option<&Identity>, path: &str) -> Value {
        let answer = self.call(who, "GET", path, String::new());
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        data(&answer)
    }

    /// A manifest in the way of the version.
    fn post(&self, who: Option<&Identity>, path: &str, manifest: &Value) -> Value {
        let body = match self.version.prefix {
            "" => manifest.to_string(),
            _ => json!({"manifest": STANDARD.encode(manifest.to_string())}).to_string(),
        };
        let answer = self.call(who, "POST", path, body);
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        data(&answer)
    }

    fn served(&self) -> Value {
        let text = self.get(None, "/manifest")[self.version.manifest].take();
        serde_json::from_slice(&STANDARD.decode(text.as_str().unwrap()).unwrap()).unwrap()
    }

    /// `{"secrets": ...}` in version 2, the map itself in version 1.
    fn secrets(&self, secrets: Value) -> Value {
        if self.version.prefix.is_empty() { secrets } else { json!({"secrets": secrets}) }
    }

    fn log(&self) -> String {
        self.get(None, "/update").to_string()
    }
}

fn manifest(people: &[Person; 2]) -> Value {
    let mut manifest = plain();
    manifest["Secrets"] = json!({"note": {"Type": "plain", "UserDefined": true}});
    manifest["Roles"] = json!({
        "owner": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]},
        "brewer": {"ResourceType": "Packages", "ResourceNames": ["cider"], "Actions": ["UpdateSecurityVersion"]},
        "writer": {"ResourceType": "Secrets", "ResourceNames": ["note"], "Actions": ["ReadSecret", "WriteSecret"]},
    });
    for (name, person) in ["alice", "bob"].iter().zip(people) {
        manifest["Users"][*name] = json!({"Certificate": person.pem, "Roles": ["owner", "brewer", "writer"]});
    }
    manifest
}

fn every_workflow(version: Version) {
    let people = [Person::new("alice"), Person::new("bob")];
    let (alice, bob) = (people[0].identity(), people[1].identity());
    let running = Running::start();
    let client = Client { running: &running, version };
    assert_eq!(client.get(None, "/status")[version.code], 2);
    let first = manifest(&people);
    client.post(None, "/manifest", &first);
    assert_eq!(
        (client.get(None, "/status")[version.code].clone(), client.served()),
        (json!(3), first.clone())
    );
    let note = client.secrets(json!({"note": {"Key": STANDARD.encode("remember")}}));
    assert_eq!(client.call(Some(&alice), "POST", "/secrets", note.to_string()).status, 200);
    let read = client.get(Some(&bob), "/secrets?s=note").to_string();
    assert!(read.contains(&STANDARD.encode("remember")), "{read}");
    client.post(Some(&bob), "/update", &json!({"Packages": {"cider": {"SecurityVersion": 6}}}));
    let mut second = first;
    second["Infrastructures"] = json!({"any": {}});
    client.post(Some(&alice), "/update", &second);
    assert_eq!(client.get(None, "/update-manifest")["missingUsers"], json!(["bob"]));
    assert_eq!(client.call(Some(&bob), "POST", "/update-cancel", String::new()).status, 200);
    client.post(Some(&bob), "/update", &second);
    client.post(Some(&alice), "/update-manifest", &second);
    assert_eq!(client.served(), second);
    let log = client.log();
    for text in
        ["Initial manifest set", "Secret set", "SecurityVersion increased", "cancelled", "manifest updated"]
    {
        assert!(log.to_lowercase().contains(&text.to_lowercase()), "{text}: {log}");
    }
    let nonsense = client.call(None, "POST", "/recover", "{}".into()).status;
    assert_eq!(nonsense, if version.prefix.is_empty() { 410 } else { 409 });
}

#[test]
fn version_1_alone_is_enough() {
    every_workflow(V1);
}

#[test]
fn version_2_alone_is_enough() {
    every_workflow(V2);
}
