//! The vendors' keys. Elliptic curve keys are derived from one seed, as real processors derive theirs from fuses, so
//! that a vendor is a few bytes in a file; RSA keys cannot be derived that way and are made and kept.

use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA384, RsaEncoding,
};
use der::Decode as _;
use der::asn1::{AnyRef, UintRef};
use zeroize::Zeroizing;

use super::EmulatorError;
use super::x509::Signer;

const SALT: &[u8] = b"marblerun software TEE";

/// What keys are derived from.
#[derive(Clone)]
pub(super) struct Seed(pub(super) Zeroizing<[u8; 32]>);

impl Seed {
    /// A fresh one.
    pub(super) fn generate() -> Result<Self, EmulatorError> {
        let mut bytes = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| EmulatorError::Crypto("no randomness"))?;
        Ok(Self(bytes))
    }

    /// From 32 bytes that were kept.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, EmulatorError> {
        let bytes = bytes.try_into().map_err(|_| EmulatorError::Key("a seed has 32 bytes".into()))?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// The seed of something that belongs to the holder of this one.
    pub(super) fn child(&self, purpose: &str, context: &[u8]) -> Result<Self, EmulatorError> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.fill(purpose, context, bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// Fills `out` (at most 8,160 bytes) with what follows from the seed, a purpose and a context (HKDF, RFC 5869).
    pub(super) fn fill(&self, purpose: &str, context: &[u8], out: &mut [u8]) -> Result<(), EmulatorError> {
        // The length keeps purpose and context apart: no pair of them looks like another.
        let length = (purpose.len() as u64).to_be_bytes();
        let info = [&length[..], purpose.as_bytes(), context];
        let failed = |_| EmulatorError::Crypto("no key was derived");
        let key = Salt::new(HKDF_SHA256, SALT).extract(&*self.0);
        key.expand(&info, Length(out.len())).map_err(failed)?.fill(out).map_err(failed)
    }
}

struct Length(usize);

impl aws_lc_rs::hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// The curves that the vendors use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    /// Intel's.
    P256,
    /// AMD's, for VCEKs.
    P384,
}

impl Curve {
    fn scalar_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }

    fn agreement(self) -> &'static agreement::Algorithm {
        match self {
            Self::P256 => &ECDH_P256,
            Self::P384 => &ECDH_P384,
        }
    }

    fn fixed(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
            Self::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        }
    }
}

/// A key that signs with ECDSA.
pub(super) struct EcKey {
    private: Zeroizing<Vec<u8>>,
    /// SEC 1: 4, x, y.
    public: Vec<u8>,
    curve: Curve,
}

impl EcKey {
    /// The key that follows from a seed and a purpose.
    pub(super) fn derive(seed: &Seed, purpose: &str, curve: Curve) -> Result<Self, EmulatorError> {
        // A scalar beyond the curve's order is one in 2^32 at most; the next attempt takes another.
        (0..8_u8)
            .find_map(|attempt| Self::attempt(seed, purpose, curve, attempt).transpose())
            .unwrap_or(Err(EmulatorError::Crypto("no key of this curve follows from the seed")))
    }

    fn attempt(seed: &Seed, purpose: &str, curve: Curve, attempt: u8) -> Result<Option<Self>, EmulatorError> {
        let mut private = Zeroizing::new(vec![0; curve.scalar_bytes()]);
        seed.fill(purpose, &[attempt], &mut private)?;
        let Ok(key) = agreement::PrivateKey::from_private_key(curve.agreement(), &private) else {
            return Ok(None);
        };
        let public = key.compute_public_key().map_err(|_| EmulatorError::Crypto("no public key"))?;
        Ok(Some(Self { private, public: public.as_ref().to_vec(), curve }))
    }

    /// x and y, one after the other.
    pub(super) fn point(&self) -> &[u8] {
        &self.public[1..]
    }

    /// r and s, one after the other, big-endian; over SHA-256 (P-256) or SHA-384 (P-384) of the message.
    pub(super) fn sign_fixed(&self, message: &[u8]) -> Result<Vec<u8>, EmulatorError> {
        self.sign_as(self.curve.fixed(), message)
    }

