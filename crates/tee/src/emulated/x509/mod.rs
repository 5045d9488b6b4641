//! Certificates and revocation lists as RFC 5280 writes them, for the emulator's own vendors.
//!
//! Nothing here decides whom a certificate is for; that is the vendors' work.

mod certificate;
pub(super) mod extension;
mod revocation;

use der::Encode as _;
use der::asn1::{Any, AnyRef, BitStringRef, PrintableStringRef, SetOfVec, Utf8StringRef};
use der::{Decode as _, Sequence};
use spki::{AlgorithmIdentifierRef, ObjectIdentifier};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};

use super::EmulatorError;
pub(super) use certificate::Certificate;
pub(super) use revocation::{Revocations, Revoked};

/// Who signs certificates: a key and the name of its algorithm.
pub(super) trait Signer {
    /// How it signs, as DER of an `AlgorithmIdentifier`.
    fn algorithm(&self) -> &'static [u8];

    /// Signs a message, as a certificate carries the signature.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, EmulatorError>;

    /// SubjectPublicKeyInfo, DER.
    fn public_info(&self) -> Result<Vec<u8>, EmulatorError>;
}

/// What certificates and revocation lists have in common (RFC 5280 sections 4.1 and 5.1).
#[derive(Sequence)]
struct Signed<'a> {
    body: AnyRef<'a>,
    algorithm: AlgorithmIdentifierRef<'a>,
    signature: BitStringRef<'a>,
}

/// The signed form of a body.
fn sign(body: &[u8], signer: &dyn Signer) -> Result<Vec<u8>, EmulatorError> {
    let signature = signer.sign(body)?;
    let signed = Signed {
        body: AnyRef::from_der(body)?,
        algorithm: AlgorithmIdentifierRef::from_der(signer.algorithm())?,
        signature: BitStringRef::from_bytes(&signature)?,
    };
    Ok(signed.to_der()?)
}

/// A distinguished name of these dotted types and values, in this order.
pub(super) fn name(parts: &[(&str, &str)]) -> Result<Name, EmulatorError> {
    let rdns = parts.iter().map(|(oid, value)| rdn(oid, value)).collect::<Result<Vec<_>, _>>()?;
    Ok(Name::hazmat_from_rdn_sequence(RdnSequence::from(rdns)))
}

fn rdn(oid: &str, value: &str) -> Result<RelativeDistinguishedName, EmulatorError> {
    let oid = ObjectIdentifier::new(oid).map_err(|why| EmulatorError::Encoding(why.to_string()))?;
    let value = if oid == COUNTRY {
        Any::encode_from(&PrintableStringRef::new(value)?)?
    } else {
        Any::encode_from(&Utf8StringRef::new(value)?)?
    };
    Ok(RelativeDistinguishedName::from(SetOfVec::try_from(vec![AttributeTypeAndValue { oid, value }])?))
}

/// countryName, the one type that X.520 wants as PrintableString.
const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");

/// PEM of one object: `CERTIFICATE` or `X509 CRL`.
pub(super) fn pem(label: &'static str, der: &[u8]) -> Result<String, EmulatorError> {
    der::pem::encode_string(label, der::pem::LineEnding::LF, der)
        .map_err(|why| EmulatorError::Encoding(why.to_string()))
}

/// PEM of a certificate's DER.
///
/// # Errors
/// If it is too long to encode.
pub fn certificate_pem(der: &[u8]) -> Result<String, EmulatorError> {
    pem("CERTIFICATE", der)
}

/// PEM of a chain of certificates, in this order.
pub(super) fn chain(certificates: &[&[u8]]) -> Result<String, EmulatorError> {
    certificates.iter().map(|der| pem("CERTIFICATE", der)).collect()
}
