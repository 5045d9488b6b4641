//! X.509 certificates (RFC 5280) as the vendors of TEEs use them: read, and held against their issuer.
//!
//! Only what these public key infrastructures need: no names for hosts, no policies, no path building. The signature is
//! checked over the bytes that were sent, never over what a parser would write again.

mod chain;
mod crl;
mod pem;
mod signature;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use der::asn1::BitString;
use der::oid::ObjectIdentifier;
use der::{Decode, Encode, Header, Reader, SliceReader};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

pub(crate) use chain::{Chain, ChainFault};
pub(crate) use crl::RevocationList;
pub(crate) use pem::certificates as certificates_of_pem;

use crate::error::Malformed;

const CERTIFICATE: &str = "an X.509 certificate";
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");

/// Critical extensions that this room understands or may ignore: names of a device say nothing against it.
const UNDERSTOOD: [ObjectIdentifier; 3] =
    [BASIC_CONSTRAINTS, KEY_USAGE, ObjectIdentifier::new_unwrap("2.5.29.17")];

/// A certificate, with the bytes that its issuer signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    der: Vec<u8>,
    signed: Vec<u8>,
    parsed: x509_cert::Certificate,
}

/// Why one certificate was not issued by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkFault {
    #[error("its issuer has another name")]
    Name,
    #[error("its issuer may not issue certificates")]
    NotAnAuthority,
    #[error("its issuer allows fewer authorities below itself")]
    TooDeep,
    #[error("it has a critical extension that is not understood")]
    Critical,
    #[error("its signature does not verify with its issuer's key")]
    Signature,
}

impl Certificate {
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, Malformed> {
        let unreadable = |error| Malformed::encoding(CERTIFICATE, error);
        let parsed = x509_cert::Certificate::from_der(der).map_err(unreadable)?;
        let signed = first_element(der).map_err(unreadable)?;
        Ok(Self { der: der.to_vec(), signed, parsed })
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// The subject as text, for people.
    pub(crate) fn subject(&self) -> String {
        self.parsed.tbs_certificate().subject().to_string()
    }

    /// The issuer as text, for people and for telling vendors' authorities apart.
    pub(crate) fn issuer(&self) -> String {
        self.parsed.tbs_certificate().issuer().to_string()
    }

    pub(crate) fn serial(&self) -> &[u8] {
        self.parsed.tbs_certificate().serial_number().as_bytes()
    }

    /// The seconds since 1970 at which the certificate is valid, both ends included.
    pub(crate) fn validity(&self) -> RangeInclusive<u64> {
        let validity = self.parsed.tbs_certificate().validity();
        validity.not_before.to_unix_duration().as_secs()..=validity.not_after.to_unix_duration().as_secs()
    }

    pub(crate) fn is_self_issued(&self) -> bool {
        let tbs = self.parsed.tbs_certificate();
        tbs.subject() == tbs.issuer()
    }

    /// Whether this says that it was issued by somebody of the other's name.
    pub(crate) fn names_as_issuer(&self, other: &Self) -> bool {
        self.parsed.tbs_certificate().issuer() == other.parsed.tbs_certificate().subject()
    }

    /// Whether both stand for the same authority: the same name and the same key, whatever else was reissued.
    pub(crate) fn is_same_authority(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.parsed.tbs_certificate(), other.parsed.tbs_certificate());
        ours.subject() == theirs.subject()
            && ours.subject_public_key_info() == theirs.subject_public_key_info()
    }

    /// The value of the extension `id`, which may stand there once.
    pub(crate) fn extension(&self, id: ObjectIdentifier) -> Result<Option<&[u8]>, Malformed> {
        let mut found = self.extensions().filter(|extension| extension.extn_id == id);
        let first = found.next().map(|extension| extension.extn_value.as_bytes());
        match found.next() {
            Some(_) => {
                Err(Malformed::encoding(CERTIFICATE, format!("the extension {id} stands there twice")))
            }
            None => Ok(first),
        }
    }

    /// Whether `message` was signed by the key of this certificate, with ECDSA in the form r and s, each in the length
    /// of the curve.
    pub(crate) fn has_signed(&self, message: &[u8], r_and_s: &[u8]) -> bool {
        signature::verify_fixed(self.parsed.tbs_certificate().subject_public_key_info(), message, r_and_s)
    }

    /// Holds name, authority and signature of the issuer against this. Time is the chain's business.
    pub(crate) fn check_issued_by(&self, issuer: &Self) -> Result<(), LinkFault> {
        let tbs = self.parsed.tbs_certificate();
        if !self.names_as_issuer(issuer) {
            return Err(LinkFault::Name);
        }
        issuer.check_authority()?;
        self.check_critical()?;
        if tbs.signature() != self.parsed.signature_algorithm() {
            return Err(LinkFault::Signature);
        }
        issuer.check_signature(self.parsed.signature_algorithm().oid, &self.signed, self.parsed.signature())
    }

    fn check_signature(
        &self,
        algorithm: ObjectIdentifier,
        message: &[u8],
        value: &BitString,
    ) -> Result<(), LinkFault> {
        let key = self.parsed.tbs_certificate().subject_public_key_info();
        // All signatures are whole bytes; a number of unused bits would be under no signature.
        let value = value.as_bytes().ok_or(LinkFault::Signature)?;
        signature::verify(algorithm, key, message, value).then_some(()).ok_or(LinkFault::Signature)
    }

    /// Whether this authority allows so many authorities below itself (RFC 5280, pathLenConstraint).
    fn check_depth(&self, authorities_below: usize) -> Result<(), LinkFault> {
        let constraints = self.decoded::<BasicConstraints>(BASIC_CONSTRAINTS);
        let allowed = constraints.and_then(|constraints| constraints.path_len_constraint);
        let is_allowed = allowed.is_none_or(|allowed| authorities_below <= allowed.into());
        is_allowed.then_some(()).ok_or(LinkFault::TooDeep)
    }

    fn check_authority(&self) -> Result<(), LinkFault> {
        let constraints = self.decoded::<BasicConstraints>(BASIC_CONSTRAINTS);
        let usage = self.decoded::<KeyUsage>(KEY_USAGE);
        let may = constraints.is_some_and(|constraints| constraints.ca)
            && usage.is_none_or(|usage| usage.key_cert_sign());
        may.then_some(()).ok_or(LinkFault::NotAnAuthority)
    }

    fn check_critical(&self) -> Result<(), LinkFault> {
        let understood = self
            .extensions()
            .filter(|extension| extension.critical)
            .all(|extension| UNDERSTOOD.contains(&extension.extn_id));
        understood.then_some(()).ok_or(LinkFault::Critical)
    }

    fn decoded<'a, T: Decode<'a>>(&'a self, id: ObjectIdentifier) -> Option<T> {
        self.extension(id).ok().flatten().and_then(|value| T::from_der(value).ok())
    }

    fn extensions(&self) -> impl Iterator<Item = &x509_cert::ext::Extension> {
        self.parsed.tbs_certificate().extensions().into_iter().flatten()
    }
}

/// The first element of a DER sequence as it was sent: what the signature of a certificate or a CRL covers.
fn first_element(der: &[u8]) -> der::Result<Vec<u8>> {
    let mut reader = SliceReader::new(der)?;
    Header::decode(&mut reader)?;
    Ok(reader.tlv_bytes()?.to_vec())
}

/// The bytes of a name as DER, for comparing.
fn name_bytes(name: &x509_cert::name::Name) -> Vec<u8> {
    name.to_der().unwrap_or_default()
}
