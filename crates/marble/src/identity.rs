//! The key that a marble shows at activation: a fresh P-384 key, a self-signed certificate for the handshake and a
//! certificate request for the names it wants.
//!
//! The certificate proves nothing by itself: evidence is bound to its hash, and the Coordinator makes the key that the
//! marble later uses in the mesh. So dates are fixed and wide (no clock is read), and nobody looks at them.

use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use der::asn1::{BitString, Ia5String, OctetString, UtcTime};
use der::oid::{AssociatedOid, ObjectIdentifier};
use der::{Decode as _, Encode, Sequence};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_cert::attr::Attributes;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::name::Name;
use x509_cert::request::{CertReq, CertReqInfo, ExtensionReq, Version as RequestVersion};
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity};
use x509_cert::{AlgorithmIdentifier, SubjectPublicKeyInfo, Version};

use crate::config::Names;

/// `ecdsa-with-SHA384` (RFC 5758 section 3.2).
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
/// `id-kp-serverAuth` and `id-kp-clientAuth` (RFC 5280 section 4.2.1.12).
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
/// 2000-01-01T00:00:00Z.
const NOT_BEFORE: Duration = Duration::from_secs(946_684_800);
const SUBJECT: &str = "CN=MarbleRun Marble";

/// A fresh key with its self-signed certificate. Has no `Debug`, since it holds a private key.
pub struct Identity {
    pair: EcdsaKeyPair,
    private: PrivatePkcs8KeyDer<'static>,
    certificate: CertificateDer<'static>,
    names: Names,
}

impl Identity {
    /// A new ECDSA P-384 key and a certificate for `names`.
    ///
    /// # Errors
    /// If the system gives no randomness or a name fits no certificate.
    pub fn generate(names: &Names) -> Result<Self, IdentityError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING)?;
        let private = PrivatePkcs8KeyDer::from(pair.to_pkcs8v1()?.as_ref().to_vec());
        let certificate = self_signed(&pair, names)?.into();
        Ok(Self { pair, private, certificate, names: names.clone() })
    }

    /// The self-signed certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The private key, PKCS#8.
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.private.clone_key())
    }

    /// A request (PKCS#10, RFC 2986) for a certificate with the same names, signed with the same key; DER.
    ///
    /// # Errors
    /// As [`Identity::generate`].
    pub fn certificate_request(&self) -> Result<Vec<u8>, IdentityError> {
        let mut attributes = Attributes::new();
        if let Some(names) = alternative_names(&self.names)? {
            attributes.insert(ExtensionReq(vec![names]).try_into()?)?;
        }
        let info = CertReqInfo {
            version: RequestVersion::V1,
            subject: subject()?,
            public_key: public_key(&self.pair)?,
            attributes,
        };
        let signature = sign(&self.pair, &info.to_der()?)?;
        Ok(CertReq { info, algorithm: algorithm(), signature }.to_der()?)
    }
}

/// `TBSCertificate` and `Certificate` (RFC 5280 section 4.1), the fields that are used here.
#[derive(Sequence)]
struct ToBeSigned {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: Version,
    serial_number: SerialNumber,
    signature: AlgorithmIdentifier,
    issuer: Name,
    validity: Validity,
    subject: Name,
    public_key: SubjectPublicKeyInfo,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Extensions,
}

#[derive(Sequence)]
struct Signed {
    content: ToBeSigned,
    algorithm: AlgorithmIdentifier,
    signature: BitString,
}

fn self_signed(pair: &EcdsaKeyPair, names: &Names) -> Result<Vec<u8>, IdentityError> {
    let content = ToBeSigned {
        version: Version::V3,
        serial_number: serial_number()?,
        signature: algorithm(),
        issuer: subject()?,
        validity: validity()?,
        subject: subject()?,
        public_key: public_key(pair)?,
        extensions: extensions(names)?,
    };
    let signature = sign(pair, &content.to_der()?)?;
    Ok(Signed { content, algorithm: algorithm(), signature }.to_der()?)
}

/// Positive, not zero and 127 bits of chance (RFC 5280 section 4.1.2.2).
fn serial_number() -> Result<SerialNumber, IdentityError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes)?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::new(&bytes)?)
}

