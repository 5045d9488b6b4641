//! `marblerun emulator evidence`: evidence about this program itself, which has to be signed like any other.

use std::path::PathBuf;

use clap::Args;
use marblerun_tee::Tee as _;
use marblerun_tee::emulated::{Emulated, REPORT_DATA_BYTES};

use super::run::doing;
use crate::{Failure, file};

/// Arguments of `marblerun emulator evidence`.
#[derive(Debug, Args)]
pub(super) struct Evidence {
    /// Socket of a platform
    #[arg(value_name = "SOCKET")]
    socket: PathBuf,
    /// File for the evidence
    #[arg(short, long, value_name = "FILE", required = true)]
    output: Option<PathBuf>,
    /// What it is bound to, at most 64 bytes; zeros follow
    #[arg(long, value_name = "HEX", default_value = "", value_parser = report_data)]
    report_data: ReportData,
}

/// The 64 bytes that evidence is bound to.
#[derive(Debug, Clone, Copy)]
struct ReportData([u8; REPORT_DATA_BYTES]);

impl Evidence {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let tee = Emulated::connect(&self.socket, Vec::new())?;
        let evidence = tee.evidence(&self.report_data.0)?.unwrap_or_default();
        let output = self.output.unwrap_or_default();
        file::write(&output, &evidence)
            .map_err(|source| doing(&format!("writing {}", output.display()), source))
    }
}

fn report_data(text: &str) -> Result<ReportData, String> {
    let bytes = hex::decode(text).map_err(|why| why.to_string())?;
    let mut all = [0; REPORT_DATA_BYTES];
    let place = all.get_mut(..bytes.len()).ok_or("at most 64 bytes fit")?;
    place.copy_from_slice(&bytes);
    Ok(ReportData(all))
}
