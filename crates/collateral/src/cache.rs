//! What is kept, by what it is for: a bounded number of entries, each within its validity. The one that was not asked for
//! the longest makes room.
//!
//! An entry also says how new its parts are, even when it is too old to be given out: older ones do not replace it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use marblerun_attest::{Collateral, Needs, PublicationNumber, Validity};

use crate::{CollateralError, Key};

/// Clocks are set right by so much now and then, in seconds.
const ADJUSTMENT: u64 = 60;

/// Collateral that was held for genuine and valid.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) needs: Needs,
    pub(crate) collateral: Arc<Collateral>,
    pub(crate) validity: Validity,
    /// When it was fetched, in seconds since 1970.
    pub(crate) fetched: u64,
    /// When somebody last tried to fetch something newer, in seconds since 1970.
    pub(crate) tried: u64,
    /// From when on something newer should be fetched, in seconds since 1970.
    pub(crate) due: u64,
    /// From when on it is given only if nothing newer can be had soon, in seconds since 1970.
    pub(crate) overdue: u64,
}

impl Slot {
    /// Whether something newer should be fetched. A clock that was set back ends any waiting: what a wrong one put off
    /// would be put off for as long as it was wrong.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        now >= self.due || now.saturating_add(ADJUSTMENT) < self.tried
    }

    fn age(&self, now: u64) -> Age {
        match now {
            _ if now >= self.overdue => Age::Overdue,
            _ if self.is_due(now) => Age::Due,
            _ => Age::Fresh,
        }
    }
}

/// An entry that counts now.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) collateral: Arc<Collateral>,
    pub(crate) age: Age,
    /// When it was fetched, in seconds since 1970.
    pub(crate) fetched: u64,
}

/// How much an entry is in need of something newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    Fresh,
    /// Something newer should be fetched; nobody has to wait for it.
    Due,
    /// Nobody renewed it in time, as after a restart, and nobody tried yet.
    Overdue,
}

/// Bounded, and shared by all who ask.
#[derive(Debug)]
pub(crate) struct Cache {
    at_most: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    slots: HashMap<Key, (u64, Slot)>,
    /// Grows by one with each use, so that the longest unused entry is known.
    uses: u64,
    /// The newest time at which a vendor signed something that was kept.
    newest: u64,
}

impl Cache {
    pub(crate) fn new(at_most: usize) -> Self {
        Self { at_most: at_most.max(1), inner: Mutex::default() }
    }

    /// What is there for `key` and valid at `now`.
    pub(crate) fn find(&self, key: &Key, now: u64) -> Option<Found> {
        let mut inner = self.lock();
        if now < inner.newest {
            return None;
        }
        inner.uses += 1;
        let uses = inner.uses;
        let (used, slot) = inner.slots.get_mut(key)?;
        if !(slot.validity.from..=slot.validity.until).contains(&now) {
            return None;
        }
        *used = uses;
        Some(Found { collateral: slot.collateral.clone(), age: slot.age(now), fetched: slot.fetched })
    }

    /// Keeps what was held for valid at the time of the call. Gives the key of what made room for it.
    ///
    /// # Errors
    /// If one of its parts is older than the newest that was seen for this key.
    pub(crate) fn keep(&self, key: &Key, slot: Slot) -> Result<Option<Key>, CollateralError> {
        let mut inner = self.lock();
        if let Some((_, known)) = inner.slots.get(key) {
            check_not_older(key, &known.validity, &slot.validity)?;
            check_not_rewound(key, &known.validity, &slot.validity)?;
        }
        inner.newest = inner.newest.max(slot.validity.from);
        inner.uses += 1;
        let used = inner.uses;
        inner.slots.insert(key.clone(), (used, slot));
        if inner.slots.len() <= self.at_most {
            return Ok(None);
        }
        let unused = inner.slots.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
        if let Some(key) = &unused {
            inner.slots.remove(key);
        }
        Ok(unused)
    }

    /// Puts off fetching something newer for `key` by some seconds, after an attempt that failed: nobody waits for the next
    /// ones. Says until when what is kept counts.
    pub(crate) fn postpone(&self, key: &Key, now: u64, by: u64) -> Option<u64> {
        let mut inner = self.lock();
        let (_, slot) = inner.slots.get_mut(key)?;
        (slot.tried, slot.due, slot.overdue) = (now, now.saturating_add(by), u64::MAX);
        Some(slot.validity.until)
    }

    /// Forgets the entry of `key`.
    pub(crate) fn remove(&self, key: &Key) {
        self.lock().slots.remove(key);
    }

    /// Forgets what does not pass `check` any more.
    pub(crate) fn retain(&self, check: impl Fn(&Slot) -> bool) {
        self.lock().slots.retain(|_, (_, slot)| check(slot));
    }

    /// All entries, in the order of their keys.
    pub(crate) fn all(&self) -> Vec<(Key, Slot)> {
        let mut all: Vec<_> =
            self.lock().slots.iter().map(|(key, (_, slot))| (key.clone(), slot.clone())).collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }

    /// The newest time at which a vendor signed something that was kept, in seconds since 1970.
    pub(crate) fn newest(&self) -> u64 {
        self.lock().newest
    }

