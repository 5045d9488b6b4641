//! T20: evidence for another key, another purpose or another nonce; padded or cut.

use marblerun_attest::Binding;

use crate::recorded::Recorded;

/// One of each kind of evidence.
const ONE_OF_EACH: [&str; 6] = [
    "sgx/v3-icx-swhardening",
    "tdx/v4-uptodate",
    "tdx/v5-td15-uptodate",
    "snp/genoa-v3-vcek",
    "azure/snp-genoa",
    "nvidia/hopper-h100",
];

#[test]
fn evidence_for_anything_else_is_refused() {
    for name in ONE_OF_EACH {
        let mut recorded = Recorded::load(name);
        assert_eq!(recorded.code(), "ok", "{name}");
        let Binding::Exactly(right) = recorded.binding.clone() else { unreachable!() };
        for (what, wrong) in wrong_bindings(&right) {
            recorded.binding = wrong;
            assert_eq!(recorded.code(), "binding_mismatch", "{name}: {what}");
        }
    }
}

#[test]
fn a_hash_binds_only_with_zeros_after_it() {
    let mut recorded = Recorded::load("tdx/v5-td15-uptodate");
    let Binding::Exactly(bytes) = recorded.binding.clone() else { unreachable!() };
    let digest: [u8; 32] = bytes[..32].try_into().unwrap();
    recorded.binding = Binding::MarbleCertificate(digest);
    assert_eq!(recorded.code(), if bytes[32..] == [0; 32] { "ok" } else { "binding_mismatch" });
    recorded.binding = Binding::CoordinatorRoot([0; 32]);
    assert_eq!(recorded.code(), "binding_mismatch");
}

/// Every one differs from the right one in one way.
fn wrong_bindings(right: &[u8]) -> Vec<(&'static str, Binding)> {
    let changed = |position: usize| {
        let mut bytes = right.to_vec();
        bytes[position] ^= 1;
        Binding::Exactly(bytes)
    };
    vec![
        ("first byte", changed(0)),
        ("last byte", changed(right.len() - 1)),
        ("cut", Binding::Exactly(right[..right.len() - 1].to_vec())),
        ("padded", Binding::Exactly([right, &[0]].concat())),
        ("forgotten", Binding::Exactly(Vec::new())),
        ("another key", Binding::MarbleCertificate([0xa5; 32])),
        ("another purpose", Binding::CoordinatorRoot([0xa5; 32])),
    ]
}
