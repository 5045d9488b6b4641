//! One case: both steps, the fields, and the times at which it must count or fail.

use std::time::{Duration, SystemTime};

use marblerun_attest::policy::{NvidiaIdentity, Package, Policy, SgxIdentity, SnpIdentity, TdxIdentity};
use marblerun_attest::{Appraisal, Claims, Collateral, Failure, Genuine, Memory, Roots, TcbStatus};
use serde_json::Value;

use crate::case::{Case, texts, time};
use crate::{fields, reasons};

/// One wrapping of a case's evidence with one serialization of its collateral.
struct Trial<'a> {
    case: &'a Case,
    evidence: &'a [u8],
    collateral: &'a Collateral,
}

pub(crate) fn judge(case: &Case) -> Result<(), String> {
    for (file, evidence) in &case.evidence {
        for (from, collateral) in &case.collateral {
            let trial = Trial { case, evidence, collateral };
            trial.judge().map_err(|why| format!("{file} with {from}: {why}"))?;
        }
    }
    Ok(())
}

impl Trial<'_> {
    fn judge(&self) -> Result<(), String> {
        let outcome = self.genuine(self.case.evaluate_at()?);
        fields::check(self.case, self.evidence, self.collateral, outcome.as_ref().ok().map(Genuine::claims))?;
        self.check_times(outcome.is_ok())?;
        check_certification(self.case, outcome.as_ref().err())?;
        match (self.case.text("verification_outcome"), outcome) {
            (Some("ok"), Ok(genuine)) => check_policy(self.case, &genuine),
            (Some("ok"), Err(failure)) if is_unsupported_tcb_info(self.collateral, &failure) => Ok(()),
            (Some("fail"), Err(failure)) => check_failure(self.case, &failure),
            (wanted, outcome) => {
                Err(format!("wanted {wanted:?}, got {:?}", outcome.map_err(|failure| failure.to_string())))
            }
        }
    }

    fn genuine(&self, now: SystemTime) -> Result<Genuine, Failure> {
        let (roots, memory) = (Roots::of_hardware_vendors().unwrap(), Memory::default());
        let appraisal = Appraisal { roots: &roots, collateral: self.collateral, memory: &memory, now };
        let cold = appraisal.genuine(self.evidence, &self.case.binding);
        let warm = appraisal.genuine(self.evidence, &self.case.binding);
        assert_eq!(cold, warm, "what is remembered changes nothing");
        cold
    }

    /// The times that the case names, and the ends of its window: what counts now counts from the first second to the
    /// last, and at no other. Whether a list still counts in the very second of its nextUpdate is left open.
    fn check_times(&self, counts: bool) -> Result<(), String> {
        let mut times = Vec::new();
        for check in self.case.expected["time_checks"].as_array().into_iter().flatten() {
            let at = time(check["at"].as_str().ok_or("a time check without a time")?)?;
            match check["expect"].as_str() {
                Some("reject") => times.push((at, false)),
                Some("accept") => times.push((at, true)),
                other => return Err(format!("this test knows no expectation {other:?} at a time")),
            }
        }
        if let (true, [from, until]) = (counts, &self.case.list("collateral_window")[..]) {
            let (from, until, second) = (time(from)?, time(until)?, Duration::from_secs(1));
            times.extend([
                (from, true),
                (until - second, true),
                (from - second, false),
                (until + second, false),
            ]);
        }
        for (at, wanted) in times {
            let outcome = self.genuine(at);
            if outcome.is_ok() != wanted {
                let outcome = outcome.map(drop).map_err(|failure| failure.to_string());
                return Err(format!("at {at:?}: wanted {wanted}, got {outcome:?}"));
            }
        }
        Ok(())
    }
}

/// Only certification data of type 5 can be verified; another type is the reason why it cannot.
fn check_certification(case: &Case, failure: Option<&Failure>) -> Result<(), String> {
    let seen = match failure {
        Some(Failure::UnsupportedCertificationData(kind)) => *kind,
        _ => 5,
    };
    match &case.expected["certification_data_type"] {
        Value::Null => Ok(()),
        wanted => same("certification data type", &wanted.to_string(), &seen.to_string()),
    }
}

