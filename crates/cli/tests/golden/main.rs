//! The recorded runs and YAML documents, one line for each: `cargo test -p marblerun-cli --test golden`.
//!
//! An argument limits the cases to those whose name contains it.

#![allow(clippy::expect_used, reason = "a test program may give up")]

mod folder;
mod holder;
mod matcher;
mod run;
mod step;
mod yaml;

use std::path::Path;
use std::process::ExitCode;

use marblerun_testkit::golden::{Report, folder};

/// Runs that need commands which are not built yet: the beginning of their names, and what they wait for.
const WAITING: &[(&str, &str)] = &[("cluster-", "needs the commands for Kubernetes clusters")];

fn main() -> ExitCode {
    let mut report = Report::default();
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let wanted = |name: &str| wanted.as_ref().is_none_or(|part| name.contains(part.as_str()));
    if let Some(golden) = folder("cli") {
        yaml::check_all(&golden, &wanted, &mut report);
        runs(&golden, &wanted, &mut report);
    }
    report.finish()
}

fn runs(golden: &Path, wanted: &dyn Fn(&str) -> bool, report: &mut Report) {
    let files = std::fs::read_dir(golden.join("runs")).into_iter().flatten().flatten();
    let mut names: Vec<String> = files
        .filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".json")?.to_owned()))
        .filter(|name| wanted(name))
        .collect();
    names.sort();
    for name in names {
        match WAITING.iter().find(|(prefix, _)| name.starts_with(prefix)) {
            Some((_, why)) => report.skip(&name, why),
            None => report.case(&name, run::check(golden, &name)),
        }
    }
}
