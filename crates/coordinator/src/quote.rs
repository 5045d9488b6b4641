//! What a Coordinator says about itself, for whoever wants to verify it: certificates, and evidence for them.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use marblerun_attest::Collateral;
use marblerun_attest::log::report_data;
use marblerun_core::{Chain, State};
use marblerun_tee::Tee;
use tokio::sync::Semaphore;

use crate::failure::Failure;
use crate::service::Coordinator;

/// Evidence that is made at once: strangers may ask for it, and a TEE takes its time.
const AT_ONCE: usize = 2;

/// How long a quote waits for the vendor's service. Whoever asks later gets what came after that.
const PATIENCE: Duration = Duration::from_secs(5);

/// The certificates of the Coordinator and evidence for them.
pub struct Quote {
    /// PEM, intermediate then root.
    pub certificates: String,
    /// Evidence over the root; `None` in simulation.
    pub evidence: Option<Vec<u8>>,
}

/// As [`Quote`], and what the evidence covers besides.
pub struct QuoteOfLog {
    /// PEM, intermediate then root.
    pub certificates: String,
    /// Evidence; `None` in simulation.
    pub evidence: Option<Vec<u8>>,
    /// Log key and checkpoint; `None` before a manifest is set.
    pub log: Option<(String, String)>,
    /// What the vendor publishes about the platform of the evidence, for verifiers that reach nobody but us. It is
    /// signed by the vendor, and nobody needs to take our word for it. `None` if none can be had now.
    pub collateral: Option<Collateral>,
}

/// Issues evidence of our own TEE: a little at once, and never on a thread that others wait for.
pub struct Issuer {
    tee: Arc<dyn Tee>,
    turns: Semaphore,
}

impl Issuer {
    /// For this TEE.
    pub fn new(tee: Arc<dyn Tee>) -> Self {
        Self { tee, turns: Semaphore::new(AT_ONCE) }
    }

    /// The kind of TEE.
    pub(crate) fn origin(&self) -> &'static str {
        self.tee.origin()
    }

    /// Evidence over 64 bytes of report data; `None` in simulation.
    ///
    /// # Errors
    /// If the TEE issues none.
    pub(crate) async fn evidence(&self, report_data: [u8; 64]) -> Result<Option<Vec<u8>>, Failure> {
        let _turn = self.turns.acquire().await.map_err(|_| Failure::panicked())?;
        let tee = Arc::clone(&self.tee);
        let issuing = tokio::task::spawn_blocking(move || tee.evidence(&report_data));
        let issued = issuing.await.map_err(|_| Failure::panicked())?;
        issued.map_err(|error| Failure::Internal(error.to_string()))
    }
}

impl Coordinator {
    /// Certificates and evidence over SHA-256 of the root and the caller's nonce.
    ///
    /// # Errors
    /// If the TEE issues no evidence.
    pub async fn quote(&self, nonce: &[u8]) -> Result<Quote, Failure> {
        let state = self.state();
        let mut hash = Context::new(&SHA256);
        hash.update(&state.pki().root);
        hash.update(nonce);
        let mut report_data = [0; 64];
        report_data[..32].copy_from_slice(hash.finish().as_ref());
        Ok(Quote { certificates: certificates(&state), evidence: self.issuer().evidence(report_data).await? })
    }

    /// Certificates and evidence over [`report_data`]: the root, the caller's nonce, and the log as it is.
    ///
    /// # Errors
    /// If the TEE issues no evidence.
    pub async fn quote_of_log(&self, nonce: &[u8]) -> Result<QuoteOfLog, Failure> {
        let state = self.state();
        let log = state.deployment().map(|deployment| {
            let checkpoint = deployment.checkpoint().map_err(|error| Failure::Internal(error.to_string()))?;
            Ok::<_, Failure>((deployment.log_verifier().to_string(), checkpoint))
        });
        let log = log.transpose()?;
        let (key, checkpoint) = log.as_ref().map_or(("", ""), |(key, checkpoint)| (key, checkpoint));
        let report_data = report_data(&state.pki().root, nonce, key, checkpoint);
        let evidence = self.issuer().evidence(report_data).await?;
        let collateral = self.staple(evidence.as_deref()).await;
        Ok(QuoteOfLog { certificates: certificates(&state), evidence, log, collateral })
    }

    async fn staple(&self, evidence: Option<&[u8]>) -> Option<Collateral> {
        let about = self.attestation().about(evidence?, self.now());
        tokio::time::timeout(PATIENCE, about).await.ok().flatten()
    }
}

fn certificates(state: &State) -> String {
    match state.deployment() {
        Some(deployment) => pem_chain(&deployment.chain),
        None => pem_chain(&Chain::of(state.pki())),
    }
}

fn pem_chain(chain: &Chain) -> String {
    format!("{}{}", chain.intermediate, chain.root)
}
