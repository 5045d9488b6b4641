//! A case as it lies in its folder: evidence in one or several wrappings, collateral in one or several serializations, and
//! what is expected.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use marblerun_attest::{Binding, Collateral};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::vendor;

/// How the names of files begin that hold evidence; each of one folder must give the same result. What lies beside them
/// for people (`tpm_quote.msg`, `snp_report.bin`) begins otherwise.
const EVIDENCE: [&str; 5] = ["evidence", "report", "quote", "oe_report", "cert."];

pub(crate) struct Case {
    pub(crate) expected: Value,
    /// (file name, bytes)
    pub(crate) evidence: Vec<(String, Vec<u8>)>,
    /// (where from, what), each of which must give the same result; at least one.
    pub(crate) collateral: Vec<(&'static str, Collateral)>,
    pub(crate) binding: Binding,
}

impl Case {
    pub(crate) fn load(folder: &Path) -> Result<Self, String> {
        let expected = read(folder, "expected.json")?.ok_or("there is no expected.json")?;
        let expected: Value = serde_json::from_slice(&expected).map_err(|error| error.to_string())?;
        check_files(folder, &expected["files_sha256"])?;
        let (evidence, binding) = (evidence(folder)?, binding(&expected["expected"])?);
        let collateral = vendor::collateral(folder, &expected)?;
        Ok(Self { expected, evidence, collateral, binding })
    }

    /// The time that the results are for; any, where none is said.
    pub(crate) fn evaluate_at(&self) -> Result<SystemTime, String> {
        time(self.expected["evaluate_at"].as_str().unwrap_or("2025-06-01T00:00:00Z"))
    }
}

pub(crate) fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

pub(crate) fn time(rfc3339: &str) -> Result<SystemTime, String> {
    let time = OffsetDateTime::parse(rfc3339, &Rfc3339).map_err(|error| format!("{rfc3339}: {error}"))?;
    let seconds = time.unix_timestamp().try_into().map_err(|_| format!("{rfc3339} is before 1970"))?;
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// The content of a file; nothing if it is not there.
pub(crate) fn read(folder: &Path, file: &str) -> Result<Option<Vec<u8>>, String> {
    match std::fs::read(folder.join(file)) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{file}: {error}")),
    }
}

/// The files are those that the results were established with.
fn check_files(folder: &Path, hashes: &Value) -> Result<(), String> {
    for (file, wanted) in hashes.as_object().into_iter().flatten() {
        let content = read(folder, file)?.ok_or_else(|| format!("{file} is not there"))?;
        let seen = hex::encode(digest(&SHA256, &content));
        if wanted != &seen {
            return Err(format!("{file} has SHA-256 {seen}, wanted {wanted}"));
        }
    }
    Ok(())
}

fn evidence(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let is_evidence = |name: &String| EVIDENCE.iter().any(|beginning| name.starts_with(beginning));
    let mut all = BTreeMap::new();
    for name in names.filter(is_evidence) {
        let content = read(folder, &name)?.unwrap_or_default();
        all.insert(name, content);
    }
    if all.is_empty() {
        Err(format!("no file begins with one of {EVIDENCE:?}"))
    } else {
        Ok(all.into_iter().collect())
    }
}

/// The nonce of a TPM or a device, or else the report data.
fn binding(expected: &Value) -> Result<Binding, String> {
    let nonce = [&expected["tpm_nonce"], &expected["nonce"], &expected["report_data"]];
    let bytes = nonce.into_iter().find_map(Value::as_str).ok_or("no binding is expected")?;
    Ok(Binding::Exactly(hex::decode(bytes).map_err(|error| error.to_string())?))
}
