//! Identities in other TEEs than SGX, and platforms: what is read, what is refused and where.

use marblerun_manifest::{ProductLine, SnpTcb};
use serde_json::{Value, json};

use super::{parse, patched};

/// The package without its SGX identity, with this instead.
fn package(identity: Value) -> String {
    let mut package = json!({"SignerID": null, "ProductID": null, "SecurityVersion": null});
    for (key, value) in identity.as_object().unwrap() {
        package[key.as_str()] = value.clone();
    }
    patched(&json!({"Packages": {"cider": package}}))
}

#[track_caller]
fn check_refused(text: &str, start: &str) {
    let errors = parse(text).expect_err(start).0;
    let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert!(found.len() == 1 && found[0].starts_with(start), "{found:?}");
}

#[test]
fn a_trust_domain_is_read_in_full() {
    let tdx = json!({"MRTD": "AB".repeat(48), "RTMR2": "cd".repeat(48), "TDAttributes": "0000001000000000",
        "AllowServiceTD": true});
    let checked = parse(&package(json!({"TDX": tdx}))).unwrap();
    let tdx = checked.manifest.packages["cider"].tdx.clone().unwrap();
    assert_eq!((tdx.mrtd, tdx.rtmrs), (Some([0xab; 48]), [None, None, Some([0xcd; 48]), None]));
    assert_eq!(tdx.td_attributes, Some([0, 0, 0, 0x10, 0, 0, 0, 0]));
    assert!(tdx.allow_service_td && !tdx.allow_migration && !tdx.allow_sept_ve);
    assert!(checked.warnings.is_empty());
}

#[test]
fn an_snp_guest_is_read_in_full() {
    let snp = json!({"Measurement": "ab".repeat(48), "HostData": "01".repeat(32), "FamilyID": "02".repeat(16),
        "GuestSVN": 3, "MinimumTCB": {"Bootloader": 4, "Microcode": 209}, "Policy": 196_608, "VMPL": 0,
        "ProductLines": ["Genoa", "Milan"]});
    let checked = parse(&package(json!({"SNP": snp, "PCRs": {"11": "0f".repeat(32)}}))).unwrap();
    let package = &checked.manifest.packages["cider"];
    let snp = package.snp.clone().unwrap();
    assert_eq!((snp.measurement, snp.host_data, snp.image_id), (Some([0xab; 48]), Some([1; 32]), None));
    assert_eq!(snp.minimum_tcb, Some(SnpTcb { bootloader: 4, microcode: 209, ..SnpTcb::default() }));
    assert_eq!((snp.guest_svn, snp.policy, snp.vmpl), (Some(3), Some(0x30000), Some(0)));
    assert_eq!(snp.product_lines, [ProductLine::Genoa, ProductLine::Milan]);
    assert_eq!(package.pcrs[&11], [0x0f; 32]);
}

/// Several identities may stand side by side; each must be whole.
#[test]
fn a_package_needs_one_whole_identity() {
    let whole = json!({"TDX": {"MRTD": "ab".repeat(48)}, "SNP": {"Measurement": "cd".repeat(48)}});
    assert!(parse(&patched(&json!({"Packages": {"cider": whole}}))).is_ok(), "beside SGX");
    check_refused(&package(json!({})), "Packages.cider: needs UniqueID");
    check_refused(&package(json!({"TDX": {"RTMR0": "ab".repeat(48)}})), "Packages.cider: TDX needs MRTD");
    check_refused(&package(json!({"SNP": {}})), "Packages.cider: SNP needs Measurement");
    let beside = json!({"Packages": {"cider": {"SNP": {"HostData": "01".repeat(32)}}}});
    check_refused(&patched(&beside), "Packages.cider: SNP needs Measurement");
    let partial = json!({"ProductID": 1, "TDX": {"MRTD": "ab".repeat(48)}});
    check_refused(&package(partial), "Packages.cider: lacks SignerID, SecurityVersion beside ProductID");
    let debug = parse(&package(json!({"Debug": true, "TDX": {}}))).unwrap();
    assert_eq!(debug.warnings.len(), 2, "{:?}", debug.warnings);
}

#[test]
fn what_means_nothing_is_refused_with_its_place() {
    let tdx = |key: &str, value: &str| {
        let mut tdx = json!({"MRTD": "ab".repeat(48)});
        tdx[key] = value.into();
        package(json!({"TDX": tdx}))
    };
    check_refused(&tdx("MRTD", "ab"), "Packages.cider.TDX.MRTD: must be 48 bytes");
    check_refused(&tdx("RTMR3", &"ab".repeat(32)), "Packages.cider.TDX.RTMR3: must be 48 bytes");
    check_refused(&tdx("RTMR4", "ab"), "Packages.cider.TDX.RTMR4: ");
    let snp = |key: &str, value: Value| {
        let mut snp = json!({"Measurement": "ab".repeat(48)});
        snp[key] = value;
        package(json!({"SNP": snp}))
    };
    check_refused(
        &snp("ProductLines", json!(["genoa"])),
        "Packages.cider.SNP.ProductLines[0]: `genoa` is no",
    );
    check_refused(&snp("MinimumTCB", json!({"TEE": 256})), "Packages.cider.SNP.MinimumTCB.TEE: 256");
    let pcrs = |number: &str| {
        package(json!({"SNP": {"Measurement": "ab".repeat(48)}, "PCRs": {number: "0f".repeat(32)}}))
    };
    for number in ["24", "-1", "04", "boot"] {
        check_refused(&pcrs(number), &format!("Packages.cider.PCRs.{number}: is no PCR"));
    }
}

#[test]
fn platforms_are_named_by_what_identifies_them() {
    let barn = |key: &str, value: Value| patched(&json!({"Infrastructures": {"barn": {key: value}}}));
    let checked = parse(&barn("FMSPCs", json!(["00906ED50000"]))).unwrap();
    let fmspcs = checked.manifest.infrastructures["barn"].fmspcs.clone();
    assert_eq!(fmspcs, Some(vec![[0, 0x90, 0x6e, 0xd5, 0, 0]]));
    assert!(parse(&barn("ChipIDs", json!(["ab".repeat(64), "ab".repeat(8)]))).is_ok());
    check_refused(&barn("ChipIDs", json!(["ab".repeat(32)])), "Infrastructures.barn.ChipIDs[0]: must be 64");
    check_refused(&barn("PPIDs", json!(["ab"])), "Infrastructures.barn.PPIDs[0]: must be 16 bytes");
    for key in ["FMSPCs", "PPIDs", "ChipIDs"] {
        let warnings = parse(&barn(key, json!([]))).unwrap().warnings;
        assert!(warnings[0].to_string().contains("nobody is admitted"), "{warnings:?}");
    }
}
