//! A certificate as RFC 5280 section 4.1 writes it: put together, signed, encoded.

use std::time::SystemTime;

use der::asn1::{AnyRef, BitStringRef, Uint};
use der::{Decode as _, Encode as _, Sequence};
use spki::{AlgorithmIdentifierRef, ObjectIdentifier};
use x509_cert::ext::Extension;
use x509_cert::name::Name;
use x509_cert::time::{Time, Validity};

use super::PkiError;
use crate::keys::{KeySource, SigningKey};

/// ecdsa-with-SHA384 (RFC 5758 section 3.2); has no parameters.
const ECDSA_WITH_SHA384: AlgorithmIdentifierRef<'static> =
    AlgorithmIdentifierRef { oid: ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"), parameters: None };

/// X.509 version 3.
const V3: u8 = 2;

const SERIAL_BYTES: usize = 16;

/// What a certificate says, but for serial number and signature.
pub(super) struct Certificate<'a> {
    pub(super) issuer: Name,
    pub(super) subject: &'a Name,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
    /// SubjectPublicKeyInfo DER.
    pub(super) public: &'a [u8],
    pub(super) extensions: Vec<Extension>,
}

/// `TBSCertificate`, RFC 5280 section 4.1.
#[derive(Sequence)]
struct Tbs<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial: Uint,
    algorithm: AlgorithmIdentifierRef<'a>,
    issuer: Name,
    validity: Validity,
    subject: Name,
    public: AnyRef<'a>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

/// Something signed: the form that certificates and certificate requests share (RFC 5280 section 4.1, RFC 2986
/// section 4.2).
#[derive(Sequence)]
pub(super) struct Signed<'a> {
    pub(super) body: AnyRef<'a>,
    pub(super) algorithm: AlgorithmIdentifierRef<'a>,
    pub(super) signature: BitStringRef<'a>,
}

impl Certificate<'_> {
    pub(super) fn sign(self, key: &SigningKey, keys: &dyn KeySource) -> Result<Vec<u8>, PkiError> {
        let body = Tbs {
            version: V3,
            serial: random_serial(keys)?,
            algorithm: ECDSA_WITH_SHA384,
            issuer: self.issuer,
            validity: Validity::new(Time::try_from(self.not_before)?, Time::try_from(self.not_after)?),
            subject: self.subject.clone(),
            public: AnyRef::from_der(self.public)?,
            extensions: self.extensions,
        }
        .to_der()?;
        let signature = key.sign_sha384(&body)?;
        Ok(Signed {
            body: AnyRef::from_der(&body)?,
            algorithm: ECDSA_WITH_SHA384,
            signature: BitStringRef::from_bytes(&signature)?,
        }
        .to_der()?)
    }
}

/// 128 random bits: nobody can predict a serial number, and no two ever meet.
fn random_serial(keys: &dyn KeySource) -> Result<Uint, PkiError> {
    let mut bytes = [0; SERIAL_BYTES];
    keys.fill(&mut bytes)?;
    Ok(Uint::new(&bytes)?)
}
