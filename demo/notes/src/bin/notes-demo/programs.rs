//! The programs that the demo starts, built from the sources as they are.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};

use crate::process::{Courteous, Process, command};

const PACKAGES: [&str; 4] =
    ["marblerun-coordinator", "marblerun-cli", "marblerun-marble", "marblerun-demo-notes"];

/// The folder of built programs: where this one lies.
pub(crate) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// In the folder of the running program.
    pub(crate) fn here() -> anyhow::Result<Self> {
        let myself = std::env::current_exe().context("where this program is")?;
        Ok(Self { folder: myself.parent().context("the folder of programs")?.to_owned() })
    }

    /// The command that [`Programs::build`] runs, as one would type it.
    pub(crate) fn build_command(&self) -> String {
        let profile =
            if self.profile() == "dev" { String::new() } else { format!(" --profile {}", self.profile()) };
        format!("cargo build{profile} --bins --package={}", PACKAGES.join(" --package="))
    }

    /// Lets cargo build what is not built yet. Its progress goes to standard error, as always.
    pub(crate) async fn build(&self) -> anyhow::Result<()> {
        #[allow(clippy::disallowed_methods, reason = "cargo tells which cargo runs this program")]
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = command(cargo);
        command.args(["build", "--bins", "--profile", self.profile()]);
        command.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
        command.arg("--manifest-path").arg(repository().join("Cargo.toml"));
        command.arg("--target-dir").arg(self.folder.parent().unwrap_or(&self.folder));
        command.stdout(Stdio::null());
        let mut cargo = Courteous(Process::start("cargo", &mut command)?);
        if !cargo.0.wait().await?.success() {
            bail!("cargo could not build the programs; its messages are above");
        }
        Ok(())
    }

    /// Where the program `name` lies.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn profile(&self) -> &str {
        match self.folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(other) => other,
        }
    }
}

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The demo's manifest.
pub(crate) fn manifest() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("manifest.json")
}
