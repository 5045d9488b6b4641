//! Renews collateral in the background, so that what vendors revoke is seen in time, and no activation waits for it. What
//! is due, and what counts meanwhile, the collateral room knows.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::service::Coordinator;

/// So many looks between one renewal and the next: what is due waits that little longer.
const LOOKS: u32 = 60;

/// Looks regularly for what is due.
pub(crate) struct Renewal {
    coordinator: Coordinator,
    every: Duration,
}

impl Renewal {
    /// For collateral that is due after `refresh`.
    pub(crate) fn new(coordinator: Coordinator, refresh: Duration) -> Self {
        Self { coordinator, every: refresh / LOOKS }
    }

    /// Until `stop` changes. The first look is at once: what was kept across a restart may be old.
    pub(crate) async fn run(self, mut stop: watch::Receiver<()>) {
        let mut looks = interval(self.every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stop.changed() => return,
                _ = looks.tick() => self.coordinator.attestation().renew(self.coordinator.now()),
            }
        }
    }
}
