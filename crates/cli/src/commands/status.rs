//! `marblerun status`: which state the Coordinator is in.

use clap::Args;
use serde_json::json;

use crate::args::Format;
use crate::trust::{self, Context};
use crate::{Failure, console};

/// Arguments of `marblerun status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT")]
    addr: String,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Status {
    pub(crate) async fn execute(self, context: &Context) -> Result<(), Failure> {
        let status = trust::known(&self.addr, context)?.status().await?;
        let message = marblerun_api::client::printable(&status.message);
        match self.format {
            Format::Text => console::print(&format!("{}: {message}", status.code)),
            Format::Json => console::print(&json!({ "code": status.code, "message": message }).to_string()),
        }
    }
}
