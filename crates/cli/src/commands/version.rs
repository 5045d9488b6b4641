//! `marblerun version`.

use crate::{Failure, console};

/// The commit that a release was built from; the build sets it.
const COMMIT: &str = match option_env!("MARBLERUN_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

pub(crate) fn execute() -> Result<(), Failure> {
    console::print(&format!("CLI Version: v{}\nCommit: {COMMIT}", env!("CARGO_PKG_VERSION")))?;
    // The Coordinator's version stands on its Deployment, and clusters are not spoken to yet.
    console::note("Unable to find a MarbleRun Coordinator: asking a Kubernetes cluster is not built yet");
    Ok(())
}
