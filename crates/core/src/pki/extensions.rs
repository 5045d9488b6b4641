//! Extensions of certificates (RFC 5280 section 4.2), as critical as Go's `crypto/x509` makes them.

use std::net::IpAddr;

use aws_lc_rs::digest::{self, SHA256};
use der::asn1::{BitString, Ia5String, OctetString};
use der::{Decode as _, Encode};
use marblerun_manifest::CertificateTemplate;
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints};

use super::PkiError;
use super::name::parse_oid;

/// The extension of a marble's certificate whose raw value (no DER inside) is the marble's type.
pub const MARBLE_TYPE_OID: &str = "1.3.9903.2.1";

const MARBLE_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap(MARBLE_TYPE_OID);
const SUBJECT_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const ALTERNATIVES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const AUTHORITY_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// Bytes of a key identifier: RFC 7093 section 2, method 1.
const KEY_IDENTIFIER_BYTES: usize = 20;

/// How many bits of key usage RFC 5280 section 4.2.1.3 knows.
const USAGE_BITS: u16 = 9;

/// Bits of key usage in Go's numbering.
pub(super) struct Usage;

impl Usage {
    pub(super) const DIGITAL_SIGNATURE: u16 = 1;
    pub(super) const KEY_AGREEMENT: u16 = 1 << 4;
    pub(super) const CERT_SIGN: u16 = 1 << 5;
}

/// Subject alternative names.
#[derive(Default)]
pub(super) struct Alternatives<'a> {
    pub(super) dns: &'a [String],
    pub(super) email: &'a [String],
    pub(super) ip: &'a [IpAddr],
    pub(super) uri: &'a [String],
}

/// `None` for no usage at all, which says that every usage is allowed.
pub(super) fn key_usage(usage: u16) -> Result<Option<Extension>, PkiError> {
    if usage == 0 {
        return Ok(None);
    }
    let last = u16::BITS - 1 - usage.leading_zeros();
    // DER counts named bits from the left and cuts zeros at the end (X.690 section 11.2.2).
    let bytes = usage.reverse_bits().to_be_bytes();
    let used = &bytes[..=last as usize / 8];
    let value = BitString::new(7 - (last % 8) as u8, used)?;
    Ok(Some(extension(KEY_USAGE, true, &value)?))
}

pub(super) fn server_and_client() -> Result<Option<Extension>, PkiError> {
    extended_key_usage(&[SERVER_AUTH, CLIENT_AUTH])
}

pub(super) fn basic_constraints(ca: bool) -> Result<Option<Extension>, PkiError> {
    let value = BasicConstraints { ca, path_len_constraint: None };
    Ok(Some(extension(BASIC_CONSTRAINTS, true, &value)?))
}

/// `None` without any name. Not critical, since every certificate here has a subject.
pub(super) fn alternatives(names: &Alternatives<'_>) -> Result<Option<Extension>, PkiError> {
    let dns = names.dns.iter().map(|name| Ok(GeneralName::DnsName(ia5("DNSNames", name)?)));
    let email = names.email.iter().map(|name| Ok(GeneralName::Rfc822Name(ia5("EmailAddresses", name)?)));
    let ip = names.ip.iter().map(|address| Ok(GeneralName::from(address.to_canonical())));
    let uri = names.uri.iter().map(|name| Ok(GeneralName::UniformResourceIdentifier(ia5("URIs", name)?)));
    let all = dns.chain(email).chain(ip).chain(uri).collect::<Result<Vec<_>, PkiError>>()?;
    if all.is_empty() {
        return Ok(None);
    }
    Ok(Some(extension(ALTERNATIVES, false, &all)?))
}

pub(super) fn subject_key(public: &[u8]) -> Result<Extension, PkiError> {
    extension(SUBJECT_KEY, false, &key_identifier(public)?)
}

pub(super) fn authority_key(public: &[u8]) -> Result<Extension, PkiError> {
    let value =
        AuthorityKeyIdentifier { key_identifier: Some(key_identifier(public)?), ..Default::default() };
    extension(AUTHORITY_KEY, false, &value)
}

pub(super) fn marble_type(name: &str) -> Result<Extension, PkiError> {
    raw(MARBLE_TYPE, false, name.as_bytes())
}

