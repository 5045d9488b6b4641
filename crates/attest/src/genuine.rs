//! The first step: whether evidence is genuine and bound. What it proves is in [`Claims`]; whether that is wanted is
//! the second step, [`crate::policy`].

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::azure::{self, AzureEvidence, Hardware};
use crate::binding::Binding;
use crate::bytes::Hex;
use crate::collateral::Collateral;
use crate::dcap::{self, Body, PckExtensions, Quote, TcbStatus};
use crate::error::{EvidenceError, Failure};
use crate::evidence::Evidence;
use crate::memory::Memory;
use crate::nvidia::{self, NvidiaEvidence, SpdmReport};
use crate::policy::Policy;
use crate::roots::Roots;
use crate::sgx::EnclaveReport;
use crate::snp::{self, Product, Report, SnpReport, SnpTcb, VekIdentity};
use crate::tdx::TdReport;
use crate::verified::Verified;
use crate::x509::Certificate;

/// What evidence is held against: whom we trust, what vendors publish, what time it is, and what was verified before.
#[derive(Debug, Clone, Copy)]
pub struct Appraisal<'a> {
    /// Whose word counts.
    pub roots: &'a Roots,
    /// What vendors publish about the platform ([`crate::needs`] tells what is wanted).
    pub collateral: &'a Collateral,
    /// What need not be verified again.
    pub memory: &'a Memory,
    /// The time at which everything must hold.
    pub now: SystemTime,
}

/// Evidence that is genuine and bound. Only [`Appraisal::genuine`] makes one, and it admits nobody: that is what
/// [`Verified`] is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genuine {
    pub(crate) claims: Claims,
    pub(crate) root: Certificate,
    window: (u64, u64),
}

/// What genuine evidence proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
#[serde(tag = "tee", rename_all = "lowercase")]
pub enum Claims {
    /// An SGX enclave.
    Sgx {
        /// Its report.
        report: EnclaveReport,
        /// Where it runs.
        platform: IntelPlatform,
    },
    /// A TDX trust domain.
    Tdx {
        /// Its report.
        report: Box<TdReport>,
        /// Where it runs.
        platform: IntelPlatform,
        /// What a virtual TPM measured, on Azure. Then the report above is that of the paravisor.
        pcrs: Option<BTreeMap<u8, Hex<32>>>,
    },
    /// An SNP guest.
    Snp {
        /// Its report.
        report: Box<SnpReport>,
        /// Where it runs.
        platform: AmdPlatform,
        /// What a virtual TPM measured, on Azure. Then the report above is that of the paravisor.
        pcrs: Option<BTreeMap<u8, Hex<32>>>,
    },
    /// An NVIDIA device.
    Nvidia {
        /// Its report.
        report: SpdmReport,
        /// Subjects of its certificates, the leaf first.
        cert_subjects: Vec<String>,
        /// The certificate that the OCSP responder does not vouch for, if there is one.
        on_hold: Option<String>,
    },
}

/// An Intel platform, and what Intel says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IntelPlatform {
    /// Its identity and security versions, as certified.
    #[serde(flatten)]
    pub pck: PckExtensions,
    /// Security version of its quoting enclave.
    pub qesvn: u16,
    /// The status of platform, TDX module and quoting enclave together.
    pub tcb_status: TcbStatus,
    /// Advisories that apply to them.
    pub advisory_ids: Vec<String>,
    /// The date of the platform's TCB level.
    pub tcb_date: String,
    /// The status of the quoting enclave alone.
    pub qe_tcb_status: TcbStatus,
    /// By which evaluation of TCBs the status was found.
    pub tcb_evaluation_data_number: u32,
    /// The same for the quoting enclave.
    pub qe_tcb_evaluation_data_number: u32,
}

/// An AMD platform, as its key's certificate names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AmdPlatform {
    /// The product line.
    pub product: Product,
    /// The TCB that counts.
    pub reported_tcb: SnpTcb,
    /// The certificate's words.
    pub vek_extensions: VekIdentity,
    /// Whether a revocation list of AMD's was there to be looked at.
    pub revocation_checked: bool,
}

