//! The manifests that the scenarios set: generated, so that a run needs no files.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::cli::Scenario;

/// Secrets that a marble does not use, and types beside the one that activates.
const MANY: usize = 1_000;
/// Far more than any run activates.
const ACTIVATIONS_AT_MOST: u32 = 1_000_000_000;
const MARBLE_TYPE: &str = "web";

/// What a Coordinator is given and who then activates.
pub(crate) struct Setting {
    /// The manifest's bytes.
    pub(crate) manifest: Vec<u8>,
    /// Types to activate, in turn.
    pub(crate) types: Arc<[String]>,
}

/// The setting of a scenario; scenarios without their own use the plain one.
pub(crate) fn setting(scenario: Scenario) -> Setting {
    let shared = json!({"Type": "symmetric-key", "Size": 128, "Shared": true});
    let per_marble = json!({"Type": "symmetric-key", "Size": 128});
    let certificate = json!({"Type": "cert-ecdsa", "Size": 256});
    match scenario {
        Scenario::SharedSecrets => unrelated(&shared),
        Scenario::MarbleSecrets => unrelated(&per_marble),
        Scenario::MarbleCertificates => unrelated(&certificate),
        Scenario::Types => types(),
        Scenario::MaxActivations => limited(),
        Scenario::Rsa => rsa(),
        _ => one(json!({}), Map::new()),
    }
}

/// The plain marble, whose evidence is verified.
pub(crate) fn attested(package: &Value, infrastructure: &Value) -> Setting {
    let manifest = json!({
        "Packages": {"program": package},
        "Infrastructures": {"lab": infrastructure},
        "Marbles": {MARBLE_TYPE: marble(json!({}))},
    });
    Setting { manifest: manifest.to_string().into_bytes(), types: vec![MARBLE_TYPE.to_owned()].into() }
}

fn unrelated(secret: &Value) -> Setting {
    one(json!({}), (0..MANY).map(|number| (format!("unrelated{number}"), secret.clone())).collect())
}

fn types() -> Setting {
    let names: Vec<String> = (0..MANY).map(|number| format!("{MARBLE_TYPE}{number}")).collect();
    let marbles = names.iter().map(|name| (name.clone(), marble(json!({})))).collect();
    Setting { manifest: manifest(marbles, Map::new()), types: names.into() }
}

fn limited() -> Setting {
    let mut entry = marble(json!({}));
    entry["MaxActivations"] = json!(ACTIVATIONS_AT_MOST);
    let marbles = Map::from_iter([(MARBLE_TYPE.to_owned(), entry)]);
    Setting { manifest: manifest(marbles, Map::new()), types: vec![MARBLE_TYPE.to_owned()].into() }
}

fn rsa() -> Setting {
    let parameters = json!({"Env": {
        "CERTIFICATE": "{{ pem .Secrets.rsa.Cert }}",
        "KEY": "{{ pem .Secrets.rsa.Private }}",
    }});
    let secret = json!({"Type": "cert-rsa", "Size": 2048});
    one(parameters, Map::from_iter([("rsa".to_owned(), secret)]))
}

fn one(parameters: Value, secrets: Map<String, Value>) -> Setting {
    let marbles = Map::from_iter([(MARBLE_TYPE.to_owned(), marble(parameters))]);
    Setting { manifest: manifest(marbles, secrets), types: vec![MARBLE_TYPE.to_owned()].into() }
}

fn marble(parameters: Value) -> Value {
    json!({"Package": "program", "Parameters": parameters})
}

fn manifest(marbles: Map<String, Value>, secrets: Map<String, Value>) -> Vec<u8> {
    json!({
        "Packages": {"program": {"UniqueID": "00".repeat(32)}},
        "Marbles": marbles,
        "Secrets": secrets,
    })
    .to_string()
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_type_that_activates_is_in_the_manifest() {
        for scenario in Scenario::value_variants() {
            let setting = setting(*scenario);
            let manifest: Value = serde_json::from_slice(&setting.manifest).unwrap();
            for name in setting.types.iter() {
                assert_eq!(manifest["Marbles"][name]["Package"], "program", "{scenario:?}");
            }
        }
    }

    #[test]
    fn scenarios_differ_in_what_they_measure() {
        let manifest = |scenario| -> Value { serde_json::from_slice(&setting(scenario).manifest).unwrap() };
        let count = |scenario, section: &str| manifest(scenario)[section].as_object().unwrap().len();
        assert_eq!(count(Scenario::Plain, "Secrets"), 0);
        assert_eq!(count(Scenario::MarbleCertificates, "Secrets"), MANY);
        assert_eq!(count(Scenario::Types, "Marbles"), MANY);
        assert!(manifest(Scenario::MaxActivations)["Marbles"]["web"]["MaxActivations"].is_u64());
    }
}
