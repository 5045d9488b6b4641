//! Reading certificates and keys, and checking who signed what.

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair, UnparsedPublicKey};
use aws_lc_rs::signature::{EcdsaSigningAlgorithm, VerificationAlgorithm};
use der::asn1::{Any, ObjectIdentifier, Uint};
use der::{Decode as _, Encode as _, Tag, Tagged as _};

use super::pem;

/// `CERTIFICATE`
pub(crate) const CERTIFICATE: &str = "CERTIFICATE";
/// `PRIVATE KEY` (PKCS #8)
pub(crate) const PRIVATE_KEY: &str = "PRIVATE KEY";
/// `PUBLIC KEY` (PKIX)
pub(crate) const PUBLIC_KEY: &str = "PUBLIC KEY";

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P224: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.33");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// Checks that `der` is one thing of the kind that a PEM `label` names (or an `ECDSA SIGNATURE`).
///
/// # Errors
/// If it is not, or the kind is unknown.
pub(crate) fn check_kind(label: &str, der: &[u8]) -> Result<()> {
    match label {
        CERTIFICATE => x509_cert::Certificate::from_der(der).map(drop).context("no certificate"),
        PUBLIC_KEY => describe_public_key(der).map(drop),
        PRIVATE_KEY => describe_private_key(der).map(drop),
        "ECDSA SIGNATURE" => {
            let parts = elements(der)?;
            ensure!(
                parts.len() == 2 && parts.iter().all(|part| part.tag() == Tag::Integer),
                "no ECDSA signature"
            );
            Ok(())
        }
        _ => bail!("{label} is no known kind"),
    }
}

/// The PEM label of some DER.
///
/// # Errors
/// If it is neither certificate nor key.
pub(crate) fn label_of(der: &[u8]) -> Result<&'static str> {
    [CERTIFICATE, PRIVATE_KEY, PUBLIC_KEY]
        .into_iter()
        .find(|label| check_kind(label, der).is_ok())
        .context("neither a certificate nor a key")
}

/// The PKIX form of the public key of a certificate, a private or a public key, in PEM (the first block) or DER.
///
/// # Errors
/// If there is none.
pub(crate) fn public_key_of(bytes: &[u8]) -> Result<Vec<u8>> {
    if bytes.starts_with(b"-----BEGIN") {
        let blocks = pem::blocks(std::str::from_utf8(bytes)?)?;
        return public_key_of(&blocks.first().context("an empty PEM text")?.1);
    }
    match label_of(bytes)? {
        CERTIFICATE => subject_public_key_info(bytes),
        PRIVATE_KEY => public_of_private(bytes),
        _ => Ok(bytes.to_vec()),
    }
}

/// For example `EC secp384r1`, `RSA 2048`, `Ed25519`.
///
/// # Errors
/// If it is no PKIX key of a known kind.
pub(crate) fn describe_public_key(spki: &[u8]) -> Result<String> {
    let key = spki_parts(spki)?;
    describe_key(&key.algorithm, key.curve.as_ref(), || modulus_bits(&key.key, 0))
}

/// As [`describe_public_key`], of a PKCS #8 key.
///
/// # Errors
/// If it is no such key of a known kind.
pub(crate) fn describe_private_key(pkcs8: &[u8]) -> Result<String> {
    let key = pkcs8_parts(pkcs8)?;
    describe_key(&key.algorithm, key.curve.as_ref(), || modulus_bits(&key.key, 1))
}

fn describe_key(
    algorithm: &ObjectIdentifier,
    curve: Option<&ObjectIdentifier>,
    bits: impl FnOnce() -> Result<usize>,
) -> Result<String> {
    match (*algorithm, curve) {
        (ED25519, None) => Ok("Ed25519".into()),
        (RSA, None) => Ok(format!("RSA {}", bits()?)),
        (EC, Some(&P224)) => Ok("EC secp224r1".into()),
        (EC, Some(&P256)) => Ok("EC secp256r1".into()),
        (EC, Some(&P384)) => Ok("EC secp384r1".into()),
        (EC, Some(&P521)) => Ok("EC secp521r1".into()),
        _ => bail!("a key of unknown kind {algorithm}"),
    }
}

/// Bits of the integer `index` of an RSA key (the modulus).
fn modulus_bits(key: &[u8], index: usize) -> Result<usize> {
    let integers = Vec::<Uint>::from_der(key).context("RSA key")?;
    let modulus = integers.get(index).context("RSA key")?.as_bytes();
    let leading = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    Ok(modulus.len() * 8 - leading)
}

