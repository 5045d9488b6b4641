//! Each rule, against genuine evidence of which one field is changed: no vendor would sign that, so it is changed behind
//! the signatures.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::{Infrastructure, NvidiaIdentity, Package, Policy, SgxIdentity, SnpIdentity, TdxIdentity};
use crate::binding::Binding;
use crate::bytes::Hex;
use crate::genuine::{AmdPlatform, Appraisal, Claims, Genuine, IntelPlatform};
use crate::snp::{AmdCollateral, GuestPolicy, SnpReport};
use crate::tdx::TdReport;
use crate::x509::{Certificate, certificates_of_pem};
use crate::{Collateral, Memory, Roots, Unverified, describe};

fn genuine(case: &str, evidence: &str, now: u64) -> Genuine {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vectors").join(case);
    let read = |file: &str| std::fs::read(folder.join(file)).unwrap();
    let der = |file| certificates_of_pem("a test's", &read(file)).unwrap()[0].der().to_vec();
    let collateral = match case.split_once('/').unwrap().0 {
        "nvidia" => Collateral::default(),
        "sgx" | "tdx" => Collateral {
            intel: serde_json::from_slice(&read("collateral/collateral.json")).unwrap(),
            ..Collateral::default()
        },
        _ => {
            let (vek, intermediate) = (der("vcek.pem"), der("ask.pem"));
            let amd = AmdCollateral { vek, intermediate, root: None, crl: None };
            Collateral { amd: Some(amd), ..Collateral::default() }
        }
    };
    let evidence = read(evidence);
    let bound = match describe(&evidence).unwrap() {
        Unverified::Sgx { report, .. } => report.report_data.0.to_vec(),
        Unverified::Tdx { report, .. } => report.report_data.0.to_vec(),
        Unverified::Snp { report, .. } => report.report_data.0.to_vec(),
        Unverified::Nvidia { report } => report.nonce.0.to_vec(),
        other => panic!("{other:?}"),
    };
    let (roots, memory) = (&Roots::of_hardware_vendors().unwrap(), &Memory::default());
    let now = UNIX_EPOCH + Duration::from_secs(now);
    let appraisal = Appraisal { roots, collateral: &collateral, memory, now };
    appraisal.genuine(&evidence, &Binding::Exactly(bound)).unwrap()
}

/// The fields that `policy` refuses, without the package's name.
fn refused(policy: &Policy, genuine: &Genuine) -> Vec<String> {
    let mismatches = policy.check(genuine).err().map(|refusal| refusal.mismatches).unwrap_or_default();
    mismatches.into_iter().map(|mismatch| mismatch.field.replace("Packages.p.", "")).collect()
}

#[test]
fn each_rule_for_trust_domains_counts() {
    let mut genuine = genuine("tdx/v5-td15-uptodate", "quote.bin", 1_740_883_020);
    let Claims::Tdx { report, platform, .. } = genuine.claims.clone() else { unreachable!() };
    let tdx = TdxIdentity {
        mrtd: Some(report.mrtd),
        rtmrs: [&report.rtmr0, &report.rtmr1, &report.rtmr2, &report.rtmr3].map(|rtmr| Some(*rtmr)),
        mrconfigid: Some(report.mrconfigid),
        mrseam: Some(report.mrseam),
        ..TdxIdentity::default()
    };
    let package = Package { tdx: Some(tdx), ..Package::strict("p") };
    let policy = Policy { package, infrastructures: Vec::new().into() };
    let mut check = |change: fn(&mut TdReport), wanted: &[&str]| {
        let mut report = report.clone();
        change(&mut report);
        genuine.claims = Claims::Tdx { report, platform: platform.clone(), pcrs: None };
        assert_eq!(refused(&policy, &genuine), wanted);
    };
    check(|_| {}, &[]);
    check(|report| report.mrtd.0[0] ^= 1, &["TDX.MRTD"]);
    check(|report| report.rtmr0.0[0] ^= 1, &["TDX.RTMR0"]);
    check(|report| report.rtmr1.0[0] ^= 1, &["TDX.RTMR1"]);
    check(|report| report.rtmr2.0[0] ^= 1, &["TDX.RTMR2"]);
    check(|report| report.rtmr3.0[47] ^= 1, &["TDX.RTMR3"]);
    check(|report| report.mrconfigid.0[0] ^= 1, &["TDX.MRCONFIGID"]);
    check(|report| report.mrseam.0[0] ^= 1, &["TDX.MRSEAM"]);
    check(|report| report.td_attributes.0[0] |= 0x01, &["Debug"]);
    check(|report| report.td_attributes.0[0] |= 0x10, &["Debug"]);
    check(|report| report.td_attributes.0[0] |= 0x40, &["Debug"]);
    check(|report| report.td_attributes.0[3] &= !0x10, &["TDX.AllowSeptVe"]);
    check(|report| report.td_attributes.0[3] |= 0x20, &["TDX.AllowMigration"]);
    check(|report| report.td_attributes.0[2] |= 0x02, &["TDX.AllowServiceTD"]);
    check(|report| report.v15.as_mut().unwrap().mrservicetd.0[0] = 1, &["TDX.AllowServiceTD"]);
    let mut exactly = policy.clone();
    exactly.package.tdx.as_mut().unwrap().td_attributes = Some(Hex([9; 8]));
    assert_eq!(refused(&exactly, &genuine).len(), 2, "the last one's, and the attributes");
}

