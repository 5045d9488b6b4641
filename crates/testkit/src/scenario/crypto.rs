//! What recovery key holders do outside the Coordinator: RSA, and Shamir's combination.

use anyhow::{Context as _, Result, anyhow, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

/// Decrypts with a PKCS #8 key: RSA-OAEP, SHA-256, empty label.
///
/// # Errors
/// If the key or the ciphertext is another.
pub(crate) fn oaep_open(pkcs8: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
    let key = PrivateDecryptingKey::from_pkcs8(pkcs8).map_err(|why| anyhow!("RSA key: {why}"))?;
    let key = OaepPrivateDecryptingKey::new(key).context("RSA key")?;
    let mut open = vec![0; key.min_output_size()];
    Ok(key.decrypt(&OAEP_SHA256_MGF1SHA256, sealed, &mut open, None).context("OAEP")?.to_vec())
}

/// Encrypts to a PKIX key, the same way.
///
/// # Errors
/// If the key is none.
pub(crate) fn oaep_seal(public: &[u8], open: &[u8]) -> Result<Vec<u8>> {
    let key = PublicEncryptingKey::from_der(public).map_err(|why| anyhow!("RSA key: {why}"))?;
    let key = OaepPublicEncryptingKey::new(key).context("RSA key")?;
    let mut sealed = vec![0; key.ciphertext_size()];
    Ok(key.encrypt(&OAEP_SHA256_MGF1SHA256, open, &mut sealed, None).context("OAEP")?.to_vec())
}

/// RSA PKCS #1 v1.5 over SHA-256 with a PKCS #8 key.
///
/// # Errors
/// If the key is none.
pub(crate) fn rsa_sign(pkcs8: &[u8], message: &[u8]) -> Result<Vec<u8>> {
    let key = RsaKeyPair::from_pkcs8(pkcs8).map_err(|why| anyhow!("RSA key: {why}"))?;
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).context("RSA signature")?;
    Ok(signature)
}

/// Combines shares of the form `y... x` (Shamir over GF(2^8), polynomial 0x11b).
///
/// # Errors
/// If they are empty, of different lengths, or two are of the same point.
pub(crate) fn shamir_combine(shares: &[Vec<u8>]) -> Result<Vec<u8>> {
    let length = shares.first().map_or(0, Vec::len);
    ensure!(length > 1 && shares.iter().all(|share| share.len() == length), "shares of different lengths");
    let points: Vec<u8> = shares.iter().map(|share| share[length - 1]).collect();
    let weights = points.iter().map(|point| weight(*point, &points)).collect::<Result<Vec<_>>>()?;
    let byte =
        |at: usize| shares.iter().zip(&weights).fold(0, |sum, (share, w)| sum ^ multiply(share[at], *w));
    Ok((0..length - 1).map(byte).collect())
}

/// Lagrange's coefficient of `point` at zero.
fn weight(point: u8, points: &[u8]) -> Result<u8> {
    ensure!(points.iter().filter(|other| **other == point).count() == 1, "two shares of the same point");
    let others = points.iter().filter(|other| **other != point);
    Ok(others.fold(1, |product, other| multiply(product, multiply(*other, invert(*other ^ point)))))
}

fn multiply(a: u8, b: u8) -> u8 {
    let (mut a, mut product) = (a, 0);
    for bit in 0..8 {
        product ^= if b >> bit & 1 == 1 { a } else { 0 };
        a = (a << 1) ^ if a & 0x80 == 0 { 0 } else { 0x1b };
    }
    product
}

/// The 254th power.
fn invert(a: u8) -> u8 {
    (0..254).fold(1, |power, _| multiply(power, a))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rsa_key() -> (Vec<u8>, Vec<u8>) {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("RSA key");
        let public = crate::scenario::pem::blocks(&key.public_key_pem().replace("\r\n", "\n")).expect("PEM");
        (key.serialize_der(), public[0].1.clone())
    }

    #[test]
    fn rsa_fits_together() {
        let (private, public) = rsa_key();
        let sealed = oaep_seal(&public, b"secret").expect("seals");
        assert_eq!(oaep_open(&private, &sealed).expect("opens"), b"secret");
        assert!(oaep_open(&private, &[&[sealed[0] ^ 1], &sealed[1..]].concat()).is_err());
        let signature = rsa_sign(&private, b"message").expect("signs");
        let verifier = aws_lc_rs::signature::UnparsedPublicKey::new(
            &aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256,
            &public,
        );
        verifier.verify(b"message", &signature).expect("verifies");
    }

    /// f(x) = 5 + 7x + 9x^2 at 1, 2 and 3, computed by hand in the field.
    #[test]
    fn shares_combine() {
        let f = |x: u8| 5 ^ multiply(7, x) ^ multiply(9, multiply(x, x));
        let share = |x: u8| vec![f(x), x];
        assert_eq!(shamir_combine(&[share(1), share(2), share(3)]).expect("combines"), [5]);
        assert_eq!(shamir_combine(&[share(200), share(3), share(77)]).expect("combines"), [5]);
        assert_ne!(shamir_combine(&[share(1), share(2)]).expect("combines wrongly"), [5]);
        assert!(shamir_combine(&[share(1), share(1), share(3)]).is_err());
        assert!(shamir_combine(&[share(1), vec![1, 2, 3]]).is_err());
        assert!(shamir_combine(&[]).is_err());
        assert_eq!(multiply(0x57, 0x83), 0xc1, "FIPS 197, section 4.2");
    }
}
