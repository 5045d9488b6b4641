//! Where software may run: whose platforms, which, and by how recent rules they are judged.

use super::Findings;
use crate::bytes::Hex;
use crate::genuine::{AmdPlatform, Claims, Genuine, IntelPlatform};
use crate::roots::is_of_vendor;

/// One infrastructure. What is not named is not restricted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Infrastructure {
    /// Its name in the manifest.
    pub name: String,
    /// The vendor's root: X.509 in DER. An empty one, or one that is no certificate, admits nobody.
    pub root_ca: Option<Vec<u8>>,
    /// The least security version of the processor, component by component.
    pub cpusvn: Option<Hex<16>>,
    /// The least security version of the quoting enclave.
    pub qesvn: Option<u16>,
    /// The least security version of the provisioning certification enclave.
    pub pcesvn: Option<u16>,
    /// Kinds of platform that will do.
    pub fmspcs: Option<Vec<Hex<6>>>,
    /// Platforms that will do (Intel).
    pub ppids: Option<Vec<Hex<16>>>,
    /// Chips that will do (AMD), as their certificates name them, in hexadecimal.
    pub chip_ids: Option<Vec<String>>,
    /// The oldest evaluation of TCBs by which a platform may be judged.
    pub minimum_tcb_evaluation: Option<u32>,
}

/// One of the infrastructures must fit, if there are any. Where none does, what each lacks is found.
pub(super) fn check(all: &[Infrastructure], genuine: &Genuine, findings: &mut Findings<'_>) {
    if all.is_empty() && !is_of_vendor(genuine.root()) {
        let (seen, wanted) = (foreign(genuine.root()), "a hardware vendor's root".to_owned());
        findings.add("Infrastructures".to_owned(), seen, wanted, NAME_IT.to_owned());
    }
    let before = findings.len();
    for infrastructure in all {
        let without = findings.len();
        infrastructure.check(genuine, findings);
        if findings.len() == without {
            return findings.truncate(before);
        }
    }
}

impl Infrastructure {
    fn check(&self, genuine: &Genuine, findings: &mut Findings<'_>) {
        self.check_root(genuine.root(), findings);
        match genuine.claims() {
            Claims::Sgx { platform, .. } | Claims::Tdx { platform, .. } => {
                self.check_intel(platform, findings)
            }
            Claims::Snp { platform, .. } => self.check_amd(platform, findings),
            Claims::Nvidia { .. } => self.check_other("an NVIDIA device", findings),
        }
    }

    /// A root that is no hardware vendor's counts for the infrastructure that names it, and for no other.
    fn check_root(&self, seen: &[u8], findings: &mut Findings<'_>) {
        match &self.root_ca {
            Some(wanted) if wanted == seen => {}
            Some(wanted) => {
                self.found("RootCA", foreign(seen), format!("SHA-256 {}", digest(wanted)), findings);
            }
            None if is_of_vendor(seen) => {}
            None => {
                let place = format!("Infrastructures.{}.RootCA", self.name);
                findings.add(place, foreign(seen), "a hardware vendor's root".to_owned(), NAME_IT.to_owned());
            }
        }
    }

    fn check_intel(&self, platform: &IntelPlatform, findings: &mut Findings<'_>) {
        let pck = &platform.pck;
        if let Some(wanted) = self.cpusvn.filter(|wanted| !meets(&pck.cpusvn, wanted)) {
            self.found("CPUSVN", pck.cpusvn.to_string(), format!("at least {wanted}"), findings);
        }
        self.at_least("QESVN", self.qesvn, platform.qesvn, findings);
        self.at_least("PCESVN", self.pcesvn, pck.pcesvn, findings);
        self.listed("FMSPCs", self.fmspcs.as_deref(), &pck.fmspc, findings);
        self.listed("PPIDs", self.ppids.as_deref(), &pck.ppid, findings);
        let evaluation = platform.tcb_evaluation_data_number.min(platform.qe_tcb_evaluation_data_number);
        self.at_least("MinimumTCBEvaluation", self.minimum_tcb_evaluation, evaluation, findings);
        if self.chip_ids.is_some() {
            self.found("ChipIDs", "an Intel platform".to_owned(), "an AMD chip".to_owned(), findings);
        }
    }

    fn check_amd(&self, platform: &AmdPlatform, findings: &mut Findings<'_>) {
        let chip = platform.vek_extensions.hwid.clone().unwrap_or_else(|| "a hidden chip".to_owned());
        self.listed("ChipIDs", self.chip_ids.as_deref(), &chip, findings);
        self.check_no_intel("an AMD platform", findings);
    }

    fn check_other(&self, seen: &str, findings: &mut Findings<'_>) {
        self.check_no_intel(seen, findings);
        if self.chip_ids.is_some() {
            self.found("ChipIDs", seen.to_owned(), "an AMD chip".to_owned(), findings);
        }
    }

    /// What only Intel platforms have, nobody else can have.
    fn check_no_intel(&self, seen: &str, findings: &mut Findings<'_>) {
        let named = [
            ("CPUSVN", self.cpusvn.is_some()),
            ("QESVN", self.qesvn.is_some()),
            ("PCESVN", self.pcesvn.is_some()),
            ("FMSPCs", self.fmspcs.is_some()),
            ("PPIDs", self.ppids.is_some()),
            ("MinimumTCBEvaluation", self.minimum_tcb_evaluation.is_some()),
        ];
        for (field, _) in named.into_iter().filter(|(_, is_named)| *is_named) {
            self.found(field, seen.to_owned(), "an Intel platform".to_owned(), findings);
        }
    }

    fn at_least<T: PartialOrd + ToString>(
        &self,
        field: &str,
        wanted: Option<T>,
        seen: T,
        findings: &mut Findings<'_>,
    ) {
        if let Some(wanted) = wanted.filter(|wanted| seen < *wanted) {
            self.found(field, seen.to_string(), format!("at least {}", wanted.to_string()), findings);
        }
    }

    fn listed<T: PartialEq + ToString>(
        &self,
        field: &str,
        wanted: Option<&[T]>,
        seen: &T,
        findings: &mut Findings<'_>,
    ) {
        if let Some(wanted) = wanted.filter(|wanted| !wanted.contains(seen)) {
            let wanted: Vec<_> = wanted.iter().map(ToString::to_string).collect();
            self.found(field, seen.to_string(), format!("one of [{}]", wanted.join(", ")), findings);
        }
    }

    fn found(&self, field: &str, seen: String, wanted: String, findings: &mut Findings<'_>) {
        let place = format!("Infrastructures.{}.{field}", self.name);
        let change = format!("change it so that it allows {seen}, or name another infrastructure");
        findings.add(place, seen, wanted, change);
    }
}

const NAME_IT: &str =
    "name this root as RootCA of an infrastructure, if it is that of a software TEE which is wanted";

fn foreign(root: &[u8]) -> String {
    format!("a root with SHA-256 {}", digest(root))
}

/// Security versions of a processor are compared component by component.
fn meets(seen: &Hex<16>, wanted: &Hex<16>) -> bool {
    seen.0.iter().zip(wanted.0).all(|(seen, wanted)| *seen >= wanted)
}

fn digest(der: &[u8]) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der))
}
