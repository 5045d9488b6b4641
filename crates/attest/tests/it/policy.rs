//! The second step: what is genuine and not wanted, and what each refusal says.

use marblerun_attest::policy::{
    Infrastructure, Mismatch, Package, Policy, SgxIdentity, SnpIdentity, TdxIdentity,
};
use marblerun_attest::{Claims, Genuine, Hex, Origin, Product, TcbStatus};

use crate::recorded::Recorded;

/// The one mismatch that `policy` finds.
fn only_mismatch(genuine: &Genuine, policy: Policy) -> Mismatch {
    let mut refusal = genuine.clone().accept(&policy).expect_err("a refusal");
    assert_eq!(refusal.mismatches.len(), 1, "{refusal}");
    refusal.mismatches.remove(0)
}

fn sgx() -> (Genuine, Policy) {
    let genuine = Recorded::load("sgx/v3-icx-swhardening").genuine().unwrap();
    let Claims::Sgx { report, .. } = genuine.claims() else { unreachable!() };
    let identity = SgxIdentity {
        unique_id: Some(report.mrenclave),
        signer_id: Some(report.mrsigner),
        product_id: Some(report.isvprodid),
        security_version: Some(report.isvsvn),
    };
    let package = Package { sgx: Some(identity), ..Package::strict("backend") };
    (genuine, Policy { package, infrastructures: Vec::new().into() })
}

fn snp(name: &str) -> (Genuine, Policy) {
    let genuine = Recorded::load(name).genuine().unwrap();
    let Claims::Snp { report, .. } = genuine.claims() else { unreachable!() };
    let identity = SnpIdentity { measurement: Some(report.measurement), ..SnpIdentity::default() };
    let package = Package { snp: Some(identity), ..Package::strict("guest") };
    (genuine, Policy { package, infrastructures: Vec::new().into() })
}

#[test]
fn what_is_wanted_is_admitted_and_says_what_was_proved() {
    let (genuine, policy) = sgx();
    let verified = genuine.clone().accept(&policy).unwrap();
    assert_eq!((verified.origin(), verified.genuine()), (Origin::Sgx, Some(&genuine)));
}

#[test]
fn each_field_of_an_enclave_is_compared() {
    let (genuine, policy) = sgx();
    let with = |change: fn(&mut SgxIdentity)| {
        let mut policy = policy.clone();
        change(policy.package.sgx.as_mut().unwrap());
        only_mismatch(&genuine, policy).to_string()
    };
    for (change, says) in [
        (
            (|i| i.unique_id = Some(Hex([7; 32]))) as fn(&mut SgxIdentity),
            "Packages.backend.UniqueID: seen 4cfbda9c",
        ),
        (|i| i.signer_id = Some(Hex([7; 32])), "Packages.backend.SignerID: seen 298037d8"),
        (
            |i| i.product_id = Some(9),
            "Packages.backend.ProductID: seen 0, wanted 9 (to allow it: set it to 0)",
        ),
        (
            |i| i.security_version = Some(2),
            "Packages.backend.SecurityVersion: seen 0, wanted at least 2 (to allow it: lower it to 0)",
        ),
    ] {
        let said = with(change);
        assert!(said.starts_with(says), "{said}");
    }
}

#[test]
fn a_package_that_names_nothing_admits_nobody() {
    for (genuine, policy) in [sgx(), snp("snp/genoa-v3-vcek")] {
        let nothing = Policy { package: Package::strict("empty"), ..policy };
        assert!(only_mismatch(&genuine, nothing.clone()).change.contains("name its"));
        let incomplete = Package {
            sgx: Some(SgxIdentity { signer_id: Some(Hex([0; 32])), ..SgxIdentity::default() }),
            snp: Some(SnpIdentity { host_data: Some(Hex([0; 32])), ..SnpIdentity::default() }),
            tdx: Some(TdxIdentity::default()),
            ..Package::strict("incomplete")
        };
        assert!(genuine.accept(&Policy { package: incomplete, ..nothing }).is_err());
    }
}

#[test]
fn debug_is_exactly_what_the_package_says() {
    let genuine = Recorded::load("tdx/v4-debug-td").genuine().unwrap();
    let Claims::Tdx { report, .. } = genuine.claims() else { unreachable!() };
    let identity = TdxIdentity { mrtd: Some(report.mrtd), ..TdxIdentity::default() };
    let mut package = Package { tdx: Some(identity), ..Package::strict("td") };
    let policy = |package: &Package| Policy { package: package.clone(), infrastructures: Vec::new().into() };
    assert_eq!(only_mismatch(&genuine, policy(&package)).field, "Packages.td.Debug");
    package.debug = true;
    assert!(genuine.accept(&policy(&package)).is_ok());
    // MarbleRun compares for equality: what is for debugging does not run beside what is for production.
    let (production, mut wanted) = sgx();
    wanted.package.debug = true;
    let mismatch = only_mismatch(&production, wanted);
    assert!(mismatch.field.ends_with(".Debug") && mismatch.change == "set it to false", "{mismatch:?}");
}

