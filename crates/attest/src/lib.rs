//! Is this evidence genuine, and does it satisfy the policy?
//!
//! One verification path: [`Verifier::verify`] takes evidence and the [`Binding`] that it must carry and gives a
//! [`Verified`], which only this room can make. There is no verification without a binding.
//!
//! [`log`] judges proofs about a Coordinator's history.
//!
//! This room never opens a socket, a file or a clock, and knows no other room.

pub mod log;

use std::time::SystemTime;

/// What evidence must be bound to: the purpose, and the key that the peer proved to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Binding {
    /// A marble that wants to be activated: SHA-256 over the DER of its TLS client certificate.
    MarbleCertificate([u8; 32]),
    /// A Coordinator that a client wants to trust: SHA-256 over the DER of its root certificate, followed by the
    /// client's nonce if it sent one.
    CoordinatorRoot([u8; 32]),
}

/// Evidence that was checked. Its existence is the proof; only a [`Verifier`] of this room makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    origin: Origin,
}

/// How evidence came to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The operator asked for simulation at start, on a machine without a TEE: nothing was checked.
    Simulation,
}

impl Verified {
    /// How the evidence came to count.
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

/// Why evidence does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// This build verifies no evidence of any kind yet, so outside simulation nobody is admitted.
    #[error(
        "this Coordinator cannot verify attestation evidence yet; every marble is refused outside explicit simulation (OE_SIMULATION=1)"
    )]
    Unsupported,
}

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
        Ok(Verified { origin: Origin::Simulation })
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
