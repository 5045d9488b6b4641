//! Names under which old state is kept aside.

use std::io::{Error, ErrorKind};

use crate::StoreError;

/// How many states may be kept aside under one label.
const TRIES: u32 = 1000;

/// `label`, or `label-2`, `label-3` ...: the first one that is not `taken`.
pub(crate) fn free(
    label: &str,
    mut taken: impl FnMut(&str) -> Result<bool, StoreError>,
) -> Result<String, StoreError> {
    if !is_plain(label) {
        return Err(refused(
            label,
            ErrorKind::InvalidInput,
            "a label is 1 to 64 letters, digits, `-` or `_`",
        ));
    }
    for n in 1..=TRIES {
        let candidate = if n == 1 { label.to_owned() } else { format!("{label}-{n}") };
        if !taken(&candidate)? {
            return Ok(candidate);
        }
    }
    Err(refused(label, ErrorKind::AlreadyExists, "too many states are kept under it; move some elsewhere"))
}

/// Labels become part of file names: no separators, no dots.
fn is_plain(label: &str) -> bool {
    (1..=64).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn refused(label: &str, kind: ErrorKind, why: &str) -> StoreError {
    StoreError::Io { what: format!("keep the state aside as {label:?}"), source: Error::new(kind, why) }
}
