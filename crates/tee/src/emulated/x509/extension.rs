//! The extensions that the vendors' certificates and revocation lists carry (RFC 5280 sections 4.2 and 5.2).

use aws_lc_rs::digest::{self, SHA256};
use der::Decode as _;
use der::Encode;
use der::asn1::{OctetString, OctetStringRef};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints};

use super::EmulatorError;

const SUBJECT_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const REASON: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
const AUTHORITY_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");

/// Key identifiers are 160 bits long.
const KEY_IDENTIFIER_BYTES: usize = 20;

/// Certificate Sign and CRL Sign.
pub(in crate::emulated) fn usage_of_authority() -> Result<Extension, EmulatorError> {
    raw(KEY_USAGE, true, &[0x03, 0x02, 0x01, 0x06])
}

/// Digital Signature and Non Repudiation.
pub(in crate::emulated) fn usage_of_leaf() -> Result<Extension, EmulatorError> {
    raw(KEY_USAGE, true, &[0x03, 0x02, 0x06, 0xc0])
}

/// An authority over at most `below` authorities.
pub(in crate::emulated) fn authority(below: u8) -> Result<Extension, EmulatorError> {
    extension(BASIC_CONSTRAINTS, true, &BasicConstraints { ca: true, path_len_constraint: Some(below) })
}

/// No authority.
pub(in crate::emulated) fn end_entity() -> Result<Extension, EmulatorError> {
    extension(BASIC_CONSTRAINTS, true, &BasicConstraints { ca: false, path_len_constraint: None })
}

/// Which key this certificate is for.
pub(in crate::emulated) fn subject_key(public: &[u8]) -> Result<Extension, EmulatorError> {
    extension(SUBJECT_KEY, false, &key_identifier(public)?)
}

/// Which key signed this certificate or list.
pub(in crate::emulated) fn authority_key(public: &[u8]) -> Result<Extension, EmulatorError> {
    let identifier = AuthorityKeyIdentifier {
        key_identifier: Some(key_identifier(public)?),
        authority_cert_issuer: None,
        authority_cert_serial_number: None,
    };
    extension(AUTHORITY_KEY, false, &identifier)
}

pub(super) fn crl_number(number: u32) -> Result<Extension, EmulatorError> {
    extension(CRL_NUMBER, false, &number)
}

/// Reason `keyCompromise`, RFC 5280 section 5.3.1.
pub(super) fn key_compromise() -> Result<Extension, EmulatorError> {
    raw(REASON, false, &[0x0a, 0x01, 0x01])
}

/// An extension of a vendor's own, not critical, whose value is DER.
pub(in crate::emulated) fn own(oid: &str, value: &impl Encode) -> Result<Extension, EmulatorError> {
    own_raw(oid, &value.to_der()?)
}

/// An extension of a vendor's own, not critical, whose value is these bytes as they are.
pub(in crate::emulated) fn own_raw(oid: &str, value: &[u8]) -> Result<Extension, EmulatorError> {
    let oid = ObjectIdentifier::new(oid).map_err(|why| EmulatorError::Encoding(why.to_string()))?;
    raw(oid, false, value)
}

fn key_identifier(public: &[u8]) -> Result<OctetString, EmulatorError> {
    let info = SubjectPublicKeyInfoRef::from_der(public)?;
    let hash = digest::digest(&SHA256, info.subject_public_key.raw_bytes());
    Ok(OctetStringRef::new(&hash.as_ref()[..KEY_IDENTIFIER_BYTES])?.into())
}

fn extension(oid: ObjectIdentifier, critical: bool, value: &impl Encode) -> Result<Extension, EmulatorError> {
    raw(oid, critical, &value.to_der()?)
}

fn raw(oid: ObjectIdentifier, critical: bool, value: &[u8]) -> Result<Extension, EmulatorError> {
    Ok(Extension { extn_id: oid, critical, extn_value: OctetString::new(value)? })
}