#[test]
fn each_rule_for_snp_guests_counts() {
    let mut genuine = genuine("snp/genoa-v3-vcek", "report.bin", 1_772_849_107);
    let Claims::Snp { report, platform, .. } = genuine.claims.clone() else { unreachable!() };
    let snp = SnpIdentity {
        measurement: Some(report.measurement),
        host_data: Some(report.host_data),
        family_id: Some(report.family_id),
        image_id: Some(report.image_id),
        guest_svn: Some(report.guest_svn),
        minimum_tcb: Some(platform.reported_tcb),
        policy: None,
        vmpl: Some(report.vmpl),
        ..SnpIdentity::default()
    };
    let package = Package { snp: Some(snp), ..Package::strict("p") };
    let mut policy = Policy { package, infrastructures: Vec::new().into() };
    let mut check = |change: fn(&mut SnpReport, &mut AmdPlatform), wanted: &[&str]| {
        let (mut report, mut platform) = (report.clone(), platform.clone());
        change(&mut report, &mut platform);
        genuine.claims = Claims::Snp { report, platform, pcrs: None };
        assert_eq!(refused(&policy, &genuine), wanted);
    };
    check(|_, _| {}, &[]);
    check(|report, _| report.measurement.0[0] ^= 1, &["SNP.Measurement"]);
    check(|report, _| report.host_data.0[0] ^= 1, &["SNP.HostData"]);
    check(|report, _| report.family_id.0[0] ^= 1, &["SNP.FamilyID"]);
    check(|report, _| report.image_id.0[0] ^= 1, &["SNP.ImageID"]);
    check(|report, _| report.vmpl += 1, &["SNP.VMPL"]);
    check(|report, _| report.policy = GuestPolicy(report.policy.0 | 1 << 19), &["Debug"]);
    check(|report, _| report.policy = GuestPolicy(report.policy.0 | 1 << 18), &["SNP.AllowMigration"]);
    check(|_, platform| platform.reported_tcb.snp -= 1, &["SNP.MinimumTCB"]);
    check(|report, _| report.guest_svn += 1, &[]);
    let identity = policy.package.snp.as_mut().unwrap();
    (identity.guest_svn, identity.policy) = (Some(report.guest_svn + 2), Some(report.policy.0 | 1 << 24));
    assert_eq!(refused(&policy, &genuine), ["SNP.GuestSVN", "SNP.Policy"]);
}

/// A signer signs many programs: without all three nobody in particular is named.
#[test]
fn part_of_an_enclaves_identity_is_none() {
    let genuine = genuine("sgx/v3-icx-swhardening", "quote.bin", 1_684_165_303);
    let Claims::Sgx { report, .. } = &genuine.claims else { unreachable!() };
    let whole = SgxIdentity {
        unique_id: None,
        signer_id: Some(report.mrsigner),
        product_id: Some(report.isvprodid),
        security_version: Some(report.isvsvn),
    };
    let refused = |sgx: SgxIdentity| {
        let package = Package { sgx: Some(sgx), ..Package::strict("p") };
        refused(&Policy { package, infrastructures: Vec::new().into() }, &genuine)
    };
    assert_eq!(refused(whole.clone()), [""; 0]);
    assert_eq!(refused(SgxIdentity { signer_id: None, ..whole.clone() }), ["UniqueID"]);
    assert_eq!(refused(SgxIdentity { product_id: None, ..whole.clone() }), ["UniqueID"]);
    assert_eq!(refused(SgxIdentity { security_version: None, ..whole }), ["UniqueID"]);
}

#[test]
fn each_rule_for_devices_counts() {
    let genuine = genuine("nvidia/hopper-h100", "evidence.json", 1_782_345_600);
    let Claims::Nvidia { report, .. } = &genuine.claims else { unreachable!() };
    let refused = |change: fn(&mut NvidiaIdentity)| {
        let mut nvidia = NvidiaIdentity {
            measurements: report.measurements.clone(),
            driver_versions: vec![report.versions.driver_version.clone()],
        };
        change(&mut nvidia);
        let package = Package { nvidia: Some(nvidia), ..Package::strict("p") };
        refused(&Policy { package, infrastructures: Vec::new().into() }, &genuine)
    };
    assert_eq!(refused(|_| {}), [""; 0]);
    assert_eq!(refused(|wanted| wanted.measurements.clear()), ["NVIDIA.Measurements"]);
    assert_eq!(refused(|wanted| _ = wanted.measurements.insert(9, Hex([1; 48]))), ["NVIDIA.Measurements.9"]);
    // One that is not there is not one of zeros.
    assert_eq!(
        refused(|wanted| _ = wanted.measurements.insert(99, Hex([0; 48]))),
        ["NVIDIA.Measurements.99"]
    );
    assert_eq!(refused(|wanted| wanted.driver_versions = vec!["1.0".into()]), ["NVIDIA.DriverVersions"]);
}

