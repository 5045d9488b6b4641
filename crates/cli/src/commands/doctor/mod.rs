//! `marblerun doctor`: what this machine can do for attestation, whether collateral is at hand, and what to change. It
//! changes nothing itself.

mod collateral;
mod machine;
#[cfg(unix)]
mod program;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::args::Format;
use crate::trust::Context;
use crate::{Failure, console};

/// Arguments of `marblerun doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Do not ask any service
    #[arg(long)]
    offline: bool,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    what: String,
    state: State,
    /// What was seen.
    seen: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// There, and of use.
    Ok,
    /// Not there. Whether it is needed depends on what is wanted.
    Absent,
    /// There, and in the way.
    Trouble,
}

impl Doctor {
    pub(crate) async fn execute(self, context: &Context) -> Result<(), Failure> {
        let mut findings = here(context);
        findings.extend(machine::look(&context.surroundings.root));
        findings.extend(collateral::look(context, self.offline).await);
        match self.format {
            Format::Json => console::print(&format!("{:#}", json!({ "findings": findings }))),
            Format::Text => {
                console::print(&findings.iter().map(Finding::text).collect::<Vec<_>>().join("\n"))
            }
        }
    }
}

/// What programs would run in here.
#[cfg(unix)]
fn here(context: &Context) -> Vec<Finding> {
    let pccs = crate::collateral::chosen(context).ok().map(|chosen| chosen.sources.pccs());
    program::look(context, pccs.as_deref())
}

/// Neither Coordinator nor marbles run on other systems.
#[cfg(not(unix))]
fn here(_: &Context) -> Vec<Finding> {
    Vec::new()
}

impl Finding {
    fn new(what: impl Into<String>, state: State, seen: impl Into<String>) -> Self {
        Self { what: what.into(), state, seen: seen.into(), change: None }
    }

    fn change(mut self, change: impl Into<String>) -> Self {
        self.change = Some(change.into());
        self
    }

    fn text(&self) -> String {
        let state = match self.state {
            State::Ok => "ok     ",
            State::Absent => "absent ",
            State::Trouble => "TROUBLE",
        };
        let change =
            self.change.as_ref().map_or_else(String::new, |change| format!("\n          -> {change}"));
        format!("[{state}] {}: {}{change}", self.what, self.seen)
    }
}
