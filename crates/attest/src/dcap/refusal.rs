//! Names for what dcap-qvl refuses. Its errors are sentences and its version is pinned exactly, so that they are known; a
//! sentence that is not here is a refusal all the same.

use crate::error::Failure;

type Name = fn(String) -> Failure;

/// Part of a sentence of dcap-qvl 0.7.1, and the failure that it is. The first that fits counts.
const NAMES: &[(&str, Name)] = &[
    ("ISV enclave report signature is invalid", |_| Failure::QuoteSignature),
    ("TCB status is invalid: Revoked", |_| Failure::TcbRevoked),
    ("No matching TCB level found", Failure::TcbNotSupported),
    ("TDX module ISVSVN", Failure::TcbNotSupported),
    ("No TDX module identity", Failure::TdxModule),
    ("TDX module", Failure::TdxModule),
    ("Signature is invalid for qe_report", |why| Failure::QuotingEnclave(why)),
    ("QE report hash mismatch", Failure::QuotingEnclave),
    ("Invalid QE auth data length", Failure::QuotingEnclave),
    ("QE MRSIGNER mismatch", Failure::QuotingEnclave),
    ("QE ISVPRODID mismatch", Failure::QuotingEnclave),
    ("QE MISCSELECT mismatch", Failure::QuotingEnclave),
    ("QE ATTRIBUTES mismatch", Failure::QuotingEnclave),
    ("QE ISVSVN", Failure::QuotingEnclave),
    ("TCBInfo", |why| Failure::Collateral { part: "TCB Info", why }),
    ("TCB Info", |why| Failure::Collateral { part: "TCB Info", why }),
    ("TcbInfo", |why| Failure::Collateral { part: "TCB Info", why }),
    ("tcb_info", |why| Failure::Collateral { part: "TCB Info", why }),
    ("non-TDX TCB info", |why| Failure::Collateral { part: "TCB Info", why }),
    ("non-SGX TCB info", |why| Failure::Collateral { part: "TCB Info", why }),
    ("QE Identity", |why| Failure::Collateral { part: "QE identity", why }),
    ("QeIdentity", |why| Failure::Collateral { part: "QE identity", why }),
    ("qe_identity", |why| Failure::Collateral { part: "QE identity", why }),
    // The quote's own chain was followed before, so this is one of the two that sign collateral.
    ("Failed to verify certificate chain", |why| Failure::Collateral { part: "issuer chain", why }),
];

/// Attributes of a TD that dcap-qvl refuses in the end, after everything else held. They are the policy's business
/// here, so that a refusal can say what the manifest would have to allow.
const ATTRIBUTES: [&str; 3] =
    ["SEPT_VE_DISABLE is not enabled", "TD migration is enabled", "SERVTD_EXT is enabled"];

/// Whether the refusal is for attributes alone: all of the quote is genuine.
pub(super) fn is_for_attributes(sentence: &str) -> bool {
    ATTRIBUTES.contains(&sentence)
}

pub(super) fn name(sentence: String) -> Failure {
    let name = NAMES.iter().find(|(part, _)| sentence.contains(part));
    name.map_or(Failure::Other as Name, |(_, name)| *name)(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As dcap-qvl 0.7.1 writes them.
    const SENTENCES: &[(&str, &str)] = &[
        ("ISV enclave report signature is invalid", "quote_signature_invalid"),
        ("TCB status is invalid: Revoked", "tcb_revoked"),
        ("No matching TCB level found", "tcb_not_supported"),
        (
            "TDX module TCB level check: TDX module ISVSVN 1 is below minimum required from TDX module TCB levels",
            "tcb_not_supported",
        ),
        (
            "TDX module TCB level check: No TDX module identity with id TDX_07 found in TCB Info",
            "tdx_module_invalid",
        ),
        (
            "TDX module identity check: TDX module MRSIGNER mismatch: expected 00, got 01",
            "tdx_module_invalid",
        ),
        ("Signature is invalid for qe_report in quote", "quoting_enclave_invalid"),
        ("QE report hash mismatch", "quoting_enclave_invalid"),
        ("QE ISVSVN 1 is below minimum required 5 from QE Identity", "quoting_enclave_invalid"),
        ("TCBInfo expired", "collateral_invalid"),
        ("Signature is invalid for tcb_info in quote_collateral", "collateral_invalid"),
        ("SGX quote with non-SGX TCB info in the collateral", "collateral_invalid"),
        ("QE Identity issue date is in the future", "collateral_invalid"),
        ("Signature is invalid for qe_identity in quote_collateral", "collateral_invalid"),
        ("Failed to verify certificate chain: UnknownIssuer", "collateral_invalid"),
        ("Reserved bits in TD attributes are set", "verification_failed"),
    ];

    #[test]
    fn each_sentence_has_its_name() {
        for (sentence, code) in SENTENCES {
            assert_eq!(name((*sentence).to_owned()).code(), *code, "{sentence}");
            assert!(!is_for_attributes(sentence), "{sentence}");
        }
    }
}
