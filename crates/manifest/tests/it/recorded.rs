//! Manifests that the reference implementation was given, and whether it took them.

use serde_json::Value;

use super::{merge, parse};

/// Refused for a reason that lies outside the manifest: the Coordinator's environment.
const NOT_OURS: [&str; 1] = ["HSM without its settings"];

#[test]
fn recorded_manifests_are_accepted_and_refused_as_recorded() {
    let Some(folder) = marblerun_testkit::golden::folder("api") else { return };
    let (mut accepted, mut refused, mut wrong) = (0, 0, Vec::new());
    for file in json_files(&folder) {
        let scenario: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        for (say, text, good) in uploads(&scenario) {
            let name = format!("{}: {say}", scenario["name"].as_str().unwrap());
            match parse(&text) {
                Ok(_) if good => accepted += 1,
                Err(_) if !good => refused += 1,
                Ok(_) => wrong.push(format!("{name}: accepted")),
                Err(errors) => wrong.push(format!("{name}: {errors}")),
            }
        }
    }
    println!("{accepted} accepted, {refused} refused");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(accepted > 100 && refused > 100, "only {accepted} and {refused}");
}

#[test]
fn manifests_of_the_command_line_are_accepted() {
    let Some(folder) = marblerun_testkit::golden::folder("cli/inputs") else { return };
    for name in ["plain", "full", "full-red", "compact", "one-key", "two-keys", "team"] {
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        parse(&text).unwrap_or_else(|errors| panic!("{name}: {errors}"));
    }
}

#[test]
fn the_demo_is_accepted_with_a_word_about_leftovers() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/manifests/emojivoto.json");
    let text = std::fs::read_to_string(path).unwrap();
    let checked = parse(&text).unwrap();
    assert_eq!(checked.manifest.marbles.len(), 3);
    assert!(checked.manifest.marbles["web"].uses.secrets.contains("webCertShared"));
    let warnings: Vec<String> = checked.warnings.iter().map(ToString::to_string).collect();
    assert!(warnings.iter().any(|w| w == "Clients: unknown key: it has no effect"), "{warnings:?}");
    assert_eq!(warnings.iter().filter(|w| w.contains("debug enclaves")).count(), 3);
}

fn json_files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    files.sort();
    files
}

/// What is said of each manifest that is set or replaced, its text, and whether it was accepted. What is refused
/// for other reasons than the manifest (wrong state, no right) is left out.
fn uploads(scenario: &Value) -> Vec<(String, String, bool)> {
    let about_manifests = scenario["name"].as_str().unwrap().starts_with("refused-");
    let mut uploads = Vec::new();
    for step in scenario["steps"].as_array().unwrap() {
        let path = step["path"].as_str().unwrap_or_default();
        let is_upload =
            step["method"] == "POST" && (path.ends_with("/manifest") || path.ends_with("/update"));
        let body = ["manifest", "manifest64"].iter().find_map(|kind| step["body"].get(kind));
        let Some(body) = body.filter(|_| is_upload) else { continue };
        let say = step["say"].as_str().unwrap_or_default().to_owned();
        let good = step["answer"]["http"] == 200;
        let text = substituted(&text(scenario, body));
        let only_packages = !text.contains("Marbles");
        if (good && !only_packages) || (!good && about_manifests && !NOT_OURS.contains(&say.as_str())) {
            uploads.push((say, text, good));
        }
    }
    uploads
}

fn text(scenario: &Value, body: &Value) -> String {
    let named = body.as_str().map_or(body, |name| &scenario["manifests"][name]);
    match named.get("$text") {
        Some(text) => text.as_str().unwrap().to_owned(),
        None => resolved(scenario, named).to_string(),
    }
}

fn resolved(scenario: &Value, body: &Value) -> Value {
    if let Some(name) = body.as_str() {
        return resolved(scenario, &scenario["manifests"][name]);
    }
    match body.get("$like") {
        Some(name) => {
            let mut manifest = resolved(scenario, name);
            merge(&mut manifest, &body["$merge"]);
            manifest
        }
        None => body.clone(),
    }
}

/// Replaces `${cert:NAME}` and the like by the recorded PEM files, escaped for JSON.
fn substituted(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').unwrap();
        let (kind, name) = name.split_once(':').unwrap();
        let quoted = Value::String(super::pem(name, kind)).to_string();
        out += before;
        out += &quoted[1..quoted.len() - 1];
        rest = after;
    }
    out + rest
}
