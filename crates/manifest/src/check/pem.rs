//! Certificates and public keys in PEM (RFC 7468), read as generously as existing manifests need: text around
//! the block, any line width. Nothing of their content is ever quoted.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Encode, Tag, Tagged};
use spki::SubjectPublicKeyInfoRef;

use crate::written::base64;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// Shortest RSA key that is accepted, in bits.
pub(super) const MIN_RSA_BITS: usize = 2048;

/// The first PEM block of a text.
pub(super) struct Block {
    pub(super) label: String,
    pub(super) der: Vec<u8>,
    /// Whether another block follows.
    pub(super) more: bool,
}

/// Finds the first block that is complete.
pub(super) fn first_block(text: &str) -> Option<Block> {
    let begin = text.find("-----BEGIN ")?;
    if begin > 0 && !text[..begin].ends_with('\n') {
        return None;
    }
    let (label, rest) = text[begin + "-----BEGIN ".len()..].split_once("-----")?;
    let (body, after) = rest.split_once(&format!("-----END {label}-----"))?;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    Some(Block { label: label.to_owned(), der: base64(&body)?, more: after.contains("-----BEGIN ") })
}

/// A public key: its SubjectPublicKeyInfo (RFC 5280 section 4.1), and its modulus' length if it is RSA.
pub(super) struct PublicKey {
    pub(super) der: Vec<u8>,
    pub(super) rsa_bits: Option<usize>,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo.
    pub(super) fn from_der(der: &[u8]) -> Option<Self> {
        let key = SubjectPublicKeyInfoRef::from_der(der).ok()?;
        let rsa_bits = match key.algorithm.oid == RSA_ENCRYPTION {
            true => Some(modulus_bits(key.subject_public_key.as_bytes()?)?),
            false => None,
        };
        Some(Self { der: der.to_vec(), rsa_bits })
    }

    /// Reads the public key of a certificate. Only the structure up to the key is looked at: whom it is from,
    /// its serial number and its extensions do not matter to a login, and version 1 is as good as 3.
    pub(super) fn of_certificate(der: &[u8]) -> Option<Self> {
        let [to_be_signed, _algorithm, _signature] = children(der)?.try_into().ok()?;
        let to_be_signed = to_be_signed.to_der().ok()?;
        let fields = children(&to_be_signed)?
            .into_iter()
            .skip_while(|field| field.tag().is_context_specific())
            .collect::<Vec<_>>();
        let [serial, algorithm, issuer, validity, subject, key, ..] = fields.as_slice() else { return None };
        let sequences = [algorithm, issuer, validity, subject, key];
        if serial.tag() != Tag::Integer || sequences.iter().any(|f| f.tag() != Tag::Sequence) {
            return None;
        }
        Self::from_der(&key.to_der().ok()?)
    }
}

fn modulus_bits(rsa_public_key: &[u8]) -> Option<usize> {
    let [modulus, _exponent] = children(rsa_public_key)?.try_into().ok()?;
    let bytes = modulus.value();
    let start = bytes.iter().position(|b| *b != 0)?;
    Some((bytes.len() - start) * 8 - usize::try_from(bytes[start].leading_zeros()).ok()?)
}

/// The elements of a DER SEQUENCE that is all of `der`.
fn children(der: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    Vec::from_der(der).ok()
}
