//! Finds a program of this workspace, built from the sources as they are now.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context as _, Result, bail};

static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());

/// Builds the program `bin` of `package` with cargo, in the profile and target folder of the running test, and says
/// where it is. Cargo is asked once per process and program.
///
/// # Errors
/// If cargo fails; its messages are in the error.
pub fn build(package: &str, bin: &str) -> Result<PathBuf> {
    let mut built = BUILT.lock().map_err(|_| anyhow::anyhow!("an earlier build panicked"))?;
    if let Some(path) = built.get(bin) {
        return Ok(path.clone());
    }
    let path = build_now(package, bin, &profile_folder()?)?;
    built.insert(bin.to_owned(), path.clone());
    Ok(path)
}

fn build_now(package: &str, bin: &str, folder: &Path) -> Result<PathBuf> {
    let output = cargo(package, bin, folder).output().context("cargo does not start")?;
    if !output.status.success() {
        bail!("cargo cannot build {bin}:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(folder.join(format!("{bin}{}", std::env::consts::EXE_SUFFIX)))
}

fn cargo(package: &str, bin: &str, folder: &Path) -> Command {
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    #[allow(clippy::disallowed_methods, reason = "cargo tells its tests which cargo runs them")]
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command
        .args(["build", "--quiet", "--package", package, "--bin", bin, "--profile", profile])
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .arg("--target-dir")
        .arg(folder.parent().unwrap_or(folder));
    command
}

/// `target/PROFILE`: test programs lie in its `deps`, examples in its `examples`, programs in itself.
fn profile_folder() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("where the test runs from")?;
    let folder = exe.parent().context("a program lies in a folder")?;
    let nested = folder.ends_with("deps") || folder.ends_with("examples");
    let profile = if nested { folder.parent() } else { Some(folder) };
    Ok(profile.context("target folder")?.to_owned())
}