fn check_failure(case: &Case, failure: &Failure) -> Result<(), String> {
    if case.expected["negative"] == false {
        return Err("a case that fails cannot be wanted by a policy".to_owned());
    }
    let wanted = case.text("failure").unwrap_or_default();
    same("failure", wanted, failure.code()).map_err(|why| format!("{why} ({failure})"))
}

/// TCB Info of version 2 may be refused as such.
fn is_unsupported_tcb_info(collateral: &Collateral, failure: &Failure) -> bool {
    let tcb_info = collateral.intel.as_ref().map_or("", |intel| &intel.tcb_info);
    let tcb_info: Value = serde_json::from_str(tcb_info).unwrap_or_default();
    tcb_info["version"] == 2 && failure.code() == "collateral_unsupported"
}

/// The strict policy, with just this software named; then the same with what the case says a policy may accept.
fn check_policy(case: &Case, genuine: &Genuine) -> Result<(), String> {
    let reasons = case.list("negative_reasons");
    same("negative", &case.expected["negative"].to_string(), &(!reasons.is_empty()).to_string())?;
    let mut policy = strict(genuine.claims());
    let accepted = accepted(case)?;
    let is_refused = accepted.iter().any(|status| !policy.package.accepted_tcb_statuses.contains(status));
    let strict: Vec<_> = reasons.iter().copied().chain(is_refused.then_some("tcb_status")).collect();
    reasons::check(case, &strict, refused(genuine, &policy))?;
    policy.package.accepted_tcb_statuses.extend(accepted);
    reasons::check(case, &reasons, refused(genuine, &policy))
}

/// The statuses that the case leaves to the policy: that of the case, and no other.
fn accepted(case: &Case) -> Result<Vec<TcbStatus>, String> {
    let of_case = case.expected["expected"]["tcb_status"].as_str().unwrap_or_default();
    let rules = case.list("policy_dependent");
    let status = |rule: &&str| match rule.strip_prefix("tcb_status=") {
        Some(status) if status == of_case => status.parse().map_err(|_| format!("no status {status}")),
        _ => Err(format!("this test knows no rule {rule:?} for {of_case:?}")),
    };
    rules.iter().map(status).collect()
}

fn refused(genuine: &Genuine, policy: &Policy) -> Vec<String> {
    let refusal = genuine.clone().accept(policy).err();
    refusal.into_iter().flat_map(|refusal| refusal.mismatches).map(|mismatch| mismatch.field).collect()
}

fn strict(claims: &Claims) -> Policy {
    let mut package = Package::strict("case");
    match claims {
        Claims::Sgx { report, .. } => {
            package.sgx = Some(SgxIdentity { unique_id: Some(report.mrenclave), ..SgxIdentity::default() });
        }
        Claims::Tdx { report, pcrs, .. } => {
            package.tdx = Some(TdxIdentity { mrtd: Some(report.mrtd), ..TdxIdentity::default() });
            package.pcrs = pcrs.clone().unwrap_or_default();
        }
        Claims::Snp { report, platform, pcrs } => {
            let (measurement, product_lines) = (Some(report.measurement), vec![platform.product]);
            package.snp = Some(SnpIdentity { measurement, product_lines, ..SnpIdentity::default() });
            package.pcrs = pcrs.clone().unwrap_or_default();
        }
        Claims::Nvidia { report, .. } => {
            let measurements = report.measurements.clone();
            package.nvidia = Some(NvidiaIdentity { measurements, ..NvidiaIdentity::default() });
        }
        other => panic!("this test knows no {other:?}"),
    }
    Policy { package, infrastructures: Vec::new().into() }
}

impl Case {
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.expected[key].as_str()
    }

    fn list(&self, key: &str) -> Vec<&str> {
        texts(&self.expected[key])
    }
}

fn same(what: &str, wanted: &str, seen: &str) -> Result<(), String> {
    if wanted == seen { Ok(()) } else { Err(format!("{what}: wanted `{wanted}`, got `{seen}`")) }
}
