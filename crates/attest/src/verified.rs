//! Evidence that counts. Its existence is the proof.

use crate::genuine::{Claims, Genuine};

/// Evidence that was checked. Its existence is the proof; only this room makes one, from evidence that is genuine,
/// bound, and what the policy wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    origin: Origin,
    genuine: Option<Box<Genuine>>,
}

/// How evidence came to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The operator asked for simulation at start, on a machine without a TEE: nothing was checked.
    Simulation,
    /// An SGX enclave.
    Sgx,
    /// A TDX trust domain.
    Tdx,
    /// An SNP guest.
    Snp,
    /// An NVIDIA device.
    Nvidia,
}

impl Verified {
    /// How the evidence came to count.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// What was proved; nothing in simulation.
    pub fn genuine(&self) -> Option<&Genuine> {
        self.genuine.as_deref()
    }

    pub(crate) fn of(genuine: Genuine) -> Self {
        let origin = match genuine.claims() {
            Claims::Sgx { .. } => Origin::Sgx,
            Claims::Tdx { .. } => Origin::Tdx,
            Claims::Snp { .. } => Origin::Snp,
            Claims::Nvidia { .. } => Origin::Nvidia,
        };
        Self { origin, genuine: Some(Box::new(genuine)) }
    }

    pub(crate) fn simulated() -> Self {
        Self { origin: Origin::Simulation, genuine: None }
    }
}
