//! A folder's files, and what a step may have done to them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use aws_lc_rs::rsa::PublicEncryptingKey;
use marblerun_api::client::pem_certificates;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::matcher::{matches, without_defaults};

pub(crate) type Files = BTreeMap<String, (Vec<u8>, u32)>;

pub(crate) fn read(folder: &Path, prefix: &str, files: &mut Files) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let metadata = entry.metadata().expect("metadata of a file that was just listed");
        if metadata.is_dir() {
            read(&entry.path(), &format!("{name}/"), files);
        } else {
            let content = fs::read(entry.path()).expect("a file that was just listed");
            files.insert(name, (content, metadata.permissions().mode() & 0o777));
        }
    }
}

/// Holds what changed between `before` and `after` against a step's `files` and `gone`.
pub(crate) fn check(step: &Value, before: &Files, after: &Files, inputs: &Path) -> Result<(), String> {
    let empty = serde_json::Map::new();
    let expected = step["files"].as_object().unwrap_or(&empty);
    for (name, facts) in expected {
        let (content, mode) = after.get(name).ok_or_else(|| format!("{name} was not written"))?;
        check_mode(facts, *mode)
            .and_then(|()| check_content(step, facts, content, inputs))
            .map_err(|e| format!("{name}: {e}"))?;
    }
    let changed = |name: &&String| before.get(*name) != after.get(*name) && !expected.contains_key(*name);
    if let Some(name) = after.keys().find(changed) {
        return Err(format!("{name} must not have been written"));
    }
    let gone: Vec<&str> = step["gone"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match before.keys().find(|name| !after.contains_key(*name) && !gone.contains(&name.as_str())) {
        Some(name) => Err(format!("{name} must not have been removed")),
        None => Ok(()),
    }
}

/// Fewer readers than recorded are fine.
fn check_mode(facts: &Value, mode: u32) -> Result<(), String> {
    let Some(recorded) = facts["mode"].as_str() else { return Ok(()) };
    let allowed = u32::from_str_radix(recorded, 8).map_err(|e| e.to_string())?;
    if mode & !allowed == 0 { Ok(()) } else { Err(format!("mode {mode:04o} instead of {recorded}")) }
}

fn check_content(step: &Value, facts: &Value, content: &[u8], inputs: &Path) -> Result<(), String> {
    let text = || String::from_utf8_lossy(content);
    let agrees = |found: Value| {
        let prune = |value: &Value| {
            if step["without_defaults"] == true { without_defaults(value) } else { value.clone() }
        };
        matches(&prune(&facts["value"]), &prune(&found))
    };
    match facts["kind"].as_str().unwrap_or_default() {
        "same" => {
            let input =
                fs::read(inputs.join(facts["as"].as_str().unwrap_or_default())).map_err(|e| e.to_string())?;
            if input == content { Ok(()) } else { Err(format!("other bytes: {}", text())) }
        }
        "json" => agrees(serde_json::from_slice(content).map_err(|e| format!("{e}: {}", text()))?),
        "jsonlines" => {
            let lines: Result<Vec<Value>, _> = text().lines().map(serde_json::from_str).collect();
            agrees(lines.map_err(|e| format!("{e}: {}", text()))?.into())
        }
        "pem" => matches(&facts["blocks"], &pem_blocks(content)?),
        "empty" if content.is_empty() => Ok(()),
        "bytes" if facts["length"] == content.len() => Ok(()),
        "text" => Ok(()),
        other => Err(format!("not of kind {other}: {}", text())),
    }
}

fn pem_blocks(content: &[u8]) -> Result<Value, String> {
    let certificates = pem_certificates(content).map_err(|e| e.to_string())?;
    let blocks = certificates.iter().map(|der| describe(der));
    let keys = SubjectPublicKeyInfoDer::pem_slice_iter(content).map(|key| match key {
        Ok(key) => describe_key(&key),
        Err(error) => Err(error.to_string()),
    });
    blocks.chain(keys).collect::<Result<Vec<Value>, String>>().map(Value::from)
}

fn describe_key(der: &[u8]) -> Result<Value, String> {
    let key = PublicEncryptingKey::from_der(der).map_err(|e| e.to_string())?;
    Ok(json!({ "type": "PUBLIC KEY", "bits": key.key_size_bits() }))
}

fn describe(der: &[u8]) -> Result<Value, String> {
    let certificate = Certificate::from_der(der).map_err(|e| e.to_string())?;
    let tbs = certificate.tbs_certificate();
    Ok(
        json!({ "type": "CERTIFICATE", "subject": tbs.subject().to_string(), "issuer": tbs.issuer().to_string() }),
    )
}
