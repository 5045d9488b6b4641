//! What a package holds evidence against, field by field: what differs, and whether less is admitted than before.

use crate::{Package, SnpPackage, SnpTcb, TdxPackage};

/// Kinds of trusted execution environment in which a package may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tee {
    /// Intel SGX.
    Sgx,
    /// Intel TDX.
    Tdx,
    /// AMD SEV-SNP.
    Snp,
}

impl std::fmt::Display for Tee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sgx => "SGX enclaves",
            Self::Tdx => "TDX trust domains",
            Self::Snp => "SNP guests",
        })
    }
}

/// One difference between two forms of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Difference {
    /// A measurement or identity: other software is meant.
    Software { field: &'static str, narrows: bool },
    /// What software or platform has to be like besides.
    Requirement { field: &'static str, narrows: bool },
    /// A kind of environment is admitted at all from now on.
    TeeAdded(Tee),
    /// It is not any more.
    TeeRemoved(Tee),
}

use Difference as D;

/// All differences but debug mode, security version, TCB statuses and advisories.
pub(super) fn differences(before: &Package, after: &Package) -> Vec<Difference> {
    // Taken apart in full, so that no field that comes later is forgotten here.
    let Package {
        debug: _,
        unique_id: _,
        signer_id: _,
        product_id: _,
        security_version: _,
        accepted_tcb_statuses: _,
        accepted_advisories: _,
        tdx,
        snp,
        pcrs,
        require_fresh_evidence,
        allowed_dns_names,
    } = before;
    let mut all = sgx(before, after);
    all.extend(block(Tee::Tdx, tdx.as_ref(), after.tdx.as_ref(), self::tdx));
    all.extend(block(Tee::Snp, snp.as_ref(), after.snp.as_ref(), self::snp));
    let pcrs_narrow = after.pcrs.iter().any(|(number, value)| pcrs.get(number) != Some(value));
    all.extend((*pcrs != after.pcrs).then_some(D::Software { field: "PCRs", narrows: pcrs_narrow }));
    all.extend(demanded("RequireFreshEvidence", *require_fresh_evidence, after.require_fresh_evidence));
    all.extend(other("AllowedDNSNames", allowed_dns_names, &after.allowed_dns_names));
    all
}

fn sgx(before: &Package, after: &Package) -> Vec<Difference> {
    let named = |package: &Package| {
        package.unique_id.is_some() || package.signer_id.is_some() || package.product_id.is_some()
    };
    let fields = |before: &Package, after: &Package| {
        let fields = [
            exact("UniqueID", &before.unique_id, &after.unique_id),
            exact("SignerID", &before.signer_id, &after.signer_id),
            exact("ProductID", &before.product_id, &after.product_id),
        ];
        fields.into_iter().flatten().collect()
    };
    block(Tee::Sgx, Some(before).filter(|p| named(p)), Some(after).filter(|p| named(p)), fields)
}

fn block<T>(
    tee: Tee,
    before: Option<&T>,
    after: Option<&T>,
    fields: impl FnOnce(&T, &T) -> Vec<Difference>,
) -> Vec<Difference> {
    match (before, after) {
        (None, None) => vec![],
        (None, Some(_)) => vec![D::TeeAdded(tee)],
        (Some(_), None) => vec![D::TeeRemoved(tee)],
        (Some(before), Some(after)) => fields(before, after),
    }
}

fn tdx(before: &TdxPackage, after: &TdxPackage) -> Vec<Difference> {
    let TdxPackage {
        mrtd,
        rtmrs: [r0, r1, r2, r3],
        mrconfigid,
        mrseam,
        td_attributes,
        allow_sept_ve,
        allow_migration,
        allow_service_td,
    } = before;
    let fields = [
        exact("TDX.MRTD", mrtd, &after.mrtd),
        exact("TDX.RTMR0", r0, &after.rtmrs[0]),
        exact("TDX.RTMR1", r1, &after.rtmrs[1]),
        exact("TDX.RTMR2", r2, &after.rtmrs[2]),
        exact("TDX.RTMR3", r3, &after.rtmrs[3]),
        exact("TDX.MRCONFIGID", mrconfigid, &after.mrconfigid),
        other("TDX.MRSEAM", mrseam, &after.mrseam),
        other("TDX.TDAttributes", td_attributes, &after.td_attributes),
        tolerated("TDX.AllowSeptVe", *allow_sept_ve, after.allow_sept_ve),
        tolerated("TDX.AllowMigration", *allow_migration, after.allow_migration),
        tolerated("TDX.AllowServiceTD", *allow_service_td, after.allow_service_td),
    ];
    fields.into_iter().flatten().collect()
}

fn snp(before: &SnpPackage, after: &SnpPackage) -> Vec<Difference> {
    let SnpPackage {
        measurement,
        host_data,
        family_id,
        image_id,
        guest_svn,
        minimum_tcb,
        policy,
        vmpl,
        product_lines,
        allow_migration,
    } = before;
    let fields = [
        exact("SNP.Measurement", measurement, &after.measurement),
        exact("SNP.HostData", host_data, &after.host_data),
        exact("SNP.FamilyID", family_id, &after.family_id),
        exact("SNP.ImageID", image_id, &after.image_id),
        at_least("SNP.GuestSVN", guest_svn.as_ref(), after.guest_svn.as_ref(), u32::gt),
        at_least("SNP.MinimumTCB", minimum_tcb.as_ref(), after.minimum_tcb.as_ref(), needs_more),
        other("SNP.Policy", policy, &after.policy),
        other("SNP.VMPL", vmpl, &after.vmpl),
        (*product_lines != after.product_lines)
            .then_some(D::Requirement { field: "SNP.ProductLines", narrows: true }),
        tolerated("SNP.AllowMigration", *allow_migration, after.allow_migration),
    ];
    fields.into_iter().flatten().collect()
}

/// An identity. One that is not compared any more admits more.
fn exact<T: PartialEq>(field: &'static str, before: &Option<T>, after: &Option<T>) -> Option<Difference> {
    (before != after).then_some(D::Software { field, narrows: after.is_some() })
}

/// A requirement of which nobody says here which of two values is the stricter one.
fn other<T: PartialEq>(field: &'static str, before: &Option<T>, after: &Option<T>) -> Option<Difference> {
    (before != after).then_some(D::Requirement { field, narrows: after.is_some() })
}

/// A smallest version; `more` says whether the first of two asks for more than the second.
fn at_least<T: PartialEq>(
    field: &'static str,
    before: Option<&T>,
    after: Option<&T>,
    more: impl Fn(&T, &T) -> bool,
) -> Option<Difference> {
    let narrows = after.is_some_and(|after| before.is_none_or(|before| more(after, before)));
    (before != after).then_some(D::Requirement { field, narrows })
}

fn needs_more(one: &SnpTcb, other: &SnpTcb) -> bool {
    one.fmc > other.fmc
        || one.bootloader > other.bootloader
        || one.tee > other.tee
        || one.snp > other.snp
        || one.microcode > other.microcode
}

fn tolerated(field: &'static str, before: bool, after: bool) -> Option<Difference> {
    (before != after).then_some(D::Requirement { field, narrows: before })
}

fn demanded(field: &'static str, before: bool, after: bool) -> Option<Difference> {
    (before != after).then_some(D::Requirement { field, narrows: after })
}
