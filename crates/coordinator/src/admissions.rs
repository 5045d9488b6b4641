//! Which marbles came, for auditors: bounded lists in memory.
//!
//! Admitted and refused marbles have a list each, so that strangers, who can be refused as often as they like, push no
//! admitted one out. What a stranger chose is cut short.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use marblerun_api::rest::v3;
use marblerun_core::iso8601;

/// Marbles kept at most, of each kind.
const MOST: usize = 256;
/// Characters kept of a name that a stranger chose.
const LONGEST_NAME: usize = 64;
/// Characters kept of a reason, which may quote what a stranger sent.
const LONGEST_REASON: usize = 512;

/// The last marbles that were admitted, and the last that were refused.
#[derive(Debug, Clone, Default)]
pub struct Admissions(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    admitted: Ring,
    refused: Ring,
}

#[derive(Debug, Default)]
struct Ring {
    total: u64,
    last: VecDeque<v3::Arrival>,
}

impl Admissions {
    /// A marble was admitted; names are those of the manifest and its certificate.
    pub fn admitted(&self, marble_type: &str, uuid: &str, now: SystemTime) {
        let arrival = v3::Arrival {
            time: iso8601(now),
            marble_type: marble_type.into(),
            uuid: uuid.into(),
            reason: None,
        };
        self.kept(|kept| kept.admitted.push(arrival));
    }

    /// A marble was refused; names are those that it sent.
    pub fn refused(&self, marble_type: &str, uuid: &str, reason: &str, now: SystemTime) {
        let arrival = v3::Arrival {
            time: iso8601(now),
            marble_type: cut(marble_type, LONGEST_NAME),
            uuid: cut(uuid, LONGEST_NAME),
            reason: Some(cut(reason, LONGEST_REASON)),
        };
        self.kept(|kept| kept.refused.push(arrival));
    }

    /// Both lists.
    pub fn on_the_wire(&self) -> v3::Marbles {
        self.kept(|kept| v3::Marbles { admitted: kept.admitted.copy(), refused: kept.refused.copy() })
    }

    fn kept<T>(&self, with: impl FnOnce(&mut Kept) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ring {
    fn push(&mut self, arrival: v3::Arrival) {
        self.total = self.total.saturating_add(1);
        self.last.push_back(arrival);
        if self.last.len() > MOST {
            self.last.pop_front();
        }
    }

    fn copy(&self) -> v3::Arrivals {
        v3::Arrivals { total: self.total, last: self.last.iter().cloned().collect() }
    }
}

fn cut(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_fill_one_list_to_its_bounds_and_no_more() {
        let admissions = Admissions::default();
        admissions.admitted("web", "u", SystemTime::UNIX_EPOCH);
        for _ in 0..10 * MOST {
            let long = "é".repeat(10_000);
            admissions.refused(&long, &long, &long, SystemTime::UNIX_EPOCH);
        }
        let marbles = admissions.on_the_wire();
        assert_eq!((marbles.admitted.total, marbles.admitted.last.len()), (1, 1));
        assert_eq!((marbles.refused.total, marbles.refused.last.len()), (10 * MOST as u64, MOST));
        let last = &marbles.refused.last[0];
        let lengths =
            [&last.marble_type, &last.uuid, last.reason.as_ref().unwrap()].map(|t| t.chars().count());
        assert_eq!(lengths, [LONGEST_NAME, LONGEST_NAME, LONGEST_REASON]);
    }
}