struct KeyParts {
    algorithm: ObjectIdentifier,
    curve: Option<ObjectIdentifier>,
    key: Vec<u8>,
}

fn spki_parts(spki: &[u8]) -> Result<KeyParts> {
    let parts = elements(spki)?;
    let [algorithm, key] = parts.as_slice() else { bail!("no PKIX public key") };
    ensure!(key.tag() == Tag::BitString && key.value().first() == Some(&0), "no PKIX public key");
    let (algorithm, curve) = algorithm_parts(algorithm)?;
    Ok(KeyParts { algorithm, curve, key: key.value()[1..].to_vec() })
}

/// RFC 5958: version, algorithm, key; more may follow.
fn pkcs8_parts(pkcs8: &[u8]) -> Result<KeyParts> {
    let parts = elements(pkcs8)?;
    let [version, algorithm, key, ..] = parts.as_slice() else { bail!("no PKCS #8 key") };
    ensure!(version.tag() == Tag::Integer && key.tag() == Tag::OctetString, "no PKCS #8 key");
    let (algorithm, curve) = algorithm_parts(algorithm)?;
    Ok(KeyParts { algorithm, curve, key: key.value().to_vec() })
}

fn algorithm_parts(algorithm: &Any) -> Result<(ObjectIdentifier, Option<ObjectIdentifier>)> {
    let parts = elements(&algorithm.to_der()?)?;
    let oid = parts.first().context("no algorithm")?.decode_as().context("algorithm")?;
    let parameter = parts.get(1).filter(|parameter| parameter.tag() == Tag::ObjectIdentifier);
    Ok((oid, parameter.map(|parameter| parameter.decode_as()).transpose().context("curve")?))
}

/// The elements of a DER sequence, which is all there is.
fn elements(der: &[u8]) -> Result<Vec<Any>> {
    Vec::<Any>::from_der(der).context("no DER sequence")
}

fn subject_public_key_info(certificate: &[u8]) -> Result<Vec<u8>> {
    let certificate = x509_cert::Certificate::from_der(certificate).context("no certificate")?;
    certificate.tbs_certificate().subject_public_key_info().to_der().context("public key")
}

fn public_of_private(pkcs8: &[u8]) -> Result<Vec<u8>> {
    let parts = pkcs8_parts(pkcs8)?;
    let rejected = |why| anyhow!("private key: {why}");
    match (parts.algorithm, parts.curve) {
        (RSA, _) => der_of(RsaKeyPair::from_pkcs8(pkcs8).map_err(rejected)?.public_key().as_der()),
        (ED25519, _) => {
            der_of(Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(rejected)?.public_key().as_der())
        }
        (EC, Some(curve)) => match signing_algorithm(curve) {
            Some(algorithm) => {
                der_of(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8).map_err(rejected)?.public_key().as_der())
            }
            None => stated_public_key(pkcs8, &parts.key),
        },
        _ => bail!("a key of unknown kind"),
    }
}

fn der_of(der: Result<PublicKeyX509Der<'_>, aws_lc_rs::error::Unspecified>) -> Result<Vec<u8>> {
    Ok(der.context("public key")?.as_ref().to_vec())
}

fn signing_algorithm(curve: ObjectIdentifier) -> Option<&'static EcdsaSigningAlgorithm> {
    match curve {
        P256 => Some(&signature::ECDSA_P256_SHA256_ASN1_SIGNING),
        P384 => Some(&signature::ECDSA_P384_SHA384_ASN1_SIGNING),
        P521 => Some(&signature::ECDSA_P521_SHA512_ASN1_SIGNING),
        _ => None,
    }
}

/// RFC 5915: the public key that stands in an EC private key, for the curve that the cryptography here lacks (P-224).
fn stated_public_key(pkcs8: &[u8], ec_private_key: &[u8]) -> Result<Vec<u8>> {
    let parts = elements(ec_private_key)?;
    let stated =
        parts.iter().find(|part| part.tag().number().value() == 1 && part.tag().is_context_specific());
    let bits = stated.context("the private key does not state its public key")?.value();
    let algorithm = elements(pkcs8)?.swap_remove(1).to_der()?;
    Ok(Any::new(Tag::Sequence, [&algorithm, bits].concat())?.to_der()?)
}

