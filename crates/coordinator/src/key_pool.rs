//! Keys made before they are needed.
//!
//! An RSA key takes from a tenth of a second to a second to make, more than everything else in an activation
//! together. So one thread of the lowest priority makes keys of the kinds that the manifest's marbles use, while the
//! machine has nothing better to do, and an activation takes one that lies ready. When none is left, the key is made
//! on the spot, on the caller's thread: an empty pool makes an answer late, never wrong.
//!
//! The pool never hands out a key twice, never writes one anywhere, and holds a bounded number of each kind.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use marblerun_core::keys::{KeyError, KeyKind, KeyPair, KeySource};

/// Nice value of the thread that fills the pool: what is left over by everyone else.
const LOWEST_PRIORITY: i32 = 19;

/// A [`KeySource`] that keeps ready keys of the kinds it was told to.
///
/// Dropping it wipes the keys that lie ready and ends the thread, which may finish the key that it is at.
pub struct PooledKeys {
    shared: Arc<Shared>,
}

struct Shared {
    source: Box<dyn KeySource>,
    shelves: Mutex<Shelves>,
    /// There may be something to make, or the pool is closed.
    work: Condvar,
    /// Nothing is missing any more.
    filled: Condvar,
}

#[derive(Default)]
struct Shelves {
    by_kind: BTreeMap<KeyKind, Shelf>,
    closed: bool,
}

#[derive(Default)]
struct Shelf {
    wanted: usize,
    ready: Vec<KeyPair>,
}

/// The most keys of a kind that may lie ready: enough for a burst, for RSA within a minute or so of making.
pub fn limit(kind: KeyKind) -> usize {
    match kind {
        KeyKind::Ecdsa(_) | KeyKind::Ed25519 => 512,
        KeyKind::Rsa(..=2048) => 64,
        KeyKind::Rsa(_) => 16,
    }
}

impl PooledKeys {
    /// An empty pool and the thread that fills it with keys from `source`. Nothing is made until [`PooledKeys::want`].
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(source: impl KeySource + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            source: Box::new(source),
            shelves: Mutex::default(),
            work: Condvar::new(),
            filled: Condvar::new(),
        });
        let filler = Arc::clone(&shared);
        std::thread::Builder::new().name("key-pool".into()).spawn(move || filler.fill_until_closed())?;
        Ok(Self { shared })
    }

    /// From now on keeps up to `count` keys of this kind, within [`limit`]. Fewer than before: the others are wiped.
    pub fn want(&self, kind: KeyKind, count: usize) {
        let mut shelves = self.shared.lock();
        let shelf = shelves.by_kind.entry(kind).or_default();
        shelf.wanted = count.min(limit(kind));
        shelf.ready.truncate(shelf.wanted);
        self.shared.changed(&shelves);
    }

    /// From now on keeps these kinds and no others: what a new manifest needs.
    pub fn want_only(&self, wanted: &BTreeMap<KeyKind, usize>) {
        let mut shelves = self.shared.lock();
        shelves.by_kind.retain(|kind, _| wanted.contains_key(kind));
        self.shared.changed(&shelves);
        drop(shelves);
        for (kind, count) in wanted {
            self.want(*kind, *count);
        }
    }

    /// How many keys of this kind lie ready.
    pub fn ready(&self, kind: KeyKind) -> usize {
        self.shared.lock().by_kind.get(&kind).map_or(0, |shelf| shelf.ready.len())
    }

    /// Blocks until everything that is wanted lies ready.
    pub fn wait_until_filled(&self) {
        let shelves = self.shared.lock();
        let _filled = self
            .shared
            .filled
            .wait_while(shelves, |shelves| !shelves.closed && shelves.emptiest().is_some())
            .unwrap_or_else(PoisonError::into_inner);
    }
}

impl KeySource for PooledKeys {
    fn key_pair(&self, kind: KeyKind) -> Result<KeyPair, KeyError> {
        match self.shared.take(kind) {
            Some(pair) => Ok(pair),
            None => self.shared.source.key_pair(kind),
        }
    }

    fn fill(&self, out: &mut [u8]) -> Result<(), KeyError> {
        self.shared.source.fill(out)
    }
}

impl Drop for PooledKeys {
    fn drop(&mut self) {
        let mut shelves = self.shared.lock();
        shelves.closed = true;
        // Wiped here and not when the thread ends, which may be a second from now.
        shelves.by_kind.clear();
        self.shared.changed(&shelves);
    }
}

