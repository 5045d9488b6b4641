//! What a certificate says, in the form of the recorded answers (`testdata/golden/api/README.md`, `facts`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};
use der::asn1::BitString;
use der::{Decode, Encode, oid::ObjectIdentifier};
use marblerun_core::pki::Pki;
use serde_json::{Value, json};
use spki::SubjectPublicKeyInfoRef;
use x509_cert::Certificate;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage};
use x509_cert::name::Name;

const USAGES: [&str; 9] = [
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "certSign",
    "crlSign",
    "encipherOnly",
    "decipherOnly",
];

/// Known extensions that have facts of their own, and key identifiers, which are free.
const KNOWN: [&str; 6] = ["2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.35", "2.5.29.37"];

/// The facts about a certificate that was issued at `now`.
pub(crate) fn facts(der: &[u8], pki: &Pki, now: std::time::SystemTime) -> Value {
    let certificate = Certificate::from_der(der).unwrap();
    let body = certificate.tbs_certificate();
    let extensions = body.extensions().map(Vec::as_slice).unwrap_or_default();
    let value = |oid| extensions.iter().find(|e| e.extn_id == id(oid)).map(|e| e.extn_value.as_bytes());
    let not_before = body.validity().not_before.to_system_time();
    let mut all = json!({
        "subject": name(body.subject()),
        "issuer": name(body.issuer()),
        "alternatives": value("2.5.29.17").map(alternatives).unwrap_or_default(),
        "key": key(&body.subject_public_key_info().to_der().unwrap()),
        "usage": value("2.5.29.15").map(usage).unwrap_or_default(),
        "extendedUsage": value("2.5.29.37").map(extended_usage).unwrap_or_default(),
        "ca": value("2.5.29.19").map(|der| BasicConstraints::from_der(der).unwrap().ca),
        "critical": sorted(extensions.iter().filter(|e| e.critical).map(|e| e.extn_id.to_string())),
        "days": days(body.validity().not_after.to_system_time().duration_since(not_before).unwrap().as_secs()),
        "signedBy": signed_by(&certificate, pki),
    });
    let others = others(extensions);
    if !others.is_empty() {
        all["otherExtensions"] = json!(others);
    }
    assert_eq!(not_before, whole_seconds(now), "starts now");
    let serial = body.serial_number().as_bytes().len();
    assert!((9..=17).contains(&serial), "serial number of {serial} bytes");
    all
}

fn id(dotted: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(dotted)
}

fn sorted(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut texts: Vec<String> = texts.collect();
    texts.sort();
    texts
}

fn whole_seconds(time: std::time::SystemTime) -> std::time::SystemTime {
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap();
    std::time::UNIX_EPOCH + std::time::Duration::from_secs(since.as_secs())
}

/// Parts in a fixed order, as the recordings have them, whatever the order in the certificate.
fn name(name: &Name) -> String {
    let order = ["CN", "OU", "O", "L", "ST", "C"];
    let place = |part: &str| order.iter().position(|kind| part.split('=').next() == Some(kind));
    let mut parts: Vec<String> = name.iter_rdn().map(ToString::to_string).collect();
    parts.sort_by_key(|part| place(part));
    parts.join(",")
}

fn alternatives(der: &[u8]) -> Vec<String> {
    let names = Vec::<GeneralName>::from_der(der).unwrap();
    sorted(names.iter().map(|name| match name {
        GeneralName::DnsName(dns) => format!("DNS:{}", dns.as_str()),
        GeneralName::Rfc822Name(mail) => format!("email:{}", mail.as_str()),
        GeneralName::UniformResourceIdentifier(uri) => format!("URI:{}", uri.as_str()),
        GeneralName::IpAddress(bytes) => format!("IP:{}", address(bytes.as_bytes())),
        other => format!("{other:?}"),
    }))
}

fn address(bytes: &[u8]) -> IpAddr {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).unwrap().into(),
        _ => <[u8; 16]>::try_from(bytes).unwrap().into(),
    }
}

fn key(public: &[u8]) -> String {
    let info = SubjectPublicKeyInfoRef::from_der(public).unwrap();
    let curve = info.algorithm.parameters_oid().map(|oid| oid.to_string());
    match (info.algorithm.oid.to_string().as_str(), curve.as_deref()) {
        ("1.2.840.10045.2.1", Ok("1.3.132.0.33")) => "EC secp224r1".into(),
        ("1.2.840.10045.2.1", Ok("1.2.840.10045.3.1.7")) => "EC secp256r1".into(),
        ("1.2.840.10045.2.1", Ok("1.3.132.0.34")) => "EC secp384r1".into(),
        ("1.2.840.10045.2.1", Ok("1.3.132.0.35")) => "EC secp521r1".into(),
        ("1.3.101.112", _) => "Ed25519".into(),
        ("1.2.840.113549.1.1.1", _) => "RSA".into(),
        other => format!("{other:?}"),
    }
}

fn usage(der: &[u8]) -> Vec<&'static str> {
    let bits = BitString::from_der(der).unwrap();
    bits.bits().zip(USAGES).filter(|(set, _)| *set).map(|(_, name)| name).collect()
}

fn extended_usage(der: &[u8]) -> Vec<String> {
    let purposes = ExtendedKeyUsage::from_der(der).unwrap().0;
    sorted(purposes.iter().map(|oid| match oid.to_string().as_str() {
        "1.3.6.1.5.5.7.3.1" => "serverAuth".into(),
        "1.3.6.1.5.5.7.3.2" => "clientAuth".into(),
        other => other.to_owned(),
    }))
}

fn others(extensions: &[Extension]) -> BTreeMap<String, String> {
    let unknown = extensions.iter().filter(|e| !KNOWN.contains(&e.extn_id.to_string().as_str()));
    unknown.map(|e| (e.extn_id.to_string(), hex::encode(e.extn_value.as_bytes()))).collect()
}

fn days(seconds: u64) -> Value {
    let days = seconds / 86_400;
    if days > 36_500 { json!("more than 36500") } else { json!(days) }
}

fn signed_by(certificate: &Certificate, pki: &Pki) -> Vec<&'static str> {
    let body = certificate.tbs_certificate().to_der().unwrap();
    let by = |public: &[u8]| {
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, public)
            .verify(&body, certificate.signature().raw_bytes())
            .is_ok()
    };
    let own = certificate.tbs_certificate().subject_public_key_info().to_der().unwrap();
    if certificate.tbs_certificate().issuer() == certificate.tbs_certificate().subject() && by(&own) {
        return vec!["self"];
    }
    let mut signers = Vec::new();
    if by(&pki.root_key.bytes().public) {
        signers.push("root");
    }
    if by(&pki.intermediate_key.bytes().public) {
        signers.extend(["intermediate", "marble root"]);
    }
    signers
}