/// Whether `signature` over `message` is ECDSA with SHA-256 by the key of `certificate` (PEM or DER).
///
/// # Errors
/// If it is not.
pub(crate) fn check_ecdsa_sha256(certificate: &[u8], message: &[u8], signature: &[u8]) -> Result<()> {
    let spki = public_key_of(certificate)?;
    let algorithm: &'static dyn VerificationAlgorithm = match describe_public_key(&spki)?.as_str() {
        "EC secp256r1" => &signature::ECDSA_P256_SHA256_ASN1,
        "EC secp384r1" => &signature::ECDSA_P384_SHA256_ASN1,
        other => bail!("{other} makes no such signatures here"),
    };
    verify(algorithm, &spki, message, signature)
}

/// Whether the key `spki` signed `certificate` (DER).
///
/// # Errors
/// If it did not.
pub(crate) fn check_signed_by(certificate: &[u8], spki: &[u8]) -> Result<()> {
    let parts = elements(certificate)?;
    let [signed, algorithm, bits] = parts.as_slice() else { bail!("no certificate") };
    let (algorithm, _) = algorithm_parts(algorithm)?;
    let algorithm = verification_algorithm(algorithm, &describe_public_key(spki)?)?;
    verify(algorithm, spki, &signed.to_der()?, bits.value().get(1..).unwrap_or_default())
}

fn verify(
    algorithm: &'static dyn VerificationAlgorithm,
    spki: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<()> {
    let key = spki_parts(spki)?.key;
    let key = UnparsedPublicKey::new(algorithm, key);
    key.verify(message, signature).ok().context("the signature does not verify")
}

fn verification_algorithm(oid: ObjectIdentifier, key: &str) -> Result<&'static dyn VerificationAlgorithm> {
    Ok(match (signature_name(&oid).as_str(), key) {
        ("ecdsa-with-SHA256", "EC secp256r1") => &signature::ECDSA_P256_SHA256_ASN1,
        ("ecdsa-with-SHA384", "EC secp256r1") => &signature::ECDSA_P256_SHA384_ASN1,
        ("ecdsa-with-SHA256", "EC secp384r1") => &signature::ECDSA_P384_SHA256_ASN1,
        ("ecdsa-with-SHA384", "EC secp384r1") => &signature::ECDSA_P384_SHA384_ASN1,
        ("ecdsa-with-SHA512", "EC secp521r1") => &signature::ECDSA_P521_SHA512_ASN1,
        ("sha256WithRSAEncryption", key) if key.starts_with("RSA") => &signature::RSA_PKCS1_2048_8192_SHA256,
        ("Ed25519", "Ed25519") => &signature::ED25519,
        (name, key) => bail!("a signature {name} by {key}"),
    })
}

/// For example `ecdsa-with-SHA384`; the number of an algorithm without a name here.
pub(crate) fn signature_name(oid: &ObjectIdentifier) -> String {
    let number = oid.to_string();
    match number.as_str() {
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.3.101.112" => "Ed25519",
        other => other,
    }
    .to_owned()
}

/// Whether `issuer` issued `certificate` (both PEM, first block, or DER): its name and its key.
///
/// # Errors
/// If it did not.
pub(crate) fn check_issued(certificate: &[u8], issuer: &[u8]) -> Result<()> {
    let (certificate, issuer) = (certificate_der(certificate)?, certificate_der(issuer)?);
    check_signed_by(&certificate, &subject_public_key_info(&issuer)?)?;
    let certificate = x509_cert::Certificate::from_der(&certificate)?;
    let issuer = x509_cert::Certificate::from_der(&issuer)?;
    let (named, name) = (certificate.tbs_certificate().issuer(), issuer.tbs_certificate().subject());
    ensure!(named == name, "it names {named} as its issuer, not {name}");
    Ok(())
}

