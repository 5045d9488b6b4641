//! The signature algorithms of the vendors' certificates, all through aws-lc-rs. Any other is no signature.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_FIXED,
    RSA_PSS_2048_8192_SHA384, UnparsedPublicKey, VerificationAlgorithm,
};
use der::oid::ObjectIdentifier;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");

/// Whether `signature` over `message` is by `key`, with the algorithm that a certificate or a CRL names. RSA is taken
/// with PSS over SHA-384 and a salt of its length only (AMD's), whatever the parameters claim.
pub(super) fn verify(
    algorithm: ObjectIdentifier,
    key: &SubjectPublicKeyInfoOwned,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let algorithm: &'static dyn VerificationAlgorithm = match (algorithm, curve(key)) {
        (ECDSA_SHA256, Some(P256)) => &ECDSA_P256_SHA256_ASN1,
        (ECDSA_SHA384, Some(P384)) => &ECDSA_P384_SHA384_ASN1,
        (RSASSA_PSS, None) if key.algorithm.oid == RSA => &RSA_PSS_2048_8192_SHA384,
        _ => return false,
    };
    verify_with(algorithm, key, message, signature)
}

/// The same for ECDSA signatures in the form r and s, as reports of hardware carry them.
pub(super) fn verify_fixed(key: &SubjectPublicKeyInfoOwned, message: &[u8], signature: &[u8]) -> bool {
    match curve(key) {
        Some(P256) => verify_with(&ECDSA_P256_SHA256_FIXED, key, message, signature),
        Some(P384) => verify_with(&ECDSA_P384_SHA384_FIXED, key, message, signature),
        _ => false,
    }
}

fn verify_with(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &SubjectPublicKeyInfoOwned,
    message: &[u8],
    signature: &[u8],
) -> bool {
    UnparsedPublicKey::new(algorithm, key.subject_public_key.raw_bytes()).verify(message, signature).is_ok()
}

fn curve(key: &SubjectPublicKeyInfoOwned) -> Option<ObjectIdentifier> {
    let parameters = key.algorithm.parameters.as_ref().filter(|_| key.algorithm.oid == EC_PUBLIC_KEY);
    parameters.and_then(|parameters| parameters.decode_as().ok())
}
