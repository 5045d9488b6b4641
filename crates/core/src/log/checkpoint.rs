//! What a deployment says about its log, and signs.

use marblerun_attest::log::{Checkpoint, JournalHead, VerifierKey, key_statement, signed_note};

use super::RangeError;
use crate::keys::KeyError;
use crate::state::Deployment;

impl Deployment {
    /// The public key of the log, under the log's name.
    pub fn log_verifier(&self) -> VerifierKey {
        VerifierKey::of_deployment(&self.pki.root, self.log_key.public())
    }

    /// The root key's signature over [`key_statement`]: whoever trusts the root may trust the log key.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn log_key_signature(&self) -> Result<Vec<u8>, KeyError> {
        self.pki.root_key.sign_sha384(key_statement(&self.log_verifier()).as_bytes())
    }

    /// The log and the journal as they are, as a signed note (C2SP tlog-checkpoint). A deployment that is published is
    /// durable, so nothing is signed here that a crash could take back.
    ///
    /// # Errors
    /// Never for a history of its own size.
    pub fn checkpoint(&self) -> Result<String, RangeError> {
        let (key, size) = (self.log_verifier(), self.log.len() as u64);
        let journal = self.head.map(|head| JournalHead { sequence: head.sequence, hash: head.hash });
        let root = self.log.root(size)?;
        let text = Checkpoint { origin: key.name().to_owned(), size, root, journal }.text();
        Ok(signed_note(&text, &key, &self.log_key.sign(text.as_bytes())))
    }
}
