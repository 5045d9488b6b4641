//! Who decides on evidence when no policy is at hand: in simulation it is ignored, without a verifier it is refused.

use std::time::SystemTime;

use crate::binding::Binding;
use crate::error::EvidenceError;
use crate::verified::Verified;

/// Decides whether evidence is genuine and bound.
pub trait Verifier: Send + Sync + std::fmt::Debug {
    /// Verifies `evidence` (raw bytes from the wire, possibly empty) against the binding it must carry, at `now`.
    ///
    /// # Errors
    /// Why the evidence does not count.
    fn verify(&self, evidence: &[u8], binding: &Binding, now: SystemTime) -> Result<Verified, EvidenceError>;
}

/// Explicit simulation: whatever is sent as evidence is ignored, empty or not.
#[derive(Debug, Clone, Copy)]
pub struct SimulationVerifier;

impl Verifier for SimulationVerifier {
    fn verify(&self, _: &[u8], _: &Binding, _: SystemTime) -> Result<Verified, EvidenceError> {
        Ok(Verified::simulated())
    }
}

/// Everywhere else: refuses all evidence, until real evidence is verified.
#[derive(Debug, Clone, Copy)]
pub struct RefusingVerifier;

impl Verifier for RefusingVerifier {
    fn verify(&self, _: &[u8], _: &Binding, _: SystemTime) -> Result<Verified, EvidenceError> {
        Err(EvidenceError::Unsupported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verified::Origin;

    const BINDING: Binding = Binding::MarbleCertificate([7; 32]);

    #[test]
    fn simulation_ignores_evidence_and_everything_else_is_refused() {
        for evidence in [&b""[..], &b"garbage"[..]] {
            let now = SystemTime::UNIX_EPOCH;
            assert_eq!(
                SimulationVerifier.verify(evidence, &BINDING, now).unwrap().origin(),
                Origin::Simulation
            );
            assert_eq!(RefusingVerifier.verify(evidence, &BINDING, now), Err(EvidenceError::Unsupported));
        }
    }
}