impl Shared {
    /// A panic elsewhere leaves no shelf half changed, so what it poisoned is as good as before.
    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self, shelves: &Shelves) {
        self.work.notify_one();
        if shelves.closed || shelves.emptiest().is_none() {
            self.filled.notify_all();
        }
    }

    fn take(&self, kind: KeyKind) -> Option<KeyPair> {
        let pair = self.lock().by_kind.get_mut(&kind)?.ready.pop()?;
        self.work.notify_one();
        Some(pair)
    }

    fn fill_until_closed(&self) {
        yield_to_everyone();
        while let Some(kind) = self.next() {
            // The slow part, with no lock held.
            let made = self.source.key_pair(kind);
            self.put(kind, made);
        }
    }

    /// Waits for a kind of which keys are missing; `None` when the pool is closed.
    fn next(&self) -> Option<KeyKind> {
        let idle = |shelves: &mut Shelves| !shelves.closed && shelves.emptiest().is_none();
        let shelves = self.work.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        if shelves.closed { None } else { shelves.emptiest() }
    }

    fn put(&self, kind: KeyKind, made: Result<KeyPair, KeyError>) {
        let mut shelves = self.lock();
        let Some(shelf) = shelves.by_kind.get_mut(&kind) else { return };
        match made {
            Ok(pair) if shelf.ready.len() < shelf.wanted => shelf.ready.push(pair),
            Ok(_) => {}
            // Trying again at once would turn a broken source into a busy loop. Callers still try on the spot, and
            // report what they see.
            Err(error) => {
                tracing::warn!(%error, ?kind, "no keys of this kind are kept ready until the manifest changes");
                shelf.wanted = shelf.ready.len();
            }
        }
        self.changed(&shelves);
    }
}

impl Shelves {
    /// The kind that has the smallest part of what is wanted, so that a kind in steady use cannot starve another.
    fn emptiest(&self) -> Option<KeyKind> {
        let missing = self.by_kind.iter().filter(|(_, shelf)| shelf.ready.len() < shelf.wanted);
        let emptiest = missing.min_by(|(_, a), (_, b)| {
            // a.ready / a.wanted against b.ready / b.wanted; bounded far below overflow by `limit`.
            (a.ready.len() * b.wanted).cmp(&(b.ready.len() * a.wanted))
        });
        emptiest.map(|(kind, _)| *kind)
    }
}

