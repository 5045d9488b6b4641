//! Values that users upload: checked against their definition before anything is accepted.

use der::asn1::AnyRef;
use der::{Decode as _, Reader as _, SliceReader, Tag, Tagged as _};
use marblerun_manifest::{Secret, SecretKind};
use zeroize::Zeroizing;

use super::SecretValue;
use crate::keys::{self, KeyKind};

/// Longest plain secret, in bytes.
pub const MAX_PLAIN_BYTES: usize = 1 << 20;

/// What a user sent for one secret: either a key, or a certificate with its private key. Has no `Debug`.
#[derive(Clone, Default)]
pub struct Upload {
    /// Bytes of a symmetric key or of plain data.
    pub key: Option<Zeroizing<Vec<u8>>>,
    /// Certificate, DER.
    pub certificate: Option<Vec<u8>>,
    /// Private key of the certificate, PKCS#8 DER.
    pub private: Option<Zeroizing<Vec<u8>>>,
}

impl Upload {
    /// The value, if it is one for this definition. Errors say which rule is broken and nothing of the value.
    pub(crate) fn check(self, definition: &Secret) -> Result<SecretValue, String> {
        match (definition.kind, KeyKind::of(definition.kind)) {
            (kind, Some(key_kind)) => self.certificate(key_kind).map_err(|why| of_type(kind, &why)),
            (kind, None) => self.bytes(kind).map_err(|why| of_type(kind, &why)),
        }
    }

    fn bytes(self, kind: SecretKind) -> Result<SecretValue, String> {
        if self.certificate.is_some() || self.private.is_some() {
            return Err("has no `Cert` and no `Private`; give its bytes as `Key`".into());
        }
        let key = self.key.ok_or("needs its bytes as `Key`, base64")?;
        match kind {
            SecretKind::Symmetric { bytes } if key.len() != bytes as usize => {
                Err(format!("has {bytes} bytes by its definition, `Key` has {}", key.len()))
            }
            SecretKind::Plain if key.is_empty() => Err("must not be empty".into()),
            SecretKind::Plain if key.len() > MAX_PLAIN_BYTES => {
                Err(format!("has at most {MAX_PLAIN_BYTES} bytes, `Key` has {}", key.len()))
            }
            _ => Ok(SecretValue::Bytes(key)),
        }
    }

    fn certificate(self, kind: KeyKind) -> Result<SecretValue, String> {
        if self.key.is_some() {
            return Err(
                "has no `Key`; give the certificate as `Cert` and its private key as `Private`".into()
            );
        }
        let certificate = self.certificate.ok_or("needs its certificate as `Cert` (base64 of DER)")?;
        let private = self.private.ok_or("needs its private key as `Private` (base64 of PKCS#8 DER)")?;
        let public = public_key(&certificate).map_err(|_| "`Cert` is no X.509 certificate (DER)")?.to_vec();
        keys::check_pair(kind, &public, &private).map_err(|error| error.0)?;
        Ok(SecretValue::Certificate { certificate, public, private })
    }
}

fn of_type(kind: SecretKind, why: &str) -> String {
    format!("a {} secret: {why}", kind.type_name())
}

