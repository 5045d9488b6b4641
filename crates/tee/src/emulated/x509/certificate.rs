//! One certificate: put together, signed, encoded.

use std::time::SystemTime;

use der::asn1::{AnyRef, Uint};
use der::{Decode as _, Encode as _, Sequence};
use spki::AlgorithmIdentifierRef;
use x509_cert::ext::Extension;
use x509_cert::name::Name;
use x509_cert::time::{Time, Validity};

use super::{EmulatorError, Signer, sign};

/// X.509 version 3.
const V3: u8 = 2;

/// What a certificate says (RFC 5280 section 4.1).
pub(in crate::emulated) struct Certificate<'a> {
    /// Big-endian, unsigned.
    pub(in crate::emulated) serial: &'a [u8],
    pub(in crate::emulated) issuer: &'a Name,
    pub(in crate::emulated) subject: &'a Name,
    pub(in crate::emulated) not_before: SystemTime,
    pub(in crate::emulated) not_after: SystemTime,
    /// SubjectPublicKeyInfo, DER.
    pub(in crate::emulated) public: &'a [u8],
    pub(in crate::emulated) extensions: Vec<Extension>,
}

#[derive(Sequence)]
struct Body<'a> {
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

impl Certificate<'_> {
    /// DER of the certificate that `signer` signs.
    pub(in crate::emulated) fn sign(self, signer: &dyn Signer) -> Result<Vec<u8>, EmulatorError> {
        let body = Body {
            version: V3,
            serial: Uint::new(self.serial)?,
            algorithm: AlgorithmIdentifierRef::from_der(signer.algorithm())?,
            issuer: self.issuer.clone(),
            validity: Validity::new(Time::try_from(self.not_before)?, Time::try_from(self.not_after)?),
            subject: self.subject.clone(),
            public: AnyRef::from_der(self.public)?,
            extensions: self.extensions,
        };
        sign(&body.to_der()?, signer)
    }
}
