//! The `marblerun` command line. What it does is in the library; this reads the process's surroundings.

use std::path::PathBuf;
use std::process::ExitCode;

use marblerun_cli::{Surroundings, run};

#[allow(clippy::disallowed_methods, reason = "the program's main is where clock and environment are read")]
fn main() -> ExitCode {
    let surroundings = Surroundings {
        now: std::time::SystemTime::now(),
        config_home: folder("XDG_CONFIG_HOME", "APPDATA"),
        home: folder("HOME", "USERPROFILE"),
        cache_home: folder("XDG_CACHE_HOME", "LOCALAPPDATA"),
        pccs_url: std::env::var("EDG_PCCS_URL").ok(),
        kds_url: std::env::var("EDG_KDS_URL").ok(),
        collateral_ca: std::env::var_os("EDG_COLLATERAL_CA").filter(|file| !file.is_empty()).map(Into::into),
        emulator: std::env::var_os("EDG_EMULATOR").filter(|socket| !socket.is_empty()).map(Into::into),
        simulation: std::env::var("OE_SIMULATION").is_ok_and(|switch| switch == "1"),
        root: "/".into(),
    };
    run(std::env::args_os(), surroundings)
}

/// The folder that a variable names; on Windows, if that is not set, the one that Windows names.
#[allow(clippy::disallowed_methods, reason = "called by the program's main alone")]
fn folder(name: &str, on_windows: &str) -> Option<PathBuf> {
    let named = std::env::var_os(name);
    named.or_else(|| cfg!(windows).then(|| std::env::var_os(on_windows)).flatten()).map(Into::into)
}
