//! Sealed bytes of every TEE: a header that says which key, then a nonce and AES-256-GCM under it, with the header
//! authenticated. What the header says is each TEE's own affair.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use crate::{SealTo, TeeError};

/// How a header says what it is sealed to.
const PRODUCT: u8 = 1;
const UNIQUE: u8 = 2;

/// Seals under a key of 32 bytes.
pub(crate) fn seal(header: Vec<u8>, key: &[u8], secret: &[u8]) -> Result<Vec<u8>, TeeError> {
    let mut content = secret.to_vec();
    let nonce = cipher(key)?
        .seal_in_place_append_tag(Aad::from(&header), &mut content)
        .map_err(|_| TeeError::Refused("the cryptographic library sealed nothing".into()))?;
    Ok([header.as_slice(), nonce.as_ref(), &content].concat())
}

/// Takes out what [`seal`] sealed with a header of this length.
pub(crate) fn open(header_bytes: usize, key: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, TeeError> {
    let damaged = || {
        let why = "another program or another machine sealed it, or it is damaged";
        TeeError::NotOurs(why.into())
    };
    let (header, rest) = sealed.split_at_checked(header_bytes).ok_or_else(damaged)?;
    let (nonce, content) = rest.split_at_checked(NONCE_LEN).ok_or_else(damaged)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
    let mut content = Zeroizing::new(content.to_vec());
    let opened = cipher(key)?.open_in_place(nonce, Aad::from(header), &mut content);
    let length = opened.map_err(|_| damaged())?.len();
    content.truncate(length);
    Ok(content)
}

/// A key of 32 bytes from what a TEE's hardware or firmware derived (HKDF-SHA256, RFC 5869), another for each salt.
pub(crate) fn derive(device_key: &[u8], salt: &[u8], info: &str) -> Result<Zeroizing<[u8; 32]>, TeeError> {
    let mut key = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, salt)
        .extract(device_key)
        .expand(&[info.as_bytes()], HKDF_SHA256)
        .and_then(|output| output.fill(key.as_mut_slice()))
        .map_err(|_| TeeError::Refused("the cryptographic library derived no key".into()))?;
    Ok(key)
}

/// Fresh bytes: a key, a salt or the ID of a key.
pub(crate) fn random() -> Result<[u8; 32], TeeError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| TeeError::Refused("the system gives no randomness".into()))?;
    Ok(bytes)
}

/// What follows the mark of a TEE's own header. Another mark is another TEE's.
pub(crate) fn fields<'a>(
    sealed: &'a [u8],
    mark: &[u8],
    header_bytes: usize,
    tee: &str,
) -> Result<&'a [u8], TeeError> {
    let fields = sealed.get(..header_bytes).and_then(|header| header.strip_prefix(mark));
    fields.ok_or_else(|| TeeError::NotOurs(format!("it was not sealed by {tee}")))
}

pub(crate) fn purpose_byte(to: SealTo) -> u8 {
    match to {
        SealTo::Product => PRODUCT,
        SealTo::Unique => UNIQUE,
    }
}

pub(crate) fn purpose_of(byte: u8) -> Result<SealTo, TeeError> {
    match byte {
        PRODUCT => Ok(SealTo::Product),
        UNIQUE => Ok(SealTo::Unique),
        other => Err(TeeError::NotOurs(format!("it is sealed to {other}, which this version does not know"))),
    }
}

fn cipher(key: &[u8]) -> Result<RandomizedNonceKey, TeeError> {
    RandomizedNonceKey::new(&AES_256_GCM, key)
        .map_err(|_| TeeError::Refused("the sealing key has not 256 bits".into()))
}
