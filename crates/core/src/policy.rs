//! What the manifest in force demands of evidence: its packages and infrastructures in the terms of the attest room.
//!
//! Made once for a deployment, not for an activation. Whose root counts is part of it: the hardware vendors', and those
//! that the manifest's `Infrastructures` name.

use std::collections::BTreeMap;
use std::sync::Arc;

use marblerun_attest::policy::{Infrastructure, Package, Policy, SgxIdentity, SnpIdentity, TdxIdentity};
use marblerun_attest::{Hex, Product, Roots, SnpTcb, Vendor};
use marblerun_manifest as manifest;
use marblerun_manifest::{Manifest, ProductLine, SnpPackage, TdxPackage};

/// The policies of a deployment, by package.
#[derive(Debug)]
pub struct Policies {
    roots: Roots,
    packages: BTreeMap<String, Policy>,
}

impl Policies {
    /// Of a manifest, with the security versions that were raised since it was set.
    ///
    /// # Errors
    /// If the roots that this program was built with cannot be read.
    pub(crate) fn of(
        manifest: &Manifest,
        raised: &BTreeMap<String, u64>,
    ) -> Result<Self, marblerun_attest::RootsError> {
        let infrastructures = manifest.infrastructures.iter().map(|(name, i)| infrastructure(name, i));
        let infrastructures: Arc<[Infrastructure]> = infrastructures.collect();
        let packages = manifest.packages.iter().map(|(name, definition)| {
            let package = package(name, definition, raised.get(name).copied());
            (name.clone(), Policy { package, infrastructures: Arc::clone(&infrastructures) })
        });
        Ok(Self { packages: packages.collect(), roots: roots(manifest)? })
    }

    /// Whose word counts.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// What is demanded of the software of this package.
    pub fn package(&self, name: &str) -> Option<&Policy> {
        self.packages.get(name)
    }
}

/// The hardware vendors' roots and those that the manifest names. What is no root admits nobody: the manifest was
/// accepted with a warning that says so.
fn roots(manifest: &Manifest) -> Result<Roots, marblerun_attest::RootsError> {
    let named = manifest.infrastructures.values().filter_map(|i| i.root_ca.as_deref());
    let vendors = [Vendor::Intel, Vendor::Amd, Vendor::Nvidia];
    let usable = named.filter_map(|root| Roots::new(vendors.map(|vendor| (vendor, root))).ok());
    Ok(usable.fold(Roots::of_hardware_vendors()?, Roots::and))
}

fn infrastructure(name: &str, written: &manifest::Infrastructure) -> Infrastructure {
    Infrastructure {
        name: name.to_owned(),
        root_ca: written.root_ca.clone(),
        cpusvn: written.cpusvn.as_deref().map(cpusvn),
        qesvn: written.qesvn,
        pcesvn: written.pcesvn,
        fmspcs: written.fmspcs.as_ref().map(|all| all.iter().copied().map(Hex).collect()),
        ppids: written.ppids.as_ref().map(|all| all.iter().copied().map(Hex).collect()),
        chip_ids: written.chip_ids.as_ref().map(|all| all.iter().map(hex::encode).collect()),
        minimum_tcb_evaluation: written.minimum_tcb_evaluation,
    }
}

/// One of another length than 16 bytes matches no platform, as the manifest's warning says: nothing meets all ones.
fn cpusvn(written: &[u8]) -> Hex<16> {
    Hex(written.try_into().unwrap_or([0xff; 16]))
}

fn package(name: &str, written: &manifest::Package, raised: Option<u64>) -> Package {
    let statuses = written.accepted_tcb_statuses.iter().filter_map(|status| status.parse().ok());
    Package {
        sgx: sgx(written, raised),
        tdx: written.tdx.as_ref().map(tdx),
        snp: written.snp.as_ref().map(snp),
        pcrs: written.pcrs.iter().map(|(number, digest)| (*number, Hex(*digest))).collect(),
        debug: written.debug,
        accepted_tcb_statuses: statuses.collect(),
        accepted_advisories: written.accepted_advisories.clone(),
        ..Package::strict(name)
    }
}