    /// Takes note of a time at which a vendor signed something.
    pub(crate) fn saw(&self, signed: u64) {
        let mut inner = self.lock();
        inner.newest = inner.newest.max(signed);
    }

    /// Every change leaves the maps whole, so a panic elsewhere does not spoil them.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_not_older(key: &Key, known: &Validity, offered: &Validity) -> Result<(), CollateralError> {
    for (part, seen) in &known.issued {
        match offered.issued.get(part) {
            Some(offered) if offered < seen => {
                let (key, part) = (key.to_string(), (*part).to_owned());
                return Err(CollateralError::Older { key, part, offered: *offered, seen: *seen });
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_not_rewound(key: &Key, known: &Validity, offered: &Validity) -> Result<(), CollateralError> {
    for (part, seen) in &known.numbers {
        // A part without its number would begin anew.
        let offered = offered.numbers.get(part).cloned().unwrap_or_else(|| PublicationNumber::new(&[]));
        if offered < *seen {
            let (key, part, seen) = (key.to_string(), (*part).to_owned(), seen.clone());
            return Err(CollateralError::Rewound { key, part, offered, seen });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use marblerun_attest::{Hex, PckAuthority};

    use super::*;

    fn needs(platform: u8) -> Needs {
        Needs::Intel { tdx: false, fmspc: Hex([platform; 6]), ca: PckAuthority::Platform }
    }

    fn slot(platform: u8, issued: u64) -> (Key, Slot) {
        let parts = BTreeMap::from([("TCB Info", issued)]);
        let numbers = BTreeMap::from([("TCB Info", PublicationNumber::new(&[7]))]);
        let validity =
            Validity { from: issued, until: issued + 100, issued: parts, numbers, roots: Vec::new() };
        let needs = needs(platform);
        let (key, collateral) = (Key::of(&needs).unwrap(), Arc::default());
        let (due, overdue) = (issued + 50, issued + 80);
        (key, Slot { needs, collateral, validity, fetched: issued, tried: issued, due, overdue })
    }

    #[test]
    fn an_entry_counts_within_its_validity() {
        let cache = Cache::new(2);
        let (key, entry) = slot(1, 1000);
        cache.keep(&key, entry).unwrap();
        let at = |now| cache.find(&key, now).map(|found| found.age);
        assert_eq!((at(999), at(1000), at(1049)), (None, Some(Age::Fresh), Some(Age::Fresh)));
        assert_eq!((at(1050), at(1079)), (Some(Age::Due), Some(Age::Due)));
        assert_eq!((at(1080), at(1100), at(1101)), (Some(Age::Overdue), Some(Age::Overdue), None));
        assert_eq!(cache.postpone(&key, 1080, 10), Some(1100));
        assert_eq!((at(1089), at(1090), at(1100)), (Some(Age::Fresh), Some(Age::Due), Some(Age::Due)));
        // By a clock that was ten years ahead.
        cache.postpone(&key, 300_000_000, 600);
        assert_eq!(at(1079), Some(Age::Due));
    }

    #[test]
    fn signed_time_never_goes_backwards() {
        let cache = Cache::new(2);
        let ((key, newer), (_, older)) = (slot(1, 1000), slot(1, 999));
        cache.keep(&key, newer.clone()).unwrap();
        assert!(matches!(
            cache.keep(&key, older),
            Err(CollateralError::Older { offered: 999, seen: 1000, .. })
        ));
        cache.keep(&key, newer).unwrap();
        // A clock that was set back to before what somebody signed finds nothing, not even what was valid then.
        let (other, entry) = slot(2, 950);
        cache.keep(&other, entry).unwrap();
        assert!(cache.find(&other, 999).is_none() && cache.find(&other, 1000).is_some());
        assert_eq!(cache.newest(), 1000);
    }

    #[test]
    fn numbers_never_go_backwards() {
        let cache = Cache::new(2);
        let (key, mut entry) = slot(1, 1000);
        cache.keep(&key, entry.clone()).unwrap();
        for (number, is_taken) in
            [(&[6][..], false), (&[], false), (&[8], true), (&[7], false), (&[1, 0], true)]
        {
            entry.validity.numbers.insert("TCB Info", PublicationNumber::new(number));
            assert_eq!(cache.keep(&key, entry.clone()).is_ok(), is_taken, "{number:?}");
        }
        entry.validity.numbers.clear();
        assert!(matches!(cache.keep(&key, entry), Err(CollateralError::Rewound { .. })));
    }

    #[test]
    fn what_is_not_asked_for_makes_room() {
        let cache = Cache::new(2);
        for platform in 1..=2 {
            let (key, entry) = slot(platform, 1000);
            cache.keep(&key, entry).unwrap();
        }
        let key = |platform| slot(platform, 1000).0;
        assert!(cache.find(&key(1), 1000).is_some());
        assert_eq!(cache.keep(&key(3), slot(3, 1000).1), Ok(Some(key(2))));
        let there = [1, 2, 3].map(|platform| cache.find(&key(platform), 1000).is_some());
        assert_eq!(there, [true, false, true]);
    }
}
