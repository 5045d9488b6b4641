//! The evidence of the emulator before our own verifier: the path that Coordinators and clients take.

use std::io;
use std::path::Path;

use marblerun_attest::{
    AmdCollateral, Appraisal, Binding, Claims, Collateral, Failure, Genuine, IntelCollateral, Memory, Needs,
    PckAuthority, Roots, Vendor, needs,
};
use marblerun_tee::emulated::{Kind, Product, Settings, TcbStatus};
use marblerun_tee::{GuestDevice, SevGuest, Tee as _};

use crate::amd::report_and_table;
use crate::qvl::{collateral, pem_to_der};
use crate::world::{REPORT_DATA, VENDOR, domain, enclave, get, guest, now, with};

/// Whom a verifier trusts that names this emulator and nobody else.
fn roots() -> Roots {
    let amd = Product::ALL.map(|product| (Vendor::Amd, VENDOR.amd_root(product).unwrap()));
    Roots::new([(Vendor::Intel, VENDOR.intel_root())].into_iter().chain(amd)).unwrap()
}

fn genuine(evidence: &[u8], collateral: &Collateral, roots: &Roots) -> Result<Genuine, Failure> {
    let appraisal = Appraisal { roots, collateral, memory: &Memory::default(), now: now() };
    appraisal.genuine(evidence, &Binding::Exactly(REPORT_DATA.to_vec()))
}

fn intel(settings: &Settings, tdx: bool) -> Collateral {
    let fetched = collateral(settings, tdx);
    let intel = IntelCollateral {
        pck_crl_issuer_chain: fetched.pck_crl_issuer_chain,
        root_ca_crl: fetched.root_ca_crl,
        pck_crl: fetched.pck_crl,
        tcb_info_issuer_chain: fetched.tcb_info_issuer_chain,
        tcb_info: fetched.tcb_info,
        tcb_info_signature: fetched.tcb_info_signature,
        qe_identity_issuer_chain: fetched.qe_identity_issuer_chain,
        qe_identity: fetched.qe_identity,
        qe_identity_signature: fetched.qe_identity_signature,
    };
    Collateral { intel: Some(intel), ..Collateral::default() }
}

/// What KDS has for a report, asked for as the report says.
fn amd(settings: &Settings, product: Product, report: &[u8]) -> Collateral {
    let Needs::Amd { chip_id, reported_tcb: tcb, .. } = needs(report).unwrap() else { panic!("not AMD's") };
    let chip = if product == Product::Turin { &chip_id.0[..8] } else { &chip_id.0[..] };
    let fmc = tcb.fmc.map_or_else(String::new, |fmc| format!("fmcSPL={fmc}&"));
    let svns = format!(
        "{fmc}blSPL={}&teeSPL={}&snpSPL={}&ucodeSPL={}",
        tcb.bootloader, tcb.tee, tcb.snp, tcb.microcode
    );
    let at = |what: &str| get(settings, &format!("/vcek/v1/{}/{what}", product.name())).body;
    let chain = String::from_utf8(at("cert_chain")).unwrap();
    let certificates: Vec<Vec<u8>> =
        chain.split_inclusive("-----END CERTIFICATE-----\n").map(pem_to_der).collect();
    let amd = AmdCollateral {
        vek: at(&format!("{}?{svns}", hex::encode(chip))),
        intermediate: certificates[0].clone(),
        root: Some(certificates[1].clone()),
        crl: Some(at("crl")),
    };
    Collateral { amd: Some(amd), ..Collateral::default() }
}

fn sgx(settings: &Settings) -> Vec<u8> {
    VENDOR.platform("default", settings).unwrap().sgx_quote(&enclave(), &REPORT_DATA).unwrap()
}

#[test]
fn sgx_and_tdx_are_genuine_and_have_the_status_of_their_platform() {
    for (status, version) in TcbStatus::ALL.into_iter().zip([4, 5].into_iter().cycle()) {
        let settings = with(|platform| (platform.tcb, platform.tdx_quote) = (status, version));
        let platform = VENDOR.platform("default", &settings).unwrap();
        let quote = platform.tdx_quote(&domain(), &REPORT_DATA).unwrap();
        for (evidence, tdx) in [(sgx(&settings), false), (quote, true)] {
            let verdict = genuine(&evidence, &intel(&settings, tdx), &roots());
            match verdict {
                Ok(genuine) => assert_eq!(genuine.tcb_status().unwrap().to_string(), status.name()),
                Err(why) => {
                    assert!(status == TcbStatus::Revoked && why.to_string().contains("Revoked"), "{why}")
                }
            }
        }
    }
}

#[test]
fn evidence_tells_which_collateral_it_needs() {
    let settings = Settings::default();
    let fmspc = settings.platforms["default"].fmspc;
    let Needs::Intel { tdx, fmspc: seen, ca } = needs(&sgx(&settings)).unwrap() else {
        panic!("not Intel's")
    };
    assert_eq!((tdx, seen.0, ca), (false, fmspc, PckAuthority::Platform));
}