fn certificate_der(bytes: &[u8]) -> Result<Vec<u8>> {
    if !bytes.starts_with(b"-----BEGIN") {
        return Ok(bytes.to_vec());
    }
    let blocks = pem::blocks(std::str::from_utf8(bytes)?)?;
    Ok(blocks.into_iter().next().context("an empty PEM text")?.1)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, Issuer, KeyPair};

    use super::*;

    fn key(algorithm: &'static rcgen::SignatureAlgorithm) -> KeyPair {
        KeyPair::generate_for(algorithm).expect("key")
    }

    fn named(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    #[test]
    fn keys_are_described_and_have_their_public_key() {
        for (algorithm, description) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, "EC secp256r1"),
            (&rcgen::PKCS_ECDSA_P384_SHA384, "EC secp384r1"),
            (&rcgen::PKCS_ECDSA_P521_SHA512, "EC secp521r1"),
            (&rcgen::PKCS_ED25519, "Ed25519"),
            (&rcgen::PKCS_RSA_SHA256, "RSA 2048"),
        ] {
            let key = key(algorithm);
            let private = key.serialize_der();
            let certificate = named("x").self_signed(&key).expect("certificate").der().to_vec();
            let public = public_key_of(&certificate).expect("public key");
            assert_eq!(describe_private_key(&private).expect("private"), description);
            assert_eq!(describe_public_key(&public).expect("public"), description);
            assert_eq!(public_key_of(&private).expect("public of private"), public, "{description}");
            assert_eq!(public_key_of(&public).expect("public of public"), public);
            for (der, label) in [(&private, PRIVATE_KEY), (&public, PUBLIC_KEY), (&certificate, CERTIFICATE)]
            {
                assert_eq!(label_of(der).expect("label"), label);
                assert_eq!(public_key_of(pem::encode(label, der).as_bytes()).expect("PEM"), public);
            }
            check_signed_by(&certificate, &public).expect("self-signed");
        }
    }

    /// A key of P-224, made by OpenSSL for this test.
    #[test]
    fn p224_states_its_public_key() {
        let private = hex::decode(
            "3078020100301006072a8648ce3d020106052b810400210461305f020101041c711d0cd86df829ab168ec2b6888684394c92\
             38986f948fcf25173951a13c033a0004560b2cc975912ac9a493dc267a67077e5cb12a66f7fea8738880d66e107c49197afd\
             78b5dfc52db93749b08b35280e8f256585b2fd6a6365",
        )
        .expect("hex");
        assert_eq!(describe_private_key(&private).expect("P-224"), "EC secp224r1");
        let public = public_key_of(&private).expect("public key");
        assert_eq!(describe_public_key(&public).expect("P-224"), "EC secp224r1");
        assert!(public.ends_with(&[0x63, 0x65]));
    }

    #[test]
    fn who_issued_what() {
        let (ca_key, other_key) = (key(&rcgen::PKCS_ECDSA_P384_SHA384), key(&rcgen::PKCS_ECDSA_P384_SHA384));
        let ca = named("ca").self_signed(&ca_key).expect("ca");
        let renamed = named("renamed").self_signed(&ca_key).expect("same key, other name");
        let imposter = named("ca").self_signed(&other_key).expect("same name, other key");
        let issuer = Issuer::new(named("ca"), &ca_key);
        let leaf = named("leaf").signed_by(&other_key, &issuer).expect("leaf");
        let check =
            |by: &rcgen::Certificate| check_issued(leaf.pem().replace("\r\n", "\n").as_bytes(), by.der());
        check(&ca).expect("issued by the ca");
        assert!(check(&renamed).is_err());
        assert!(check(&imposter).is_err());
    }

    #[test]
    fn ecdsa_over_sha256() {
        let key = key(&rcgen::PKCS_ECDSA_P256_SHA256);
        let certificate = named("x").self_signed(&key).expect("certificate").der().to_vec();
        let signer =
            EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, &key.serialize_der())
                .expect("key");
        let signed = signer.sign(&aws_lc_rs::rand::SystemRandom::new(), b"manifest").expect("signs");
        check_ecdsa_sha256(&certificate, b"manifest", signed.as_ref()).expect("verifies");
        assert!(check_ecdsa_sha256(&certificate, b"other", signed.as_ref()).is_err());
        check_kind("ECDSA SIGNATURE", signed.as_ref()).expect("a signature");
    }

    #[test]
    fn kinds_are_not_confused() {
        let key = key(&rcgen::PKCS_ECDSA_P256_SHA256);
        let private = key.serialize_der();
        for label in [CERTIFICATE, PUBLIC_KEY, "ECDSA SIGNATURE", "NONSENSE"] {
            assert!(check_kind(label, &private).is_err(), "{label}");
        }
        let longer = [private.as_slice(), &[0]].concat();
        assert!(check_kind(PRIVATE_KEY, &longer).is_err(), "something follows");
        assert!(check_kind(PRIVATE_KEY, &private[..private.len() - 1]).is_err());
        assert!(check_kind(CERTIFICATE, &[0x30, 0x00]).is_err());
    }
}
