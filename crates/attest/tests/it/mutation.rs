//! T19: every byte of evidence and collateral changed alone, warm and cold: never accepted.

use marblerun_attest::Collateral;

use crate::recorded::Recorded;

/// Evidence of each kind; all of it is authenticated, or must have one value.
#[test]
fn every_byte_of_evidence_counts() {
    for name in [
        "sgx/v3-icx-swhardening",
        "tdx/v4-uptodate",
        "tdx/v5-td15-uptodate",
        "tdx/v5-td15ex-uptodate",
        "snp/genoa-v3-vcek",
        "snp/milan-v2-vcek",
        "snp/milan-v3-vlek",
        "snp/turin-v5-vcek",
        "nvidia/blackwell",
    ] {
        let recorded = Recorded::load(name);
        assert_eq!(recorded.code(), "ok", "{name}");
        for position in positions(recorded.evidence.len()) {
            let mut evidence = recorded.evidence.clone();
            evidence[position] ^= 1 << (position % 8);
            assert!(recorded.genuine_of(&evidence).is_err(), "{name}: byte {position}");
        }
    }
}

/// All of the report; of who vouches for it, which is not remembered and so costs more, one byte in nine, and the last.
fn positions(length: usize) -> impl Iterator<Item = usize> {
    const REPORT: usize = 700;
    (0..length).filter(move |position| *position < REPORT || position % 9 == 0 || *position + 1 == length)
}

/// JSON has bytes that mean nothing, so what is inside is changed.
#[test]
fn every_byte_of_a_virtual_tpm_counts() {
    let recorded = Recorded::load("azure/snp-genoa");
    let json: serde_json::Value = serde_json::from_slice(&recorded.evidence).unwrap();
    assert_eq!(recorded.code(), "ok");
    for pointer in ["/report", "/quote/message", "/quote/signature", "/quote/pcrs/0", "/quote/pcrs/23"] {
        let length = json.pointer(pointer).unwrap().as_array().unwrap().len();
        for position in (0..length).filter(|position| !is_ignored(pointer, *position)) {
            let mut changed = json.clone();
            let byte = &mut changed.pointer_mut(pointer).unwrap()[position];
            *byte = (byte.as_u64().unwrap() ^ 1).into();
            let evidence = serde_json::to_vec(&changed).unwrap();
            assert!(recorded.genuine_of(&evidence).is_err(), "{pointer}: byte {position}");
        }
    }
}

/// The rest of the paravisor's headers (versions, sizes, kinds) is described and decides nothing: what counts is the
/// hardware report, and the hash of the runtime data in it.
fn is_ignored(pointer: &str, position: usize) -> bool {
    pointer == "/report" && (matches!(position, 4..32) || matches!(position, 1216..1228))
}

#[test]
fn every_part_of_intel_collateral_counts() {
    for name in ["sgx/v3-icx-swhardening", "tdx/v5-td15-uptodate"] {
        let recorded = Recorded::load(name);
        let original = recorded.collateral.intel.clone().unwrap();
        let leaf = original.tcb_info_issuer_chain.find("-----END").unwrap();
        let lengths = [
            original.root_ca_crl.len(),
            original.pck_crl.len(),
            original.tcb_info.len(),
            original.tcb_info_signature.len(),
            original.qe_identity.len(),
            original.qe_identity_signature.len(),
            leaf,
        ];
        for (part, length) in lengths.into_iter().enumerate() {
            for position in (0..length).step_by(length / 16) {
                let mut changed = original.clone();
                flip(&mut changed, part, position);
                let collateral = Collateral { intel: Some(changed), ..Collateral::default() };
                let recorded = Recorded { collateral, ..Recorded::load(name) };
                assert!(recorded.genuine().is_err(), "{name}: part {part}, byte {position}");
            }
        }
    }
}

fn flip(collateral: &mut marblerun_attest::IntelCollateral, part: usize, position: usize) {
    let in_text = |text: &mut String| {
        let mut bytes = std::mem::take(text).into_bytes();
        bytes[position] ^= 1;
        *text = String::from_utf8(bytes).unwrap();
    };
    match part {
        0 => collateral.root_ca_crl[position] ^= 1,
        1 => collateral.pck_crl[position] ^= 1,
        2 => in_text(&mut collateral.tcb_info),
        3 => collateral.tcb_info_signature[position] ^= 1,
        4 => in_text(&mut collateral.qe_identity),
        5 => collateral.qe_identity_signature[position] ^= 1,
        _ => in_text(&mut collateral.tcb_info_issuer_chain),
    }
}

#[test]
fn every_byte_of_an_amd_chain_counts() {
    let recorded = Recorded::load("snp/genoa-v3-vcek");
    let original = recorded.collateral.amd.clone().unwrap();
    for (part, length) in [original.vek.len(), original.intermediate.len()].into_iter().enumerate() {
        for position in (0..length).filter(|position| position % 3 == 0 || *position + 520 > length) {
            let mut changed = original.clone();
            let bytes = if part == 0 { &mut changed.vek } else { &mut changed.intermediate };
            bytes[position] ^= 1;
            let collateral = Collateral { amd: Some(changed), ..Collateral::default() };
            let recorded = Recorded { collateral, ..Recorded::load("snp/genoa-v3-vcek") };
            assert!(recorded.genuine().is_err(), "part {part}, byte {position}");
        }
    }
}

#[test]
fn a_cut_or_longer_evidence_is_refused() {
    for name in
        ["sgx/v3-icx-swhardening", "tdx/v4-uptodate", "snp/genoa-v3-vcek", "nvidia/hopper-invalid-signature"]
    {
        let recorded = Recorded::load(name);
        for length in (0..recorded.evidence.len()).step_by(13) {
            assert!(recorded.genuine_of(&recorded.evidence[..length]).is_err(), "{name}: {length} bytes");
        }
        let longer = [&recorded.evidence[..], &[1]].concat();
        assert!(recorded.genuine_of(&longer).is_err(), "{name}: longer");
    }
}
