//! Values of secrets: made, derived, or uploaded.
//!
//! A value is made when it is asked for, by whoever needs it; this room keeps none. Nothing here checks who may see one.

mod root;
mod trial;
mod upload;
mod value;

pub use root::{MAX_DERIVED_BYTES, RootSecret};
pub(crate) use trial::refusing_nul;
pub use upload::{MAX_PLAIN_BYTES, Upload};
pub use value::SecretValue;

use std::collections::BTreeMap;
use std::time::SystemTime;

use marblerun_manifest::{CertificateTemplate, Manifest, Secret, SecretKind};
use zeroize::Zeroizing;

use crate::keys::{KeyKind, KeySource};
use crate::pki::{Pki, PkiError};

/// Values of all shared secrets that are not user-defined, for a new or updated manifest. Symmetric keys in `kept`
/// are taken over; certificates are always made anew, with new keys.
///
/// # Errors
/// If a key or certificate cannot be made, with the secret's name.
pub fn make_shared(
    manifest: &Manifest,
    kept: &BTreeMap<String, SecretValue>,
    pki: &Pki,
    keys: &dyn KeySource,
    now: SystemTime,
) -> Result<BTreeMap<String, SecretValue>, PkiError> {
    let wanted = manifest.secrets.iter().filter(|(_, secret)| secret.shared && !secret.user_defined);
    wanted
        .map(|(name, secret)| {
            let value = match kept.get(name).filter(|value| value.fits_symmetric(secret.kind)) {
                Some(value) => value.clone(),
                None => make(secret, pki, keys, now).map_err(|cause| of_secret(name, cause))?,
            };
            Ok((name.clone(), value))
        })
        .collect()
}

/// A fresh value for a secret that is not user-defined: random bytes, or a key with a new certificate.
///
/// # Errors
/// If a key or certificate cannot be made, or for a kind that is never made (`plain`).
pub fn make(
    definition: &Secret,
    pki: &Pki,
    keys: &dyn KeySource,
    now: SystemTime,
) -> Result<SecretValue, PkiError> {
    make_kind(definition.kind, &definition.certificate, pki, keys, now)
}

fn make_kind(
    kind: SecretKind,
    template: &CertificateTemplate,
    pki: &Pki,
    keys: &dyn KeySource,
    now: SystemTime,
) -> Result<SecretValue, PkiError> {
    match (kind, KeyKind::of(kind)) {
        (SecretKind::Symmetric { bytes }, _) => {
            let mut key = Zeroizing::new(vec![0; bytes as usize]);
            keys.fill(&mut key)?;
            Ok(SecretValue::Bytes(key))
        }
        (_, Some(key_kind)) => {
            let pair = keys.key_pair(key_kind)?;
            let certificate = pki.issue_secret(template, &pair.public, keys, now)?;
            Ok(SecretValue::Certificate { certificate, public: pair.public, private: pair.private })
        }
        (_, None) => Err(PkiError::Template("plain secrets are uploaded, never made".into())),
    }
}

fn of_secret(name: &str, cause: PkiError) -> PkiError {
    PkiError::Secret { name: name.to_owned(), cause: Box::new(cause) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use marblerun_manifest::Curve;

    use super::*;
    use crate::keys::FreshKeys;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn make_one(kind: SecretKind) -> Result<SecretValue, PkiError> {
        let pki = Pki::generate(&[], &[], &FreshKeys, now()).unwrap();
        make_kind(kind, &CertificateTemplate::default(), &pki, &FreshKeys, now())
    }

    #[test]
    fn symmetric_keys_are_random_and_of_their_length() {
        let kind = SecretKind::Symmetric { bytes: 131_072 };
        let (one, other) = (make_one(kind).unwrap(), make_one(kind).unwrap());
        assert!(one.fits_symmetric(kind) && other.fits_symmetric(kind) && one != other);
    }

    #[test]
    fn certificates_come_with_their_key() {
        for kind in
            [SecretKind::CertEd25519, SecretKind::CertEcdsa(Curve::P224), SecretKind::CertRsa { bits: 2048 }]
        {
            let Ok(SecretValue::Certificate { certificate, public, private }) = make_one(kind) else {
                panic!("{kind:?}: no certificate");
            };
            let holds = |part: &[u8]| certificate.windows(part.len()).any(|window| window == part);
            assert!(holds(&public) && !private.is_empty(), "{kind:?}");
        }
    }

    #[test]
    fn what_cannot_be_made_is_named() {
        let plain = PkiError::Template("plain secrets are uploaded, never made".into());
        assert_eq!(make_one(SecretKind::Plain).err(), Some(plain.clone()));
        assert_eq!(
            of_secret("letter", plain).to_string(),
            "Secrets.letter: certificate template: plain secrets are uploaded, never made",
        );
        assert!(matches!(make_one(SecretKind::CertRsa { bits: 512 }), Err(PkiError::Key(_))));
    }
}