/// On Linux a nice value is one thread's own. An enclave runtime may not know the call; then keys are made at the
/// same priority as everything else, which is slower for others and no worse.
fn yield_to_everyone() {
    if let Err(error) = rustix::process::setpriority_process(None, LOWEST_PRIORITY) {
        tracing::debug!(%error, "the key pool runs at normal priority");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use marblerun_core::keys::FreshKeys;
    use marblerun_manifest::Curve;

    use super::*;

    const P384: KeyKind = KeyKind::Ecdsa(Curve::P384);
    const RSA: KeyKind = KeyKind::Rsa(2048);

    /// Makes numbered keys, and counts them.
    #[derive(Clone, Default)]
    struct Counting(Arc<AtomicUsize>);

    impl KeySource for Counting {
        fn key_pair(&self, _: KeyKind) -> Result<KeyPair, KeyError> {
            let number = self.0.fetch_add(1, Ordering::SeqCst);
            Ok(KeyPair { private: number.to_be_bytes().to_vec().into(), public: vec![] })
        }

        fn fill(&self, out: &mut [u8]) -> Result<(), KeyError> {
            out.fill(7);
            Ok(())
        }
    }

    /// Makes a key for each permit it gets; none any more when the sender is gone.
    struct Gated(Mutex<mpsc::Receiver<()>>);

    impl KeySource for Gated {
        fn key_pair(&self, kind: KeyKind) -> Result<KeyPair, KeyError> {
            self.0.lock().unwrap().recv().map_err(|_| KeyError("closed".into()))?;
            Counting::default().key_pair(kind)
        }

        fn fill(&self, _: &mut [u8]) -> Result<(), KeyError> {
            Err(KeyError("empty".into()))
        }
    }

    fn number(pair: &KeyPair) -> usize {
        usize::from_be_bytes(pair.private.as_slice().try_into().unwrap())
    }

    fn counting() -> (PooledKeys, Counting) {
        let source = Counting::default();
        (PooledKeys::start(source.clone()).unwrap(), source)
    }

    fn made(source: &Counting) -> usize {
        source.0.load(Ordering::SeqCst)
    }

    #[test]
    fn fills_up_to_what_is_wanted_and_refills() {
        let (pool, source) = counting();
        pool.want(RSA, 3);
        pool.want(P384, 5);
        pool.wait_until_filled();
        assert_eq!((pool.ready(RSA), pool.ready(P384), made(&source)), (3, 5, 8));
        pool.key_pair(RSA).unwrap();
        pool.wait_until_filled();
        assert_eq!((pool.ready(RSA), pool.ready(P384), made(&source)), (3, 5, 9));
    }

    #[test]
    fn never_gives_a_key_twice() {
        let (pool, _) = counting();
        pool.want(P384, 10);
        pool.wait_until_filled();
        let seen: BTreeSet<usize> = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| (0..50).map(|_| number(&pool.key_pair(P384).unwrap())).collect::<Vec<_>>())
                })
                .collect();
            takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect()
        });
        assert_eq!(seen.len(), 200);
    }

    #[test]
    fn makes_keys_on_the_spot_of_what_it_does_not_keep() {
        let (pool, source) = counting();
        pool.key_pair(RSA).unwrap();
        assert_eq!((pool.ready(RSA), made(&source)), (0, 1));
        let mut bytes = [0; 2];
        pool.fill(&mut bytes).unwrap();
        assert_eq!(bytes, [7, 7]);
    }

    #[test]
    fn is_bounded_whatever_is_wanted() {
        let (pool, _) = counting();
        for kind in [P384, RSA, KeyKind::Rsa(4096)] {
            pool.want(kind, usize::MAX);
            pool.wait_until_filled();
            assert_eq!(pool.ready(kind), limit(kind), "{kind:?}");
        }
    }

    #[test]
    fn a_new_manifest_replaces_what_is_wanted() {
        let (pool, _) = counting();
        pool.want(RSA, 8);
        pool.want(P384, 8);
        pool.wait_until_filled();
        pool.want_only(&BTreeMap::from([(P384, 2), (KeyKind::Ed25519, 1)]));
        pool.wait_until_filled();
        assert_eq!((pool.ready(RSA), pool.ready(P384), pool.ready(KeyKind::Ed25519)), (0, 2, 1));
    }

    #[test]
    fn the_emptiest_shelf_comes_first() {
        let shelf = |ready, wanted| Shelf {
            wanted,
            ready: (0..ready).map(|_| Counting::default().key_pair(RSA).unwrap()).collect(),
        };
        let emptiest =
            |shelves: [(KeyKind, Shelf); 2]| Shelves { by_kind: shelves.into(), closed: false }.emptiest();
        assert_eq!(emptiest([(P384, shelf(10, 512)), (RSA, shelf(10, 64))]), Some(P384));
        assert_eq!(emptiest([(P384, shelf(300, 512)), (RSA, shelf(10, 64))]), Some(RSA));
        assert_eq!(emptiest([(P384, shelf(512, 512)), (RSA, shelf(0, 0))]), None);
    }

    #[test]
    fn a_broken_source_is_asked_once_and_reported_to_callers() {
        let (permit, permits) = mpsc::channel();
        drop(permit);
        let pool = PooledKeys::start(Gated(Mutex::new(permits))).unwrap();
        pool.want(RSA, 4);
        pool.wait_until_filled();
        assert_eq!(pool.ready(RSA), 0);
        assert_eq!(pool.key_pair(RSA).err(), Some(KeyError("closed".into())));
    }

    #[test]
    fn closing_waits_for_no_key() {
        let (permit, permits) = mpsc::channel();
        let pool = PooledKeys::start(Gated(Mutex::new(permits))).unwrap();
        pool.want(RSA, 4);
        permit.send(()).unwrap();
        let shared = Arc::clone(&pool.shared);
        // The thread waits for its next permit by now or soon; either way this returns.
        drop(pool);
        assert!(shared.lock().by_kind.is_empty());
        drop(permit);
    }

    #[test]
    fn real_keys_come_out() {
        let pool = PooledKeys::start(FreshKeys).unwrap();
        pool.want(KeyKind::Ed25519, 2);
        pool.wait_until_filled();
        let (one, other) =
            (pool.key_pair(KeyKind::Ed25519).unwrap(), pool.key_pair(KeyKind::Ed25519).unwrap());
        assert!(one.private != other.private && one.public != other.public);
    }
}
