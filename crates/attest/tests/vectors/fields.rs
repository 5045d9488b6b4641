//! The fields that a case expects, against what we read (and, where evidence is genuine, against what we prove).

use marblerun_attest::{Claims, SnpReport, SnpTcb, Unverified, VekIdentity, describe};
use serde_json::{Map, Value, json};

use crate::case::Case;

/// What only a followed chain or matched TCB tells, so it is not there where verification fails.
const PROVED: [&str; 8] = [
    "tcb_status",
    "advisory_ids",
    "tcb_date",
    "qe_tcb_status",
    "cert_subjects",
    "arch",
    "tcb_evaluation_data_number",
    "qe_tcb_evaluation_data_number",
];

pub(crate) fn check(case: &Case, evidence: &[u8], claims: Option<&Claims>) -> Result<(), String> {
    let unverified = describe(evidence).map_err(|error| error.to_string())?;
    let mut ours = described(case, &unverified);
    if let Some(claims) = claims {
        proved(claims).into_iter().for_each(|(name, value)| _ = ours.entry(name).or_insert(value));
    }
    let wanted = case.expected["expected"].as_object().unwrap();
    compare("", wanted, &ours, claims.is_some())
}

fn compare(
    path: &str,
    wanted: &Map<String, Value>,
    ours: &Map<String, Value>,
    genuine: bool,
) -> Result<(), String> {
    for (name, wanted) in wanted {
        if wanted.is_null() || !genuine && PROVED.contains(&name.as_str()) {
            continue;
        }
        match (wanted, ours.get(name)) {
            (Value::Object(wanted), Some(Value::Object(ours))) => {
                compare(&format!("{path}{name}."), wanted, ours, genuine)?;
            }
            (wanted, Some(ours)) if wanted == ours => {}
            (wanted, ours) => return Err(format!("{path}{name}: wanted {wanted}, got {ours:?}")),
        }
    }
    Ok(())
}

fn described(case: &Case, unverified: &Unverified) -> Map<String, Value> {
    let mut ours = object(unverified);
    flatten(&mut ours, "platform");
    match unverified {
        Unverified::Snp { report, .. } => ours.extend(snp(case, report)),
        Unverified::Azure { hardware, pcrs, .. } => {
            let (name, hardware) = azure_hardware(case, hardware);
            for top in ["mrtd", "measurement", "report_data", "fmspc"] {
                ours.extend(hardware.get(top).map(|value| (top.to_owned(), value.clone())));
            }
            ours.insert("hcl_report_type".to_owned(), json!(name));
            ours.insert("pcr_bank".to_owned(), json!("0xb"));
            ours.insert("pcrs".to_owned(), json!(pcrs.values().collect::<Vec<_>>()));
            ours.insert(name.to_owned(), Value::Object(hardware));
        }
        Unverified::Nvidia { report } => {
            ours.insert("measurement_block_count".to_owned(), json!(report.measurements.len()));
        }
        _ => {}
    }
    ours
}

fn azure_hardware(case: &Case, hardware: &Unverified) -> (&'static str, Map<String, Value>) {
    let name = if matches!(hardware, Unverified::Snp { .. }) { "snp" } else { "tdx" };
    (name, described(case, hardware))
}

fn proved(claims: &Claims) -> Map<String, Value> {
    let mut ours = object(claims);
    ours.retain(|name, _| matches!(name.as_str(), "platform" | "cert_subjects"));
    flatten(&mut ours, "platform");
    ours.retain(|name, _| name != "reported_tcb");
    if let Claims::Nvidia { cert_subjects, .. } = claims {
        let names: Vec<_> = cert_subjects.iter().map(|subject| common_name(subject)).collect();
        ours.insert("arch".to_owned(), json!(architecture(names[0])));
        ours.insert("cert_subjects".to_owned(), json!(names));
    }
    ours
}

fn common_name(subject: &str) -> &str {
    subject.split(',').find_map(|part| part.trim().strip_prefix("CN=")).unwrap()
}

fn architecture(device: &str) -> &'static str {
    match &device[..2] {
        "GH" => "hopper",
        "GB" => "blackwell",
        _ => "another",
    }
}

/// The report in the words of the cases.
fn snp(case: &Case, report: &SnpReport) -> Map<String, Value> {
    let vek = case.collateral.amd.as_ref().and_then(|amd| VekIdentity::unverified(&amd.vek).ok());
    let named = vek.as_ref().and_then(|vek| vek.product_name.parse().ok());
    let product = report.product().or(named).expect("a product line");
    let tcb = |raw| {
        let mut tcb = object(&SnpTcb::unverified(raw, product));
        tcb.insert("raw".to_owned(), json!(raw));
        tcb
    };
    let version = |[build, minor, major]: [u8; 3]| format!("{major}.{minor}.{build}");
    let policy = report.policy;
    let mut ours = json!({
        "policy_abi_minor": policy.abi_minor(),
        "policy_abi_major": policy.abi_major(),
        "policy_smt_allowed": policy.allows_smt(),
        "policy_migrate_ma": policy.allows_migration(),
        "policy_single_socket": policy.is_single_socket(),
        "current_tcb": tcb(report.current_tcb),
        "reported_tcb": tcb(report.reported_tcb),
        "committed_tcb": tcb(report.committed_tcb),
        "launch_tcb": tcb(report.launch_tcb),
        "current_version": version(report.current_version.0),
        "committed_version": version(report.committed_version.0),
        "product": product,
        "vek_extensions": vek,
    });
    if let Some([family, model, stepping]) = report.cpuid {
        ours["cpuid_family"] = json!(family);
        ours["cpuid_model"] = json!(model);
        ours["cpuid_stepping"] = json!(stepping);
    }
    if let Some([launch, current]) = report.mitigations {
        ours["launch_mit_vector"] = json!(format!("{launch:#x}"));
        ours["current_mit_vector"] = json!(format!("{current:#x}"));
    }
    object(&ours)
}

/// Lifts the fields of the object `name` to its own level, except those that stand there already: a platform's CPUSVN
/// is not that of the report.
fn flatten(map: &mut Map<String, Value>, name: &str) {
    if let Some(Value::Object(inner)) = map.remove(name) {
        inner.into_iter().for_each(|(name, value)| _ = map.entry(name).or_insert(value));
    }
}

fn object(value: &impl serde::Serialize) -> Map<String, Value> {
    serde_json::to_value(value).unwrap().as_object().unwrap().clone()
}
