//! Whether a peer's evidence counts: in explicit simulation it is ignored, anywhere else it is verified, and nothing that
//! fails leads to less.

use std::sync::Arc;
use std::time::SystemTime;

use marblerun_attest::{
    Appraisal, Binding, Collateral, Failure as EvidenceFailure, Genuine, Memory, Needs, Roots,
    SimulationVerifier, Unverified, Verified, Verifier as _, describe, needs,
};
use marblerun_collateral::{CollateralError, Service};
use marblerun_core::{Deployment, Refusal, activation};

/// Verifies evidence for the Coordinator.
pub struct Attestation {
    mode: Mode,
    collateral: Service,
    /// What was verified once.
    memory: Memory,
}

/// Chosen once at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Marbles' evidence is ignored: the operator said so in words, on a machine without a TEE.
    Simulation,
    /// Marbles' evidence is verified.
    Evidence,
}

impl Attestation {
    /// With collateral from `collateral`.
    pub fn new(mode: Mode, collateral: Service) -> Self {
        Self { mode, collateral, memory: Memory::default() }
    }

    /// Takes collateral that was kept and still counts. Nobody takes the service's word for anything: all is verified.
    ///
    /// # Errors
    /// If the folder cannot be read, or the clock stands before something that a vendor signed.
    pub fn load(&self, now: SystemTime) -> Result<(), CollateralError> {
        for refused in self.collateral.load(now)? {
            tracing::info!(why = %refused.error, "collateral that was kept does not count any more");
        }
        Ok(())
    }

    /// Writes what is kept to its folder, for the next start. Blocks on the disk; losing it costs fetching it again.
    pub(crate) fn save(&self) {
        if let Err(error) = self.collateral.save() {
            tracing::warn!(%error, "the collateral cannot be kept for the next start");
        }
    }

    /// Starts to fetch something newer for all collateral that is ageing, so that what vendors revoke is seen though nobody
    /// asks.
    pub(crate) fn renew(&self, now: SystemTime) {
        self.collateral.renew(now);
    }

    /// Whose word counts under this deployment.
    pub(crate) fn follow(&self, deployment: &Deployment) {
        if self.mode == Mode::Evidence {
            self.collateral.trust(deployment.policies.roots().clone());
        }
    }

    /// Verifies that a marble of this type is what the manifest says, and that its evidence is bound to `binding`.
    /// Waits for collateral only if none is kept that is valid, or for a moment if nobody could renew it for long.
    ///
    /// # Errors
    /// [`Refusal::UnknownMarble`], [`Refusal::Collateral`] or [`Refusal::Evidence`].
    pub(crate) async fn verify(
        &self,
        deployment: &Deployment,
        marble_type: &str,
        evidence: &[u8],
        binding: &Binding,
        now: SystemTime,
    ) -> Result<Verified, Refusal> {
        let (name, marble) = activation::marble(deployment, marble_type)?;
        let refused = |error| Refusal::Evidence { marble_type: name.to_owned(), error };
        if self.mode == Mode::Simulation {
            return SimulationVerifier.verify(evidence, binding, now).map_err(refused);
        }
        require_freshness(deployment, name, binding)?;
        let policies = &deployment.policies;
        let policy =
            policies.package(&marble.package).ok_or_else(|| Refusal::UnknownMarble(name.to_owned()))?;
        let needs = needs(evidence).map_err(|error| refused(error.into()))?;
        let collateral = self.collateral(&needs, now).await?;
        let appraisal = self.appraisal(policies.roots(), &collateral, now);
        appraisal.verify(evidence, binding, policy).map_err(refused)
    }

    /// What the vendor publishes about the platform of our own evidence, for those who cannot fetch it. None if the
    /// evidence is none, or nobody whose root the manifest names publishes anything.
    pub(crate) async fn about(&self, evidence: &[u8], now: SystemTime) -> Option<Collateral> {
        let needs = needs(evidence).ok()?;
        match self.collateral(&needs, now).await {
            Ok(collateral) => Some(Collateral::clone(&collateral)),
            Err(why) => {
                tracing::warn!(%why, "those who verify the Coordinator get no collateral for its evidence");
                None
            }
        }
    }

    /// The first step alone, for a quote that was not made for us: whether it is genuine, whatever it is bound to.
    ///
    /// # Errors
    /// [`Unproven`].
    pub(crate) async fn genuine(
        &self,
        roots: &Roots,
        evidence: &[u8],
        now: SystemTime,
    ) -> Result<Genuine, Unproven> {
        let (needs, report_data) = (needs(evidence)?, claimed_report_data(evidence)?);
        let collateral = self.collateral(&needs, now).await?;
        Ok(self.appraisal(roots, &collateral, now).genuine(evidence, &Binding::Exactly(report_data))?)
    }

    async fn collateral(&self, needs: &Needs, now: SystemTime) -> Result<Arc<Collateral>, Refusal> {
        let fetched = self.collateral.collateral(needs, now).await;
        fetched.map_err(|error| Refusal::Collateral(error.to_string()))
    }

    fn appraisal<'a>(
        &'a self,
        roots: &'a Roots,
        collateral: &'a Collateral,
        now: SystemTime,
    ) -> Appraisal<'a> {
        Appraisal { roots, collateral, memory: &self.memory, now }
    }
}

/// That evidence covers a challenge, where the package wants that.
fn require_freshness(deployment: &Deployment, marble_type: &str, binding: &Binding) -> Result<(), Refusal> {
    let (_, marble) = activation::marble(deployment, marble_type)?;
    let package = deployment.manifest.packages.get(&marble.package);
    let required = package.is_some_and(|package| package.require_fresh_evidence);
    if required && !matches!(binding, Binding::FreshMarble(_)) {
        let (marble_type, package) = (marble_type.to_owned(), marble.package.clone());
        return Err(Refusal::NotFresh { marble_type, package });
    }
    Ok(())
}

/// What an SGX or TDX quote says it is bound to.
fn claimed_report_data(evidence: &[u8]) -> Result<Vec<u8>, EvidenceFailure> {
    match describe(evidence)? {
        Unverified::Sgx { report, .. } => Ok(report.report_data.0.to_vec()),
        Unverified::Tdx { report, .. } => Ok(report.report_data.0.to_vec()),
        _ => Err(EvidenceFailure::Other("only SGX and TDX quotes are verified for others".into())),
    }
}

/// Why a quote is not known to be genuine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unproven {
    /// It is not.
    #[error(transparent)]
    NotGenuine(#[from] EvidenceFailure),
    /// There is no collateral to tell.
    #[error(transparent)]
    Collateral(#[from] Refusal),
}
