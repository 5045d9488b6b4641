//! The software that evidence proves, as a package of a manifest names it.

use std::collections::BTreeMap;

use marblerun_attest::policy::{NvidiaIdentity, Package, SgxIdentity, SnpIdentity, TdxIdentity};
use marblerun_attest::{Claims, Hex, TdReport};
use serde_json::{Value, json};

/// The strictest package that names just this software.
pub(super) fn package(claims: &Claims) -> Package {
    let mut package = Package::strict("this");
    match claims {
        Claims::Sgx { report, .. } => {
            package.sgx = Some(SgxIdentity { unique_id: Some(report.mrenclave), ..SgxIdentity::default() });
        }
        Claims::Tdx { report, pcrs, .. } => {
            let rtmrs = rtmrs(report).map(|(_, rtmr)| Some(rtmr));
            package.tdx = Some(TdxIdentity { mrtd: Some(report.mrtd), rtmrs, ..TdxIdentity::default() });
            package.pcrs = measured(pcrs.as_ref());
        }
        Claims::Snp { report, platform, pcrs } => {
            let (measurement, product_lines) = (Some(report.measurement), vec![platform.product]);
            package.snp = Some(SnpIdentity { measurement, product_lines, ..SnpIdentity::default() });
            package.pcrs = measured(pcrs.as_ref());
        }
        Claims::Nvidia { report, .. } => {
            let measurements = report.measurements.clone();
            package.nvidia = Some(NvidiaIdentity { measurements, ..NvidiaIdentity::default() });
        }
        _ => {}
    }
    package
}

/// The same as it is written in a manifest or an era-config.
pub(super) fn json(claims: &Claims) -> Value {
    match claims {
        Claims::Sgx { report, .. } => json!({ "UniqueID": report.mrenclave }),
        Claims::Tdx { report, pcrs, .. } => {
            let mut tdx = json!({ "MRTD": report.mrtd });
            rtmrs(report).into_iter().for_each(|(name, rtmr)| tdx[name] = json!(rtmr));
            with_pcrs(json!({ "TDX": tdx }), pcrs.as_ref())
        }
        Claims::Snp { report, platform, pcrs } => {
            let snp = json!({ "Measurement": report.measurement, "ProductLines": [platform.product] });
            with_pcrs(json!({ "SNP": snp }), pcrs.as_ref())
        }
        // Manifests do not name devices.
        _ => Value::Null,
    }
}

fn rtmrs(report: &TdReport) -> [(&'static str, Hex<48>); 4] {
    [("RTMR0", report.rtmr0), ("RTMR1", report.rtmr1), ("RTMR2", report.rtmr2), ("RTMR3", report.rtmr3)]
}

fn measured(pcrs: Option<&BTreeMap<u8, Hex<32>>>) -> BTreeMap<u8, Hex<32>> {
    pcrs.cloned().unwrap_or_default()
}

fn with_pcrs(mut package: Value, pcrs: Option<&BTreeMap<u8, Hex<32>>>) -> Value {
    if let Some(pcrs) = pcrs {
        package["PCRs"] = json!(pcrs);
    }
    package
}