#[test]
fn statuses_and_advisories_must_be_accepted() {
    let (genuine, mut policy) = sgx();
    policy.package.accepted_tcb_statuses = vec![TcbStatus::UpToDate];
    let status = only_mismatch(&genuine, policy.clone());
    assert_eq!(
        (status.field.as_str(), status.seen.as_str()),
        ("Packages.backend.AcceptedTCBStatuses", "SWHardeningNeeded")
    );
    policy.package.accepted_tcb_statuses.push(TcbStatus::SWHardeningNeeded);
    policy.package.accepted_advisories = Some(vec!["INTEL-SA-00001".to_owned()]);
    assert_eq!(only_mismatch(&genuine, policy.clone()).seen, "INTEL-SA-00615");
    policy.package.accepted_advisories = Some(vec!["INTEL-SA-00615".to_owned()]);
    assert!(genuine.accept(&policy).is_ok());
}

#[test]
fn milan_must_be_named() {
    let (genuine, mut policy) = snp("snp/milan-v3-vcek");
    let mismatch = only_mismatch(&genuine, policy.clone());
    assert_eq!(
        (mismatch.field.as_str(), mismatch.seen.as_str()),
        ("Packages.guest.SNP.ProductLines", "Milan")
    );
    policy.package.snp.as_mut().unwrap().product_lines = vec![Product::Milan];
    assert!(genuine.accept(&policy).is_ok());
}

#[test]
fn an_old_firmware_is_refused() {
    let (genuine, mut policy) = snp("snp/genoa-v3-vcek");
    let Claims::Snp { platform, .. } = genuine.claims() else { unreachable!() };
    let mut minimum = platform.reported_tcb;
    minimum.microcode += 1;
    policy.package.snp.as_mut().unwrap().minimum_tcb = Some(minimum);
    assert_eq!(only_mismatch(&genuine, policy).field, "Packages.guest.SNP.MinimumTCB");
}

#[test]
fn evidence_of_a_virtual_tpm_needs_named_pcrs() {
    let (genuine, mut policy) = snp("azure/snp-genoa");
    assert_eq!(only_mismatch(&genuine, policy.clone()).field, "Packages.guest.PCRs");
    let Claims::Snp { pcrs, .. } = genuine.claims() else { unreachable!() };
    policy.package.pcrs.insert(11, pcrs.as_ref().unwrap()[&11]);
    assert!(genuine.clone().accept(&policy).is_ok());
    policy.package.pcrs.insert(4, Hex([9; 32]));
    assert_eq!(only_mismatch(&genuine, policy.clone()).field, "Packages.guest.PCRs.4");
    // And the other way round: a package for virtual TPMs does not take the paravisor's own evidence.
    let (bare, _) = snp("snp/genoa-v3-vcek");
    let Claims::Snp { report, .. } = bare.claims() else { unreachable!() };
    policy.package.snp.as_mut().unwrap().measurement = Some(report.measurement);
    assert_eq!(only_mismatch(&bare, policy).field, "Packages.guest.PCRs");
}

#[test]
fn one_of_the_infrastructures_must_fit() {
    let (genuine, mut policy) = sgx();
    let Claims::Sgx { platform, .. } = genuine.claims() else { unreachable!() };
    let fits = Infrastructure {
        name: "ours".to_owned(),
        root_ca: Some(genuine.root().to_vec()),
        cpusvn: Some(platform.pck.cpusvn),
        qesvn: Some(platform.qesvn),
        pcesvn: Some(platform.pck.pcesvn),
        fmspcs: Some(vec![platform.pck.fmspc]),
        ppids: Some(vec![platform.pck.ppid]),
        chip_ids: None,
        minimum_tcb_evaluation: Some(platform.tcb_evaluation_data_number),
    };
    let mut higher = platform.pck.cpusvn;
    higher.0[0] += 1;
    let others = [
        ("RootCA", Infrastructure { root_ca: Some(Vec::new()), ..fits.clone() }),
        ("CPUSVN", Infrastructure { cpusvn: Some(higher), ..fits.clone() }),
        ("QESVN", Infrastructure { qesvn: Some(platform.qesvn + 1), ..fits.clone() }),
        ("PCESVN", Infrastructure { pcesvn: Some(platform.pck.pcesvn + 1), ..fits.clone() }),
        ("FMSPCs", Infrastructure { fmspcs: Some(Vec::new()), ..fits.clone() }),
        ("PPIDs", Infrastructure { ppids: Some(vec![Hex([1; 16])]), ..fits.clone() }),
        ("ChipIDs", Infrastructure { chip_ids: Some(Vec::new()), ..fits.clone() }),
        ("MinimumTCBEvaluation", Infrastructure { minimum_tcb_evaluation: Some(99), ..fits.clone() }),
    ];
    for (field, other) in others {
        policy.infrastructures = [other.clone()].into();
        assert_eq!(only_mismatch(&genuine, policy.clone()).field, format!("Infrastructures.ours.{field}"));
        policy.infrastructures = [other, fits.clone()].into();
        assert!(genuine.clone().accept(&policy).is_ok(), "{field}");
    }
}
