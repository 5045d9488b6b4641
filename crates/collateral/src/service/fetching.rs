//! Fetching what is not kept, or is ageing: once for all who ask, on a task of its own.

use marblerun_attest::{AmdCollateral, Collateral, Needs, Product};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Service;
use crate::flights::{Boarding, Outcome, Waiting};
use crate::{CollateralError, Key};

/// How long to wait after a failed attempt to fetch something newer, in seconds.
const NEXT_ATTEMPT: u64 = 600;

impl Service {
    /// With a bound of its own, so that strangers cannot keep what is known from being renewed.
    pub(super) fn depart_to_renew(
        &self,
        key: &Key,
        needs: &Needs,
        now: u64,
    ) -> Result<Waiting, CollateralError> {
        self.depart(key, needs, now, 2 * self.0.options.at_once)
    }

    /// Joins the fetch of `key`, or begins it on a task of its own, so that it goes on if the caller goes away.
    pub(super) fn depart(
        &self,
        key: &Key,
        needs: &Needs,
        now: u64,
        at_most: usize,
    ) -> Result<Waiting, CollateralError> {
        let runtime = Handle::try_current().map_err(|_| CollateralError::Busy)?;
        match self.0.flights.board(key, at_most)? {
            Boarding::Joined(waiting) => Ok(waiting),
            Boarding::First(sender, waiting) => {
                let (service, key, needs) = (self.clone(), key.clone(), needs.clone());
                runtime.spawn(async move { service.fly(&key, &needs, now, sender).await });
                Ok(waiting)
            }
        }
    }

    async fn fly(&self, key: &Key, needs: &Needs, now: u64, tell: watch::Sender<Option<Outcome>>) {
        let outcome = self.fetch_and_keep(key, needs, now).await;
        if let Err(error) = &outcome {
            // Who was refused because others asked too much did not fail.
            if *error != CollateralError::Busy {
                self.0.patience.remember(key, now, error);
            }
            self.0.cache.postpone(key, now, NEXT_ATTEMPT);
        }
        self.0.flights.land(key);
        let _ = tell.send(Some(outcome));
    }

    async fn fetch_and_keep(&self, key: &Key, needs: &Needs, now: u64) -> Outcome {
        if self.0.cache.find(key, now).is_none() {
            self.0.patience.count(now)?;
        }
        let begin = Instant::now();
        let fetched = self.fetch(needs, now).await?;
        // Vendors may sign at the very moment that they are asked.
        let now = now.saturating_add(begin.elapsed().as_secs() + 1);
        let (slot, unused) = self.0.keep(key, needs, fetched, now, now)?;
        let collateral = slot.collateral.clone();
        self.0.write(key, slot, unused).await;
        Ok(collateral)
    }

    /// A chip's certificate rests on that of its product line's issuer, which is kept for all chips.
    async fn fetch(&self, needs: &Needs, now: u64) -> Result<Collateral, CollateralError> {
        let Needs::Amd { has_certificate: false, .. } = needs else {
            return self.0.fetcher.whole(needs).await;
        };
        let (product, vek) = self.0.fetcher.vcek(needs).await?;
        let issuers = self.issuers(&of_line(needs, product), now).await?;
        let amd = issuers.amd.as_ref().map(|issuers| AmdCollateral { vek, ..issuers.clone() });
        Ok(Collateral { amd, ..Collateral::default() })
    }

    async fn issuers(&self, needs: &Needs, now: u64) -> Outcome {
        let key = Key::of(needs)?;
        if let Some(found) = self.0.cache.find(&key, now) {
            return Ok(found.collateral);
        }
        // There are as many as product lines: no bound is needed, and none may stand in the way of those who wait.
        let waiting = self.depart(&key, needs, now, usize::MAX)?;
        Box::pin(waiting.outcome()).await
    }
}

/// What a chip's needs leave to its product line.
fn of_line(needs: &Needs, product: Product) -> Needs {
    match needs.clone() {
        Needs::Amd { chip_id, reported_tcb, signing_key, .. } => {
            Needs::Amd { product: Some(product), chip_id, reported_tcb, signing_key, has_certificate: true }
        }
        other => other,
    }
}
