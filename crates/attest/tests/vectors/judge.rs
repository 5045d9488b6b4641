//! One case: both steps, the fields, and the times at which it must fail.

use marblerun_attest::policy::{
    NvidiaIdentity, Package, Policy, Refusal, SgxIdentity, SnpIdentity, TdxIdentity,
};
use marblerun_attest::{Appraisal, Claims, Failure, Genuine, Memory, Roots, TcbStatus};

use crate::case::{Case, time};
use crate::fields;

/// Why a policy refuses, as a case names it, and the field of a package that our refusal names.
const REASONS: [(&str, &str); 7] = [
    ("debug_enclave", "Debug"),
    ("debug_td", "Debug"),
    ("tcb_out_of_date", "AcceptedTCBStatuses"),
    ("td_relaunch_advised", "AcceptedTCBStatuses"),
    ("sept_ve_disable_not_set", "TDX.AllowSeptVe"),
    ("service_td_bound", "TDX.AllowServiceTD"),
    ("device_certificate_on_hold_per_ocsp", "NVIDIA"),
];

pub(crate) fn judge(case: &Case) -> Result<(), String> {
    if case.evidence.is_empty() {
        return Err("there is no evidence in a form that this test knows".to_owned());
    }
    for (file, evidence) in &case.evidence {
        judge_one(case, evidence).map_err(|why| format!("{file}: {why}"))?;
    }
    Ok(())
}

fn judge_one(case: &Case, evidence: &[u8]) -> Result<(), String> {
    let outcome = genuine(case, evidence, case.evaluate_at());
    fields::check(case, evidence, outcome.as_ref().ok().map(Genuine::claims))?;
    for at in case.rejected_at() {
        if genuine(case, evidence, time(at)).is_ok() {
            return Err(format!("it counts at {at}, when it must not"));
        }
    }
    match (case.text("verification_outcome"), outcome) {
        (Some("ok"), Ok(genuine)) => check_policy(case, genuine),
        (Some("ok"), Err(failure)) if is_unsupported_tcb_info(case, &failure) => Ok(()),
        (Some("fail"), Err(failure)) => {
            same("failure", case.text("failure").unwrap_or_default(), failure.code())
        }
        (wanted, outcome) => {
            Err(format!("wanted {wanted:?}, got {:?}", outcome.map_err(|failure| failure.to_string())))
        }
    }
}

fn genuine(case: &Case, evidence: &[u8], now: std::time::SystemTime) -> Result<Genuine, Failure> {
    let (roots, memory) = (Roots::of_hardware_vendors().unwrap(), Memory::default());
    let appraisal = Appraisal { roots: &roots, collateral: &case.collateral, memory: &memory, now };
    let cold = appraisal.genuine(evidence, &case.binding);
    let warm = appraisal.genuine(evidence, &case.binding);
    assert_eq!(cold, warm, "what is remembered changes nothing");
    cold
}

/// TCB Info of version 2 may be refused as such.
fn is_unsupported_tcb_info(case: &Case, failure: &Failure) -> bool {
    let version_2 =
        case.collateral.intel.as_ref().is_some_and(|intel| intel.tcb_info.contains("\"version\":2"));
    version_2 && failure.code() == "collateral_unsupported"
}

/// The strict policy, with just this software named.
fn check_policy(case: &Case, genuine: Genuine) -> Result<(), String> {
    let mut policy = strict(genuine.claims());
    let verdict = genuine.clone().accept(&policy).map(drop);
    let depends = case.list("policy_dependent");
    if depends.is_empty() {
        return check_refusal(case, verdict);
    }
    let accepted = depends.iter().filter_map(|rule| rule.strip_prefix("tcb_status="));
    policy.package.accepted_tcb_statuses.extend(accepted.map(|status| status.parse::<TcbStatus>().unwrap()));
    check_refusal(case, genuine.accept(&policy).map(drop))
}

fn check_refusal(case: &Case, verdict: Result<(), Refusal>) -> Result<(), String> {
    let field = |reason: &str| REASONS.iter().find(|(name, _)| *name == reason).map(|(_, field)| *field);
    let mut wanted: Vec<_> = case
        .list("negative_reasons")
        .into_iter()
        .map(|reason| field(reason).map(|field| format!("Packages.case.{field}")).ok_or(reason.to_owned()))
        .collect::<Result<_, _>>()
        .map_err(|reason| format!("this test knows no reason `{reason}`"))?;
    let mut seen: Vec<_> = match verdict {
        Ok(()) => Vec::new(),
        Err(refusal) => refusal.mismatches.into_iter().map(|mismatch| mismatch.field).collect(),
    };
    wanted.sort();
    seen.sort();
    same("refused fields", &wanted.join(" "), &seen.join(" "))
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
    /// Times at which verification must fail.
    fn rejected_at(&self) -> Vec<&str> {
        let checks = self.expected["time_checks"].as_array().map(Vec::as_slice).unwrap_or_default();
        checks
            .iter()
            .filter(|check| check["expect"] == "reject")
            .map(|check| check["at"].as_str().unwrap())
            .collect()
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.expected[key].as_str()
    }

    fn list(&self, key: &str) -> Vec<&str> {
        let list = self.expected[key].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().map(|item| item.as_str().unwrap()).collect()
    }
}

fn same(what: &str, wanted: &str, seen: &str) -> Result<(), String> {
    if wanted == seen { Ok(()) } else { Err(format!("{what}: wanted `{wanted}`, got `{seen}`")) }
}
