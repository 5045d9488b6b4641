//! Version 3 of the client API over the wire: recorded answers, proofs that hold, and the audit.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marblerun_attest::log::{
    Checkpoint, Frontier, Hash, VerifierKey, leaf_hash, verify_consistency, verify_inclusion,
};
use marblerun_testkit::client::http::Response;
use marblerun_testkit::program::Options;
use serde_json::{Value, json};

use crate::disk::Small;
use crate::running::{Running, data, options};
use crate::users::Orchard;

/// A writer sets `note` as often as that.
fn set_note(orchard: &Orchard, times: usize) {
    let writer = orchard.person("writer").identity();
    for _ in 0..times {
        let route = ("POST", "/api/v2/secrets", r#"{"secrets":{"note":{"Key":"YWJj"}}}"#);
        assert_eq!(orchard.status(Some(&writer), route), 200);
    }
}

fn audit(orchard: &Orchard) -> Value {
    let auditor = orchard.person("auditor").identity();
    data(&orchard.ask(Some(&auditor), ("GET", "/api/v3/audit", "")).unwrap())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn key(running: &Running) -> VerifierKey {
    VerifierKey::parse(text(&data(&running.get("/api/v3/log/key")), "key")).unwrap()
}

fn checkpoint(running: &Running) -> Checkpoint {
    let note = data(&running.get("/api/v3/log/checkpoint"));
    Checkpoint::open(text(&note, "checkpoint"), &key(running)).unwrap()
}

fn proof(running: &Running, path: &str) -> Vec<Hash> {
    let answer = data(&running.get(path));
    let hashes = answer["proof"].as_array().unwrap().iter();
    hashes.map(|hash| STANDARD.decode(hash.as_str().unwrap()).unwrap().try_into().unwrap()).collect()
}

fn entries(running: &Running, query: &str) -> Vec<String> {
    let answer = data(&running.get(&format!("/api/v3/log/entries{query}")));
    serde_json::from_value(answer["entries"].clone()).unwrap()
}

#[test]
fn proofs_over_the_wire_hold_and_the_history_goes_on_over_restarts() {
    let mut orchard = Orchard::new();
    let first = checkpoint(&orchard.running);
    set_note(&orchard, 4);
    let key = key(&orchard.running);
    orchard.running.process.restart().unwrap();
    assert_eq!(self::key(&orchard.running), key, "the key stays");
    let running = &orchard.running;
    let last = checkpoint(running);
    assert_eq!((first.size, last.size), (1, 5));
    let proven = proof(running, "/api/v3/log/consistency?from=1");
    assert_eq!(verify_consistency((1, &first.root), (5, &last.root), &proven), Ok(()));
    let lines = entries(running, "");
    let served = data(&running.get("/api/v2/update"))["updateLog"].clone();
    assert_eq!(json!(lines), served, "one history in all versions");
    let mut tree = Frontier::default();
    for (index, line) in (0..).zip(&lines) {
        tree.push(line.as_bytes());
        let proven = proof(running, &format!("/api/v3/log/inclusion?index={index}&size=5"));
        assert_eq!(verify_inclusion(&leaf_hash(line.as_bytes()), (index, 5), &proven, &last.root), Ok(()));
    }
    assert_eq!(tree.root(), last.root);
    assert_eq!(entries(running, "?from=1&to=3"), lines[1..3]);
    assert_eq!(entries(running, "?from=5"), [""; 0]);
}

/// A checkpoint says more than the log: whatever is made durable moves the journal, and nothing moves it back.
#[test]
fn the_journals_head_moves_with_everything_that_is_durable() {
    let mut orchard = Orchard::new();
    let head = |orchard: &Orchard| checkpoint(&orchard.running).journal.unwrap();
    let first = head(&orchard);
    let reader = orchard.person("reader").identity();
    let read = ("GET", "/api/v2/secrets?s=shared", "");
    assert_eq!(orchard.status(Some(&reader), read), 200);
    let second = head(&orchard);
    assert_eq!(second.sequence, first.sequence + 1);
    assert_eq!(orchard.status(Some(&reader), ("GET", "/api/v2/secrets?s=other", "")), 403);
    orchard.running.activate("press").unwrap_err();
    assert_eq!(head(&orchard), second, "what changes nothing moves nothing");
    orchard.running.process.restart().unwrap();
    assert_eq!(head(&orchard), second, "a restart finds what was there");
}

#[test]
fn questions_that_cannot_be_meant_are_refused() {
    let running = Running::start();
    for path in ["checkpoint", "key", "entries", "inclusion?index=0", "consistency?from=0"] {
        assert_eq!(running.get(&format!("/api/v3/log/{path}")).status, 409, "{path} before a manifest");
    }
    let orchard = Orchard::on(running);
    for (path, why) in [
        ("inclusion", "`index` is required"),
        ("consistency", "`from` is required"),
        ("inclusion?index=x", "index: expected one number"),
        ("inclusion?index=-1", "index: expected one number"),
        ("inclusion?index=0&index=0", "index: expected one number"),
        ("inclusion?index=18446744073709551616", "index: expected one number"),
        ("inclusion?index=1", "no entry 1 among the first 1"),
        ("inclusion?index=0&size=2", "the log has 1 entries, not 2"),
        ("consistency?from=2", "from 2 to 1 is no range"),
        ("consistency?from=0&to=18446744073709551615", "the log has 1 entries"),
        ("entries?from=2", "from 2 to 1 is no range"),
        ("entries?to=2", "the log has 1 entries"),
    ] {
        let answer = orchard.running.get(&format!("/api/v3/log/{path}"));
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, text(&body, "status")), (400, "fail"), "{path}");
        assert!(text(&body, "message").contains(why), "{path}: {body}");
    }
    for (method, path) in [("POST", "/api/v3/log/key"), ("GET", "/api/v3/log"), ("GET", "/api/v3/status")] {
        assert_eq!(orchard.running.request(method, path, b"").unwrap().status, 405, "{method} {path}");
    }
}