/// The SubjectPublicKeyInfo of a certificate of any version (RFC 5280 section 4.1); only the structure up to it is
/// looked at, since marbles read the rest as they like.
fn public_key(certificate: &[u8]) -> der::Result<&[u8]> {
    let outer = AnyRef::from_der(certificate)?;
    outer.tag().assert_eq(Tag::Sequence)?;
    let mut parts = SliceReader::new(outer.value())?;
    let signed = AnyRef::decode(&mut parts)?;
    signed.tag().assert_eq(Tag::Sequence)?;
    AnyRef::decode(&mut parts)?.tag().assert_eq(Tag::Sequence)?;
    AnyRef::decode(&mut parts)?.tag().assert_eq(Tag::BitString)?;
    let mut fields = SliceReader::new(signed.value())?;
    if Tag::peek(&fields)?.is_context_specific() {
        AnyRef::decode(&mut fields)?;
    }
    AnyRef::decode(&mut fields)?.tag().assert_eq(Tag::Integer)?;
    // Algorithm, issuer, validity, subject.
    for _ in 0..4 {
        AnyRef::decode(&mut fields)?.tag().assert_eq(Tag::Sequence)?;
    }
    fields.tlv_bytes()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use marblerun_manifest::Manifest;

    use super::*;
    use crate::keys::{FreshKeys, KeySource as _};
    use crate::pki::Pki;

    fn definitions() -> Manifest {
        let text = br#"{"Secrets": {
            "plain": {"Type": "plain", "UserDefined": true},
            "key": {"Type": "symmetric-key", "Size": 128, "UserDefined": true},
            "p224": {"Type": "cert-ecdsa", "Size": 224, "UserDefined": true},
            "p256": {"Type": "cert-ecdsa", "Size": 256, "UserDefined": true},
            "ed25519": {"Type": "cert-ed25519", "UserDefined": true},
            "rsa": {"Type": "cert-rsa", "Size": 2048, "UserDefined": true}
        }, "Packages": {"a": {"UniqueID": "1111111111111111111111111111111111111111111111111111111111111111"}},
        "Marbles": {"m": {"Package": "a"}}}"#;
        Manifest::parse(text, now()).unwrap().manifest
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn key(length: usize) -> Upload {
        Upload { key: Some(Zeroizing::new(vec![7; length])), ..Upload::default() }
    }

    /// A certificate and its key, for a definition of this name.
    fn certificate(name: &str) -> Upload {
        let (definitions, pki) = (definitions(), Pki::generate(&[], &[], &FreshKeys, now()).unwrap());
        let definition = &definitions.secrets[name];
        let pair = FreshKeys.key_pair(KeyKind::of(definition.kind).unwrap()).unwrap();
        let certificate = pki.issue_secret(&definition.certificate, &pair.public, &FreshKeys, now()).unwrap();
        Upload { key: None, certificate: Some(certificate), private: Some(pair.private) }
    }

    fn check(name: &str, upload: Upload, expected: Result<(), &str>) {
        let outcome = upload.check(&definitions().secrets[name]);
        match (outcome, expected) {
            (Ok(_), Ok(())) => {}
            (Err(why), Err(part)) => assert!(why.contains(part), "{name}: {why}"),
            (outcome, _) => panic!("{name}: {:?} instead of {expected:?}", outcome.map(|_| ())),
        }
    }

    #[test]
    fn bytes_are_of_their_length() {
        check("plain", key(1), Ok(()));
        check("plain", key(MAX_PLAIN_BYTES), Ok(()));
        check("plain", key(0), Err("must not be empty"));
        check("plain", key(MAX_PLAIN_BYTES + 1), Err("at most"));
        check("plain", Upload::default(), Err("needs its bytes"));
        check("plain", certificate("p256"), Err("has no `Cert`"));
        check("key", key(16), Ok(()));
        check("key", key(15), Err("has 16 bytes by its definition, `Key` has 15"));
        check("key", key(17), Err("`Key` has 17"));
        check("key", Upload { private: key(16).key, ..key(16) }, Err("no `Private`"));
    }

    #[test]
    fn certificates_have_their_key_and_kind() {
        let names = ["p224", "p256", "ed25519", "rsa"];
        for name in names {
            check(name, certificate(name), Ok(()));
            check(name, key(16), Err("has no `Key`"));
            check(name, Upload { private: None, ..certificate(name) }, Err("needs its private key"));
            check(name, Upload { certificate: None, ..certificate(name) }, Err("needs its certificate"));
            check(name, Upload { private: key(32).key, ..certificate(name) }, Err("no PKCS#8"));
            check(
                name,
                Upload { private: certificate(name).private, ..certificate(name) },
                Err("does not belong"),
            );
            for other in names.iter().filter(|other| **other != name) {
                check(name, certificate(other), Err("type and size"));
            }
        }
    }

    #[test]
    fn hostile_certificates_are_refused() {
        let good = certificate("p256");
        let der = good.certificate.clone().unwrap();
        for end in 0..der.len() {
            let cut = Upload { certificate: Some(der[..end].to_vec()), ..good.clone() };
            check("p256", cut, Err("a cert-ecdsa secret: "));
        }
        let longer = [&der[..], b"\0"].concat();
        check("p256", Upload { certificate: Some(longer), ..good.clone() }, Err("no X.509 certificate"));
        for at in 0..der.len() {
            let mut bytes = der.clone();
            bytes[at] ^= 0xff;
            let _ = Upload { certificate: Some(bytes), ..good.clone() }.check(&definitions().secrets["p256"]);
        }
    }
}
