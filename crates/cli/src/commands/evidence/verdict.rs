//! Whether evidence is genuine, and what a strict policy would say to it.

use std::sync::Arc;

use marblerun_attest::policy::{Mismatch, Policy};
use marblerun_attest::{Appraisal, Binding, Failure as Untrue, Genuine, Memory, Unverified, needs};
use serde_json::{Value, json};

use super::identity;
use crate::Failure;
use crate::collateral::service;
use crate::commands::collateral::roots;
use crate::trust::Context;

/// What came out.
pub(super) struct Verdict {
    outcome: Result<Genuine, Untrue>,
    /// What the evidence is bound to, in hex, and whether that was asked for.
    bound_to: String,
    is_binding_checked: bool,
    /// What a policy refuses that names just this software and is as strict as can be.
    refused: Vec<Mismatch>,
}

impl Verdict {
    /// Fetches collateral and verifies. Without a wanted binding the evidence is held against its own, so that all the
    /// rest is checked.
    pub(super) async fn find(
        evidence: &[u8],
        claims: &Unverified,
        wanted: Option<&str>,
        context: &Context,
    ) -> Result<Self, Failure> {
        let now = context.surroundings.now;
        let bound_to = wanted.map_or_else(|| bound_to(claims), str::to_owned);
        let bytes = hex::decode(&bound_to).map_err(|e| Failure::Argument(format!("--report-data: {e}")))?;
        let (roots, memory, is_binding_checked) = (roots(context)?, Memory::default(), wanted.is_some());
        let failed = |failure| Self {
            outcome: Err(failure),
            bound_to: bound_to.clone(),
            is_binding_checked,
            refused: Vec::new(),
        };
        let needs = match needs(evidence) {
            Ok(needs) => needs,
            Err(failure) => return Ok(failed(failure)),
        };
        let collateral = service(context, roots.clone())?.latest(&needs, now).await?;
        let appraisal = Appraisal { roots: &roots, collateral: &collateral, memory: &memory, now };
        let outcome = appraisal.genuine(evidence, &Binding::Exactly(bytes));
        let refused = outcome.as_ref().map(|genuine| refused(genuine.clone())).unwrap_or_default();
        Ok(Self { outcome, bound_to, is_binding_checked, refused })
    }

    pub(super) fn is_genuine(&self) -> bool {
        self.outcome.is_ok()
    }

    pub(super) fn text(&self) -> String {
        let mut lines = Vec::new();
        match &self.outcome {
            Err(failure) => lines.push(format!("\nNOT GENUINE ({}): {failure}", failure.code())),
            Ok(genuine) => {
                let until = humantime::format_rfc3339_seconds(genuine.valid_until());
                lines.push(format!(
                    "\nGENUINE: signatures, chains, revocation lists and dates hold, until {until}"
                ));
                lines.extend(genuine.tcb_status().map(|status| format!("TCB status: {status}")));
                lines.push(format!(
                    "To name this software in a manifest: {}",
                    identity::json(genuine.claims())
                ));
            }
        }
        match (self.is_binding_checked, self.is_genuine()) {
            (true, true) => lines.push(format!("Bound to {}, as asked", self.bound_to)),
            (true, false) => {}
            (false, _) => lines.push(format!(
                "BINDING NOT CHECKED: it is bound to {}; --report-data checks it",
                self.bound_to
            )),
        }
        if !self.refused.is_empty() {
            lines.push("A strict policy that names it would refuse it:".to_owned());
            lines.extend(self.refused.iter().map(|mismatch| format!("  {mismatch}")));
        }
        lines.join("\n")
    }

    pub(super) fn json(&self, claims: Value) -> Value {
        let mut all = json!({
            "verification": if self.is_genuine() { "genuine" } else { "failed" },
            "claims": claims,
            "binding": { "checked": self.is_binding_checked, "bound_to": self.bound_to },
            "refused_by_strict_policy": self.refused.iter().map(mismatch).collect::<Vec<_>>(),
        });
        match &self.outcome {
            Err(failure) => {
                all["failure"] = json!({ "code": failure.code(), "message": failure.to_string() })
            }
            Ok(genuine) => {
                all["proved"] = json!(genuine.claims());
                all["tcb_status"] = json!(genuine.tcb_status());
                all["valid_until"] =
                    humantime::format_rfc3339_seconds(genuine.valid_until()).to_string().into();
                all["package"] = identity::json(genuine.claims());
            }
        }
        all
    }
}

fn refused(genuine: Genuine) -> Vec<Mismatch> {
    let package = identity::package(genuine.claims());
    let policy = Policy { package, infrastructures: Arc::from([]) };
    genuine.accept(&policy).err().map(|refusal| refusal.mismatches).unwrap_or_default()
}

fn mismatch(mismatch: &Mismatch) -> Value {
    let Mismatch { field, seen, wanted, change } = mismatch;
    json!({ "field": field, "seen": seen, "wanted": wanted, "change": change })
}

/// The binding that evidence claims, in hex.
fn bound_to(claims: &Unverified) -> String {
    match claims {
        Unverified::Sgx { report, .. } => report.report_data.to_string(),
        Unverified::Tdx { report, .. } => report.report_data.to_string(),
        Unverified::Snp { report, .. } => report.report_data.to_string(),
        Unverified::Azure { quote, .. } => quote.tpm_nonce.clone(),
        Unverified::Nvidia { report } => report.nonce.to_string(),
        _ => String::new(),
    }
}
