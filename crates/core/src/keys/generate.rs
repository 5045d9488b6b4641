//! One fresh key pair of each kind.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
};
use marblerun_manifest::Curve;
use zeroize::Zeroizing;

use super::{KeyError, KeyKind, KeyPair, p224};

pub(super) fn key_pair(kind: KeyKind) -> Result<KeyPair, KeyError> {
    match kind {
        KeyKind::Ecdsa(Curve::P224) => p224::key_pair(),
        KeyKind::Ecdsa(Curve::P256) => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
        KeyKind::Ecdsa(Curve::P384) => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
        KeyKind::Ecdsa(Curve::P521) => ecdsa(&ECDSA_P521_SHA512_ASN1_SIGNING),
        KeyKind::Ed25519 => ed25519(),
        KeyKind::Rsa(bits) => rsa(bits),
    }
}

/// Encodes the generated key as it is: parsing the encoding again, as builders of certificates do, would double the
/// cost of a P-384 key.
fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> Result<KeyPair, KeyError> {
    let pair = EcdsaKeyPair::generate(algorithm).map_err(failed)?;
    let private = pair.to_pkcs8v1().map_err(failed)?;
    encoded(private.as_ref(), pair.public_key())
}

/// Version 1 of PKCS#8: OpenSSL and Go refuse the version 2 form, which carries the public key.
fn ed25519() -> Result<KeyPair, KeyError> {
    let pair = Ed25519KeyPair::generate().map_err(failed)?;
    let private = pair.to_pkcs8v1().map_err(failed)?;
    encoded(private.as_ref(), pair.public_key())
}

fn rsa(bits: u32) -> Result<KeyPair, KeyError> {
    let size = match bits {
        2048 => KeySize::Rsa2048,
        3072 => KeySize::Rsa3072,
        4096 => KeySize::Rsa4096,
        other => return Err(KeyError(format!("RSA keys have 2048, 3072 or 4096 bits, not {other}"))),
    };
    let pair = rsa::KeyPair::generate(size).map_err(failed)?;
    let private: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
    encoded(private.as_ref(), pair.public_key())
}

fn encoded(private: &[u8], public: &impl AsDer<PublicKeyX509Der<'static>>) -> Result<KeyPair, KeyError> {
    let public = public.as_der().map_err(failed)?.as_ref().to_vec();
    Ok(KeyPair { private: Zeroizing::new(private.to_vec()), public })
}

fn failed(_: Unspecified) -> KeyError {
    KeyError("the cryptographic library made no key".into())
}
