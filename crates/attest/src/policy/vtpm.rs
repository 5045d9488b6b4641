//! The rules for virtual TPMs.

use std::collections::BTreeMap;

use super::{Findings, Package};
use crate::bytes::Hex;

/// Holds PCRs against the package, if the evidence came from a virtual TPM; and if it did not, that none are wanted.
pub(super) fn check(package: &Package, seen: Option<&BTreeMap<u8, Hex<32>>>, findings: &mut Findings<'_>) {
    let Some(seen) = seen else { return check_not_wanted(package, findings) };
    if package.pcrs.is_empty() {
        findings.of_package(
            "PCRs",
            "evidence of a virtual TPM".to_owned(),
            "at least one PCR that is named, since all VMs share the paravisor that the hardware measures"
                .to_owned(),
            "name the PCRs that measure the software",
        );
    }
    for (pcr, wanted) in &package.pcrs {
        check_pcr(*pcr, wanted, seen.get(pcr), findings);
    }
}

fn check_pcr(pcr: u8, wanted: &Hex<32>, seen: Option<&Hex<32>>, findings: &mut Findings<'_>) {
    let field = format!("PCRs.{pcr}");
    match seen {
        Some(seen) => findings.equal(&field, Some(wanted), seen),
        None => {
            findings.of_package(&field, "a quote without it".to_owned(), wanted.to_string(), "do not name it")
        }
    }
}

fn check_not_wanted(package: &Package, findings: &mut Findings<'_>) {
    if !package.pcrs.is_empty() {
        findings.of_package(
            "PCRs",
            "evidence without a virtual TPM".to_owned(),
            "PCRs".to_owned(),
            "name another package without PCRs for it",
        );
    }
}
