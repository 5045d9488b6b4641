//! The log's verifier key in the text form of signed notes: `name+id+key`.

use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1, ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{LogError, hash};

/// The algorithm byte of Ed25519 in C2SP signed-note.
const ED25519_BYTE: u8 = 1;

/// An Ed25519 public key with the name of its log (C2SP signed-note, verifier key).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: [u8; 32],
}

impl VerifierKey {
    /// The key of a Coordinator's log. Its name is the origin line of the log's checkpoints: `marblerun/` and the
    /// SHA-256 of the root certificate (DER) in hex, so that there is one per deployment.
    pub fn of_deployment(root_certificate: &[u8], public: [u8; 32]) -> Self {
        Self { name: format!("marblerun/{}", hex::encode(hash(&[root_certificate]))), public }
    }

    /// Reads `name+id+key`.
    ///
    /// # Errors
    /// [`LogError::Key`].
    pub fn parse(text: &str) -> Result<Self, LogError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(LogError::Key("it is not of the form name+id+key"));
        };
        if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(LogError::Key("its name is empty or has a space"));
        }
        let key = STANDARD.decode(key).map_err(|_| LogError::Key("its key is not base64"))?;
        let Some((&ED25519_BYTE, public)) = key.split_first() else {
            return Err(LogError::Key("it is not an Ed25519 key"));
        };
        let public = public.try_into().map_err(|_| LogError::Key("its key has a wrong length"))?;
        let parsed = Self { name: name.to_owned(), public };
        if hex::encode(parsed.id()) == id { Ok(parsed) } else { Err(LogError::Key("its id is wrong")) }
    }

    /// The name of the log: the first line of its checkpoints.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id that stands before signatures by this key.
    pub fn id(&self) -> [u8; 4] {
        let hash = hash(&[self.name.as_bytes(), b"\n", &[ED25519_BYTE], &self.public]);
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// Whether this key made the signature.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(message, signature).is_ok()
    }

    /// Whether the key of this log belongs to the Coordinator with this root certificate: by its name, and by the root
    /// key's signature over [`key_statement`]. `root_key` is the root's SubjectPublicKeyInfo, DER.
    ///
    /// # Errors
    /// [`LogError::OtherLog`] or [`LogError::KeyNotSigned`].
    pub fn check_root(
        &self,
        root_certificate: &[u8],
        root_key: &[u8],
        signature: &[u8],
    ) -> Result<(), LogError> {
        let expected = Self::of_deployment(root_certificate, self.public).name;
        if self.name != expected {
            return Err(LogError::OtherLog { found: self.name.clone(), expected });
        }
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, root_key)
            .verify(key_statement(self).as_bytes(), signature)
            .map_err(|_| LogError::KeyNotSigned)
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = STANDARD.encode([&[ED25519_BYTE][..], &self.public].concat());
        write!(f, "{}+{}+{key}", self.name, hex::encode(self.id()))
    }
}

/// What the root key signs (ECDSA P-384 with SHA-384) to say that a log key is the deployment's. No manifest and no
/// certificate, which the root key signs too, begins like this: the one is JSON, the other a DER sequence.
pub fn key_statement(key: &VerifierKey) -> String {
    format!("MarbleRun log key\n{key}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the Go checksum database, as `golang.org/x/mod` publishes it.
    const GO: &str = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";

    #[test]
    fn reads_the_form_of_signed_notes_and_nothing_else() {
        let key = VerifierKey::parse(GO).unwrap();
        assert_eq!((key.name(), key.to_string().as_str()), ("sum.golang.org", GO));
        for wrong in [
            "",
            "a+b",
            "sum.golang.org+033de0ae+",
            "sum.golang.org+033de0ae+!",
            "sum.golang.org+033de0af+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
            "sum.golang.com+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
            "sum.golang.org+033de0ae+As4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
            "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8O",
            "+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        ] {
            assert!(matches!(VerifierKey::parse(wrong), Err(LogError::Key(_))), "{wrong}");
        }
    }
}
