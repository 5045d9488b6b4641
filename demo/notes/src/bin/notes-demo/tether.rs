//! Ties a child to its parent: this program starts itself with the arguments [`FLAG`], its own process id and the
//! real command; the copy asks the kernel to be killed when its parent ends, and becomes the command.
//!
//! The wish survives `exec`, so it holds for the premain and for what the premain becomes.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// The first argument of a tethered start.
pub(crate) const FLAG: &str = "--tether";

/// Becomes the command if this process was started for that; else `None`.
pub(crate) fn if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != FLAG {
        return None;
    }
    let error = match bind(arguments.next()) {
        Ok(()) => become_command(arguments.collect()),
        Err(error) => error,
    };
    let _ = writeln!(io::stderr(), "{FLAG}: {error}");
    Some(ExitCode::FAILURE)
}

/// The parent may have ended before the wish was known: then its place was taken by another.
fn bind(parent: Option<OsString>) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let parent = parent.and_then(|parent| parent.into_string().ok()?.parse().ok());
    match getppid() {
        Some(now) if Some(now.as_raw_nonzero().get()) == parent => Ok(()),
        _ => Err(io::Error::other("the demo has ended")),
    }
}

fn become_command(command: Vec<OsString>) -> io::Error {
    match command.split_first() {
        Some((program, arguments)) => Command::new(program).args(arguments).exec(),
        None => io::Error::other("no command"),
    }
}
