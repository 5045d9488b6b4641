//! P-224 keys, which aws-lc-rs has no interface for. The scalar comes from its random numbers; only the public point
//! is computed elsewhere, and nothing is ever signed with such a key here.

use p224::SecretKey;
use p224::elliptic_curve::sec1::ToEncodedPoint as _;
use zeroize::Zeroizing;

use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode as _, SliceReader, Tag, Tagged as _};

use super::{KeyError, KeyPair};

const SCALAR_BYTES: usize = 28;
const POINT_BYTES: usize = 1 + 2 * SCALAR_BYTES;

/// How often a random scalar is drawn. One is out of range with a probability below 2^-112, so a second miss means
/// that the random numbers are broken.
const DRAWS: usize = 2;

/// `AlgorithmIdentifier`: id-ecPublicKey (1.2.840.10045.2.1) with secp224r1 (1.3.132.0.33).
const ALGORITHM: [u8; 18] = [
    0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00,
    0x21,
];

pub(super) fn key_pair() -> Result<KeyPair, KeyError> {
    let secret = random_scalar()?;
    let scalar = Zeroizing::new(<[u8; SCALAR_BYTES]>::from(secret.to_bytes()));
    let point = secret.public_key().to_encoded_point(false);
    Ok(KeyPair { private: pkcs8(&*scalar, point.as_bytes()), public: public_key_info(point.as_bytes()) })
}

/// The public point of a private key in PKCS#8, uncompressed; `None` if the bytes are no P-224 key.
pub(super) fn public_half(pkcs8: &[u8]) -> Option<Vec<u8>> {
    let secret = SecretKey::from_slice(scalar(pkcs8).ok()?).ok()?;
    Some(secret.public_key().to_encoded_point(false).as_bytes().to_vec())
}

/// `PrivateKeyInfo` (RFC 5208), in it `ECPrivateKey` (RFC 5915). What may follow the scalar is not looked at.
fn scalar(pkcs8: &[u8]) -> der::Result<&[u8]> {
    let outer = AnyRef::from_der(pkcs8)?;
    outer.tag().assert_eq(Tag::Sequence)?;
    let mut fields = SliceReader::new(outer.value())?;
    u8::decode(&mut fields)?;
    let algorithm = AnyRef::decode(&mut fields)?;
    if algorithm.value() != &ALGORITHM[2..] {
        return Err(Tag::Sequence.value_error().into());
    }
    let inner = AnyRef::from_der(<&OctetStringRef>::decode(&mut fields)?.as_bytes())?;
    inner.tag().assert_eq(Tag::Sequence)?;
    let mut fields = SliceReader::new(inner.value())?;
    u8::decode(&mut fields)?;
    Ok(<&OctetStringRef>::decode(&mut fields)?.as_bytes())
}

/// Uniform in 1 to n-1 by rejection.
fn random_scalar() -> Result<SecretKey, KeyError> {
    let mut bytes = Zeroizing::new([0; SCALAR_BYTES]);
    for _ in 0..DRAWS {
        aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| KeyError("the system gives no randomness".into()))?;
        if let Ok(secret) = SecretKey::from_slice(&*bytes) {
            return Ok(secret);
        }
    }
    Err(KeyError("no P-224 scalar in range: the random numbers are broken".into()))
}

/// `PrivateKeyInfo` (RFC 5208) around an `ECPrivateKey` (RFC 5915) with its public key. All lengths are fixed.
fn pkcs8(scalar: &[u8], point: &[u8]) -> Zeroizing<Vec<u8>> {
    // With room for everything at once, so that no half-grown copy of the key is left behind unwiped.
    let mut der = Zeroizing::new(Vec::with_capacity(122));
    der.extend_from_slice(&[0x30, 0x78, 0x02, 0x01, 0x00]);
    der.extend_from_slice(&ALGORITHM);
    der.extend_from_slice(&[0x04, 0x61, 0x30, 0x5f, 0x02, 0x01, 0x01, 0x04, SCALAR_BYTES as u8]);
    der.extend_from_slice(scalar);
    der.extend_from_slice(&[0xa1, 0x3c, 0x03, POINT_BYTES as u8 + 1, 0x00]);
    der.extend_from_slice(point);
    der
}

fn public_key_info(point: &[u8]) -> Vec<u8> {
    let head: &[u8] = &[0x30, 0x4e];
    [head, &ALGORITHM, &[0x03, POINT_BYTES as u8 + 1, 0x00], point].concat()
}
