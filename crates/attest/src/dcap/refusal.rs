//! Names for what dcap-qvl refuses. Its errors are sentences, its version is pinned exactly, and a test reaches every
//! row; a sentence that is not here is a refusal all the same.

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
