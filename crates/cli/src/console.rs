//! The two streams. Nothing else in this crate writes to them.

use std::io::{ErrorKind, Write as _};

use crate::Failure;

/// A result, to standard output, with a line break at its end. A reader that went away is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

/// A result that is not known to be text.
pub(crate) fn bytes(content: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let end: &[u8] = if content.ends_with(b"\n") { b"" } else { b"\n" };
    match out.write_all(content).and_then(|()| out.write_all(end)).and_then(|()| out.flush()) {
        Err(source) if source.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Io { doing: "writing to standard output".into(), source })
        }
        _ => Ok(()),
    }
}

/// A word for the eye, to standard error. If that is gone there is nobody to tell.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A warning that should not be missed.
pub(crate) fn warn(text: &str) {
    note(&format!("WARNING: {text}"));
}