impl Appraisal<'_> {
    /// Both steps: whether `evidence` is genuine and bound, and whether `policy` wants what it proves.
    ///
    /// # Errors
    /// What it lacks.
    pub fn verify(
        &self,
        evidence: &[u8],
        binding: &Binding,
        policy: &Policy,
    ) -> Result<Verified, EvidenceError> {
        Ok(self.genuine(evidence, binding)?.accept(policy)?)
    }

    /// The first step: whether `evidence` is genuine, and bound to `binding`.
    ///
    /// # Errors
    /// The first check that did not hold. `docs/attestation.md` has their order.
    pub fn genuine(&self, evidence: &[u8], binding: &Binding) -> Result<Genuine, Failure> {
        match Evidence::parse(evidence)? {
            Evidence::Intel(quote) => self.intel(*quote)?.bound(binding),
            Evidence::Snp(evidence) => self.amd(evidence.report, evidence.vek.as_deref())?.bound(binding),
            Evidence::Azure(evidence) => self.azure(*evidence, binding),
            Evidence::Nvidia(evidence) => self.nvidia(*evidence, binding),
        }
    }

    fn intel(&self, quote: Quote) -> Result<Genuine, Failure> {
        let collateral = self.collateral.intel.as_ref();
        let endorsement = dcap::check(&quote, collateral, self.roots, self.seconds(), self.memory)?;
        let platform = IntelPlatform::of(&endorsement);
        let claims = match quote.body {
            Body::Sgx(report) => Claims::Sgx { report, platform },
            Body::Tdx(report) => Claims::Tdx { report, platform, pcrs: None },
        };
        Ok(Genuine { claims, root: endorsement.root.clone(), window: endorsement.window })
    }

    fn amd(&self, report: Report, carried: Option<&[u8]>) -> Result<Genuine, Failure> {
        let collateral = self.collateral.amd.as_ref();
        let endorsement = snp::check(&report, carried, collateral, self.roots, self.seconds(), self.memory)?;
        let platform = AmdPlatform {
            product: endorsement.product,
            reported_tcb: endorsement.key.tcb,
            vek_extensions: endorsement.key.clone(),
            revocation_checked: endorsement.revocation_checked,
        };
        let claims = Claims::Snp { report: Box::new(report.fields), platform, pcrs: None };
        Ok(Genuine { claims, root: endorsement.root.clone(), window: endorsement.window })
    }

    /// The hardware first, then what it vouches for, then the binding.
    fn azure(&self, evidence: AzureEvidence, binding: &Binding) -> Result<Genuine, Failure> {
        let mut genuine = match &evidence.hardware {
            Hardware::Snp { report, vek } => self.amd(report.as_ref().clone(), Some(vek))?,
            Hardware::Tdx(quote) => self.intel(quote.as_ref().clone())?,
        };
        let measured = azure::check(&evidence, binding)?.pcrs.into_iter().collect();
        if let Claims::Snp { pcrs, .. } | Claims::Tdx { pcrs, .. } = &mut genuine.claims {
            *pcrs = Some(measured);
        }
        Ok(genuine)
    }

    fn nvidia(&self, evidence: NvidiaEvidence, binding: &Binding) -> Result<Genuine, Failure> {
        let collateral = self.collateral.nvidia.as_ref();
        let device = nvidia::check(&evidence, binding, collateral, self.roots, self.seconds())?;
        let claims = Claims::Nvidia {
            report: evidence.report,
            cert_subjects: device.subjects,
            on_hold: device.on_hold,
        };
        Ok(Genuine { claims, root: device.root, window: device.window })
    }

    /// Before 1970 nothing is valid.
    fn seconds(&self) -> u64 {
        self.now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

impl Genuine {
    /// What it proves.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The vendor's root that it leads to: X.509 in DER.
    pub fn root(&self) -> &[u8] {
        self.root.der()
    }

    /// Until when everything that it rests on is valid.
    pub fn valid_until(&self) -> SystemTime {
        let until = UNIX_EPOCH.checked_add(Duration::from_secs(self.window.1));
        until.unwrap_or(UNIX_EPOCH)
    }

    /// The vendor's judgement of the platform, where the vendor makes one (Intel).
    pub fn tcb_status(&self) -> Option<TcbStatus> {
        match &self.claims {
            Claims::Sgx { platform, .. } | Claims::Tdx { platform, .. } => Some(platform.tcb_status),
            Claims::Snp { .. } | Claims::Nvidia { .. } => None,
        }
    }

    /// The second step: whether `policy` wants what this proves.
    ///
    /// # Errors
    /// Everything that does not fit, each with the change of the manifest that would allow it.
    pub fn accept(self, policy: &Policy) -> Result<Verified, crate::policy::Refusal> {
        policy.check(&self)?;
        Ok(Verified::of(self))
    }

    fn bound(self, binding: &Binding) -> Result<Self, Failure> {
        match &self.claims {
            Claims::Sgx { report, .. } => binding.check_report_data(&report.report_data)?,
            Claims::Tdx { report, .. } => binding.check_report_data(&report.report_data)?,
            Claims::Snp { report, .. } => binding.check_report_data(&report.report_data)?,
            Claims::Nvidia { report, .. } => binding.check_nonce(&report.nonce.0)?,
        }
        Ok(self)
    }
}

impl IntelPlatform {
    fn of(endorsement: &dcap::Endorsement) -> Self {
        Self {
            pck: endorsement.platform.clone(),
            qesvn: endorsement.qe_isvsvn,
            tcb_status: endorsement.status,
            advisory_ids: endorsement.advisories.clone(),
            tcb_date: endorsement.tcb_date.clone(),
            qe_tcb_status: endorsement.qe_status,
            tcb_evaluation_data_number: endorsement.evaluation.0,
            qe_tcb_evaluation_data_number: endorsement.evaluation.1,
        }
    }
}
