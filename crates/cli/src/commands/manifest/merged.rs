//! The manifest as it is in force: with the SecurityVersions that package updates have raised.
//!
//! The Coordinator gives the manifest as it was set, and the raises in its update log. What comes out is for reading;
//! it is in the normal form in which the Go command line shows it, and its hash means nothing.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::Failure;

/// `manifest` with the raises that `log` (oldest line first) tells of.
pub(super) fn merge(manifest: &[u8], log: &[String]) -> Result<Vec<u8>, Failure> {
    let mut manifest: Value = serde_json::from_slice(manifest).map_err(|e| broken("manifest", &e))?;
    normalise(&mut manifest);
    for (package, version) in raised(log)? {
        if let Some(package) =
            member(&mut manifest, "Packages").and_then(|all| all.get_mut(&package)?.as_object_mut())
        {
            package.insert("SecurityVersion".into(), version.into());
        }
    }
    serde_json::to_vec_pretty(&manifest).map_err(|e| broken("manifest", &e))
}

/// Package -> SecurityVersion that is in force instead of the manifest's. A full update says all versions itself, also
/// lower ones, so only raises after it count.
pub(super) fn raised(log: &[String]) -> Result<BTreeMap<String, u64>, Failure> {
    let mut raised = BTreeMap::new();
    for line in log {
        let entry: Value = serde_json::from_str(line).map_err(|e| broken("update log", &e))?;
        match entry["update"].as_str() {
            Some("Complete Manifest updated") => raised.clear(),
            Some("SecurityVersion increased") => {
                if let (Some(package), Some(version)) =
                    (entry["package"].as_str(), entry["new version"].as_u64())
                {
                    raised.insert(package.to_owned(), version);
                }
            }
            _ => {}
        }
    }
    Ok(raised)
}

fn broken(what: &str, error: &serde_json::Error) -> Failure {
    Failure::Contradiction(format!("its {what} is no JSON: {error}"))
}

/// Files and variables in their long form, and no certificate templates.
fn normalise(manifest: &mut Value) {
    for marble in objects(member(manifest, "Marbles")) {
        let Some(parameters) = marble.get_mut("Parameters") else { continue };
        for section in ["Files", "Env"] {
            for value in member(parameters, section).into_iter().flat_map(Map::values_mut) {
                if value.is_string() {
                    *value = json!({ "Data": value.take(), "Encoding": "string", "NoTemplates": false });
                }
            }
        }
    }
    for secret in objects(member(manifest, "Secrets")) {
        secret.remove("Cert");
    }
}

fn member<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Map<String, Value>> {
    value.get_mut(name)?.as_object_mut()
}

fn objects(map: Option<&mut Map<String, Value>>) -> impl Iterator<Item = &mut Map<String, Value>> {
    map.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(log: &[&str], version: u64) {
        let manifest = br#"{"Packages":{"a":{"SecurityVersion":3},"b":{}}}"#;
        let log: Vec<String> = log.iter().map(|line| (*line).to_owned()).collect();
        let merged: Value = serde_json::from_slice(&merge(manifest, &log).unwrap()).unwrap();
        assert_eq!(merged["Packages"]["a"]["SecurityVersion"], version);
    }

    #[test]
    fn the_last_raise_after_the_last_full_update_counts() {
        let set = r#"{"update":"Initial manifest set"}"#;
        let to_5 = r#"{"update":"SecurityVersion increased","package":"a","new version":5}"#;
        let to_7 = r#"{"update":"SecurityVersion increased","package":"a","new version":7}"#;
        let other = r#"{"update":"SecurityVersion increased","package":"gone","new version":9}"#;
        let full = r#"{"update":"Complete Manifest updated"}"#;
        check(&[set], 3);
        check(&[set, to_5, other, to_7], 7);
        check(&[set, to_7, full], 3);
        check(&[set, to_7, full, to_5], 5);
    }
}
