//! `Packages` and `Infrastructures`: which software may run, and where.

use std::collections::BTreeMap;

use der::Decode;

use super::{Check, Place, section};
use crate::finding::{choices, shown};
use crate::model::{Infrastructure, Package};
use crate::written::{self, Map};

/// Intel's TCB statuses of SGX and TDX platforms.
const TCB_STATUSES: [&str; 9] = [
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "TDRelaunchAdvised",
    "TDRelaunchAdvisedConfigurationNeeded",
    "Revoked",
];
const DEFAULT_TCB_STATUSES: [&str; 2] = ["UpToDate", "SWHardeningNeeded"];

impl Check {
    pub(super) fn packages(&mut self, written: &Map<written::Package>) -> BTreeMap<String, Package> {
        let packages = section("Packages");
        if written.iter().next().is_none() {
            self.error(&packages, "a manifest needs at least one package");
        }
        let mut checked = BTreeMap::new();
        for (name, package) in written.iter() {
            let place = packages.key(name);
            self.name(&place, "package", name);
            checked.insert(name.to_owned(), self.package(&place, package));
        }
        checked
    }

    fn package(&mut self, place: &Place<'_>, written: &written::Package) -> Package {
        for (key, version) in
            [("ProductID", written.product_id), ("SecurityVersion", written.security_version)]
        {
            if version.is_some_and(|v| v > u16::MAX.into()) {
                self.warn(
                    &place.key(key),
                    "larger than 65535, the largest an enclave can have: admits nobody",
                );
            }
        }
        Package {
            debug: written.debug.unwrap_or_default(),
            unique_id: self.hex(&place.key("UniqueID"), written.unique_id.as_deref()),
            signer_id: self.hex(&place.key("SignerID"), written.signer_id.as_deref()),
            product_id: written.product_id,
            security_version: written.security_version,
            accepted_tcb_statuses: self.tcb_statuses(place, written.accepted_tcb_statuses.as_deref()),
            accepted_advisories: written.accepted_advisories.clone(),
            tdx: written.tdx.as_ref().map(|tdx| self.tdx(&place.key("TDX"), tdx)),
            snp: written.snp.as_ref().map(|snp| self.snp(&place.key("SNP"), snp)),
            pcrs: self.pcrs(&place.key("PCRs"), written.pcrs.as_ref()),
            require_fresh_evidence: written.require_fresh_evidence.unwrap_or_default(),
            allowed_dns_names: written.allowed_dns_names.clone(),
        }
    }

    fn tcb_statuses(&mut self, place: &Place<'_>, written: Option<&[String]>) -> Vec<String> {
        let list = place.key("AcceptedTCBStatuses");
        for (i, status) in written.unwrap_or_default().iter().enumerate() {
            if !TCB_STATUSES.contains(&status.as_str()) {
                let known = choices(&TCB_STATUSES);
                self.error(&list.item(i), format!("`{}` is no TCB status; write {known}", shown(status)));
            } else if status == "Revoked" {
                self.warn(&list.item(i), "admits platforms whose keys are known to be compromised");
            }
        }
        match written {
            Some([]) => {
                self.warn(&list, "an empty list means the default: UpToDate and SWHardeningNeeded");
                DEFAULT_TCB_STATUSES.map(str::to_owned).to_vec()
            }
            Some(statuses) => statuses.to_vec(),
            None => DEFAULT_TCB_STATUSES.map(str::to_owned).to_vec(),
        }
    }

    /// Whether a package that a marble uses names its software in full and in one way.
    pub(super) fn package_in_use(&mut self, name: &str, package: &Package) {
        let packages = section("Packages");
        let place = packages.key(name);
        match (incomplete(package), package.debug) {
            (Some(why), false) => self.error(&place, why),
            (Some(why), true) => self.warn(&place, format!("{why} (tolerated, as it is a debug package)")),
            (None, _) => {}
        }
        if package.debug {
            self.warn(
                &place.key("Debug"),
                "admits debug enclaves, whose memory the host can read: never in production",
            );
        }
    }

    pub(super) fn infrastructures(
        &mut self,
        written: Map<written::Infrastructure>,
    ) -> BTreeMap<String, Infrastructure> {
        let mut checked = BTreeMap::new();
        for (name, infrastructure) in written {
            let section = section("Infrastructures");
            let infrastructure = self.infrastructure(&section.key(&name), infrastructure);
            checked.insert(name, infrastructure);
        }
        checked
    }

    fn infrastructure(&mut self, place: &Place<'_>, written: written::Infrastructure) -> Infrastructure {
        let root_ca = written.root_ca.map(|bytes| bytes.0);
        if root_ca.as_deref().is_some_and(|der| x509_cert::Certificate::from_der(der).is_err()) {
            self.warn(
                &place.key("RootCA"),
                "this is no certificate (DER): no platform matches, nobody is admitted",
            );
        }
        let cpusvn = written.cpusvn.map(|bytes| bytes.0);
        if let Some(bytes) = cpusvn.as_deref().filter(|bytes| bytes.len() != 16) {
            let message = format!(
                "{} bytes, but a CPUSVN has 16: no platform matches, nobody is admitted",
                bytes.len()
            );
            self.warn(&place.key("CPUSVN"), message);
        }
        Infrastructure {
            root_ca,
            cpusvn,
            qesvn: written.qesvn,
            pcesvn: written.pcesvn,
            fmspcs: self.hex_list(&place.key("FMSPCs"), written.fmspcs.as_deref()),
            ppids: self.hex_list(&place.key("PPIDs"), written.ppids.as_deref()),
            chip_ids: self.chip_ids(&place.key("ChipIDs"), written.chip_ids.as_deref()),
            minimum_tcb_evaluation: written.minimum_tcb_evaluation,
        }
    }
}

/// Why the package does not name software in full and in one way.
fn incomplete(package: &Package) -> Option<String> {
    let elsewhere = package.tdx.is_some() || package.snp.is_some();
    let signed = [
        ("SignerID", package.signer_id.is_some()),
        ("ProductID", package.product_id.is_some()),
        ("SecurityVersion", package.security_version.is_some()),
    ];
    let given: Vec<&str> = signed.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    let missing: Vec<&str> = signed.iter().filter(|(_, given)| !given).map(|(name, _)| *name).collect();
    match (package.unique_id.is_some(), given.as_slice(), missing.as_slice()) {
        (true, [], _) | (false, _, []) => None,
        (true, given, _) => {
            Some(format!("has UniqueID and also {}: name the software in one way", given.join(", ")))
        }
        (false, [], _) if elsewhere => unmeasured(package),
        (false, [], _) => {
            Some("needs UniqueID, or SignerID, ProductID and SecurityVersion, or a block TDX or SNP".into())
        }
        (false, _, missing) => Some(format!("lacks {} beside {}", missing.join(", "), given.join(", "))),
    }
    .or_else(|| unmeasured(package))
}

/// A block for a TEE without the measurement that tells software apart.
fn unmeasured(package: &Package) -> Option<String> {
    let tdx = package.tdx.as_ref().is_some_and(|tdx| tdx.mrtd.is_none());
    let snp = package.snp.as_ref().is_some_and(|snp| snp.measurement.is_none());
    match (tdx, snp) {
        (true, _) => Some("TDX needs MRTD".into()),
        (false, true) => Some("SNP needs Measurement".into()),
        (false, false) => None,
    }
}
