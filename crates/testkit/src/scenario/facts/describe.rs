//! A certificate or key in the words of the recordings.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use aws_lc_rs::digest;
use der::asn1::ObjectIdentifier;
use der::{Decode as _, Encode as _};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};
use x509_cert::name::Name;
use x509_cert::{Certificate, TbsCertificate};

use super::Own;
use crate::scenario::json::Json;
use crate::scenario::x509::{self, CERTIFICATE, PRIVATE_KEY};

const DAY: u64 = 24 * 60 * 60;
/// Coordinators make a certificate that starts now within this time of the answer: seconds.
const NOW_MEANS: u64 = 5 * 60;

const KEY_USAGE: &str = "2.5.29.15";
const ALTERNATIVES: &str = "2.5.29.17";
const BASIC_CONSTRAINTS: &str = "2.5.29.19";
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
/// Not looked at: subject and authority key identifiers.
const IDENTIFIERS: [&str; 2] = ["2.5.29.14", "2.5.29.35"];

/// All properties of a certificate, or kind and hash of a key (by its PEM label).
///
/// # Errors
/// If it is none.
pub(crate) fn describe(label: &str, der: &[u8], own: &Own) -> Result<Json> {
    let sha256 = Json::text(hex::encode(digest::digest(&digest::SHA256, der)));
    let mut fields = match label {
        CERTIFICATE => describe_certificate(der, own)?,
        PRIVATE_KEY => vec![("key", Json::text(x509::describe_private_key(der)?))],
        _ => vec![("key", Json::text(x509::describe_public_key(der)?))],
    };
    fields.push(("sha256", sha256));
    Ok(Json::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

fn describe_certificate(der: &[u8], own: &Own) -> Result<Vec<(&'static str, Json)>> {
    let certificate = Certificate::from_der(der).context("no certificate")?;
    let signed = certificate.tbs_certificate();
    let start = signed.validity().not_before.to_unix_duration().as_secs();
    Ok(vec![
        ("subject", Json::text(name(signed.subject()))),
        ("issuer", Json::text(name(signed.issuer()))),
        ("alternatives", texts(alternatives(signed)?)),
        ("key", Json::text(x509::describe_public_key(&signed.subject_public_key_info().to_der()?)?)),
        ("usage", texts(usage(signed)?)),
        ("extendedUsage", texts(extended_usage(signed)?)),
        (
            "ca",
            decode::<BasicConstraints>(signed, BASIC_CONSTRAINTS)?
                .map_or(Json::Null, |basic| Json::Bool(basic.ca)),
        ),
        ("critical", texts(critical(signed))),
        ("otherExtensions", other_extensions(signed)),
        ("signature", Json::text(x509::signature_name(&certificate.signature_algorithm().oid))),
        ("days", days(start, signed.validity().not_after.to_unix_duration().as_secs())),
        ("startsNow", Json::Bool(start.abs_diff(own.now) <= NOW_MEANS)),
        ("serial", serial(signed.serial_number().as_bytes())),
        ("signedBy", texts(signed_by(der, signed, own)?)),
    ])
}

fn texts(texts: Vec<String>) -> Json {
    Json::List(texts.into_iter().map(Json::Text).collect())
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

/// Attributes by kind in the order of the recordings, whatever their order in the certificate.
fn name(name: &Name) -> String {
    const ORDER: [&str; 9] = ["CN", "SERIALNUMBER", "OU", "O", "STREET", "PostalCode", "L", "ST", "C"];
    let mut attributes: Vec<String> = name.iter().map(ToString::to_string).collect();
    let rank = |attribute: &str| {
        let kind = attribute.split('=').next().unwrap_or_default().to_owned();
        ORDER.iter().position(|known| known.eq_ignore_ascii_case(&kind)).unwrap_or(ORDER.len())
    };
    attributes.sort_by_key(|attribute| rank(attribute));
    attributes.join(",")
}

fn extensions(signed: &TbsCertificate) -> &[Extension] {
    signed.extensions().map(Vec::as_slice).unwrap_or_default()
}

fn decode<'a, T: der::Decode<'a, Error = der::Error>>(
    signed: &'a TbsCertificate,
    oid: &str,
) -> Result<Option<T>> {
    let found = extensions(signed).iter().find(|extension| extension.extn_id.to_string() == oid);
    found.map(|extension| T::from_der(extension.extn_value.as_bytes())).transpose().context(oid.to_owned())
}

fn alternatives(signed: &TbsCertificate) -> Result<Vec<String>> {
    let names = decode::<SubjectAltName>(signed, ALTERNATIVES)?.map(|names| names.0).unwrap_or_default();
    Ok(sorted(names.iter().map(alternative).collect()))
}

fn alternative(name: &GeneralName) -> String {
    match name {
        GeneralName::DnsName(name) => format!("DNS:{name}"),
        GeneralName::Rfc822Name(name) => format!("email:{name}"),
        GeneralName::UniformResourceIdentifier(name) => format!("URI:{name}"),
        GeneralName::IpAddress(bytes) => format!("IP:{}", address(bytes.as_bytes())),
        other => format!("{other:?}"),
    }
}

fn address(bytes: &[u8]) -> String {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let any = four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    any.map_or_else(|_| hex::encode(bytes), |address| address.to_string())
}

fn usage(signed: &TbsCertificate) -> Result<Vec<String>> {
    let Some(usage) = decode::<KeyUsage>(signed, KEY_USAGE)? else { return Ok(Vec::new()) };
    let bits = [
        (usage.digital_signature(), "digitalSignature"),
        (usage.non_repudiation(), "nonRepudiation"),
        (usage.key_encipherment(), "keyEncipherment"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.key_cert_sign(), "certSign"),
        (usage.crl_sign(), "crlSign"),
        (usage.encipher_only(), "encipherOnly"),
        (usage.decipher_only(), "decipherOnly"),
    ];
    Ok(bits.iter().filter(|(set, _)| *set).map(|(_, name)| (*name).to_owned()).collect())
}

fn extended_usage(signed: &TbsCertificate) -> Result<Vec<String>> {
    let usages =
        decode::<ExtendedKeyUsage>(signed, EXTENDED_KEY_USAGE)?.map(|usages| usages.0).unwrap_or_default();
    Ok(sorted(usages.iter().map(extended_usage_name).collect()))
}

fn extended_usage_name(oid: &ObjectIdentifier) -> String {
    let number = oid.to_string();
    match number.as_str() {
        "1.3.6.1.5.5.7.3.1" => "serverAuth",
        "1.3.6.1.5.5.7.3.2" => "clientAuth",
        "1.3.6.1.5.5.7.3.3" => "codeSigning",
        "1.3.6.1.5.5.7.3.4" => "emailProtection",
        other => other,
    }
    .to_owned()
}

fn critical(signed: &TbsCertificate) -> Vec<String> {
    let critical = extensions(signed).iter().filter(|extension| extension.critical);
    sorted(critical.map(|extension| extension.extn_id.to_string()).collect())
}

fn other_extensions(signed: &TbsCertificate) -> Json {
    let described = [KEY_USAGE, ALTERNATIVES, BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE];
    let named = extensions(signed).iter().map(|extension| (extension.extn_id.to_string(), extension));
    let others =
        named.filter(|(oid, _)| !described.contains(&oid.as_str()) && !IDENTIFIERS.contains(&oid.as_str()));
    Json::Object(
        others.map(|(oid, other)| (oid, Json::text(hex::encode(other.extn_value.as_bytes())))).collect(),
    )
}

fn days(start: u64, end: u64) -> Json {
    match (end.saturating_sub(start) + DAY / 2) / DAY {
        days if days > 36_500 => Json::text("more than 36500"),
        days => Json::Number(days.to_string()),
    }
}

/// `random` from 65 to 128 bits, else the number. DER puts a zero byte before a first bit that is set.
fn serial(bytes: &[u8]) -> Json {
    let significant = bytes.iter().position(|byte| *byte != 0).map_or(&[][..], |first| &bytes[first..]);
    let bits = significant.len() * 8 - significant.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if (65..=128).contains(&bits) { Json::text("random") } else { Json::Number(decimal(significant)) }
}

/// A big-endian number in decimal digits.
fn decimal(bytes: &[u8]) -> String {
    let mut digits = vec![0_u16];
    for byte in bytes {
        let mut carry = u16::from(*byte);
        for digit in &mut digits {
            let value = *digit * 256 + carry;
            (*digit, carry) = (value % 10, value / 10);
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    digits.iter().rev().map(ToString::to_string).collect()
}

/// Which keys verify the signature: its own only, or those of the Coordinator's certificates.
fn signed_by(der: &[u8], signed: &TbsCertificate, own: &Own) -> Result<Vec<String>> {
    let by = |spki: &[u8]| x509::check_signed_by(der, spki).is_ok();
    if by(&signed.subject_public_key_info().to_der()?) {
        return Ok(vec!["self".to_owned()]);
    }
    let keys =
        own.certificates.iter().map(|(name, certificate)| Ok((name, x509::public_key_of(certificate)?)));
    let keys = keys.collect::<Result<Vec<_>>>()?;
    Ok(sorted(keys.iter().filter(|(_, key)| by(key)).map(|(name, _)| (*name).clone()).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(decimal(&[]), "0");
        assert_eq!(decimal(&[255, 255]), "65535");
        assert_eq!(
            decimal(&hex::decode("ffffffffffffffffffffffff").expect("hex")),
            "79228162514264337593543950335"
        );
        assert_eq!(serial(&[0, 5]), Json::Number("5".into()));
        assert_eq!(serial(&[&[1][..], &[0; 8]].concat()), Json::text("random"));
        assert_eq!(serial(&[255; 16]), Json::text("random"));
        assert_eq!(serial(&[255; 8]), Json::Number(u64::MAX.to_string()));
        assert_eq!(days(0, 365 * DAY - 1), Json::Number("365".into()));
        assert_eq!(days(0, 292 * 365 * DAY), Json::text("more than 36500"));
    }
}
