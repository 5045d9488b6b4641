//! One input, read by us and by somebody else.

use dcap_qvl::quote::{EnclaveReport as TheirEnclave, Quote as TheirQuote, TDReport10};
use marblerun_attest::{EnclaveReport, Malformed, SnpReport, TdReport, Unverified, describe, needs};
use sev::firmware::guest::AttestationReport;
use sev::parser::ByteParser;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    BothRead,
    OneReads,
    NeitherReads,
}

/// A quote: what we read, dcap-qvl reads, and alike; what only dcap-qvl reads, we refuse by a rule. The wrappings that
/// we take off are no business of dcap-qvl's.
pub(crate) fn quote(bytes: &[u8]) -> Verdict {
    drop(needs(bytes));
    if is_certificate(bytes) {
        return alone(bytes);
    }
    match (describe(bytes), TheirQuote::parse(without_header(bytes))) {
        (Ok(Unverified::Sgx { report, .. }), Ok(theirs)) => {
            same_enclave(&report, theirs.report.as_sgx().unwrap())
        }
        (Ok(Unverified::Tdx { report, .. }), Ok(theirs)) => same_td(&report, &theirs),
        (Ok(ours), Err(_)) => assert!(!is_quote(&ours), "only we read {ours:?}"),
        (Err(Malformed::TooShort { of, .. }), Ok(_)) => panic!("only we find {of} too short"),
        (_, theirs) => return if theirs.is_ok() { Verdict::OneReads } else { Verdict::NeitherReads },
    }
    Verdict::BothRead
}

/// A report: where both read, alike. sev refuses more: bits that AMD reserved, and processors it does not know.
pub(crate) fn report(bytes: &[u8]) -> Verdict {
    match (describe(bytes), AttestationReport::from_bytes(bytes)) {
        (Ok(Unverified::Snp { report, .. }), Ok(theirs)) => {
            same_report(&report, &theirs);
            Verdict::BothRead
        }
        (Err(_), Err(_)) => Verdict::NeitherReads,
        _ => Verdict::OneReads,
    }
}

/// Nobody else reads these here.
pub(crate) fn alone(bytes: &[u8]) -> Verdict {
    drop(needs(bytes));
    if describe(bytes).is_ok() { Verdict::BothRead } else { Verdict::NeitherReads }
}

/// A certificate that carries a report.
fn is_certificate(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x30, 0x82])
}

/// Without the 16 bytes of Open Enclave, which dcap-qvl does not know: version 1, a remote report, the length.
fn without_header(bytes: &[u8]) -> &[u8] {
    let is_wrapped = bytes.starts_with(&[1, 0, 0, 0, 2, 0, 0, 0]);
    bytes.get(16..).filter(|_| is_wrapped).unwrap_or(bytes)
}

fn is_quote(unverified: &Unverified) -> bool {
    matches!(unverified, Unverified::Sgx { .. } | Unverified::Tdx { .. })
}

fn same_enclave(ours: &EnclaveReport, theirs: &TheirEnclave) {
    assert_eq!(ours.cpusvn.0, theirs.cpu_svn);
    assert_eq!(u32::from_le_bytes(ours.miscselect.0), theirs.misc_select);
    assert_eq!(ours.attributes.0, theirs.attributes);
    assert_eq!(ours.mrenclave.0, theirs.mr_enclave);
    assert_eq!(ours.mrsigner.0, theirs.mr_signer);
    assert_eq!((ours.isvprodid, ours.isvsvn), (theirs.isv_prod_id, theirs.isv_svn));
    assert_eq!(ours.report_data.0, theirs.report_data);
}

fn same_td(ours: &TdReport, theirs: &TheirQuote) {
    same_td10(ours, theirs.report.as_td10().unwrap());
    let v15 = ours.v15.as_ref().map(|v15| (v15.tee_tcb_svn_2.0, v15.mrservicetd.0));
    assert_eq!(v15, theirs.report.as_td15().map(|v15| (v15.tee_tcb_svn2, v15.mr_service_td)));
    let extended = ours.v15_extended.as_ref();
    let extended = extended.map(|e| (e.vmid, e.td_id.0, e.init_tee_fmspc.0, e.cur_service_td_attributes.0));
    let their_extended = theirs.report.as_td15_ex();
    let their_extended =
        their_extended.map(|e| (e.vmid, e.td_id, e.init_tee_fmspc, e.cur_service_td_attributes));
    assert_eq!(extended, their_extended);
}

fn same_td10(ours: &TdReport, theirs: &TDReport10) {
    assert_eq!(ours.tee_tcb_svn.0, theirs.tee_tcb_svn);
    assert_eq!(ours.mrseam.0, theirs.mr_seam);
    assert_eq!(ours.mrsignerseam.0, theirs.mr_signer_seam);
    assert_eq!(ours.seam_attributes.0, theirs.seam_attributes);
    assert_eq!(ours.td_attributes.0, theirs.td_attributes);
    assert_eq!(ours.xfam.0, theirs.xfam);
    assert_eq!(ours.mrtd.0, theirs.mr_td);
    assert_eq!(ours.mrconfigid.0, theirs.mr_config_id);
    assert_eq!(ours.mrowner.0, theirs.mr_owner);
    assert_eq!(ours.mrownerconfig.0, theirs.mr_owner_config);
    let rtmrs = [&ours.rtmr0, &ours.rtmr1, &ours.rtmr2, &ours.rtmr3].map(|rtmr| rtmr.0);
    assert_eq!(rtmrs, [theirs.rt_mr0, theirs.rt_mr1, theirs.rt_mr2, theirs.rt_mr3]);
    assert_eq!(ours.report_data.0, theirs.report_data);
}

fn same_report(ours: &SnpReport, theirs: &AttestationReport) {
    assert_eq!((ours.version, ours.guest_svn, ours.vmpl), (theirs.version, theirs.guest_svn, theirs.vmpl));
    // sev sets the bit that must be one.
    assert_eq!(ours.policy.0 | 1 << 17, u64::from(theirs.policy) | 1 << 17);
    assert_eq!(ours.family_id.0[..], theirs.family_id[..]);
    assert_eq!(ours.image_id.0[..], theirs.image_id[..]);
    assert_eq!(ours.report_data.0[..], theirs.report_data[..]);
    assert_eq!(ours.measurement.0[..], theirs.measurement[..]);
    assert_eq!(ours.host_data.0[..], theirs.host_data[..]);
    assert_eq!(ours.id_key_digest.0[..], theirs.id_key_digest[..]);
    assert_eq!(ours.author_key_digest.0[..], theirs.author_key_digest[..]);
    assert_eq!(ours.report_id.0[..], theirs.report_id[..]);
    assert_eq!(ours.report_id_ma.0[..], theirs.report_id_ma[..]);
    assert_eq!(ours.chip_id.0[..], theirs.chip_id[..]);
    let cpuid = ours.cpuid.map(|[family, model, stepping]| (Some(family), Some(model), Some(stepping)));
    let their_cpuid = (theirs.cpuid_fam_id, theirs.cpuid_mod_id, theirs.cpuid_step);
    assert_eq!(cpuid.unwrap_or_default(), their_cpuid);
    if let Some(product) = ours.product() {
        let tcb = marblerun_attest::SnpTcb::unverified(ours.reported_tcb, product);
        let theirs = &theirs.reported_tcb;
        let theirs = (theirs.fmc, theirs.bootloader, theirs.tee, theirs.snp, theirs.microcode);
        assert_eq!((tcb.fmc, tcb.bootloader, tcb.tee, tcb.snp, tcb.microcode), theirs);
    }
}
