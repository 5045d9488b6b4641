//! SNP reports with the host's table of certificates behind them: a hint that saves a question, and proves nothing.

use marblerun_attest::{AmdCollateral, Collateral, Needs, Unverified, describe, needs, with_certificate};
use sev::firmware::host::{CertTableEntry, CertType};

use crate::recorded::Recorded;

/// Reports with certificates of either kind, on each product line.
const CASES: [(&str, CertType); 4] = [
    ("snp/milan-v2-vcek", CertType::VCEK),
    ("snp/milan-v3-vlek", CertType::VLEK),
    ("snp/genoa-v3-vcek", CertType::VCEK),
    ("snp/turin-v5-vcek", CertType::VCEK),
];

fn amd(recorded: &Recorded) -> AmdCollateral {
    recorded.collateral.amd.clone().unwrap()
}

/// A table as another implementation writes it for hosts.
fn table(kind: CertType, certificate: &[u8]) -> Vec<u8> {
    let entries = [
        CertTableEntry::new(CertType::ARK, b"no certificate".to_vec()),
        CertTableEntry::new(kind, certificate.to_vec()),
    ];
    CertTableEntry::cert_table_to_vec_bytes(&entries).unwrap()
}

/// Without the certificate of the signing key.
fn issuers_only(recorded: &mut Recorded) {
    let amd = AmdCollateral { vek: Vec::new(), ..amd(recorded) };
    recorded.collateral = Collateral { amd: Some(amd), ..Collateral::default() };
}

fn has_certificate(evidence: &[u8]) -> bool {
    match needs(evidence).unwrap() {
        Needs::Amd { has_certificate, .. } => has_certificate,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_hosts_certificate_saves_a_question() {
    for (name, kind) in CASES {
        let mut recorded = Recorded::load(name);
        let host = table(kind, &amd(&recorded).vek);
        // As our guests send it, as tools join it, and as Linux fills it up.
        let (report, padding) = (recorded.evidence.clone(), vec![0; 4096]);
        let forms = [
            with_certificate(&report, &host),
            [&report[..], &host].concat(),
            [&report[..], &host, &padding].concat(),
        ];
        assert!(!has_certificate(&report), "{name}");
        issuers_only(&mut recorded);
        recorded.genuine_of(&report).unwrap_err();
        for evidence in forms {
            assert!(evidence.len() > report.len() && has_certificate(&evidence), "{name}");
            recorded.genuine_of(&evidence).unwrap_or_else(|error| panic!("{name}: {error}"));
            let described = describe(&evidence).unwrap();
            assert!(matches!(described, Unverified::Snp { certificate: Some(_), .. }), "{described:?}");
        }
    }
}

#[test]
fn a_pem_is_as_good_as_der() {
    use x509_cert::der::{Decode as _, EncodePem as _};
    let recorded = Recorded::load("snp/genoa-v3-vcek");
    let certificate = x509_cert::Certificate::from_der(&amd(&recorded).vek).unwrap();
    let pem = certificate.to_pem(Default::default()).unwrap();
    let host = table(CertType::VCEK, pem.as_bytes());
    assert_eq!(
        with_certificate(&recorded.evidence, &host),
        with_certificate(&recorded.evidence, &table(CertType::VCEK, &amd(&recorded).vek))
    );
}

#[test]
fn a_certificate_that_does_not_fit_is_left_aside() {
    let recorded = Recorded::load("snp/milan-v3-vcek");
    let report = &recorded.evidence;
    let others = ["snp/milan-v2-vcek", "snp/genoa-v3-vcek", "snp/milan-v3-vlek"].map(Recorded::load);
    let others = others.iter().map(|other| amd(other).vek).chain([b"garbage".to_vec(), Vec::new()]);
    for other in others {
        let host = table(CertType::VCEK, &other);
        assert_eq!(&with_certificate(report, &host), report);
        let joined = [&report[..], &host].concat();
        assert!(!has_certificate(&joined), "AMD is asked for the right one");
        recorded.genuine_of(&joined).unwrap();
    }
    // A host that has none, and one that sends something else.
    assert_eq!(&with_certificate(report, &[0; 4096]), report);
    assert_eq!(&with_certificate(report, b"garbage"), report);
    assert_eq!(with_certificate(b"no report", &table(CertType::VCEK, &amd(&recorded).vek)), b"no report");
}

#[test]
fn a_certificate_proves_nothing_by_itself() {
    // It names this chip and TCB, and nobody of AMD signed it.
    let mut recorded = Recorded::load("snp/milan-v3-vcek");
    let mut forged = amd(&recorded).vek;
    *forged.last_mut().unwrap() ^= 1;
    issuers_only(&mut recorded);
    let evidence = with_certificate(&recorded.evidence, &table(CertType::VCEK, &forged));
    assert!(has_certificate(&evidence));
    assert_eq!(recorded.genuine_of(&evidence).unwrap_err().code(), "vcek_chain_invalid");
}

#[test]
fn what_follows_a_report_must_be_a_table() {
    let recorded = Recorded::load("snp/milan-v3-vcek");
    for tail in [&b"x"[..], &[0; 23], &[7; 24], &[0; 16 * 1024 + 1]] {
        let evidence = [&recorded.evidence[..], tail].concat();
        assert!(needs(&evidence).is_err() && recorded.genuine_of(&evidence).is_err(), "{}", tail.len());
    }
}

#[test]
fn every_byte_of_report_and_certificate_counts() {
    let mut recorded = Recorded::load("snp/genoa-v3-vcek");
    let whole = with_certificate(&recorded.evidence, &table(CertType::VCEK, &amd(&recorded).vek));
    issuers_only(&mut recorded);
    recorded.genuine_of(&whole).unwrap();
    for at in (0..whole.len()).step_by(7) {
        // The end of the table, whose offset and length mean nothing.
        if (1184 + 40..1184 + 48).contains(&at) {
            continue;
        }
        let mut changed = whole.clone();
        changed[at] ^= 1;
        assert!(recorded.genuine_of(&changed).is_err(), "{at}");
    }
    for end in (0..whole.len()).step_by(31) {
        assert!(recorded.genuine_of(&whole[..end]).is_err(), "{end}");
    }
}
