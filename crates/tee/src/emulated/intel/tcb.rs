//! TCB information (PCS API v4, TCB Info v3): a ladder of levels, one rung for each status. A platform stands on the
//! rung that its security version numbers reach, so that a status is what a verifier finds, not what is written down.

use serde::Serialize;

use super::{Authority, Window};
use crate::emulated::settings::{PlatformSettings, Published, TcbStatus};
use crate::emulated::{EmulatorError, timestamp};

/// The rungs, best first: SVN of the first component, status, whether the current microcode generation is needed,
/// advisories.
const LADDER: [(u8, TcbStatus, bool, &[&str]); 7] = [
    (9, TcbStatus::UpToDate, true, &[]),
    (8, TcbStatus::SwHardeningNeeded, true, &["INTEL-SA-00615"]),
    (7, TcbStatus::ConfigurationNeeded, true, &["INTEL-SA-00657"]),
    (6, TcbStatus::ConfigurationAndSwHardeningNeeded, true, &["INTEL-SA-00615", "INTEL-SA-00657"]),
    (5, TcbStatus::OutOfDate, false, &["INTEL-SA-00828", "INTEL-SA-00837"]),
    (
        4,
        TcbStatus::OutOfDateConfigurationNeeded,
        false,
        &["INTEL-SA-00657", "INTEL-SA-00828", "INTEL-SA-00837"],
    ),
    (3, TcbStatus::Revoked, false, &["INTEL-SA-00960"]),
];

/// The rest of the components, which all platforms have alike.
const COMPONENTS: [u8; 16] = [0, 0, 3, 3, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// PCESVN of all platforms.
pub(super) const PCE_SVN: u16 = 13;

/// TDX module version and microcode: the second and third component of TEE_TCB_SVN.
const TDX_MODULE_VERSION: u8 = 1;
const TDX_MICROCODE: u8 = 2;

/// ISVSVNs of the TDX module, and what they are worth.
const MODULE_LEVELS: [(u8, TcbStatus, &[&str]); 2] =
    [(5, TcbStatus::UpToDate, &[]), (2, TcbStatus::OutOfDate, &["INTEL-SA-01036"])];

const DATE_NOW: &str = "2025-05-14T00:00:00Z";
const DATE_OLD: &str = "2023-08-09T00:00:00Z";

/// CPUSVN of a platform: its 16 TCB components.
pub(in crate::emulated) fn cpu_svn(settings: &PlatformSettings) -> [u8; 16] {
    let rung = LADDER.iter().find(|rung| rung.1 == settings.tcb);
    components(rung.map_or(0, |rung| rung.0), settings.generation)
}

/// TEE_TCB_SVN of a platform: what its TDX module is.
pub(super) fn tee_tcb_svn(settings: &PlatformSettings) -> [u8; 16] {
    let mut svn = [0; 16];
    svn[..3].copy_from_slice(&[settings.module_svn, TDX_MODULE_VERSION, TDX_MICROCODE]);
    svn
}

fn components(first: u8, generation: u8) -> [u8; 16] {
    let mut all = COMPONENTS;
    all[..2].copy_from_slice(&[first, generation]);
    all
}

/// TCB information about one kind of platform.
#[derive(Debug, Clone, Copy)]
pub(in crate::emulated) struct TcbInfo<'a> {
    pub(in crate::emulated) tdx: bool,
    pub(in crate::emulated) fmspc: [u8; 6],
    pub(in crate::emulated) published: &'a Published,
    pub(in crate::emulated) window: Window,
}

impl TcbInfo<'_> {
    /// The signed JSON.
    pub(in crate::emulated) fn sign(&self, authority: &Authority) -> Result<String, EmulatorError> {
        let info = Info {
            id: if self.tdx { "TDX" } else { "SGX" },
            version: 3,
            issue_date: timestamp(self.window.from),
            next_update: timestamp(self.window.until),
            fmspc: hex::encode_upper(self.fmspc),
            pce_id: "0000",
            tcb_type: 0,
            tcb_evaluation_data_number: self.published.tcb_evaluation,
            tdx_module: self.tdx.then(Module::any),
            tdx_module_identities: self.tdx.then(|| [ModuleIdentity::of_all()]),
            tcb_levels: LADDER.iter().map(|rung| self.level(rung)).collect(),
        };
        authority.sign_json("tcbInfo", &serde_json::to_string(&info)?)
    }

    fn level(
        &self,
        &(first, tcb_status, current, advisories): &(u8, TcbStatus, bool, &'static [&'static str]),
    ) -> Level {
        let generation = if current { self.published.generation } else { 0 };
        let tdx = || {
            let mut svns = [0; 16];
            svns[..3].copy_from_slice(&[MODULE_LEVELS[0].0, 0, TDX_MICROCODE]);
            svns.map(Component::of)
        };
        Level {
            tcb: Tcb {
                sgxtcbcomponents: components(first, generation).map(Component::of),
                pcesvn: PCE_SVN,
                tdxtcbcomponents: self.tdx.then(tdx),
            },
            tcb_date: if current { DATE_NOW } else { DATE_OLD },
            tcb_status,
            advisory_ids: advisories,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    id: &'static str,
    version: u8,
    issue_date: String,
    next_update: String,
    fmspc: String,
    pce_id: &'static str,
    tcb_type: u8,
    tcb_evaluation_data_number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    tdx_module: Option<Module>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tdx_module_identities: Option<[ModuleIdentity; 1]>,
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
    sgxtcbcomponents: [Component; 16],
    pcesvn: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    tdxtcbcomponents: Option<[Component; 16]>,
}

#[derive(Serialize)]
struct Component {
    svn: u8,
}

impl Component {
    fn of(svn: u8) -> Self {
        Self { svn }
    }
}

/// Which TDX modules count: those that Intel signs, whose signer is written as zeros.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Module {
    mrsigner: String,
    attributes: &'static str,
    attributes_mask: &'static str,
}

impl Module {
    fn any() -> Self {
        Self { mrsigner: "0".repeat(96), attributes: "0000000000000000", attributes_mask: "FFFFFFFFFFFFFFFF" }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ModuleIdentity {
    id: String,
    #[serde(flatten)]
    module: Module,
    tcb_levels: Vec<ModuleLevel>,
}

impl ModuleIdentity {
    fn of_all() -> Self {
        let levels = MODULE_LEVELS.iter().map(|&(isvsvn, tcb_status, advisory_ids)| ModuleLevel {
            tcb: ModuleTcb { isvsvn },
            tcb_date: if tcb_status == TcbStatus::UpToDate { DATE_NOW } else { DATE_OLD },
            tcb_status,
            advisory_ids,
        });
        let id = format!("TDX_{TDX_MODULE_VERSION:02}");
        Self { id, module: Module::any(), tcb_levels: levels.collect() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ModuleLevel {
    tcb: ModuleTcb,
    tcb_date: &'static str,
    tcb_status: TcbStatus,
    #[serde(rename = "advisoryIDs", skip_serializing_if = "<[_]>::is_empty")]
    advisory_ids: &'static [&'static str],
}

#[derive(Serialize)]
struct ModuleTcb {
    isvsvn: u8,
}
