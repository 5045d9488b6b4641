//! A recovery key in a PEM file.

use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::{Failure, file};

/// An RSA private key from a PEM file, PKCS#8 or PKCS#1.
pub(crate) struct KeyFile {
    pkcs8: Zeroizing<Vec<u8>>,
    name: String,
}

impl KeyFile {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read or holds no RSA private key.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
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

    /// Opens what is encrypted by RSAES-OAEP with SHA-256 and the empty label.
    ///
    /// # Errors
    /// If it is not encrypted to this key.
    pub(super) fn decrypt(&self, secret: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
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
            key.decrypt(&OAEP_SHA256_MGF1SHA256, secret, &mut open, None).map_err(|_| failed())?.len();
        open.truncate(length);
        Ok(open)
    }

    /// RSA PKCS#1 v1.5 signature with SHA-256 over a decrypted secret.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub(super) fn sign(&self, secret: &[u8]) -> Result<Vec<u8>, Failure> {
        let failed = || Failure::Argument(format!("{}: signing with this key failed", self.name));
        let key = RsaKeyPair::from_pkcs8(&self.pkcs8).map_err(|_| failed())?;
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), secret, &mut signature).map_err(|_| failed())?;
        Ok(signature)
    }
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
