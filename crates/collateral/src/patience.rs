//! How much strangers can make us ask: what failed is not tried again at once, and only so much that is not known yet is
//! fetched per minute.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{CollateralError, Key};

/// How long a failure is remembered, in seconds.
const FAILURE_COUNTS: u64 = 30;
/// How many failures are remembered.
const FAILURES: usize = 1024;
/// The time over which first fetches are counted, in seconds.
const MINUTE: u64 = 60;

/// Failures, and the fetches of this minute.
#[derive(Debug)]
pub(crate) struct Patience {
    per_minute: u32,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    failures: HashMap<Key, (u64, CollateralError)>,
    order: VecDeque<Key>,
    minute: u64,
    fetched: u32,
}

impl Patience {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute, inner: Mutex::default() }
    }

    /// What failed a moment ago fails again.
    pub(crate) fn check(&self, key: &Key, now: u64) -> Result<(), CollateralError> {
        match self.lock().failures.get(key) {
            Some((at, error)) if is_within(*at, now, FAILURE_COUNTS) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Counts a fetch of something that is not known yet.
    pub(crate) fn count(&self, now: u64) -> Result<(), CollateralError> {
        let mut inner = self.lock();
        if !is_within(inner.minute, now, MINUTE) {
            (inner.minute, inner.fetched) = (now, 0);
        }
        if inner.fetched >= self.per_minute {
            return Err(CollateralError::Busy);
        }
        inner.fetched += 1;
        Ok(())
    }

    pub(crate) fn remember(&self, key: &Key, now: u64, error: &CollateralError) {
        let mut inner = self.lock();
        if inner.failures.insert(key.clone(), (now, error.clone())).is_none() {
            inner.order.push_back(key.clone());
        }
        if inner.order.len() > FAILURES
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.failures.remove(&oldest);
        }
    }

    /// Forgets all failures: the roots or the services have changed.
    pub(crate) fn forget(&self) {
        let mut inner = self.lock();
        inner.failures.clear();
        inner.order.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock that was set back ends any waiting.
fn is_within(since: u64, now: u64, seconds: u64) -> bool {
    now.checked_sub(since).is_some_and(|passed| passed < seconds)
}

#[cfg(test)]
mod tests {
    use marblerun_attest::{Hex, Needs, PckAuthority};

    use super::*;

    fn key(platform: u32) -> Key {
        let [a, b, c, d] = platform.to_be_bytes();
        Key::of(&Needs::Intel { tdx: false, fmspc: Hex([a, b, c, d, 0, 0]), ca: PckAuthority::Platform })
            .unwrap()
    }

    #[test]
    fn a_failure_counts_for_a_while() {
        let patience = Patience::new(1);
        let error = CollateralError::Unobtainable("a test");
        patience.remember(&key(1), 100, &error);
        let at = |platform, now| patience.check(&key(platform), now).is_ok();
        assert_eq!(
            (at(1, 100), at(1, 129), at(1, 130), at(1, 99), at(2, 100)),
            (false, false, true, true, true)
        );
        patience.forget();
        assert!(at(1, 100));
    }

    #[test]
    fn failures_are_bounded() {
        let patience = Patience::new(1);
        (0..FAILURES as u32 + 10).for_each(|n| patience.remember(&key(n), 100, &CollateralError::Busy));
        let inner = patience.lock();
        assert_eq!((inner.failures.len(), inner.order.len()), (FAILURES, FAILURES));
    }

    #[test]
    fn only_so_many_per_minute() {
        let patience = Patience::new(2);
        assert!(patience.count(100).is_ok() && patience.count(159).is_ok());
        assert_eq!(patience.count(159), Err(CollateralError::Busy));
        assert!(patience.count(160).is_ok());
    }
}
