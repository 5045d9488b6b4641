//! The only place that prints: results to standard output, progress and errors to standard error.

/// Writes a result, for people or programs.
#[allow(clippy::print_stdout, reason = "printing results is what this program is for")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// Writes a remark that is no part of the result.
#[allow(clippy::print_stderr, reason = "progress and errors of a program at a terminal")]
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}
