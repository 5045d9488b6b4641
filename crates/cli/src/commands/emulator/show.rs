//! `marblerun emulator show`: what identifies a platform, for allow-lists of manifests.

use clap::Args;
use marblerun_tee::emulated::DEFAULT_PLATFORM;
use serde_json::json;

use super::Place;
use crate::{Failure, console};

/// Arguments of `marblerun emulator show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    place: Place,
    /// Platform to show
    #[arg(long, value_name = "NAME", default_value = DEFAULT_PLATFORM)]
    platform: String,
}

impl Show {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let folder = self.place.folder();
        let (vendor, settings) = (folder.vendor()?, folder.settings()?);
        let platform = vendor.platform(&self.platform, &settings)?;
        let state = settings.platform(&self.platform)?;
        let shown = json!({
            "Platform": self.platform,
            "TEE": platform.kind(),
            "TCBStatus": state.tcb,
            "Revoked": settings.published.revoked_platforms.contains(&self.platform),
            "FMSPC": hex::encode(state.fmspc),
            "PPID": hex::encode(platform.ppid()?),
            "CPUSVN": hex::encode(platform.cpu_svn()),
            "ChipID": hex::encode(platform.chip_id()?),
            "Product": state.product,
            "TCBEvaluationDataNumber": settings.published.tcb_evaluation,
            "Socket": folder.socket(&self.platform),
        });
        console::print(&format!("{shown:#}"))
    }
}
