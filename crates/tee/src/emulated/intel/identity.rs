//! The quoting enclaves: what they are, and what the vendor publishes about them.

use serde::Serialize;

use super::{Authority, Window};
use crate::emulated::settings::{Published, TcbStatus};
use crate::emulated::{EmulatorError, Enclave, timestamp};

/// Readable, so that it looks like what it is: the signer of no real enclave.
const MRSIGNER: [u8; 32] = *b"marblerun emulated quoting signs";

/// ISVSVNs of the quoting enclaves, and what they are worth.
const LEVELS: [(u16, TcbStatus, &[&str]); 2] =
    [(8, TcbStatus::UpToDate, &[]), (1, TcbStatus::OutOfDate, &["INTEL-SA-00615"])];

/// For what a quoting enclave quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::emulated) enum QeKind {
    /// Enclaves.
    Sgx,
    /// Trust domains.
    Tdx,
}

impl QeKind {
    fn id(self) -> &'static str {
        match self {
            Self::Sgx => "QE",
            Self::Tdx => "TD_QE",
        }
    }

    fn product(self) -> u16 {
        match self {
            Self::Sgx => 1,
            Self::Tdx => 2,
        }
    }

    /// The quoting enclave itself, of this security version.
    pub(super) fn enclave(self, svn: u16) -> Enclave {
        let mut name = [0; 32];
        let text = format!("marblerun emulated {} {svn}", self.id());
        name[..text.len()].copy_from_slice(text.as_bytes());
        Enclave {
            isv_prod_id: self.product(),
            isv_svn: svn,
            // INIT, MODE64BIT and PROVISIONKEY: what real quoting enclaves have.
            attributes: [0x15, 0, 0, 0, 0, 0, 0, 0, 0xe7, 0, 0, 0, 0, 0, 0, 0],
            ..Enclave::new(name, MRSIGNER)
        }
    }
}

/// The signed identity of a quoting enclave (PCS API v4).
pub(in crate::emulated) fn qe_identity(
    kind: QeKind,
    published: &Published,
    window: Window,
    authority: &Authority,
) -> Result<String, EmulatorError> {
    let identity = Identity {
        id: kind.id(),
        version: 2,
        issue_date: timestamp(window.from),
        next_update: timestamp(window.until),
        tcb_evaluation_data_number: published.tcb_evaluation,
        miscselect: "00000000",
        miscselect_mask: "FFFFFFFF",
        attributes: "11000000000000000000000000000000",
        attributes_mask: "FBFFFFFFFFFFFFFF0000000000000000",
        mrsigner: hex::encode_upper(MRSIGNER),
        isvprodid: kind.product(),
        tcb_levels: LEVELS.iter().map(level).collect(),
    };
    authority.sign_json("enclaveIdentity", &serde_json::to_string(&identity)?)
}

fn level(&(isvsvn, tcb_status, advisory_ids): &(u16, TcbStatus, &'static [&'static str])) -> Level {
    let tcb_date =
        if tcb_status == TcbStatus::UpToDate { "2025-05-14T00:00:00Z" } else { "2021-11-10T00:00:00Z" };
    Level { tcb: Tcb { isvsvn }, tcb_date, tcb_status, advisory_ids }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    id: &'static str,
    version: u8,
    issue_date: String,
    next_update: String,
    tcb_evaluation_data_number: u32,
    miscselect: &'static str,
    miscselect_mask: &'static str,
    attributes: &'static str,
    attributes_mask: &'static str,
    mrsigner: String,
    isvprodid: u16,
    tcb_levels: Vec<Level>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Level {
    tcb: Tcb,
    tcb_date: &'static str,
    tcb_status: TcbStatus,
    #[serde(rename = "advisoryIDs", skip_serializing_if = "<[_]>::is_empty")]
    advisory_ids: &'static [&'static str],
}

#[derive(Serialize)]
struct Tcb {
    isvsvn: u16,
}
