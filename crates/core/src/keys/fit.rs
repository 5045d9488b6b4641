//! Does a private key belong to a certificate, and are both of the kind that was promised?

use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
};
use der::asn1::{AnyRef, UintRef};
use der::{Decode as _, Reader as _};
use marblerun_manifest::Curve;
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use super::{KeyError, KeyKind, p224};

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The curves and their names (RFC 5480 section 2.1.1.1).
const CURVES: [(Curve, ObjectIdentifier); 4] = [
    (Curve::P224, ObjectIdentifier::new_unwrap("1.3.132.0.33")),
    (Curve::P256, ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7")),
    (Curve::P384, ObjectIdentifier::new_unwrap("1.3.132.0.34")),
    (Curve::P521, ObjectIdentifier::new_unwrap("1.3.132.0.35")),
];

/// Checks that `public` (SubjectPublicKeyInfo DER) is a key of this kind, and that `private` (PKCS#8 DER) is its
/// private half. Says which rule is broken, never a part of a key.
///
/// # Errors
/// The rule that is broken.
pub fn check_pair(kind: KeyKind, public: &[u8], private: &[u8]) -> Result<(), KeyError> {
    let info = SubjectPublicKeyInfoRef::from_der(public).map_err(|_| wrong("its public key is malformed"))?;
    let bits = info.subject_public_key.as_bytes().ok_or_else(|| wrong("its public key is malformed"))?;
    check_kind(kind, &info, bits)?;
    let own = public_half(kind, private)
        .ok_or_else(|| wrong("the private key is no PKCS#8 (DER) key of the secret's type and size"))?;
    if own != bits {
        return Err(wrong("the private key does not belong to the certificate"));
    }
    Ok(())
}

fn check_kind(kind: KeyKind, info: &SubjectPublicKeyInfoRef<'_>, bits: &[u8]) -> Result<(), KeyError> {
    let algorithm = &info.algorithm;
    let fits = match kind {
        KeyKind::Rsa(size) => algorithm.oid == RSA && modulus_bits(bits) == Some(size as usize),
        KeyKind::Ed25519 => algorithm.oid == ED25519,
        KeyKind::Ecdsa(curve) => {
            algorithm.oid == EC_PUBLIC_KEY
                && algorithm.parameters_oid().is_ok_and(|named| CURVES.contains(&(curve, named)))
        }
    };
    if fits { Ok(()) } else { Err(wrong("the certificate's key is not of the secret's type and size")) }
}

/// The public half as it stands in a SubjectPublicKeyInfo; `None` if this is no private key of the kind.
fn public_half(kind: KeyKind, private: &[u8]) -> Option<Vec<u8>> {
    match kind {
        KeyKind::Ecdsa(Curve::P224) => p224::public_half(private),
        KeyKind::Ecdsa(Curve::P256) => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING, private),
        KeyKind::Ecdsa(Curve::P384) => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING, private),
        KeyKind::Ecdsa(Curve::P521) => ecdsa(&ECDSA_P521_SHA512_ASN1_SIGNING, private),
        KeyKind::Ed25519 => {
            Ed25519KeyPair::from_pkcs8(private).ok().map(|pair| pair.public_key().as_ref().to_vec())
        }
        KeyKind::Rsa(_) => {
            rsa::KeyPair::from_pkcs8(private).ok().map(|pair| pair.public_key().as_ref().to_vec())
        }
    }
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm, private: &[u8]) -> Option<Vec<u8>> {
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, private).ok()?;
    Some(pair.public_key().as_ref().to_vec())
}

/// Length of the modulus of an `RSAPublicKey` (RFC 8017 appendix A.1.1).
fn modulus_bits(key: &[u8]) -> Option<usize> {
    let modulus = AnyRef::from_der(key).ok()?.sequence(|reader| {
        let modulus: UintRef<'_> = reader.decode()?;
        UintRef::decode(reader)?;
        Ok::<_, der::Error>(modulus)
    });
    let bytes = modulus.ok()?.as_bytes();
    Some(bytes.len() * 8 - bytes.first().map_or(0, |first| first.leading_zeros() as usize))
}

fn wrong(rule: &str) -> KeyError {
    KeyError(rule.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{FreshKeys, KeySource as _};

    const KINDS: [KeyKind; 6] = [
        KeyKind::Ecdsa(Curve::P224),
        KeyKind::Ecdsa(Curve::P256),
        KeyKind::Ecdsa(Curve::P384),
        KeyKind::Ecdsa(Curve::P521),
        KeyKind::Ed25519,
        KeyKind::Rsa(2048),
    ];

    #[test]
    fn only_the_own_half_of_the_own_kind_fits() {
        let pairs = KINDS.map(|kind| (kind, FreshKeys.key_pair(kind).unwrap()));
        for (kind, pair) in &pairs {
            for (other, public) in pairs.iter().map(|(kind, pair)| (kind, &pair.public)) {
                let good = kind == other;
                assert_eq!(check_pair(*kind, public, &pair.private).is_ok(), good, "{kind:?} {other:?}");
            }
            let stranger = FreshKeys.key_pair(*kind).unwrap();
            let error = check_pair(*kind, &stranger.public, &pair.private).unwrap_err();
            assert_eq!(error.0, "the private key does not belong to the certificate", "{kind:?}");
        }
        let (_, rsa) = &pairs[5];
        assert!(check_pair(KeyKind::Rsa(3072), &rsa.public, &rsa.private).is_err());
    }

    #[test]
    fn hostile_bytes_are_refused() {
        for kind in KINDS {
            let pair = FreshKeys.key_pair(kind).unwrap();
            for length in 0..pair.private.len() {
                assert!(
                    check_pair(kind, &pair.public, &pair.private[..length]).is_err(),
                    "{kind:?} {length}"
                );
            }
            for length in 0..pair.public.len() {
                assert!(
                    check_pair(kind, &pair.public[..length], &pair.private).is_err(),
                    "{kind:?} {length}"
                );
            }
        }
    }
}
