//! A case as it lies in its folder: evidence in one or several wrappings, collateral, and what is expected.

use std::path::Path;
use std::time::{Duration, SystemTime};

use marblerun_attest::{AmdCollateral, Binding, Collateral, IntelCollateral, NvidiaCollateral};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Every form of evidence that a folder may hold; each of one folder must give the same result.
const EVIDENCE: [&str; 7] = [
    "evidence.json",
    "report.bin",
    "quote.bin",
    "quote.padded.bin",
    "oe_report.bin",
    "oe_report.derived.bin",
    "cert.der",
];

pub(crate) struct Case {
    pub(crate) expected: Value,
    /// (file name, bytes)
    pub(crate) evidence: Vec<(&'static str, Vec<u8>)>,
    pub(crate) collateral: Collateral,
    pub(crate) binding: Binding,
}

impl Case {
    pub(crate) fn load(folder: &Path) -> Self {
        let expected: Value = serde_json::from_slice(&read(folder, "expected.json").unwrap()).unwrap();
        let evidence = EVIDENCE.into_iter().filter_map(|file| Some((file, read(folder, file)?))).collect();
        let binding = binding(&expected["expected"]);
        let collateral = Collateral { intel: intel(folder), amd: amd(folder), nvidia: nvidia(folder) };
        Self { expected, evidence, collateral, binding }
    }

    /// The time that the results are for; any, where none is said.
    pub(crate) fn evaluate_at(&self) -> SystemTime {
        time(self.expected["evaluate_at"].as_str().unwrap_or("2025-06-01T00:00:00Z"))
    }
}

pub(crate) fn time(rfc3339: &str) -> SystemTime {
    let seconds = OffsetDateTime::parse(rfc3339, &Rfc3339).unwrap().unix_timestamp();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap())
}

/// The nonce of a TPM or a device, or else the report data.
fn binding(expected: &Value) -> Binding {
    let nonce = [&expected["tpm_nonce"], &expected["nonce"], &expected["report_data"]];
    let bytes = nonce.into_iter().find_map(Value::as_str).expect("a binding");
    Binding::Exactly(hex::decode(bytes).unwrap())
}

fn intel(folder: &Path) -> Option<IntelCollateral> {
    read(folder, "collateral/collateral.json").map(|json| serde_json::from_slice(&json).unwrap())
}

fn amd(folder: &Path) -> Option<AmdCollateral> {
    let der = |file| Some(CertificateDer::from_pem_slice(&read(folder, file)?).unwrap().to_vec());
    Some(AmdCollateral {
        vek: der("vcek.pem").or_else(|| der("vlek.pem")).unwrap_or_default(),
        intermediate: der("ask.pem").or_else(|| der("asvk.pem"))?,
        root: der("ark.pem"),
        crl: read(folder, "crl.der"),
    })
}

/// The responder's answer is not recorded; the case's README says what it was.
fn nvidia(folder: &Path) -> Option<NvidiaCollateral> {
    let chain = read(folder, "cert_chain.pem")?;
    let expected: Value = serde_json::from_slice(&read(folder, "expected.json")?).unwrap();
    let reasons = expected["negative_reasons"].as_array().unwrap();
    let on_hold = reasons.iter().any(|reason| reason == "device_certificate_on_hold_per_ocsp");
    let revoked_serials = if on_hold { vec![serial_of_first(&chain)] } else { Vec::new() };
    Some(NvidiaCollateral { certificate_chain: String::from_utf8(chain).unwrap(), revoked_serials })
}

fn serial_of_first(pem: &[u8]) -> String {
    use x509_cert::der::Decode;
    let der = CertificateDer::from_pem_slice(pem).unwrap();
    let certificate = x509_cert::Certificate::from_der(&der).unwrap();
    hex::encode(certificate.tbs_certificate().serial_number().as_bytes())
}

fn read(folder: &Path, file: &str) -> Option<Vec<u8>> {
    std::fs::read(folder.join(file)).ok()
}