#[test]
fn snp_reports_of_every_product_line_are_genuine() {
    for (product, version) in [(Product::Milan, 3), (Product::Genoa, 3), (Product::Turin, 5)] {
        let settings = with(|platform| {
            (platform.product, platform.snp_report) = (product, version);
            platform.snp_tcb.fmc = u8::from(product == Product::Turin);
        });
        let platform = VENDOR.platform("default", &settings).unwrap();
        let report = platform.snp_report(&guest(), &REPORT_DATA).unwrap();
        let verified = genuine(&report, &amd(&settings, product, &report), &roots()).unwrap();
        let Claims::Snp { report: read, platform, .. } = verified.claims() else { panic!("{verified:?}") };
        assert_eq!((read.measurement.0, read.guest_svn), ([0x44; 48], 6));
        assert!(platform.revocation_checked);
        let mut revoked = settings.clone();
        revoked.published.revoked_ask = true;
        let refused = genuine(&report, &amd(&revoked, product, &report), &roots()).unwrap_err();
        assert!(matches!(refused, Failure::Revoked { .. }), "{refused}");
    }
}

/// One bit of each byte, before both judges: who verifies evidence, and who decides what is kept. Real revocation lists of AMD
/// are not among the recorded cases.
#[test]
fn every_byte_of_amd_collateral_counts() {
    let settings = Settings::default();
    let report = VENDOR.platform("default", &settings).unwrap().snp_report(&guest(), &REPORT_DATA).unwrap();
    let (original, needs) = (amd(&settings, Product::Genoa, &report), needs(&report).unwrap());
    genuine(&report, &original, &roots()).unwrap();
    original.validity(&needs, &roots(), now()).unwrap();
    let roots = roots();
    for (part, bytes) in AMD_PARTS {
        let length = bytes(&mut original.clone().amd.unwrap()).len();
        for position in 0..length {
            let mut changed = original.clone();
            bytes(changed.amd.as_mut().unwrap())[position] ^= 1 << (position % 8);
            let outcome = genuine(&report, &changed, &roots);
            assert!(outcome.is_err(), "{part}: byte {position} is not checked");
            assert!(changed.validity(&needs, &roots, now()).is_err(), "{part}: byte {position} is kept");
        }
    }
}

type AmdPart = (&'static str, fn(&mut AmdCollateral) -> &mut Vec<u8>);

const AMD_PARTS: [AmdPart; 4] = [
    ("VCEK", |amd| &mut amd.vek),
    ("ASK", |amd| &mut amd.intermediate),
    ("copy of the ARK", |amd| amd.root.as_mut().unwrap()),
    ("revocation list", |amd| amd.crl.as_mut().unwrap()),
];

#[test]
fn a_revoked_platform_is_named() {
    let mut settings = Settings::default();
    settings.published.revoked_platforms.insert("default".into());
    let refused = genuine(&sgx(&settings), &intel(&settings, false), &roots()).unwrap_err();
    assert!(matches!(refused, Failure::Revoked { .. }), "{refused}");
}

#[test]
fn without_its_root_the_emulator_is_a_stranger() {
    let settings = Settings::default();
    let hardware = Roots::of_hardware_vendors().unwrap();
    let refused = genuine(&sgx(&settings), &intel(&settings, false), &hardware).unwrap_err();
    assert!(matches!(refused, Failure::UntrustedRoot { .. }), "{refused}");
    let report = VENDOR.platform("default", &settings).unwrap().snp_report(&guest(), &REPORT_DATA).unwrap();
    let refused = genuine(&report, &amd(&settings, Product::Genoa, &report), &hardware).unwrap_err();
    assert!(matches!(refused, Failure::UntrustedRoot { .. }), "{refused}");
}

#[test]
fn a_report_with_its_hosts_certificate_needs_only_what_its_line_has() {
    let settings = with(|platform| (platform.tee, platform.product) = (Kind::Snp, Product::Milan));
    let (report, table) = report_and_table(&settings, Product::Milan);
    let guest = SevGuest::with(HostWithTable(report.clone(), table), Path::new("/dev/sev-guest"));
    let evidence = guest.evidence(&REPORT_DATA).unwrap().unwrap();
    assert!(matches!(needs(&evidence), Ok(Needs::Amd { has_certificate: true, .. })));
    let mut line = amd(&settings, Product::Milan, &report);
    if let Some(amd) = &mut line.amd {
        amd.vek.clear();
    }
    genuine(&evidence, &line, &roots()).unwrap();
    genuine(&report, &line, &roots()).unwrap_err();
    // The list still counts.
    let mut revoked = settings.clone();
    revoked.published.revoked_ask = true;
    let revoked = amd(&revoked, Product::Milan, &report);
    let failure = genuine(&evidence, &revoked, &roots()).unwrap_err();
    assert!(matches!(failure, Failure::Revoked { .. }), "{failure}");
}

/// The driver of a guest whose host has the certificate of its chip.
#[derive(Debug)]
struct HostWithTable(Vec<u8>, Vec<u8>);

impl GuestDevice for HostWithTable {
    fn report(&self, _: &[u8; 96], answer: &mut [u8; 4000]) -> io::Result<()> {
        answer[4..8].copy_from_slice(&1184_u32.to_le_bytes());
        answer[32..32 + 1184].copy_from_slice(&self.0);
        Ok(())
    }

    fn extended_report(
        &self,
        request: &[u8; 96],
        answer: &mut [u8; 4000],
        certificates: &mut [u8; 16384],
    ) -> io::Result<()> {
        certificates[..self.1.len()].copy_from_slice(&self.1);
        self.report(request, answer)
    }

    fn derived_key(&self, _: &[u8; 32], _: &mut [u8; 64]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
