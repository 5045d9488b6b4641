//! Does this key's owner stand behind these bytes? For keys of any kind that marbles may bring.

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use der::asn1::{AnyRef, UintRef};
use der::{Decode as _, Reader as _};
use spki::{AlgorithmIdentifierRef, ObjectIdentifier, SubjectPublicKeyInfoRef};

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");

/// Smallest and largest RSA modulus in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

type Algorithm = &'static dyn VerificationAlgorithm;

/// ECDSA by curve and hash: programs are free to pair them (OpenSSL signs with SHA-256 whatever the curve).
const ECDSA: [(ObjectIdentifier, ObjectIdentifier, Algorithm); 9] = [
    (P256, ECDSA_SHA256, &signature::ECDSA_P256_SHA256_ASN1),
    (P256, ECDSA_SHA384, &signature::ECDSA_P256_SHA384_ASN1),
    (P256, ECDSA_SHA512, &signature::ECDSA_P256_SHA512_ASN1),
    (P384, ECDSA_SHA256, &signature::ECDSA_P384_SHA256_ASN1),
    (P384, ECDSA_SHA384, &signature::ECDSA_P384_SHA384_ASN1),
    (P384, ECDSA_SHA512, &signature::ECDSA_P384_SHA512_ASN1),
    (P521, ECDSA_SHA256, &signature::ECDSA_P521_SHA256_ASN1),
    (P521, ECDSA_SHA384, &signature::ECDSA_P521_SHA384_ASN1),
    (P521, ECDSA_SHA512, &signature::ECDSA_P521_SHA512_ASN1),
];

/// RSA by the signature's algorithm, or for PSS by its hash.
const RSA_ALGORITHMS: [(ObjectIdentifier, Algorithm); 6] = [
    (RSA_SHA256, &signature::RSA_PKCS1_2048_8192_SHA256),
    (RSA_SHA384, &signature::RSA_PKCS1_2048_8192_SHA384),
    (RSA_SHA512, &signature::RSA_PKCS1_2048_8192_SHA512),
    (SHA256, &signature::RSA_PSS_2048_8192_SHA256),
    (SHA384, &signature::RSA_PSS_2048_8192_SHA384),
    (SHA512, &signature::RSA_PSS_2048_8192_SHA512),
];

/// Checks a signature. The error says which rule the key or the signature breaks.
pub(super) fn verify(
    public: &SubjectPublicKeyInfoRef<'_>,
    algorithm: &AlgorithmIdentifierRef<'_>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), String> {
    let key = public.subject_public_key.as_bytes().ok_or("its key is not a whole number of bytes")?;
    let verifier = match public.algorithm.oid {
        EC_PUBLIC_KEY => ecdsa(&public.algorithm, algorithm.oid)?,
        RSA => rsa(key, algorithm)?,
        ED25519 if algorithm.oid == ED25519 => &signature::ED25519,
        kind => {
            return Err(format!("its key of kind {kind} with signature {} is not supported", algorithm.oid));
        }
    };
    UnparsedPublicKey::new(verifier, key)
        .verify(message, signature)
        .map_err(|_| "its signature is not made by its key".into())
}

fn ecdsa(key: &AlgorithmIdentifierRef<'_>, algorithm: ObjectIdentifier) -> Result<Algorithm, String> {
    let curve = key.parameters_oid().map_err(|_| "its key names no curve")?;
    let found = ECDSA.iter().find(|(c, a, _)| (*c, *a) == (curve, algorithm));
    found.map(|(_, _, verifier)| *verifier).ok_or_else(|| {
        format!(
            "curve {curve} with signature {algorithm} is not supported; use P-256, P-384 or P-521 with SHA-2"
        )
    })
}

fn rsa(key: &[u8], algorithm: &AlgorithmIdentifierRef<'_>) -> Result<Algorithm, String> {
    let bits = modulus_bits(key).map_err(|why| format!("its RSA key: {why}"))?;
    if !RSA_BITS.contains(&bits) {
        return Err(format!("its RSA key has {bits} bits; use 2048 to 8192"));
    }
    let oid = if algorithm.oid == RSA_PSS { pss_hash(algorithm)? } else { algorithm.oid };
    // An algorithm that is the bare name of a hash is none; only PSS leads to those rows.
    let is_hash = [SHA256, SHA384, SHA512].contains(&oid);
    let found = RSA_ALGORITHMS.iter().find(|(o, _)| *o == oid && is_hash == (algorithm.oid == RSA_PSS));
    found
        .map(|(_, verifier)| *verifier)
        .ok_or_else(|| format!("RSA with signature {oid} is not supported; use SHA-256, SHA-384 or SHA-512"))
}

/// `RSAPublicKey`, RFC 8017 appendix A.1.1.
fn modulus_bits(key: &[u8]) -> der::Result<usize> {
    let modulus = AnyRef::from_der(key)?.sequence(|reader| {
        let modulus: UintRef<'_> = reader.decode()?;
        UintRef::decode(reader)?;
        Ok::<_, der::Error>(modulus)
    })?;
    let bytes = modulus.as_bytes();
    let unused = bytes.first().map_or(0, |first| first.leading_zeros() as usize);
    Ok(bytes.len() * 8 - unused)
}

/// The hash of `RSASSA-PSS-params` (RFC 8017 appendix A.2.3); the mask and the salt that everyone uses follow from it.
fn pss_hash(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<ObjectIdentifier, String> {
    let read = |parameters: AnyRef<'_>| {
        parameters.sequence(|reader| {
            let hash = AnyRef::decode(reader)?;
            let oid = AlgorithmIdentifierRef::from_der(hash.value())?.oid;
            while !reader.is_finished() {
                AnyRef::decode(reader)?;
            }
            Ok::<_, der::Error>(oid)
        })
    };
    algorithm
        .parameters
        .and_then(|p| read(p).ok())
        .ok_or_else(|| "its RSA-PSS parameters name no hash".into())
}
