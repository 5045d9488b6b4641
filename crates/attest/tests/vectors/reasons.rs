//! Why a strict policy refuses, as a case names it, and the field of a package that our refusal then names.

use crate::case::Case;

/// Part of a reason, and the field; `{tee}` is the block of the case's TEE. The first that fits counts.
const FIELDS: [(&str, &str); 9] = [
    ("debug", "Debug"),
    ("profil", "Debug"),
    ("tcb_", "AcceptedTCBStatuses"),
    ("relaunch", "AcceptedTCBStatuses"),
    ("sept_ve", "TDX.AllowSeptVe"),
    ("service_td", "TDX.AllowServiceTD"),
    ("migra", "{tee}.AllowMigration"),
    ("vmpl", "SNP.VMPL"),
    ("ocsp", "NVIDIA"),
];

/// Holds the fields that were refused against the reasons of the case. A reason that is new to this test must at least
/// have its own field.
pub(crate) fn check(case: &Case, reasons: &[&str], mut refused: Vec<String>) -> Result<(), String> {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for reason in reasons {
        match field(case, reason) {
            Some(field) => known.push(format!("Packages.case.{field}")),
            None => unknown.push(*reason),
        }
    }
    known.sort();
    known.dedup();
    refused.sort();
    refused.dedup();
    let others = refused.iter().filter(|field| !known.contains(field)).count();
    let all_there = known.iter().all(|field| refused.contains(field));
    let explained = if unknown.is_empty() { others == 0 } else { others > 0 };
    if all_there && explained {
        return Ok(());
    }
    Err(format!("refused fields: wanted {known:?} and those for {unknown:?}, got {refused:?}"))
}

fn field(case: &Case, reason: &str) -> Option<String> {
    let (_, field) = FIELDS.iter().find(|(part, _)| reason.contains(part))?;
    Some(field.replace("{tee}", &case.text("tee").unwrap_or_default().to_uppercase()))
}
