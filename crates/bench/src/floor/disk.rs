//! The disk alone: what it takes to append a little and have it durable, without anything of ours around it.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// About as much as a record of some raised counters.
const RECORD: [u8; 1024] = [0x5A; 1024];
const TIMES: usize = 1_000;

/// How long each of many such appends took, shortest first.
///
/// # Errors
/// What the system says.
pub(crate) fn appends(folder: &Path) -> std::io::Result<Vec<Duration>> {
    let mut file = tempfile::tempfile_in(folder)?;
    let mut all = (0..TIMES).map(|_| append(&mut file)).collect::<Result<Vec<_>, _>>()?;
    all.sort();
    Ok(all)
}

fn append(file: &mut File) -> std::io::Result<Duration> {
    let start = Instant::now();
    file.write_all(&RECORD)?;
    file.sync_data()?;
    Ok(start.elapsed())
}