/// Who read is known after a restart, and a read that is refused is none.
#[test]
fn the_audit_says_who_used_what_and_who_came() {
    let mut orchard = Orchard::new();
    let reader = orchard.person("reader").identity();
    let ask = |orchard: &Orchard, query: &str| {
        orchard.status(Some(&reader), ("GET", &format!("/api/v2/secrets?{query}"), ""))
    };
    assert_eq!(ask(&orchard, "s=shared&s=note&s=shared"), 200);
    assert_eq!(ask(&orchard, "s=shared"), 200);
    assert_eq!(ask(&orchard, "s=shared&s=other"), 403);
    set_note(&orchard, 1);
    orchard.running.process.restart().unwrap();
    orchard.running.activate("press").unwrap();
    orchard.running.activate("no such type").unwrap_err();
    let audit = audit(&orchard);
    let uses = |use_: &Value| {
        let numbers = [&use_["reads"], &use_["writes"]].map(|number| number.as_u64().unwrap());
        (text(use_, "user").to_owned(), text(use_, "secret").to_owned(), numbers)
    };
    let all: Vec<_> = audit["secrets"].as_array().unwrap().iter().map(uses).collect();
    let expected = [("reader", "note", [1, 0]), ("reader", "shared", [2, 0]), ("writer", "note", [0, 1])];
    assert_eq!(all, expected.map(|(user, secret, numbers)| (user.into(), secret.into(), numbers)));
    let marbles = &audit["marbles"];
    assert_eq!((&marbles["admitted"]["total"], &marbles["refused"]["total"]), (&1.into(), &1.into()));
    assert_eq!(marbles["admitted"]["last"][0]["marbleType"], "press");
    assert!(text(&marbles["refused"]["last"][0], "reason").contains("unknown marble type"), "{marbles}");
}