/// Until 9999-12-31T23:59:59Z, "no well-defined expiration date" (RFC 5280 section 4.1.2.5).
fn validity() -> Result<Validity, IdentityError> {
    Ok(Validity::new(Time::UtcTime(UtcTime::from_unix_duration(NOT_BEFORE)?), Time::INFINITY))
}

fn extensions(names: &Names) -> Result<Extensions, IdentityError> {
    let usage = KeyUsage(KeyUsages::DigitalSignature.into());
    let extended = ExtendedKeyUsage(vec![SERVER_AUTH, CLIENT_AUTH]);
    let mut all = vec![extension(&usage, true)?, extension(&extended, false)?];
    all.extend(alternative_names(names)?);
    Ok(all)
}

fn alternative_names(names: &Names) -> Result<Option<Extension>, IdentityError> {
    let dns = names.dns.iter().map(|name| Ia5String::new(name).map(GeneralName::DnsName));
    let ips = names.ips.iter().map(|ip| Ok(GeneralName::from(*ip)));
    let all = dns.chain(ips).collect::<Result<Vec<_>, _>>()?;
    if all.is_empty() { Ok(None) } else { extension(&SubjectAltName(all), false).map(Some) }
}

fn extension<T: AssociatedOid + Encode>(value: &T, critical: bool) -> Result<Extension, IdentityError> {
    Ok(Extension { extn_id: T::OID, critical, extn_value: OctetString::new(value.to_der()?)? })
}

fn subject() -> Result<Name, IdentityError> {
    Ok(SUBJECT.parse()?)
}

fn public_key(pair: &EcdsaKeyPair) -> Result<SubjectPublicKeyInfo, IdentityError> {
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
    Ok(SubjectPublicKeyInfo::from_der(public.as_ref())?)
}

fn algorithm() -> AlgorithmIdentifier {
    AlgorithmIdentifier { oid: ECDSA_WITH_SHA384, parameters: None }
}

fn sign(pair: &EcdsaKeyPair, message: &[u8]) -> Result<BitString, IdentityError> {
    Ok(BitString::from_bytes(pair.sign(&SystemRandom::new(), message)?.as_ref())?)
}

/// No key or certificate could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The cryptographic library failed.
    #[error("making the marble's key: the system gives no randomness or the cryptographic library failed")]
    Crypto,
    /// A name fits no certificate.
    #[error("encoding the marble's certificate: {0}")]
    Encoding(String),
}

impl From<Unspecified> for IdentityError {
    fn from(_: Unspecified) -> Self {
        Self::Crypto
    }
}

impl From<der::Error> for IdentityError {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1, ParsedPublicKey};
    use x509_cert::Certificate;

    use super::*;

    fn names() -> Names {
        Names::parse("localhost,web.example,10.0.0.1").unwrap()
    }

    fn verifies(public: &SubjectPublicKeyInfo, message: &[u8], signature: &BitString) -> bool {
        let key = public.to_der().unwrap();
        let key = ParsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, key).unwrap();
        key.verify_sig(message, signature.raw_bytes()).is_ok()
    }

    #[test]
    fn the_certificate_is_self_signed_and_asks_for_the_names() {
        let identity = Identity::generate(&names()).unwrap();
        let certificate = Certificate::from_der(identity.certificate()).unwrap();
        let content = certificate.tbs_certificate();
        let message = content.to_der().unwrap();
        assert!(verifies(content.subject_public_key_info(), &message, certificate.signature()));
        let (_, names) = content.get_extension::<SubjectAltName>().unwrap().unwrap();
        assert_eq!(names.0.len(), 5, "two DNS names, one address, and the two of localhost");
    }

    #[test]
    fn the_request_is_signed_with_the_same_key() {
        let identity = Identity::generate(&names()).unwrap();
        let certificate = Certificate::from_der(identity.certificate()).unwrap();
        let request = CertReq::from_der(&identity.certificate_request().unwrap()).unwrap();
        assert_eq!(&request.info.public_key, certificate.tbs_certificate().subject_public_key_info());
        assert!(verifies(&request.info.public_key, &request.info.to_der().unwrap(), &request.signature));
        assert_eq!(request.info.attributes.len(), 1);
    }

    #[test]
    fn no_names_make_no_extension() {
        let identity = Identity::generate(&Names::default()).unwrap();
        let request = CertReq::from_der(&identity.certificate_request().unwrap()).unwrap();
        assert!(request.info.attributes.is_empty());
    }
}
