//! Where recorded answers lie, and how a test reports on them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The folder `sub` of the recorded answers: below `MARBLERUN_GOLDEN` if that is set, else in this repository.
///
/// A relative path starts at the repository. A missing folder is `None`, said aloud.
pub fn folder(sub: &str) -> Option<PathBuf> {
    #[allow(clippy::disallowed_methods, reason = "tests read their own environment")]
    let root = std::env::var_os("MARBLERUN_GOLDEN").unwrap_or_else(|| "testdata/golden".into());
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = repository.join(PathBuf::from(root)).join(sub);
    if folder.is_dir() {
        return Some(folder);
    }
    // Past the capture of test output: what is skipped must be seen.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {} is not there", folder.display());
    None
}

/// Counts cases and prints a line for each.
#[derive(Debug, Default)]
pub struct Report {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Report {
    /// One case and how it ended.
    pub fn case(&mut self, name: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => {
                self.passed += 1;
                say(&format!("ok      {name}"));
            }
            Err(why) => {
                self.failed += 1;
                say(&format!("FAILED  {name}\n        {}", why.replace('\n', "\n        ")));
            }
        }
    }

    /// A case that was not run, and why.
    pub fn skip(&mut self, name: &str, why: &str) {
        self.skipped += 1;
        say(&format!("skipped {name}: {why}"));
    }

    /// Prints the sum; failure if any case failed.
    pub fn finish(self) -> ExitCode {
        let skipped = if self.skipped > 0 { format!(", {} skipped", self.skipped) } else { String::new() };
        say(&format!("{} passed, {} failed{skipped}", self.passed, self.failed));
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[allow(clippy::print_stdout, reason = "the report of a test program")]
fn say(line: &str) {
    println!("{line}");
}