/// Nobody reads a secret without a trace: where none can be left, nothing is handed out.
#[test]
fn what_cannot_be_recorded_is_not_read() {
    let Some(disk) = Small::mount("128k") else { return };
    let folder = disk.path().join("state");
    let mut orchard = Orchard::on(Running::with(Options { seal_dir: Some(folder), ..options() }));
    let reader = orchard.person("reader").identity();
    let read = ("GET", "/api/v2/secrets?s=shared", "");
    disk.fill();
    // The last page of the file may have room for some.
    let ask = || orchard.ask(Some(&reader), read).unwrap();
    let answers: Vec<_> = std::iter::repeat_with(ask).take(64).collect();
    let (given, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert!(!refused.is_empty() && refused.iter().all(|r| r.status == 500 && data(r) == Value::Null));
    assert_eq!(audit(&orchard)["secrets"][0]["reads"].as_u64().unwrap_or_default(), given.len() as u64);
    assert_eq!(checkpoint(&orchard.running).size, 1);
    disk.free();
    assert_eq!(orchard.status(Some(&reader), read), 200);
    orchard.running.process.kill().unwrap();
}

/// The recorded answers of `testdata/v3`. After a change that is meant:
/// `WRITE_V3=1 cargo test -p marblerun-coordinator --test it v3`.
#[test]
fn answers_are_as_recorded() {
    let running = Running::start();
    check_recorded("quote-before-manifest", "/api/v3/quote", &running.get("/api/v3/quote"));
    check_recorded(
        "checkpoint-before-manifest",
        "/api/v3/log/checkpoint",
        &running.get("/api/v3/log/checkpoint"),
    );
    let orchard = Orchard::on(running);
    set_note(&orchard, 2);
    let reader = orchard.person("reader").identity();
    assert_eq!(orchard.status(Some(&reader), ("GET", "/api/v2/secrets?s=shared", "")), 200);
    orchard.running.activate("press").unwrap();
    orchard.running.activate("no such type").unwrap_err();
    for (name, path) in [
        ("quote", "/api/v3/quote?nonce=AAAA"),
        ("checkpoint", "/api/v3/log/checkpoint"),
        ("key", "/api/v3/log/key"),
        ("entries", "/api/v3/log/entries"),
        ("entries-page", "/api/v3/log/entries?from=1&to=2"),
        ("inclusion", "/api/v3/log/inclusion?index=2&size=3"),
        ("consistency", "/api/v3/log/consistency?from=1&to=3"),
        ("out-of-range", "/api/v3/log/inclusion?index=3"),
        ("audit-nobody", "/api/v3/audit"),
    ] {
        check_recorded(name, path, &orchard.running.get(path));
    }
    for (name, user) in [("audit", "auditor"), ("audit-not-allowed", "reader")] {
        let user = orchard.person(user).identity();
        let answer = orchard.ask(Some(&user), ("GET", "/api/v3/audit", "")).unwrap();
        check_recorded(name, "/api/v3/audit", &answer);
    }
}

fn check_recorded(name: &str, path: &str, answer: &Response) {
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap();
    describe_all(&mut body);
    let current = json!({ "request": format!("GET {path}"), "status": answer.status, "answer": body });
    let file = format!("{}/../../testdata/v3/{name}.json", env!("CARGO_MANIFEST_DIR"));
    #[allow(clippy::disallowed_methods, reason = "a test reads its own environment")]
    if std::env::var_os("WRITE_V3").is_some() {
        std::fs::write(&file, serde_json::to_string_pretty(&current).unwrap() + "\n").unwrap();
    }
    // As values: the order of keys depends on what else is built.
    let recorded: Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap_or_default()).unwrap_or_default();
    assert_eq!(recorded, current, "{file}");
}

/// What varies becomes a description of it.
fn describe_all(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(describe_all),
        Value::Object(fields) => {
            for (name, field) in fields {
                describe_all(field);
                if let Value::String(text) = field {
                    *text = describe(name, text);
                }
            }
        }
        Value::String(text) => *text = describe("", text),
        _ => {}
    }
}

fn describe(name: &str, text: &str) -> String {
    let hash = |text: &str| STANDARD.decode(text).is_ok_and(|bytes| bytes.len() == 32);
    match name {
        "cert" => format!("<{} PEM blocks>", text.matches("BEGIN CERTIFICATE").count()),
        "key" | "logKey" => {
            VerifierKey::parse(text).unwrap();
            "<verifier key>".into()
        }
        "signature" => "<base64 of an ECDSA signature>".into(),
        "checkpoint" => describe_note(text),
        "time" | "lastRead" | "lastWritten" => "<time>".into(),
        _ if hash(text) => "<base64 of a hash>".into(),
        _ => match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(mut line)) => {
                line.insert("time".into(), "<time>".into());
                Value::Object(line).to_string()
            }
            _ => text.into(),
        },
    }
}

fn describe_note(note: &str) -> String {
    let lines: Vec<&str> = note.split('\n').collect();
    let [_, size, _, journal, "", signature, ""] = lines[..] else { panic!("{note}") };
    assert!(signature.starts_with("\u{2014} marblerun/"), "{note}");
    let sequence = journal.split(' ').nth(1).unwrap();
    format!(
        "marblerun/<hex of a hash>\n{size}\n<base64 of a hash>\njournal {sequence} <base64 of a hash>\n\n\
         \u{2014} marblerun/<hex of a hash> <base64 of a signature>\n"
    )
}
