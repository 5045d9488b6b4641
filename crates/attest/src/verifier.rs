//! Who decides on evidence in explicit simulation, where it is ignored. Anywhere else an [`crate::Appraisal`] decides.

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verified::Origin;

    const BINDING: Binding = Binding::MarbleCertificate([7; 32]);

    #[test]
    fn simulation_ignores_evidence() {
        for evidence in [&b""[..], &b"garbage"[..]] {
            let now = SystemTime::UNIX_EPOCH;
            assert_eq!(
                SimulationVerifier.verify(evidence, &BINDING, now).unwrap().origin(),
                Origin::Simulation
            );
        }
    }
}
