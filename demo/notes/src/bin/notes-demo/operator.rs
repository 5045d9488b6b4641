//! What the operator of the mesh does, with the command line.

use std::path::{Path, PathBuf};

use crate::process::{Finished, command};
use crate::programs::Programs;

/// Runs `marblerun` in a folder, without touching the user's own configuration.
pub(crate) struct Operator {
    program: PathBuf,
    folder: PathBuf,
    coordinator: String,
    collateral: String,
}

impl Operator {
    /// Who works in `folder`, and fetches collateral from there.
    pub(crate) fn new(programs: &Programs, folder: &Path, collateral: &str) -> Self {
        Self {
            collateral: collateral.to_owned(),
            program: programs.path("marblerun"),
            folder: folder.to_owned(),
            coordinator: String::new(),
        }
    }

    /// From now on `ADDRESS` is this Coordinator's.
    pub(crate) fn talk_to(&mut self, client_port: u16) {
        self.coordinator = format!("localhost:{client_port}");
    }

    /// A command as one would type it.
    pub(crate) fn shown(&self, arguments: &[&str]) -> String {
        format!("marblerun {}", self.with_address(arguments).join(" "))
    }

    /// Runs it; results are on its standard output, remarks on its standard error.
    pub(crate) async fn run(&self, arguments: &[&str]) -> anyhow::Result<Finished> {
        let mut command = command(&self.program);
        command.args(self.with_address(arguments)).current_dir(&self.folder);
        command.env("HOME", &self.folder).env("XDG_CONFIG_HOME", &self.folder);
        command.env("XDG_CACHE_HOME", &self.folder).env("EDG_PCCS_URL", &self.collateral);
        Finished::of("marblerun", &mut command).await?.successful(&self.shown(arguments))
    }

    /// `ADDRESS` stands for the Coordinator's.
    fn with_address(&self, arguments: &[&str]) -> Vec<String> {
        let fill = |argument: &&str| argument.replace("ADDRESS", &self.coordinator);
        arguments.iter().map(fill).collect()
    }
}