/// What a certificate secret's template asks for, without the authority's key identifier. An extension that the
/// template gives as raw bytes replaces the one made from its fields.
pub(super) fn of_template(template: &CertificateTemplate) -> Result<Vec<Extension>, PkiError> {
    let raw = template.extensions.iter().map(raw_of_template).collect::<Result<Vec<_>, _>>()?;
    refuse_twice(&raw)?;
    let fields = fields_of_template(template)?;
    let given = |oid| raw.iter().any(|extension| extension.extn_id == oid);
    let own = fields.into_iter().flatten().filter(|extension| !given(extension.extn_id));
    Ok(own.chain(raw.iter().cloned()).collect())
}

fn fields_of_template(template: &CertificateTemplate) -> Result<[Option<Extension>; 4], PkiError> {
    if template.key_usage >> USAGE_BITS != 0 {
        return Err(PkiError::Template(format!(
            "KeyUsage: {} names bits that mean nothing",
            template.key_usage
        )));
    }
    let purposes = template.extended_key_usage.iter().map(|oid| parse_oid("ExtKeyUsage", oid));
    let constraints = if template.basic_constraints { basic_constraints(false)? } else { None };
    Ok([
        key_usage(template.key_usage)?,
        extended_key_usage(&purposes.collect::<Result<Vec<_>, _>>()?)?,
        constraints,
        alternatives(&Alternatives {
            dns: &template.dns_names,
            email: &template.email_addresses,
            ip: &template.ip_addresses,
            uri: &template.uris,
        })?,
    ])
}

/// Refuses what would make the holder of a secret more than that: a certificate authority, or a marble.
fn raw_of_template((oid, critical, value): &(String, bool, Vec<u8>)) -> Result<Extension, PkiError> {
    let oid = parse_oid("ExtraExtensions", oid)?;
    let refused = match oid {
        BASIC_CONSTRAINTS if !BasicConstraints::from_der(value).is_ok_and(|constraints| !constraints.ca) => {
            "would make its holder a certificate authority"
        }
        MARBLE_TYPE => "is the mark of a marble's own certificate",
        AUTHORITY_KEY => "is the Coordinator's to set",
        _ => return raw(oid, *critical, value),
    };
    Err(PkiError::Template(format!("ExtraExtensions: {oid} {refused}; remove it")))
}

/// RFC 5280 section 4.2: no certificate has the same extension twice; many programs refuse such a certificate.
fn refuse_twice(extensions: &[Extension]) -> Result<(), PkiError> {
    let mut seen = std::collections::BTreeSet::new();
    match extensions.iter().find(|extension| !seen.insert(extension.extn_id)) {
        Some(twice) => Err(PkiError::Template(format!("ExtraExtensions: {} is given twice", twice.extn_id))),
        None => Ok(()),
    }
}

fn extended_key_usage(purposes: &[ObjectIdentifier]) -> Result<Option<Extension>, PkiError> {
    if purposes.is_empty() {
        return Ok(None);
    }
    Ok(Some(extension(EXTENDED_KEY_USAGE, false, &purposes.to_vec())?))
}

/// SHA-256 of the key's bits, cut: what binds a certificate to the key that signed it when names repeat.
fn key_identifier(public: &[u8]) -> Result<OctetString, PkiError> {
    let info = SubjectPublicKeyInfoRef::from_der(public)?;
    let hash = digest::digest(&SHA256, info.subject_public_key.raw_bytes());
    Ok(OctetString::new(&hash.as_ref()[..KEY_IDENTIFIER_BYTES])?)
}

fn ia5(field: &str, text: &str) -> Result<Ia5String, PkiError> {
    Ia5String::new(text).map_err(|_| PkiError::Template(format!("{field}: {text:?} is not ASCII")))
}

fn extension(oid: ObjectIdentifier, critical: bool, value: &impl Encode) -> Result<Extension, PkiError> {
    raw(oid, critical, &value.to_der()?)
}

fn raw(oid: ObjectIdentifier, critical: bool, value: &[u8]) -> Result<Extension, PkiError> {
    Ok(Extension { extn_id: oid, critical, extn_value: OctetString::new(value)? })
}
