//! Work for a caller who may leave: making keys stops when nobody waits for them any more.
//!
//! A stranger who hangs up must not leave behind an hour of key making.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use marblerun_core::keys::{KeyError, KeyKind, KeyPair, KeySource};

/// Somebody waits; dropped when the answer is no longer wanted.
#[derive(Debug, Default)]
pub(crate) struct Caller(Arc<AtomicBool>);

/// Makes keys as long as the caller waits.
pub(crate) struct WhileWanted {
    keys: Arc<dyn KeySource>,
    gone: Arc<AtomicBool>,
}

impl Caller {
    /// `keys`, as long as this caller waits.
    pub(crate) fn keys(&self, keys: Arc<dyn KeySource>) -> WhileWanted {
        WhileWanted { keys, gone: Arc::clone(&self.0) }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl KeySource for WhileWanted {
    fn key_pair(&self, kind: KeyKind) -> Result<KeyPair, KeyError> {
        if self.gone.load(Ordering::Relaxed) {
            return Err(KeyError("the caller left".into()));
        }
        self.keys.key_pair(kind)
    }

    fn fill(&self, out: &mut [u8]) -> Result<(), KeyError> {
        self.keys.fill(out)
    }
}

#[cfg(test)]
mod tests {
    use marblerun_core::keys::FreshKeys;

    use super::*;

    #[test]
    fn no_key_is_made_for_a_caller_who_left() {
        let caller = Caller::default();
        let keys = caller.keys(Arc::new(FreshKeys));
        assert!(keys.key_pair(KeyKind::Ed25519).is_ok());
        drop(caller);
        assert!(keys.key_pair(KeyKind::Ed25519).is_err());
    }
}
