//! Recovery on a store that fails: the state is to be recovered or recovered, and the next attempt succeeds.

use std::io::ErrorKind;
use std::sync::Arc;

use marblerun_core::recovery::Proven;
use marblerun_core::{Command, Phase, State};
use marblerun_store::faulty::{Fault, Faulty, Plan};
use marblerun_store::{Loaded, MemoryStore, Position, Store, StoreError};

use crate::disk::{Life, is_not_durable};
use crate::holders::{ONE, Secret, manifest};

#[test]
fn whatever_call_fails_recovery_can_be_tried_again() {
    let mut refused = 0;
    for fault in [Fault::Refuse(ErrorKind::StorageFull), Fault::Doubt] {
        for nth in 0..8 {
            let (store, secret) = locked();
            let plan = Plan::new();
            let life = Life::begin(Box::new(Faulty::new(store.clone(), plan.clone()))).unwrap();
            let proven = proven(&life, &secret);
            plan.fail_after(nth, fault);
            let case = format!("{fault:?} at call {nth}");
            let first = life.submit(Command::Recover(Arc::clone(&proven)));
            if first.is_err() {
                refused += 1;
                assert!(is_not_durable(&first), "{case}: {first:?}");
                assert_eq!(life.phase(), Phase::Recovery, "{case}");
                life.submit(Command::Recover(proven)).unwrap_or_else(|error| panic!("{case}: {error}"));
            }
            assert_eq!((life.phase(), life.counted()), (Phase::AcceptingMarbles, 2), "{case}");
            let counted = life.count();
            assert!(counted.is_ok() || is_not_durable(&counted), "{case}");
            let acknowledged = life.counted();
            life.end();
            let restarted = Life::begin(Box::new(store)).unwrap();
            assert_eq!(restarted.counted(), acknowledged, "{case}");
            restarted.end();
        }
    }
    assert!(refused >= 6, "{refused} attempts were refused");
}

/// The new data takes its place and only then the disk says no: the state is sealed anew already, under another name of
/// its key.
#[test]
fn a_failure_after_the_data_took_its_place_can_be_tried_again() {
    let (store, secret) = locked();
    let life = Life::begin(Box::new(LastStep { inner: store.clone(), fails: true })).unwrap();
    let proven = proven(&life, &secret);
    assert!(is_not_durable(&life.submit(Command::Recover(Arc::clone(&proven)))));
    assert_eq!(life.phase(), Phase::Recovery);
    life.submit(Command::Recover(proven)).unwrap();
    assert_eq!(life.counted(), 2);
    life.end();
    let restarted = Life::begin(Box::new(store)).unwrap();
    assert_eq!(restarted.counted(), 2);
    restarted.end();
}

/// Replaces, and says once that it failed.
struct LastStep {
    inner: MemoryStore,
    fails: bool,
}

impl Store for LastStep {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        self.inner.load()
    }

    fn append(&mut self, expected: Position, bytes: &[u8]) -> Result<Position, StoreError> {
        self.inner.append(expected, bytes)
    }

    fn replace(&mut self, expected: Position, bytes: &[u8]) -> Result<Position, StoreError> {
        let position = self.inner.replace(expected, bytes)?;
        if std::mem::take(&mut self.fails) {
            let source = ErrorKind::Other.into();
            return Err(StoreError::Io { what: "sync the folder".into(), source });
        }
        Ok(position)
    }

    fn write_key(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.write_key(bytes)
    }

    fn copy_aside(&mut self, label: &str) -> Result<String, StoreError> {
        self.inner.copy_aside(label)
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        self.inner.clear()
    }
}

/// A state with a count of two whose key does not open, and the secret that recovers it.
fn locked() -> (MemoryStore, Secret) {
    let mut store = MemoryStore::new();
    let life = Life::begin(Box::new(store.clone())).unwrap();
    let prepared = life.prepared(&manifest(&[ONE], 0));
    let secret = Secret(ONE, ONE.decrypt(&prepared.shares.encrypted[ONE.0]));
    life.submit(Command::SetManifest(prepared)).unwrap();
    life.count().unwrap();
    life.count().unwrap();
    life.end();
    store.write_key(b"damaged").unwrap();
    (store, secret)
}

fn proven(life: &Life, secret: &Secret) -> Arc<Proven> {
    let state = life.published.load();
    let State::Recovery(recovery) = &**state else { panic!("this is recovery") };
    let share = zeroize::Zeroizing::new(secret.1.clone());
    Arc::new(recovery.hints().unwrap().prove(share, &ONE.sign(&secret.1)).unwrap())
}
