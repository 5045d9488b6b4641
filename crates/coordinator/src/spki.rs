//! The public key of a certificate, found without understanding the rest of it.

use der::asn1::{AnyRef, BitStringRef};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved};

/// The SubjectPublicKeyInfo (RFC 5280 section 4.1) of a certificate of any version.
///
/// # Errors
/// If the bytes are not built like a certificate.
pub(crate) fn subject_public_key_info<'a>(
    certificate: &'a CertificateDer<'_>,
) -> Result<SubjectPublicKeyInfoDer<'a>, Error> {
    walk(certificate.as_ref()).map(SubjectPublicKeyInfoDer::from).map_err(|_| bad_encoding())
}

fn bad_encoding() -> Error {
    Error::InvalidCertificate(CertificateError::BadEncoding)
}

/// `Certificate ::= { tbs { [0] version?, serial, signature, issuer, validity, subject, spki, ... }, ... }`
fn walk(certificate: &[u8]) -> der::Result<&[u8]> {
    let certificate = sequence(certificate)?;
    let tbs = AnyRef::decode(&mut SliceReader::new(certificate)?)?;
    tbs.tag().assert_eq(Tag::Sequence)?;
    let mut fields = SliceReader::new(tbs.value())?;
    let first = AnyRef::decode(&mut fields)?;
    let before = if first.tag().is_context_specific() { 5 } else { 4 };
    for _ in 0..before {
        AnyRef::decode(&mut fields)?;
    }
    fields.tlv_bytes()
}

/// The content of the one SEQUENCE that `bytes` is.
fn sequence(bytes: &[u8]) -> der::Result<&[u8]> {
    let any = AnyRef::from_der(bytes)?;
    any.tag().assert_eq(Tag::Sequence)?;
    Ok(any.value())
}

/// Checks a TLS 1.2 handshake signature with the certificate's key. Unlike in TLS 1.3 a scheme does not fix the
/// curve, so every algorithm of the scheme that fits the key is tried.
///
/// # Errors
/// If the signature is not by that key, or the scheme was not offered.
pub(crate) fn verify_tls12(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
    supported: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let spki = subject_public_key_info(certificate)?;
    let (algorithm, key) = split(spki.as_ref()).map_err(|_| bad_encoding())?;
    let offered = supported.mapping.iter().find(|(scheme, _)| *scheme == signature.scheme);
    let (_, algorithms) = offered.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    let fits = |candidate: &&&dyn rustls::pki_types::SignatureVerificationAlgorithm| {
        candidate.public_key_alg_id().as_ref() == algorithm
    };
    let valid = algorithms
        .iter()
        .filter(fits)
        .any(|candidate| candidate.verify_signature(key, message, signature.signature()).is_ok());
    valid
        .then(HandshakeSignatureValid::assertion)
        .ok_or(Error::InvalidCertificate(CertificateError::BadSignature))
}

/// The content of the algorithm identifier, and the key's bits.
fn split(spki: &[u8]) -> der::Result<(&[u8], &[u8])> {
    let mut fields = SliceReader::new(sequence(spki)?)?;
    let algorithm = AnyRef::decode(&mut fields)?.value();
    let key = BitStringRef::decode(&mut fields)?;
    Ok((algorithm, key.raw_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_key_and_never_panics() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["a".into()]).unwrap().self_signed(&key).unwrap();
        let der = certificate.der();
        assert_eq!(
            subject_public_key_info(der).unwrap().as_ref(),
            rcgen::PublicKeyData::subject_public_key_info(&key)
        );
        for end in 0..der.len() {
            assert!(subject_public_key_info(&CertificateDer::from(&der[..end])).is_err());
        }
        for at in 0..der.len() {
            let mut bytes = der.to_vec();
            bytes[at] ^= 0xff;
            let _ = subject_public_key_info(&CertificateDer::from(bytes));
        }
    }
}
