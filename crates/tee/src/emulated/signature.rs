//! Signatures of programs: the SIGSTRUCT of an enclave (Intel SDM volume 3D, "SIGSTRUCT"), so that tools that show
//! whose an enclave is can read it. No processor would take it: the exponent is the key's own, and the two values that
//! only help processors compute (Q1, Q2) are zero.

use aws_lc_rs::digest::{self, SHA256};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use zeroize::Zeroizing;

use super::EmulatorError;
use super::keys::RsaKey;

const BYTES: usize = 1808;
const NUMBER_BYTES: usize = 384;
const HEADER: [u8; 16] = [6, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0];
const HEADER2: [u8; 16] = [1, 1, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 1, 0, 0, 0];
const MODULUS: usize = 128;
const EXPONENT: usize = 512;
const SIGNATURE: usize = 516;
const BODY: usize = 900;
const ATTRIBUTES: usize = 928;
const ATTRIBUTE_MASK: usize = 944;
const ENCLAVE_HASH: usize = 960;
const PRODUCT: usize = 1024;
const SVN: usize = 1026;
const BODY_END: usize = 1028;
const DEBUG: u8 = 2;

/// What a signature says about a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// The measurement that the program must have.
    pub measurement: [u8; 32],
    /// Which of the signer's products it is.
    pub product: u16,
    /// The security version of that product.
    pub svn: u16,
    /// Whether it runs in debug mode, in which nothing is protected.
    pub debug: bool,
}

/// A signing key of programs: RSA-3072.
pub struct SigningKey(RsaKey);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A fresh one.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn generate() -> Result<Self, EmulatorError> {
        RsaKey::generate(KeySize::Rsa3072).map(Self)
    }

    /// From PEM of PKCS#8.
    ///
    /// # Errors
    /// If it is no RSA key of 3072 bits.
    pub fn from_pem(text: &[u8]) -> Result<Self, EmulatorError> {
        let (_, der) = der::pem::decode_vec(text).map_err(|why| EmulatorError::Key(why.to_string()))?;
        let key = RsaKey::from_pkcs8(&Zeroizing::new(der))?;
        let bytes = key.numbers()?.0.len();
        if bytes != NUMBER_BYTES {
            return Err(EmulatorError::Key(format!("has {} bits; enclaves are signed with 3072", bytes * 8)));
        }
        Ok(Self(key))
    }

    /// PEM of PKCS#8: a secret.
    ///
    /// # Errors
    /// If it does not encode.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, EmulatorError> {
        super::x509::pem("PRIVATE KEY", &self.0.to_pkcs8()?).map(Zeroizing::new)
    }

    /// Signs a statement.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn sign(&self, statement: &Statement) -> Result<Signature, EmulatorError> {
        let mut bytes = vec![0; BYTES];
        put(&mut bytes, 0, &HEADER);
        put(&mut bytes, 24, &HEADER2);
        let (modulus, exponent) = self.0.numbers()?;
        put(&mut bytes, MODULUS, &reversed(&modulus));
        put(&mut bytes, EXPONENT, &reversed(&exponent));
        let attributes = 0x05 | if statement.debug { DEBUG } else { 0 };
        put(&mut bytes, ATTRIBUTES, &[attributes]);
        put(&mut bytes, ATTRIBUTES + 8, &[0xe7]);
        put(&mut bytes, ATTRIBUTE_MASK, &[0xff; 8]);
        put(&mut bytes, ENCLAVE_HASH, &statement.measurement);
        put(&mut bytes, PRODUCT, &statement.product.to_le_bytes());
        put(&mut bytes, SVN, &statement.svn.to_le_bytes());
        let signature = self.0.sign_pkcs1(&signed_part(&bytes))?;
        put(&mut bytes, SIGNATURE, &reversed(&signature));
        Ok(Signature(bytes))
    }
}

/// A signature as it lies beside a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature(Vec<u8>);

impl Signature {
    /// From a file's content. Whether it is genuine is another question: see [`super::Program`].
    ///
    /// # Errors
    /// If it has not the form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EmulatorError> {
        if bytes.len() != BYTES || !bytes.starts_with(&HEADER) || bytes[24..40] != HEADER2 {
            return Err(EmulatorError::Signature("it is no SIGSTRUCT of 1808 bytes"));
        }
        Ok(Self(bytes.to_vec()))
    }

    /// The content of its file.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What it says.
    #[must_use]
    pub fn statement(&self) -> Statement {
        let (product, svn) = (self.product(), self.svn());
        Statement { measurement: self.array(ENCLAVE_HASH), product, svn, debug: self.is_debug() }
    }

    /// MRSIGNER: SHA-256 of the modulus, little-endian.
    #[must_use]
    pub fn signer(&self) -> [u8; 32] {
        let mut signer = [0; 32];
        signer.copy_from_slice(digest::digest(&SHA256, &self.0[MODULUS..EXPONENT]).as_ref());
        signer
    }

    pub(super) fn product(&self) -> u16 {
        u16::from_le_bytes(self.array(PRODUCT))
    }

    pub(super) fn svn(&self) -> u16 {
        u16::from_le_bytes(self.array(SVN))
    }

    pub(super) fn is_debug(&self) -> bool {
        self.0[ATTRIBUTES] & DEBUG != 0
    }

    /// That it is genuine and about the program of this measurement.
    pub(super) fn check(&self, measurement: &[u8; 32]) -> Result<(), EmulatorError> {
        let key = RsaPublicKeyComponents {
            n: reversed(&self.0[MODULUS..EXPONENT]),
            e: significant(&reversed(&self.0[EXPONENT..SIGNATURE])).to_vec(),
        };
        let signature = reversed(&self.0[SIGNATURE..BODY]);
        key.verify(&RSA_PKCS1_2048_8192_SHA256, &signed_part(&self.0), &signature)
            .map_err(|_| EmulatorError::Signature("it was not made by the key that it names"))?;
        if self.array::<32>(ENCLAVE_HASH) != *measurement {
            return Err(EmulatorError::Signature("the program is not the one that was signed"));
        }
        Ok(())
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut value = [0; N];
        value.copy_from_slice(&self.0[at..at + N]);
        value
    }
}

/// The two parts that the signature covers.
fn signed_part(bytes: &[u8]) -> Vec<u8> {
    [&bytes[..MODULUS], &bytes[BODY..BODY_END]].concat()
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// SIGSTRUCT is little-endian, RSA libraries are not.
fn reversed(number: &[u8]) -> Vec<u8> {
    number.iter().rev().copied().collect()
}

fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}
