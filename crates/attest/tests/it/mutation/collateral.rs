//! Every byte of what vendors publish, one bit of it changed: certificates, revocation lists, TCB Info, QE identity and all
//! of their signatures. Held against both judges: the one who verifies evidence, and the one who decides what is kept.

use marblerun_attest::{Collateral, IntelCollateral, needs};

use super::{check, genuine};
use crate::recorded::Recorded;

/// A part of Intel's collateral, and how to put changed bytes into it; they may be no text any more.
type IntelPart = (&'static str, fn(&IntelCollateral) -> Vec<u8>, fn(&mut IntelCollateral, Vec<u8>));

const INTEL: [IntelPart; 9] = [
    ("root CRL", |c| c.root_ca_crl.clone(), |c, bytes| c.root_ca_crl = bytes),
    ("PCK CRL", |c| c.pck_crl.clone(), |c, bytes| c.pck_crl = bytes),
    (
        LIST_ISSUERS,
        |c| c.pck_crl_issuer_chain.clone().into(),
        |c, bytes| c.pck_crl_issuer_chain = text(bytes),
    ),
    ("TCB Info", |c| c.tcb_info.clone().into(), |c, bytes| c.tcb_info = text(bytes)),
    ("TCB Info's signature", |c| c.tcb_info_signature.clone(), |c, bytes| c.tcb_info_signature = bytes),
    (
        "TCB Info's issuers",
        |c| c.tcb_info_issuer_chain.clone().into(),
        |c, bytes| c.tcb_info_issuer_chain = text(bytes),
    ),
    ("QE identity", |c| c.qe_identity.clone().into(), |c, bytes| c.qe_identity = text(bytes)),
    (
        "QE identity's signature",
        |c| c.qe_identity_signature.clone(),
        |c, bytes| c.qe_identity_signature = bytes,
    ),
    (
        "QE identity's issuers",
        |c| c.qe_identity_issuer_chain.clone().into(),
        |c, bytes| c.qe_identity_issuer_chain = text(bytes),
    ),
];

/// Who signed the PCK revocation list. Evidence is verified with the authorities of its own chain instead, so that no byte
/// of this one counts there; whoever keeps collateral checks it.
const LIST_ISSUERS: &str = "PCK CRL's issuers";

#[test]
fn every_byte_of_the_collateral_of_enclaves_counts() {
    every_byte_of_intels("sgx/v3-icx-swhardening");
}

/// It is the same for quotes of versions 4 and 5.
#[test]
fn every_byte_of_the_collateral_of_trust_domains_counts() {
    every_byte_of_intels("tdx/v5-td15-uptodate");
}

fn every_byte_of_intels(name: &str) {
    let (recorded, before) = genuine(name);
    let needs = needs(&recorded.evidence).unwrap();
    let original = recorded.collateral.intel.clone().unwrap();
    for (part, read, write) in INTEL {
        for position in 0..read(&original).len() {
            let mut bytes = read(&original);
            // Seven bits, so that text stays text.
            bytes[position] ^= 1 << (position % 7);
            let mut changed = original.clone();
            write(&mut changed, bytes);
            let collateral = Collateral { intel: Some(changed), ..Collateral::default() };
            let what = || format!("{name}: {part}, byte {position}");
            let outcome = recorded.genuine_with(&recorded.evidence, &collateral);
            check(outcome, &before, part == LIST_ISSUERS, what);
            let kept = collateral.validity(&needs, &recorded.roots, recorded.now);
            assert!(kept.is_err(), "{} is kept", what());
        }
    }
}

/// What is no text becomes another one.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A device's certificates may lie beside its report. Those of AMD are tried in `evidence`, and together with a revocation
/// list, which is not among the recorded cases, in `marblerun-tee`.
#[test]
fn every_byte_of_a_devices_certificates_counts() {
    let (recorded, before) = genuine("nvidia/blackwell");
    let original = recorded.collateral.nvidia.clone().unwrap();
    for position in 0..original.certificate_chain.len() {
        let mut changed = original.clone();
        let mut bytes = changed.certificate_chain.into_bytes();
        bytes[position] ^= 1 << (position % 7);
        changed.certificate_chain = text(bytes);
        let collateral = Collateral { nvidia: Some(changed), ..Collateral::default() };
        let outcome = recorded.genuine_with(&recorded.evidence, &collateral);
        check(outcome, &before, false, || format!("certificate chain, byte {position}"));
    }
}

/// What is genuine by itself, in the place of something else.
#[test]
fn no_part_stands_in_for_another() {
    let (recorded, _) = genuine("sgx/v3-icx-eval17-swhardening");
    let original = recorded.collateral.intel.clone().unwrap();
    for (part, own, write) in INTEL.into_iter().filter(|(part, ..)| *part != LIST_ISSUERS) {
        for (source, read, _) in INTEL {
            // Some parts were signed by the same issuers.
            if read(&original) == own(&original) {
                continue;
            }
            let mut changed = original.clone();
            write(&mut changed, read(&original));
            assert!(is_refused(&recorded, changed), "{source} in the place of {part}");
        }
    }
}

/// Signed by Intel, and valid at the same time.
#[test]
fn rules_for_another_kind_of_platform_are_refused() {
    let (sgx, tdx) = ("sgx/v3-icx-eval17-swhardening", "tdx/v4-uptodate");
    for (name, other, rules) in [
        (sgx, tdx, "TCB Info"),
        (sgx, tdx, "QE identity"),
        (tdx, sgx, "TCB Info"),
        (tdx, sgx, "QE identity"),
        (sgx, "sgx/v3-processor-cfg-swhardening", "TCB Info"),
        ("sgx/v3-processor-cfg-swhardening", sgx, "TCB Info"),
    ] {
        let ((recorded, _), theirs) = (genuine(name), Recorded::load(other).collateral.intel.unwrap());
        let mut changed = recorded.collateral.intel.clone().unwrap();
        for (_, read, write) in INTEL.into_iter().filter(|(part, ..)| part.starts_with(rules)) {
            write(&mut changed, read(&theirs));
        }
        assert!(is_refused(&recorded, changed), "{name} by the {rules} of {other}");
    }
}

fn is_refused(recorded: &Recorded, intel: IntelCollateral) -> bool {
    let collateral = Collateral { intel: Some(intel), ..Collateral::default() };
    let needs = needs(&recorded.evidence).unwrap();
    recorded.genuine_with(&recorded.evidence, &collateral).is_err()
        && collateral.validity(&needs, &recorded.roots, recorded.now).is_err()
}