/// Whoever names what only the other vendor's platforms have, wants the other vendor's platforms.
#[test]
fn an_infrastructure_of_intel_takes_no_chip_of_amd() {
    let genuine = genuine("snp/genoa-v3-vcek", "report.bin", 1_772_849_107);
    let Claims::Snp { report, platform, .. } = &genuine.claims else { unreachable!() };
    let snp = SnpIdentity { measurement: Some(report.measurement), ..SnpIdentity::default() };
    let package = Package { snp: Some(snp), ..Package::strict("p") };
    let refused = |infrastructure: Infrastructure| {
        let infrastructure = Infrastructure { name: "i".to_owned(), ..infrastructure };
        let policy = Policy { package: package.clone(), infrastructures: [infrastructure].into() };
        refused(&policy, &genuine)
    };
    let any = Infrastructure::default();
    assert_eq!(refused(any.clone()), [""; 0]);
    let ours = platform.vek_extensions.hwid.clone().unwrap();
    assert_eq!(refused(Infrastructure { chip_ids: Some(vec![ours]), ..any.clone() }), [""; 0]);
    for chip_ids in [vec![], vec!["00".repeat(64)]] {
        let other = Infrastructure { chip_ids: Some(chip_ids), ..any.clone() };
        assert_eq!(refused(other), ["Infrastructures.i.ChipIDs"]);
    }
    let only_intel = Infrastructure {
        cpusvn: Some(Hex([0; 16])),
        qesvn: Some(0),
        pcesvn: Some(0),
        fmspcs: Some(vec![Hex([0; 6])]),
        ppids: Some(vec![Hex([0; 16])]),
        minimum_tcb_evaluation: Some(0),
        ..any
    };
    let fields = ["CPUSVN", "QESVN", "PCESVN", "FMSPCs", "PPIDs", "MinimumTCBEvaluation"];
    assert_eq!(refused(only_intel), fields.map(|field| format!("Infrastructures.i.{field}")));
}

/// The second step does not rely on the first to have looked for the roots of hardware vendors only.
#[test]
fn a_root_of_nobodys_hardware_counts_where_it_is_named() {
    let mut genuine = genuine("snp/genoa-v3-vcek", "report.bin", 1_772_849_107);
    let key = rcgen::KeyPair::generate().unwrap();
    let other = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    genuine.root = Certificate::from_der(other.der()).unwrap();
    let Claims::Snp { report, .. } = &genuine.claims else { unreachable!() };
    let snp = SnpIdentity { measurement: Some(report.measurement), ..SnpIdentity::default() };
    let package = Package { snp: Some(snp), ..Package::strict("p") };
    let refused = |roots: &[Option<Vec<u8>>]| {
        let named = roots.iter().cloned().map(|root_ca| Infrastructure {
            name: "i".to_owned(),
            root_ca,
            ..Infrastructure::default()
        });
        refused(&Policy { package: package.clone(), infrastructures: named.collect() }, &genuine)
    };
    assert_eq!(refused(&[]), ["Infrastructures"]);
    assert_eq!(refused(&[None]), ["Infrastructures.i.RootCA"]);
    assert_eq!(refused(&[Some(Vec::new())]), ["Infrastructures.i.RootCA"]);
    assert_eq!(refused(&[None, Some(other.der().to_vec())]), [""; 0]);
}

/// New TCB Info does not make up for an old QE identity, nor the other way round.
#[test]
fn the_older_evaluation_counts() {
    let mut genuine = genuine("tdx/v5-td15-uptodate", "quote.bin", 1_740_883_020);
    let Claims::Tdx { report, platform, .. } = genuine.claims.clone() else { unreachable!() };
    let tdx = TdxIdentity { mrtd: Some(report.mrtd), ..TdxIdentity::default() };
    let package = Package { tdx: Some(tdx), ..Package::strict("p") };
    let at_least = |minimum| Infrastructure {
        name: "i".to_owned(),
        minimum_tcb_evaluation: Some(minimum),
        ..Infrastructure::default()
    };
    for (tcb_info, qe_identity) in [(20, 18), (18, 20)] {
        let platform = IntelPlatform {
            tcb_evaluation_data_number: tcb_info,
            qe_tcb_evaluation_data_number: qe_identity,
            ..platform.clone()
        };
        genuine.claims = Claims::Tdx { report: report.clone(), platform, pcrs: None };
        let refused = |minimum| {
            let infrastructures = [at_least(minimum)].into();
            refused(&Policy { package: package.clone(), infrastructures }, &genuine)
        };
        assert_eq!(refused(18), [""; 0]);
        assert_eq!(refused(19), ["Infrastructures.i.MinimumTCBEvaluation"]);
    }
}
