//! T19: whatever a verification reads is changed alone, cut, lengthened, or exchanged for the same part of another valid
//! case. All of it: each byte of evidence and of what vendors publish. What is changed is refused; where a byte is under no
//! signature and decides nothing, the test names it with the reason, and the outcome must be the same as before.

mod collateral;
mod evidence;
mod kit;
mod lengths;
mod mixtures;

use marblerun_attest::{Failure, Genuine};

use crate::recorded::Recorded;

/// Bytes of a part that are under no signature and decide nothing.
type Ignored = fn(part: &str, position: usize) -> bool;

/// For parts of which every byte counts.
fn nothing(_: &str, _: usize) -> bool {
    false
}

/// A recorded case, with its outcome.
fn genuine(name: &str) -> (Recorded, Genuine) {
    let recorded = Recorded::load(name);
    let genuine = recorded.genuine().unwrap_or_else(|failure| panic!("{name}: {failure}"));
    (recorded, genuine)
}

/// What was changed is refused, or, where it is ignored, changes nothing at all.
#[track_caller]
fn check(outcome: Result<Genuine, Failure>, before: &Genuine, is_ignored: bool, what: impl Fn() -> String) {
    match outcome {
        Err(failure) => assert!(!is_ignored, "{} is said to be ignored: {failure}", what()),
        Ok(after) => assert!(is_ignored && after == *before, "{} is not checked", what()),
    }
}
