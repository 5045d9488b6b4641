//! Recovery as callers see it: a secret is checked beside the writer, and only a proven one is handed to it.
//!
//! The ephemeral key is made once for a process, on a thread of its own, when the Coordinator finds itself in recovery;
//! nobody waits for it but who asks for it. It is gone when recovery is over.

use std::sync::Arc;

use marblerun_core::keys::{FreshKeys, KeyError};
use marblerun_core::recovery::shamir::Share;
use marblerun_core::recovery::{EphemeralKey, Proven, Sent};
use marblerun_core::{Command, Phase, Refusal};
use tokio::sync::{Semaphore, watch};

use crate::failure::Failure;
use crate::service::Coordinator;

/// What is there of the ephemeral key.
enum Stage {
    /// Nothing yet.
    Making,
    Ready(Arc<EphemeralKey>),
    Failed(KeyError),
    /// Nothing any more: recovery is over.
    Over,
}

/// The ephemeral key, and the right to use it.
pub struct Ephemeral {
    stage: watch::Sender<Stage>,
    /// Decrypting takes some milliseconds. One at a time leaves the other cores to everyone else, however many
    /// strangers send something to decrypt.
    decrypting: Arc<Semaphore>,
}

impl Default for Ephemeral {
    fn default() -> Self {
        Self { stage: watch::Sender::new(Stage::Making), decrypting: Arc::new(Semaphore::new(1)) }
    }
}

impl Ephemeral {
    /// Begins to make the key. A thread and not a task: shutting down does not wait for it.
    fn begin(&self) {
        let stage = self.stage.clone();
        let made = std::thread::Builder::new().name("ephemeral-key".into()).spawn(move || {
            let made = match EphemeralKey::generate(&FreshKeys) {
                Ok(key) => Stage::Ready(Arc::new(key)),
                Err(error) => Stage::Failed(error),
            };
            stage.send_if_modified(|stage| replace(stage, made));
        });
        if let Err(error) = made {
            self.stage.send_replace(Stage::Failed(KeyError(error.to_string())));
        }
    }

    /// Wipes the key: recovery is over, or never was.
    pub(crate) fn end(&self) {
        self.stage.send_replace(Stage::Over);
    }

    /// Waits until the key is made.
    async fn key(&self) -> Result<Arc<EphemeralKey>, Failure> {
        let mut stage = self.stage.subscribe();
        let made = stage.wait_for(|stage| !matches!(stage, Stage::Making)).await;
        match made.as_deref() {
            Ok(Stage::Ready(key)) => Ok(Arc::clone(key)),
            Ok(Stage::Failed(error)) => Err(Failure::Internal(error.to_string())),
            Ok(Stage::Over) => Err(Refusal::Superseded.into()),
            Ok(Stage::Making) | Err(_) => Err(Failure::panicked()),
        }
    }

    async fn decrypt(&self, encrypted: Share) -> Result<Share, Failure> {
        let key = self.key().await?;
        let permit = Arc::clone(&self.decrypting).acquire_owned().await.map_err(|_| Failure::panicked())?;
        let decrypted = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            key.decrypt(&encrypted)
        });
        Ok(decrypted.await.map_err(|_| Failure::panicked())?.map_err(Refusal::from)?)
    }
}

/// A key that comes after the end is not kept.
fn replace(stage: &mut Stage, made: Stage) -> bool {
    let awaited = matches!(stage, Stage::Making);
    if awaited {
        *stage = made;
    }
    awaited
}

impl Coordinator {
    /// If this is recovery, begins with what it needs.
    pub fn prepare_recovery(&self) {
        if self.state().phase() == Phase::Recovery {
            self.ephemeral().begin();
        }
    }

    /// The public key to which recovery secrets may be encrypted, SubjectPublicKeyInfo DER.
    ///
    /// # Errors
    /// If this is not recovery.
    pub async fn ephemeral_public_key(&self) -> Result<Vec<u8>, Failure> {
        self.expect_recovery()?;
        Ok(self.ephemeral().key().await?.public_key().to_vec())
    }

    /// Takes a recovery secret and says how many more are needed; at 0 the deployment goes on.
    ///
    /// # Errors
    /// Why it is refused. Nothing changed then.
    pub async fn recover(&self, secret: Share, signature: &[u8]) -> Result<usize, Failure> {
        let outcome = self.take_share(secret, signature).await;
        if let Err(Failure::Refused(refusal)) = &outcome {
            tracing::warn!("recovery secret refused: {refusal}");
        }
        outcome
    }

    async fn take_share(&self, secret: Share, signature: &[u8]) -> Result<usize, Failure> {
        self.expect_recovery()?;
        let share = match Sent::of(secret).map_err(Refusal::from)? {
            Sent::Plain(share) => share,
            Sent::Encrypted(encrypted) => self.ephemeral().decrypt(encrypted).await?,
        };
        let state = self.state();
        let recovery = state.recovery().ok_or(Refusal::NotInRecovery(state.phase()))?;
        let hints = recovery.hints().map_err(Refusal::from)?;
        let proven = Arc::new(hints.prove(share, signature).map_err(Refusal::from)?);
        // A task: a caller who hangs up must not leave a recovered Coordinator with the certificates of before.
        let this = self.clone();
        tokio::spawn(async move { this.give(proven).await }).await.map_err(|_| Failure::panicked())?
    }

    async fn give(&self, proven: Arc<Proven>) -> Result<usize, Failure> {
        self.submit(Command::Recover(Arc::clone(&proven))).await?;
        let after = self.state();
        let remaining = after.recovery().map_or(0, marblerun_core::Recovery::remaining);
        tracing::info!(holder = proven.holder(), remaining, "recovery secret taken");
        if remaining == 0 {
            tracing::info!("the sealed state is recovered");
            self.follow(&after);
        }
        Ok(remaining)
    }

    fn expect_recovery(&self) -> Result<(), Failure> {
        let phase = self.state().phase();
        if phase == Phase::Recovery { Ok(()) } else { Err(Refusal::NotInRecovery(phase).into()) }
    }
}

#[cfg(test)]
mod tests {
    use marblerun_core::recovery::RecoveryError;

    use super::*;

    /// What is no ciphertext of ours is refused, and costs the caller the reason.
    #[test]
    fn the_key_is_made_aside_and_opens_what_is_encrypted_to_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ephemeral = Ephemeral::default();
        ephemeral.begin();
        let key = runtime.block_on(ephemeral.key()).unwrap();
        assert_eq!(
            runtime.block_on(ephemeral.key()).unwrap().public_key(),
            key.public_key(),
            "the same again"
        );
        let refused = runtime.block_on(ephemeral.decrypt(zeroize::Zeroizing::new(vec![7; 512])));
        let expected = Refusal::Recovery(RecoveryError::Encryption);
        assert!(matches!(refused, Err(Failure::Refused(refusal)) if refusal == expected));
    }

    #[test]
    fn a_key_that_comes_too_late_is_not_kept() {
        let mut stage = Stage::Over;
        assert!(!replace(&mut stage, Stage::Failed(KeyError("late".into()))));
        assert!(matches!(stage, Stage::Over));
    }

    #[test]
    fn a_key_that_cannot_be_made_keeps_nobody_waiting() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ephemeral = Ephemeral::default();
        ephemeral.stage.send_replace(Stage::Failed(KeyError("none".into())));
        assert!(matches!(runtime.block_on(ephemeral.key()), Err(Failure::Internal(_))));
    }
}
