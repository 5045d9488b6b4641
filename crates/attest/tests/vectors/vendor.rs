//! The collateral of a case, by vendor, in each serialization that its folder has.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marblerun_attest::{AmdCollateral, Collateral, IntelCollateral, NvidiaCollateral};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use x509_cert::der::Decode;

use crate::case::{read, texts};

pub(crate) fn collateral(folder: &Path, expected: &Value) -> Result<Vec<(&'static str, Collateral)>, String> {
    let (amd, nvidia) = (amd(folder)?, nvidia(folder, expected)?);
    let with = |intel| Collateral { intel, amd: amd.clone(), nvidia: nvidia.clone() };
    let inside = folder.join("collateral");
    let intel = [("collateral.json", whole(&inside)?), ("separate files", separate(&inside)?)];
    let mut all: Vec<_> =
        intel.into_iter().filter_map(|(from, intel)| Some((from, with(Some(intel?))))).collect();
    if all.is_empty() {
        all.push(("no Intel collateral", with(None)));
    }
    Ok(all)
}

fn whole(folder: &Path) -> Result<Option<IntelCollateral>, String> {
    let json = read(folder, "collateral.json")?;
    json.map(|json| serde_json::from_slice(&json).map_err(|error| format!("collateral.json: {error}")))
        .transpose()
}

/// The answers of Intel's service, a file each.
fn separate(folder: &Path) -> Result<Option<IntelCollateral>, String> {
    let names =
        ["tcb_info.json", "qe_identity.json", "pck_crl.der", "root_ca_crl.der", "tcb_signing_chain.pem"];
    let mut files = Vec::new();
    for name in names {
        let Some(content) = read(folder, name)? else { return Ok(None) };
        files.push(content);
    }
    let [tcb_info, qe_identity, pck_crl, root_ca_crl, signers] = <[_; 5]>::try_from(files).unwrap();
    let (tcb_info, tcb_info_signature) = signed(&tcb_info, "tcbInfo")?;
    let (qe_identity, qe_identity_signature) = signed(&qe_identity, "enclaveIdentity")?;
    let signers = text(signers)?;
    Ok(Some(IntelCollateral {
        pck_crl_issuer_chain: text(read(folder, "pck_crl_issuer_chain.pem")?.unwrap_or_default())?,
        root_ca_crl,
        pck_crl,
        tcb_info_issuer_chain: signers.clone(),
        tcb_info,
        tcb_info_signature,
        qe_identity_issuer_chain: signers,
        qe_identity,
        qe_identity_signature,
    }))
}

/// The exact bytes of the inner object, and their signature.
fn signed(body: &[u8], name: &str) -> Result<(String, Vec<u8>), String> {
    let unreadable = |error: &dyn ToString| format!("{name}: {}", error.to_string());
    let body: std::collections::BTreeMap<String, Box<RawValue>> =
        serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let part =
        |key: &str| body.get(key).map(|raw| raw.get()).ok_or_else(|| unreadable(&format!("no `{key}`")));
    let signature: String = serde_json::from_str(part("signature")?).map_err(|error| unreadable(&error))?;
    Ok((part(name)?.to_owned(), hex::decode(signature).map_err(|error| unreadable(&error))?))
}

fn amd(folder: &Path) -> Result<Option<AmdCollateral>, String> {
    let first =
        |names: &[&str]| names.iter().map(|name| der(folder, name)).find_map(Result::transpose).transpose();
    let Some(intermediate) = first(&["ask.pem", "asvk.pem", "ask.der", "asvk.der"])? else { return Ok(None) };
    Ok(Some(AmdCollateral {
        vek: first(&["vcek.pem", "vlek.pem", "vcek.der", "vlek.der"])?.unwrap_or_default(),
        intermediate,
        root: first(&["ark.pem", "ark.der"])?,
        crl: read(folder, "crl.der")?,
    }))
}

/// A certificate in PEM or DER, as DER.
fn der(folder: &Path, file: &str) -> Result<Option<Vec<u8>>, String> {
    let Some(content) = read(folder, file)? else { return Ok(None) };
    if !content.starts_with(b"-----") {
        return Ok(Some(content));
    }
    let certificate =
        CertificateDer::from_pem_slice(&content).map_err(|error| format!("{file}: {error:?}"))?;
    Ok(Some(certificate.to_vec()))
}

/// The responder's answer is not recorded; the case's reasons say what it was.
fn nvidia(folder: &Path, expected: &Value) -> Result<Option<NvidiaCollateral>, String> {
    let Some(chain) = device_chain(folder)? else { return Ok(None) };
    let certificate_chain = text(chain)?;
    let on_hold = texts(&expected["negative_reasons"]).iter().any(|reason| reason.contains("ocsp"));
    let revoked_serials = if on_hold { vec![serial_of_first(&certificate_chain)?] } else { Vec::new() };
    Ok(Some(NvidiaCollateral { certificate_chain, revoked_serials }))
}

/// Beside the report, or inside the evidence.
fn device_chain(folder: &Path) -> Result<Option<Vec<u8>>, String> {
    #[derive(Deserialize)]
    struct Device {
        certificate: String,
    }
    let beside = read(folder, "cert_chain.pem")?;
    let inside = || {
        let json = read(folder, "evidence.json").ok()??;
        let [device]: [Device; 1] = serde_json::from_slice(&json).ok()?;
        STANDARD.decode(device.certificate).ok()
    };
    Ok(beside.or_else(inside))
}

fn serial_of_first(pem: &str) -> Result<String, String> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| format!("{error:?}"))?;
    let certificate = x509_cert::Certificate::from_der(&der).map_err(|error| error.to_string())?;
    Ok(hex::encode(certificate.tbs_certificate().serial_number().as_bytes()))
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| error.to_string())
}