    fn sign_as(&self, how: &'static EcdsaSigningAlgorithm, message: &[u8]) -> Result<Vec<u8>, EmulatorError> {
        let signature = self.pair(how)?.sign(&SystemRandom::new(), message);
        Ok(signature.map_err(|_| EmulatorError::Crypto("no ECDSA signature"))?.as_ref().to_vec())
    }

    fn pair(&self, how: &'static EcdsaSigningAlgorithm) -> Result<EcdsaKeyPair, EmulatorError> {
        EcdsaKeyPair::from_private_key_and_public_key(how, &self.private, &self.public)
            .map_err(|_| EmulatorError::Crypto("a derived key does not fit its curve"))
    }
}

/// Certificates are signed by P-256 keys only.
impl Signer for EcKey {
    fn algorithm(&self) -> &'static [u8] {
        // ecdsa-with-SHA256, RFC 5758 section 3.2.
        &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, EmulatorError> {
        self.sign_as(&ECDSA_P256_SHA256_ASN1_SIGNING, message)
    }

    fn public_info(&self) -> Result<Vec<u8>, EmulatorError> {
        let info = self.pair(self.curve.fixed())?.public_key().as_der();
        Ok(info.map_err(|_| EmulatorError::Crypto("no public key"))?.as_ref().to_vec())
    }
}

/// A key that signs with RSA.
pub(super) struct RsaKey(RsaPair);

impl RsaKey {
    /// A fresh one; takes about a second at 4096 bits.
    pub(super) fn generate(size: KeySize) -> Result<Self, EmulatorError> {
        RsaPair::generate(size).map(Self).map_err(|_| EmulatorError::Crypto("no RSA key"))
    }

    /// From PKCS#8.
    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, EmulatorError> {
        RsaPair::from_pkcs8(der).map(Self).map_err(|_| EmulatorError::Crypto("no PKCS#8 of an RSA key"))
    }

    /// PKCS#8: a secret.
    pub(super) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, EmulatorError> {
        let der = self.0.as_der().map_err(|_| EmulatorError::Crypto("an RSA key does not encode"))?;
        let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = der;
        Ok(Zeroizing::new(der.as_ref().to_vec()))
    }

    /// Modulus and exponent, big-endian (RFC 8017 appendix A.1.1).
    pub(super) fn numbers(&self) -> Result<(Vec<u8>, Vec<u8>), EmulatorError> {
        let numbers = AnyRef::from_der(self.0.public_key().as_ref())?.sequence(|reader| {
            let (modulus, exponent) = (UintRef::decode(reader)?, UintRef::decode(reader)?);
            Ok::<_, der::Error>((modulus.as_bytes().to_vec(), exponent.as_bytes().to_vec()))
        })?;
        Ok(numbers)
    }

    /// PKCS#1 v1.5 over SHA-256: how enclaves are signed.
    pub(super) fn sign_pkcs1(&self, message: &[u8]) -> Result<Vec<u8>, EmulatorError> {
        self.sign_as(&RSA_PKCS1_SHA256, message)
    }

    fn sign_as(&self, how: &'static dyn RsaEncoding, message: &[u8]) -> Result<Vec<u8>, EmulatorError> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        let signed = self.0.sign(how, &SystemRandom::new(), message, &mut signature);
        signed.map_err(|_| EmulatorError::Crypto("no RSA signature"))?;
        Ok(signature)
    }
}

/// RSASSA-PSS with SHA-384, MGF1 with SHA-384 and 48 bytes of salt, as AMD writes it (RFC 4055 section 3.1).
const PSS_SHA384: &[u8] = &[
    0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x34, 0xa0, 0x0f,
    0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0xa1, 0x1c,
    0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06, 0x09,
    0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, 0x30,
];

impl Signer for RsaKey {
    fn algorithm(&self) -> &'static [u8] {
        PSS_SHA384
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, EmulatorError> {
        self.sign_as(&RSA_PSS_SHA384, message)
    }

    fn public_info(&self) -> Result<Vec<u8>, EmulatorError> {
        let info = self.0.public_key().as_der();
        let info: aws_lc_rs::encoding::PublicKeyX509Der<'_> =
            info.map_err(|_| EmulatorError::Crypto("no public key"))?;
        Ok(info.as_ref().to_vec())
    }
}
