//! `marblerun manifest log`: what was changed, by whom and when.

use std::path::PathBuf;

use clap::Args;
use marblerun_api::client::printable;

use super::deliver;
use crate::trust::{self, Context};
use crate::{Failure, console};

/// Arguments of `marblerun manifest log`.
#[derive(Debug, Args)]
pub(super) struct Log {
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT")]
    addr: String,
    /// Write to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Log {
    pub(super) async fn execute(self, context: &Context) -> Result<(), Failure> {
        let log = trust::known(&self.addr, context)?.update_log().await?;
        let lines: String = log.iter().map(|line| format!("{}\n", printable(line))).collect();
        if self.output.is_none() {
            console::note("Update log:");
        }
        deliver(lines.as_bytes(), self.output.as_deref())
    }
}