/// Numbers that no enclave can have admit nobody: an identity without them is incomplete.
fn sgx(written: &manifest::Package, raised: Option<u64>) -> Option<SgxIdentity> {
    let number = |value: Option<u64>| value.and_then(|value| u16::try_from(value).ok());
    let identity = SgxIdentity {
        unique_id: written.unique_id.map(Hex),
        signer_id: written.signer_id.map(Hex),
        product_id: number(written.product_id),
        security_version: number(raised.or(written.security_version)),
    };
    let named = written.unique_id.is_some() || written.signer_id.is_some();
    named.then_some(identity)
}

fn tdx(written: &TdxPackage) -> TdxIdentity {
    TdxIdentity {
        mrtd: written.mrtd.map(Hex),
        rtmrs: written.rtmrs.map(|rtmr| rtmr.map(Hex)),
        mrconfigid: written.mrconfigid.map(Hex),
        mrseam: written.mrseam.map(Hex),
        td_attributes: written.td_attributes.map(Hex),
        allow_sept_ve: written.allow_sept_ve,
        allow_migration: written.allow_migration,
        allow_service_td: written.allow_service_td,
    }
}

fn snp(written: &SnpPackage) -> SnpIdentity {
    SnpIdentity {
        measurement: written.measurement.map(Hex),
        host_data: written.host_data.map(Hex),
        family_id: written.family_id.map(Hex),
        image_id: written.image_id.map(Hex),
        guest_svn: written.guest_svn,
        minimum_tcb: written.minimum_tcb.map(tcb),
        policy: written.policy,
        vmpl: written.vmpl,
        product_lines: written.product_lines.iter().map(|line| product(*line)).collect(),
        allow_migration: written.allow_migration,
    }
}

fn tcb(written: manifest::SnpTcb) -> SnpTcb {
    let manifest::SnpTcb { fmc, bootloader, tee, snp, microcode } = written;
    SnpTcb { fmc, bootloader, tee, snp, microcode }
}

fn product(line: ProductLine) -> Product {
    match line {
        ProductLine::Milan => Product::Milan,
        ProductLine::Genoa => Product::Genoa,
        ProductLine::Turin => Product::Turin,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn policies(rest: &str, raised: &[(&str, u64)]) -> Policies {
        let id = "ab".repeat(32);
        let text = format!(
            r#"{{"Packages": {{"p": {{"SignerID": "{id}", "ProductID": 1, "SecurityVersion": 5}},
                "wide": {{"SignerID": "{id}", "ProductID": 70000, "SecurityVersion": 5}}}},
               "Marbles": {{"web": {{"Package": "p"}}}}{rest}}}"#
        );
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let manifest = Manifest::parse(text.as_bytes(), now).unwrap().manifest;
        let raised = raised.iter().map(|(name, version)| ((*name).to_owned(), *version)).collect();
        Policies::of(&manifest, &raised).unwrap()
    }

    #[test]
    fn raised_versions_are_demanded() {
        let version = |raised: &[_]| policies("", raised).package("p").unwrap().package.sgx.clone().unwrap();
        assert_eq!(version(&[]).security_version, Some(5));
        assert_eq!(version(&[("p", 6)]).security_version, Some(6));
    }

    #[test]
    fn numbers_that_no_enclave_has_are_never_left_out() {
        let policies = policies("", &[]);
        let sgx = policies.package("wide").unwrap().package.sgx.clone().unwrap();
        assert_eq!((sgx.product_id, sgx.unique_id), (None, None), "incomplete, so it admits nobody");
    }

    #[test]
    fn what_is_no_root_counts_for_nobody() {
        let policies = policies(r#", "Infrastructures": {"barn": {"RootCA": [3, 3]}, "any": {}}"#, &[]);
        assert_eq!(policies.package("p").unwrap().infrastructures.len(), 2);
    }
}
