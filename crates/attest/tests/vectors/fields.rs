//! The fields that a case expects, against what we read (and, where evidence is genuine, against what we prove).

use marblerun_attest::{
    AmdCollateral, Claims, Collateral, SnpReport, SnpTcb, Unverified, VekIdentity, describe,
};
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

pub(crate) fn check(
    case: &Case,
    evidence: &[u8],
    collateral: &Collateral,
    claims: Option<&Claims>,
) -> Result<(), String> {
    let unverified = describe(evidence).map_err(|error| error.to_string())?;
    let mut ours = described(collateral.amd.as_ref(), &unverified)?;
    check_kind(case, &unverified, ours.get("quote_version"))?;
    if let Some(claims) = claims {
        proved(claims)?.into_iter().for_each(|(name, value)| _ = ours.entry(name).or_insert(value));
    }
    let wanted = case.expected["expected"].as_object().ok_or("nothing is expected")?;
    compare("", wanted, &ours, claims.is_some())
}

/// What the case says of the evidence as a whole.
fn check_kind(case: &Case, unverified: &Unverified, quote_version: Option<&Value>) -> Result<(), String> {
    let tee = tee(unverified);
    let wanted = case.text("tee").unwrap_or_default();
    if !wanted.starts_with(tee) {
        return Err(format!("tee: wanted {wanted}, got {tee}"));
    }
    match &case.expected["quote_version"] {
        Value::Null => Ok(()),
        wanted if quote_version == Some(wanted) => Ok(()),
        wanted => Err(format!("quote version: wanted {wanted}, got {quote_version:?}")),
    }
}

fn tee(unverified: &Unverified) -> &'static str {
    match unverified {
        Unverified::Sgx { .. } => "sgx",
        Unverified::Tdx { .. } => "tdx",
        Unverified::Snp { .. } => "snp",
        Unverified::Nvidia { .. } => "nvidia",
        Unverified::Azure { hardware, .. } => tee(hardware),
        _ => "another",
    }
}

fn compare(
    path: &str,
    wanted: &Map<String, Value>,
    ours: &Map<String, Value>,
    genuine: bool,
) -> Result<(), String> {
    for (name, wanted) in wanted {
        if !wanted.is_null() && !genuine && PROVED.contains(&name.as_str()) {
            continue;
        }
        match (wanted, ours.get(name)) {
            (Value::Null, None | Some(Value::Null)) => {}
            (Value::Object(wanted), Some(Value::Object(ours))) => {
                compare(&format!("{path}{name}."), wanted, ours, genuine)?;
            }
            (wanted, Some(ours)) if wanted == ours => {}
            (wanted, ours) => return Err(format!("{path}{name}: wanted {wanted}, got {ours:?}")),
        }
    }
    Ok(())
}

fn described(amd: Option<&AmdCollateral>, unverified: &Unverified) -> Result<Map<String, Value>, String> {
    let mut ours = object(unverified);
    flatten(&mut ours, "platform");
    match unverified {
        Unverified::Snp { report, .. } => ours.extend(snp(amd, report)?),
        Unverified::Azure { hardware, pcrs, .. } => {
            let (name, hardware) = (tee(hardware), described(amd, hardware)?);
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
    Ok(ours)
}

fn proved(claims: &Claims) -> Result<Map<String, Value>, String> {
    let mut ours = object(claims);
    ours.retain(|name, _| matches!(name.as_str(), "platform" | "cert_subjects"));
    flatten(&mut ours, "platform");
    ours.retain(|name, _| name != "reported_tcb");
    if let Claims::Nvidia { cert_subjects, .. } = claims {
        let names: Option<Vec<_>> = cert_subjects.iter().map(|subject| common_name(subject)).collect();
        let names = names.filter(|names| !names.is_empty()).ok_or("a certificate without a common name")?;
        ours.insert("arch".to_owned(), json!(architecture(names[0])));
        ours.insert("cert_subjects".to_owned(), json!(names));
    }
    Ok(ours)
}

fn common_name(subject: &str) -> Option<&str> {
    subject.split(',').find_map(|part| part.trim().strip_prefix("CN="))
}

/// By the first word of the device's name (`GH100`, `LS_10`).
fn architecture(device: &str) -> String {
    let name = device.split(' ').next().unwrap_or_default();
    match name.get(..2) {
        Some("GH") => "hopper".to_owned(),
        Some("GB") => "blackwell".to_owned(),
        Some("GR") => "rubin".to_owned(),
        _ => name.replace('_', "").to_lowercase(),
    }
}

/// The report in the words of the cases.
fn snp(amd: Option<&AmdCollateral>, report: &SnpReport) -> Result<Map<String, Value>, String> {
    let vek = amd.and_then(|amd| VekIdentity::unverified(&amd.vek).ok());
    let named = vek.as_ref().and_then(|vek| vek.product_name.parse().ok());
    let product = report.product().or(named).ok_or("neither report nor certificate name a product line")?;
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
    Ok(object(&ours))
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
