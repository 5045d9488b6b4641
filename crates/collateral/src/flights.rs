//! One fetch per key at a time, and a bounded number of them: whoever asks for what is being fetched waits for that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use marblerun_attest::Collateral;
use tokio::sync::watch;

use crate::{CollateralError, Key};

/// How a fetch ended.
pub(crate) type Outcome = Result<Arc<Collateral>, CollateralError>;

/// The fetches that are under way.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<Key, watch::Receiver<Option<Outcome>>>>);

/// A place in a fetch.
#[derive(Debug)]
pub(crate) enum Boarding {
    /// Nobody fetches it yet: the caller has to, and tells the others through this.
    First(watch::Sender<Option<Outcome>>, Waiting),
    /// Somebody does.
    Joined(Waiting),
}

/// Whoever waits for a fetch.
#[derive(Debug)]
pub(crate) struct Waiting(watch::Receiver<Option<Outcome>>);

impl Flights {
    /// Joins the fetch of `key`, or starts one if there are fewer than `at_most`.
    pub(crate) fn board(&self, key: &Key, at_most: usize) -> Result<Boarding, CollateralError> {
        let mut flights = self.lock();
        // A fetch that ended without a word (its runtime is gone) is none.
        if let Some(flight) = flights.get(key).filter(|flight| flight.has_changed().is_ok()) {
            return Ok(Boarding::Joined(Waiting(flight.clone())));
        }
        if flights.len() >= at_most {
            return Err(CollateralError::Busy);
        }
        let (sender, receiver) = watch::channel(None);
        flights.insert(key.clone(), receiver.clone());
        Ok(Boarding::First(sender, Waiting(receiver)))
    }

    /// The fetch of `key` is over.
    pub(crate) fn land(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, watch::Receiver<Option<Outcome>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    pub(crate) async fn outcome(mut self) -> Outcome {
        let told = self.0.wait_for(Option::is_some).await;
        told.ok().and_then(|outcome| outcome.clone()).unwrap_or(Err(CollateralError::Busy))
    }
}
