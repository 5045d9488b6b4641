//! What was verified once, so that it need not be verified again: a small bounded store that the caller owns.
//!
//! An entry is found only by the hash of everything that it depends on, and counts only while its collateral does and
//! its root is trusted. It also remembers the newest rules seen for each kind of platform, so that nobody can go back
//! to older ones that have not expired yet (T18).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;

use crate::bytes::Hex;
use crate::dcap;
use crate::error::Failure;
use crate::snp;

/// How many endorsements are kept: attestation keys of Intel platforms, and as many of AMD chips.
const AT_MOST: usize = 1024;

/// Shared by all verifications of a process; starts empty.
#[derive(Debug, Default)]
pub struct Memory {
    intel: Mutex<Bounded<Arc<dcap::Endorsement>>>,
    amd: Mutex<Bounded<Arc<snp::Endorsement>>>,
    newest: Mutex<HashMap<(&'static str, Platforms), u32>>,
}

/// SHA-256 over everything that an entry depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

/// A kind of platform: by whose word (the hash of the root), and its FMSPC. What a software TEE publishes for an FMSPC
/// makes nothing of the hardware's old.
pub(crate) type Platforms = (Key, Hex<6>);

/// Which edition of the rules for a kind of platform was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edition {
    /// Which of the rules.
    pub(crate) part: &'static str,
    pub(crate) of: Platforms,
    /// The TCB evaluation data number.
    pub(crate) number: u32,
}

impl Key {
    /// Each part is preceded by its length, so that no two lists of parts are hashed alike.
    pub(crate) fn of(purpose: &str, parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [purpose.as_bytes()].iter().chain(parts) {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        Self(key)
    }
}

impl Memory {
    pub(crate) fn intel(&self, key: &Key) -> Option<Arc<dcap::Endorsement>> {
        lock(&self.intel).found(key)
    }

    pub(crate) fn remember_intel(&self, key: Key, endorsement: &Arc<dcap::Endorsement>) {
        lock(&self.intel).insert(key, endorsement.clone());
    }

    pub(crate) fn amd(&self, key: &Key) -> Option<Arc<snp::Endorsement>> {
        lock(&self.amd).found(key)
    }

    pub(crate) fn remember_amd(&self, key: Key, endorsement: &Arc<snp::Endorsement>) {
        lock(&self.amd).insert(key, endorsement.clone());
    }

    /// Refuses rules that are older than the newest that genuine collateral for this kind of platform had.
    pub(crate) fn admit(&self, edition: &Edition) -> Result<(), Failure> {
        let mut all = lock(&self.newest);
        let newest = all.entry((edition.part, edition.of)).or_default();
        if edition.number < *newest {
            let why = format!(
                "its TCB evaluation data number is {}, and {newest} was already seen for this kind of platform; fetch the newer one",
                edition.number
            );
            return Err(Failure::Collateral { part: edition.part, why });
        }
        *newest = edition.number;
        Ok(())
    }
}

/// The values that were inserted last; an older one makes room.
#[derive(Debug)]
struct Bounded<V> {
    values: HashMap<Key, V>,
    order: VecDeque<Key>,
}

impl<V> Default for Bounded<V> {
    fn default() -> Self {
        Self { values: HashMap::new(), order: VecDeque::new() }
    }
}

impl<V: Clone> Bounded<V> {
    fn found(&self, key: &Key) -> Option<V> {
        self.values.get(key).cloned()
    }

    fn insert(&mut self, key: Key, value: V) {
        if self.values.insert(key, value).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > AT_MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
    }
}

/// Every change leaves the maps whole, so a panic elsewhere does not spoil them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let mut bounded = Bounded::default();
        let key = |n: usize| Key::of("test", &[&n.to_le_bytes()]);
        for n in 0..AT_MOST + 10 {
            bounded.insert(key(n), n);
            bounded.insert(key(n), n);
        }
        assert_eq!((bounded.values.len(), bounded.order.len()), (AT_MOST, AT_MOST));
        assert_eq!((bounded.found(&key(9)), bounded.found(&key(10))), (None, Some(10)));
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(Key::of("a", &[b"bc", b"d"]), Key::of("a", &[b"b", b"cd"]));
        assert_ne!(Key::of("a", &[b"b"]), Key::of("ab", &[b""]));
    }

    #[test]
    fn nobody_goes_back_to_older_rules() {
        let memory = Memory::default();
        let edition = |part, root: &str, fmspc, number| {
            let of = (Key::of(root, &[]), Hex([fmspc; 6]));
            memory.admit(&Edition { part, of, number })
        };
        assert_eq!(edition("TCB Info", "ours", 1, 17), Ok(()));
        assert_eq!(edition("TCB Info", "ours", 2, 3), Ok(()));
        assert_eq!(edition("TCB Info", "theirs", 1, 3), Ok(()), "another vendor's word");
        assert_eq!(edition("QE identity", "ours", 1, 16), Ok(()));
        assert_eq!(edition("TCB Info", "ours", 1, 17), Ok(()));
        assert!(edition("TCB Info", "ours", 1, 16).is_err());
        assert!(edition("QE identity", "ours", 1, 15).is_err());
    }
}
