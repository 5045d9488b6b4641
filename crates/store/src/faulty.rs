//! A store that fails when it is told to: for tests of whoever uses a store.
//!
//! It wraps another store and counts calls. Faults are planned through a [`Plan`] that the test keeps while the
//! store is owned by the code under test.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Loaded, Position, Store, StoreError};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails and nothing of it happens: a full or read-only disk.
    Refuse(ErrorKind),
    /// As [`Fault::Refuse`], and appends are refused until a replacement succeeds: a failed `fsync`.
    Doubt,
    /// Only so many bytes of an append arrive, and then the process dies. Other calls do not happen at all.
    Torn(usize),
    /// The call happens, and the process dies before it hears of it.
    Unheard,
    /// A read gives the data with the lowest bit of this byte flipped, once.
    Flipped(usize),
    /// A read gives only so many bytes of the data, once: a stale or short read.
    Short(usize),
}

/// Which calls fail. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Plan(Arc<Mutex<Planned>>);

#[derive(Debug, Default)]
struct Planned {
    calls: u64,
    faults: BTreeMap<u64, Fault>,
    dead: bool,
    doubt: bool,
}

impl Plan {
    /// Nothing fails.
    pub fn new() -> Self {
        Self::default()
    }

    /// The call that comes after `skip` others fails.
    pub fn fail_after(&self, skip: u64, fault: Fault) {
        let mut plan = self.lock();
        let call = plan.calls + skip + 1;
        plan.faults.insert(call, fault);
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Whether the process of this store died: every call fails until [`Plan::restart`].
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// A new process: forgets all faults. Use it with another handle on the wrapped store.
    pub fn restart(&self) {
        *self.lock() = Planned::default();
    }

    fn lock(&self) -> MutexGuard<'_, Planned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the call and gives its fault.
    fn next(&self) -> Result<Option<Fault>, StoreError> {
        let mut plan = self.lock();
        if plan.dead {
            return Err(injected(ErrorKind::BrokenPipe));
        }
        plan.calls += 1;
        let call = plan.calls;
        let fault = plan.faults.remove(&call);
        match fault {
            Some(Fault::Refuse(kind)) => return Err(injected(kind)),
            Some(Fault::Doubt) => {
                plan.doubt = true;
                return Err(injected(ErrorKind::Other));
            }
            Some(Fault::Torn(_) | Fault::Unheard) => plan.dead = true,
            Some(Fault::Flipped(_) | Fault::Short(_)) | None => {}
        }
        Ok(fault)
    }
}

/// A store with planned faults.
#[derive(Debug)]
pub struct Faulty<S> {
    inner: S,
    plan: Plan,
}

impl<S: Store> Faulty<S> {
    /// Wraps `inner`.
    pub fn new(inner: S, plan: Plan) -> Self {
        Self { inner, plan }
    }
}

impl<S: Store> Store for Faulty<S> {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        let fault = self.plan.next()?;
        let mut loaded = self.inner.load()?;
        match (fault, &mut loaded.data) {
            (Some(Fault::Flipped(at)), Some(data)) => {
                if let Some(byte) = data.get_mut(at) {
                    *byte ^= 1;
                }
            }
            (Some(Fault::Short(length)), Some(data)) => data.truncate(length),
            _ => {}
        }
        heard(fault, loaded)
    }

    fn append(&mut self, expected: Position, bytes: &[u8]) -> Result<Position, StoreError> {
        let fault = self.plan.next()?;
        if self.plan.lock().doubt {
            return Err(StoreError::ReplaceFirst("an injected fault".into()));
        }
        let arriving = match fault {
            Some(Fault::Torn(length)) => &bytes[..length.min(bytes.len())],
            _ => bytes,
        };
        let position = self.inner.append(expected, arriving)?;
        heard(fault, position)
    }

    fn replace(&mut self, expected: Position, bytes: &[u8]) -> Result<Position, StoreError> {
        self.whole(|inner| inner.replace(expected, bytes)).inspect(|_| self.plan.lock().doubt = false)
    }

    fn write_key(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.whole(|inner| inner.write_key(bytes))
    }

    fn copy_aside(&mut self, label: &str) -> Result<String, StoreError> {
        self.whole(|inner| inner.copy_aside(label))
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        self.whole(Store::clear)
    }
}

impl<S: Store> Faulty<S> {
    /// A call that happens as a whole or not at all.
    fn whole<T>(&mut self, call: impl FnOnce(&mut S) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let fault = self.plan.next()?;
        if matches!(fault, Some(Fault::Torn(_))) {
            return Err(injected(ErrorKind::BrokenPipe));
        }
        let value = call(&mut self.inner)?;
        heard(fault, value)
    }
}

/// The dead do not hear of their success.
fn heard<T>(fault: Option<Fault>, value: T) -> Result<T, StoreError> {
    match fault {
        Some(Fault::Torn(_) | Fault::Unheard) => Err(injected(ErrorKind::BrokenPipe)),
        _ => Ok(value),
    }
}

fn injected(kind: ErrorKind) -> StoreError {
    StoreError::Io { what: "an injected fault".into(), source: Error::from(kind) }
}
