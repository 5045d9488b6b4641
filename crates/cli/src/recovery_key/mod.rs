//! What the holder of a recovery key does with it: open the recovery secret, sign it.
//!
//! A secret may be given decrypted or as it was handed out; which it is shows in its length. A private key
//! from a file never leaves this program, one in a token never leaves that; neither key nor secret is printed.

mod key_file;

use std::path::Path;

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

pub(crate) use key_file::KeyFile;

use crate::token::TokenKey;
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

/// The private key of a holder.
pub(crate) enum PrivateKey {
    /// In a file.
    File(KeyFile),
    /// In a token.
    Token(TokenKey),
}

impl PrivateKey {
    /// Reads a file.
    ///
    /// # Errors
    /// If the file cannot be read or holds no RSA private key.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        KeyFile::read(path).map(Self::File)
    }

    /// The decrypted secret (RSAES-OAEP, SHA-256, empty label), whichever was given.
    ///
    /// # Errors
    /// If it is encrypted, but not to this key.
    pub(crate) fn open(&self, secret: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, Failure> {
        match self {
            _ if is_decrypted(&secret) => Ok(secret),
            Self::File(key) => key.decrypt(&secret),
            Self::Token(key) => key.decrypt(&secret),
        }
    }

    /// RSA PKCS#1 v1.5 signature with SHA-256 over a decrypted secret.
    ///
    /// # Errors
    /// If the cryptographic library or the token fails.
    pub(crate) fn sign(&self, secret: &[u8]) -> Result<Vec<u8>, Failure> {
        match self {
            Self::File(key) => key.sign(secret),
            Self::Token(key) => key.sign(secret),
        }
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
