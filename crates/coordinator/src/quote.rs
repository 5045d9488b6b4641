//! What a Coordinator says about itself, for whoever wants to verify it: certificates, and evidence for them.

use aws_lc_rs::digest::{Context, SHA256};
use marblerun_attest::log::report_data;
use marblerun_core::{Chain, State};

use crate::failure::Failure;
use crate::service::Coordinator;

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
}

impl Coordinator {
    /// Certificates and evidence over SHA-256 of the root and the caller's nonce.
    ///
    /// # Errors
    /// If the TEE issues no evidence.
    pub fn quote(&self, nonce: &[u8]) -> Result<Quote, Failure> {
        let state = self.state();
        let mut hash = Context::new(&SHA256);
        hash.update(&state.pki().root);
        hash.update(nonce);
        let mut report_data = [0; 64];
        report_data[..32].copy_from_slice(hash.finish().as_ref());
        Ok(Quote { certificates: certificates(&state), evidence: self.evidence(&report_data)? })
    }

    /// Certificates and evidence over [`report_data`]: the root, the caller's nonce, and the log as it is.
    ///
    /// # Errors
    /// If the TEE issues no evidence.
    pub fn quote_of_log(&self, nonce: &[u8]) -> Result<QuoteOfLog, Failure> {
        let state = self.state();
        let log = state.deployment().map(|deployment| {
            let checkpoint = deployment.checkpoint().map_err(|error| Failure::Internal(error.to_string()))?;
            Ok::<_, Failure>((deployment.log_verifier().to_string(), checkpoint))
        });
        let log = log.transpose()?;
        let (key, checkpoint) = log.as_ref().map_or(("", ""), |(key, checkpoint)| (key, checkpoint));
        let evidence = self.evidence(&report_data(&state.pki().root, nonce, key, checkpoint))?;
        Ok(QuoteOfLog { certificates: certificates(&state), evidence, log })
    }

    fn evidence(&self, report_data: &[u8; 64]) -> Result<Option<Vec<u8>>, Failure> {
        self.tee().evidence(report_data).map_err(|error| Failure::Internal(error.to_string()))
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
