//! What a marble is told before it proves anything: a challenge for its evidence and, if it asks, evidence for the
//! Coordinator that it is about to trust.
//!
//! The evidence covers the root certificate, the certificate that the mesh port shows, and the marble's nonce: so the
//! marble knows who is at the other end of this very connection. What the vendor publishes about our platform goes with
//! it, since a marble often reaches nobody but us.

use marblerun_attest::{Binding, Collateral};
use marblerun_core::keys::KeySource;
use marblerun_core::{Deployment, Refusal};

use crate::challenge::Challenges;
use crate::failure::Failure;
use crate::service::Coordinator;

/// Longer nonces add nothing.
const MAX_NONCE: usize = 64;

/// What invitations are made with.
pub struct Invitations {
    pub(crate) challenges: Challenges,
}

/// A challenge, and evidence for the Coordinator.
#[derive(Default)]
pub(crate) struct Invitation {
    pub(crate) challenge: Vec<u8>,
    pub(crate) evidence: Option<Introduction>,
}

/// Evidence over both certificates and a nonce.
pub(crate) struct Introduction {
    /// Empty in simulation.
    pub(crate) quote: Vec<u8>,
    /// DER.
    pub(crate) root: Vec<u8>,
    /// DER.
    pub(crate) marble_root: Vec<u8>,
    /// About the platform of the quote, if there is any.
    pub(crate) collateral: Option<Collateral>,
}

impl Invitations {
    /// With a new key for challenges.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn new(keys: &dyn KeySource) -> anyhow::Result<Self> {
        Ok(Self { challenges: Challenges::new(keys)? })
    }
}

impl Coordinator {
    /// Invites a marble that sent `nonce`, empty if it does not ask who we are.
    ///
    /// # Errors
    /// If no manifest is in force, the nonce is too long, or the TEE issues no evidence.
    pub(crate) async fn invite(&self, nonce: Vec<u8>) -> Result<Invitation, Failure> {
        if nonce.len() > MAX_NONCE {
            return Err(Refusal::Nonce { bytes: nonce.len(), limit: MAX_NONCE }.into());
        }
        let state = self.state();
        let deployment = state.deployment().ok_or_else(|| Refusal::NotServing(state.phase()))?;
        let issued = self.invitations().challenges.issue(&**self.keys(), self.now());
        let challenge = issued.map_err(|error| Failure::Internal(error.to_string()))?;
        let evidence = match nonce.is_empty() {
            true => None,
            false => Some(self.introduce(deployment, &nonce).await?),
        };
        Ok(Invitation { challenge, evidence })
    }

    async fn introduce(&self, deployment: &Deployment, nonce: &[u8]) -> Result<Introduction, Failure> {
        let (root, marble_root) = (deployment.pki.root.clone(), deployment.pki.marble_root.clone());
        let binding = Binding::coordinator_for_marble(&root, &marble_root, nonce);
        let quote = self.issuer().evidence(binding.report_data()).await?.unwrap_or_default();
        let collateral = self.attestation().about(&quote, self.now()).await;
        Ok(Introduction { quote, root, marble_root, collateral })
    }
}
