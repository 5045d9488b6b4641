//! What a template may read inside a certificate: `.Cert.Subject.CommonName` and its neighbours.

use std::sync::Arc;

use der::Decode as _;
use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

use super::buffer::{Text, text};
use super::encode;
use super::fields::unknown;
use super::value::{DistinguishedName, Handle, Value};
use super::{Part, Source};

/// Attribute types of RFC 5280 section 4.1.2.4 by the names of Go's `pkix.Name`, and whether Go has them as a list.
const ATTRIBUTES: [(&str, &str, bool); 9] = [
    ("CommonName", "2.5.4.3", false),
    ("SerialNumber", "2.5.4.5", false),
    ("Country", "2.5.4.6", true),
    ("Locality", "2.5.4.7", true),
    ("Province", "2.5.4.8", true),
    ("StreetAddress", "2.5.4.9", true),
    ("Organization", "2.5.4.10", true),
    ("OrganizationalUnit", "2.5.4.11", true),
    ("PostalCode", "2.5.4.17", true),
];

/// The field `name` of the certificate of `handle`.
///
/// # Errors
/// There is no such field, no certificate, or one that cannot be read.
pub(super) fn field(source: &dyn Source, handle: &Handle, name: &str) -> Result<Value, String> {
    let known = ["Subject", "Issuer", "DNSNames", "EmailAddresses"];
    if !known.contains(&name) {
        return Err(unknown("a certificate", name, &known));
    }
    let bytes = encode::bytes_of(source, handle, Part::Cert)?;
    let certificate =
        Certificate::from_der(&bytes).map_err(|_| "this certificate cannot be read".to_owned())?;
    let body = certificate.tbs_certificate();
    Ok(match name {
        "Subject" => Value::Name(Arc::new(distinguished(body.subject()))),
        "Issuer" => Value::Name(Arc::new(distinguished(body.issuer()))),
        _ => {
            let names = body.get_extension::<SubjectAltName>().ok().flatten().map(|(_, names)| names.0);
            list(names.unwrap_or_default().iter().filter_map(|n| alternative(n, name)))
        }
    })
}

fn alternative(general: &GeneralName, name: &str) -> Option<Text> {
    match (general, name) {
        (GeneralName::DnsName(dns), "DNSNames") => Some(text(dns.as_str())),
        (GeneralName::Rfc822Name(mail), "EmailAddresses") => Some(text(mail.as_str())),
        _ => None,
    }
}

fn distinguished(name: &Name) -> DistinguishedName {
    let values = |oid: &str| {
        let found = name.iter().filter(|attribute| attribute.oid.to_string() == oid);
        found.map(|attribute| text(attribute.value.value())).collect()
    };
    ATTRIBUTES.iter().map(|(field, oid, _)| (*field, values(oid))).collect()
}

/// A part of a distinguished name.
///
/// # Errors
/// There is no such part.
pub(super) fn name_field(parts: &DistinguishedName, name: &str) -> Result<Value, String> {
    let known: Vec<&str> = ATTRIBUTES.iter().map(|(field, ..)| *field).collect();
    let (_, values) =
        parts.iter().find(|(field, _)| *field == name).ok_or_else(|| unknown("a name", name, &known))?;
    if ATTRIBUTES.iter().any(|(field, _, many)| *field == name && *many) {
        return Ok(list(values.iter().cloned()));
    }
    // Go keeps the last one of an attribute that has a single value.
    Ok(Value::Text(values.last().cloned().unwrap_or_else(|| text(""))))
}

fn list(values: impl Iterator<Item = Text>) -> Value {
    Value::List(values.map(Value::Text).collect())
}
