//! The recorded scenarios of the client API and the marble API, against the real program.
//!
//! `cargo test -p marblerun-coordinator --test golden -- secrets` runs those whose name contains `secrets`.

#![allow(clippy::expect_used, reason = "a test program: what fails, fails the test")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use marblerun_testkit::golden::{Report, folder};
use marblerun_testkit::program::Options;
use marblerun_testkit::scenario::{self, Failure};

/// Scenarios that must pass, by name or beginning of a name (`-` at the end). The others need routes that may not be
/// built yet: they are skipped as long as one of their routes answers 501, and count from then on.
const REQUIRED: [&str; 29] = [
    "accepted-",
    "activate-",
    "certificates",
    "certificates-",
    "endpoints-",
    "events",
    "features-off",
    "manifest-",
    "max-activations",
    "metrics",
    "monotonic-counter",
    "quote",
    "recover-",
    "recovery-keys-",
    "refused-",
    "seal-mode-",
    "secrets-",
    "sign-quote",
    "startup-manifest",
    "state-lost",
    "status-",
    "template-",
    "ttls",
    "ttls-",
    "unknown-paths",
    "update-",
    "restart",
    "rotate-root-secret",
    "wrong-methods",
];

/// Steps of required scenarios that may differ: scenario, step, why.
const EXCUSED: [(&str, usize, &str); 0] = [];

/// More at a time than there are cores only makes answers late.
const AT_A_TIME: usize = 2;

fn main() -> ExitCode {
    let filters: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let report = Mutex::new(Report::default());
    let scenarios =
        Mutex::new(folder("api").map(|folder| scenarios(&folder, &filters)).unwrap_or_default().into_iter());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(path) = next(&scenarios) {
                    judge(&path, &report);
                }
            });
        }
    });
    report.into_inner().expect("no thread panics").finish()
}

fn next(scenarios: &Mutex<std::vec::IntoIter<PathBuf>>) -> Option<PathBuf> {
    scenarios.lock().expect("no thread panics").next()
}

/// All files of `folder` whose name contains one of `filters`, in order.
fn scenarios(folder: &Path, filters: &[String]) -> Vec<PathBuf> {
    let files =
        std::fs::read_dir(folder).expect("the recordings").map(|entry| entry.expect("an entry").path());
    let wanted =
        |path: &PathBuf| filters.is_empty() || filters.iter().any(|filter| name(path).contains(filter));
    let json = files.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    let mut scenarios: Vec<_> = json.filter(wanted).collect();
    scenarios.sort();
    scenarios
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn judge(path: &Path, report: &Mutex<Report>) {
    let name = name(path);
    let options =
        Options { program: Some(env!("CARGO_BIN_EXE_marblerun-coordinator").into()), ..Options::default() };
    let outcome = scenario::run(path, &options);
    let mut report = report.lock().expect("no thread panics");
    match outcome {
        Err(why) => report.case(&name, Err(format!("{why:#}"))),
        Ok(failures) => match missing_routes(&name, &failures) {
            Some(routes) => report.skip(&name, &format!("not built yet: {routes}")),
            None => report_failures(&name, &failures, &mut report),
        },
    }
}

/// The routes for which a scenario that is not required has to wait.
fn missing_routes(name: &str, failures: &[Failure]) -> Option<String> {
    let mut routes: Vec<_> =
        failures.iter().filter(|failure| failure.not_built).map(|f| f.what.as_str()).collect();
    routes.sort_unstable();
    routes.dedup();
    (!is_required(name) && !routes.is_empty()).then(|| routes.join(", "))
}

fn is_required(name: &str) -> bool {
    REQUIRED.iter().any(|required| name == *required || required.ends_with('-') && name.starts_with(required))
}

fn report_failures(name: &str, failures: &[Failure], report: &mut Report) {
    let excuse = |failure: &Failure| {
        EXCUSED.iter().find(|(scenario, step, _)| *scenario == name && *step == failure.step)
    };
    let unexcused: Vec<_> =
        failures.iter().filter(|f| excuse(f).is_none()).map(ToString::to_string).collect();
    let excused =
        failures.iter().filter_map(excuse).map(|(_, step, why)| format!(" [step {step} excused: {why}]"));
    let outcome = if unexcused.is_empty() { Ok(()) } else { Err(unexcused.join("\n")) };
    report.case(&format!("{name}{}", excused.collect::<String>()), outcome);
}
