//! What the holder of a recovery key does with it: open the recovery secret, sign it.
//!
//! A secret may be given decrypted or as it was handed out; which it is shows in its length. The private key never
//! leaves this program, and neither key nor secret is printed.

use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{Failure, file};

/// Lengths of decrypted secrets in bytes: key or XOR share, Shamir share, and the key of states of old.
const DECRYPTED: [usize; 3] = [32, 33, 16];

/// A file with a recovery secret, as it is.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn secret_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    file::read_secret(path, "the recovery secret")
}

/// Whether this is a secret that needs no key to be read.
pub(crate) fn is_decrypted(secret: &[u8]) -> bool {
    DECRYPTED.contains(&secret.len())
}

/// An RSA private key from a PEM file, PKCS#8 or PKCS#1.
pub(crate) struct PrivateKey {
    pkcs8: Zeroizing<Vec<u8>>,
    name: String,
}

impl PrivateKey {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read or holds no RSA private key.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let pem = file::read_secret(path, "the recovery key")?;
        let expected =
            "expected a PEM file with an RSA key, `PRIVATE KEY` or `RSA PRIVATE KEY`, without password";
        let wrong = || Failure::Argument(format!("{name}: {expected}"));
        let mut key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| wrong())?;
        let pkcs8 = match &key {
            PrivateKeyDer::Pkcs8(key) => Some(Zeroizing::new(key.secret_pkcs8_der().to_vec())),
            PrivateKeyDer::Pkcs1(key) => pkcs8(key.secret_pkcs1_der()),
            _ => None,
        };
        key.zeroize();
        let this = Self { pkcs8: pkcs8.ok_or_else(wrong)?, name: name.clone() };
        RsaKeyPair::from_pkcs8(&this.pkcs8).map_err(|_| wrong())?;
        Ok(this)
    }

    /// The decrypted secret (RSAES-OAEP, SHA-256, empty label), whichever was given.
    ///
    /// # Errors
    /// If it is encrypted, but not to this key.
    pub(crate) fn open(&self, secret: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if is_decrypted(&secret) {
            return Ok(secret);
        }
        let failed = || {
            let (length, name) = (secret.len(), &self.name);
            Failure::Argument(format!(
                "the recovery secret ({length} bytes) is neither decrypted nor encrypted to the key in {name}: which \
                 holder does it belong to?"
            ))
        };
        let key = PrivateDecryptingKey::from_pkcs8(&self.pkcs8).map_err(|_| failed())?;
        let key = OaepPrivateDecryptingKey::new(key).map_err(|_| failed())?;
        let mut open = Zeroizing::new(vec![0; key.min_output_size()]);
        let length =
            key.decrypt(&OAEP_SHA256_MGF1SHA256, &secret, &mut open, None).map_err(|_| failed())?.len();
        open.truncate(length);
        Ok(open)
    }

    /// RSA PKCS#1 v1.5 signature with SHA-256 over a decrypted secret.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub(crate) fn sign(&self, secret: &[u8]) -> Result<Vec<u8>, Failure> {
        let failed = || Failure::Argument(format!("{}: signing with this key failed", self.name));
        let key = RsaKeyPair::from_pkcs8(&self.pkcs8).map_err(|_| failed())?;
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), secret, &mut signature).map_err(|_| failed())?;
        Ok(signature)
    }
}

/// Encrypts a decrypted secret to the Coordinator's ephemeral key in a PEM file.
///
/// # Errors
/// If the file holds no RSA public key.
pub(crate) fn encrypt(public_key: &Path, secret: &[u8]) -> Result<Vec<u8>, Failure> {
    let name = public_key.display();
    let wrong = || Failure::Argument(format!("{name}: expected a PEM file with an RSA `PUBLIC KEY`"));
    let pem = file::read_secret(public_key, "the Coordinator's public key")?;
    let key = SubjectPublicKeyInfoDer::from_pem_slice(&pem).map_err(|_| wrong())?;
    let key = PublicEncryptingKey::from_der(&key).map_err(|_| wrong())?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|_| wrong())?;
    let mut encrypted = vec![0; key.ciphertext_size()];
    let length = key
        .encrypt(&OAEP_SHA256_MGF1SHA256, secret, &mut encrypted, None)
        .map_err(|_| Failure::Argument(format!("{name}: the secret is too long for this key")))?
        .len();
    encrypted.truncate(length);
    Ok(encrypted)
}

/// Wraps an RSAPrivateKey (RFC 8017 appendix A.1.2) as PKCS#8 (RFC 5958); `None` if it is longer than any RSA key.
fn pkcs8(pkcs1: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    /// INTEGER 0 and AlgorithmIdentifier rsaEncryption with NULL.
    const HEAD: [u8; 18] = [2, 1, 0, 0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    let length = |bytes: usize| u16::try_from(bytes).ok().map(u16::to_be_bytes);
    // An RSA private key of 2048 bits or more needs the long form of two bytes for its length.
    let key = length(pkcs1.len()).filter(|_| pkcs1.len() > 255)?;
    let all = length(HEAD.len() + 4 + pkcs1.len())?;
    let mut out = Zeroizing::new(Vec::with_capacity(pkcs1.len() + 32));
    out.extend([0x30, 0x82, all[0], all[1]]);
    out.extend(HEAD);
    out.extend([4, 0x82, key[0], key[1]]);
    out.extend_from_slice(pkcs1);
    Some(out)
}
