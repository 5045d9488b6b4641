//! Fetching what is not kept, or is ageing: once for all who ask, on a task of its own.

use std::sync::Arc;
use std::time::Duration;

use marblerun_attest::{AmdCollateral, Collateral, Needs, Product, VekIdentity};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::{Service, at};
use crate::cache::{Age, Found};
use crate::flights::{Boarding, Outcome, Waiting};
use crate::{CollateralError, Key};

/// How long to wait after a failed attempt to fetch something newer, in seconds.
const NEXT_ATTEMPT: u64 = 600;

/// What was fetched, and when, in seconds since 1970.
struct Fetched {
    collateral: Collateral,
    at: u64,
}

impl Service {
    /// What was found, or something newer if that is there within `wait`. Nothing that was withdrawn meanwhile.
    pub(super) async fn or_newer(
        &self,
        key: &Key,
        needs: &Needs,
        now: u64,
        found: Found,
        wait: Duration,
    ) -> Outcome {
        if found.age == Age::Fresh {
            return Ok(found.collateral);
        }
        let Ok(waiting) = self.depart_to_renew(key, needs, now) else { return Ok(found.collateral) };
        if found.age == Age::Due {
            return Ok(found.collateral);
        }
        let outcome = timeout(wait, waiting.outcome()).await;
        match (self.0.cache.find(key, now), outcome) {
            (Some(found), _) => Ok(found.collateral),
            (None, Ok(outcome)) => outcome,
            (None, Err(_)) => Err(CollateralError::Busy),
        }
    }

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
            let kept_until = self.0.cache.postpone(key, now, NEXT_ATTEMPT);
            say_failed(key, error, kept_until, now);
        }
        self.0.flights.land(key);
        let _ = tell.send(Some(outcome));
    }

    async fn fetch_and_keep(&self, key: &Key, needs: &Needs, now: u64) -> Outcome {
        let known = self.0.cache.find(key, now);
        if known.is_none() {
            self.0.patience.count(now)?;
        }
        let begin = Instant::now();
        let Fetched { collateral, at } = self.fetch(needs, now, known.as_ref()).await?;
        // Vendors may sign at the very moment that they are asked.
        let passed = begin.elapsed().as_secs() + 1;
        let kept = self.0.keep(key, needs, collateral.clone(), at, now.saturating_add(passed));
        let (slot, unused) = match kept {
            Ok(kept) => kept,
            Err(error) => {
                self.withdraw_revoked(&collateral, &error, now).await;
                return Err(error);
            }
        };
        let collateral = slot.collateral.clone();
        say_renewed(key, known.as_ref(), &collateral, slot.validity.until);
        self.0.write(key, slot, unused).await;
        Ok(collateral)
    }

    /// A chip's certificate rests on that of its product line's issuer, which is kept for all chips, with the revocation
    /// list. That alone is renewed: what certifies a chip at some TCB does not change.
    async fn fetch(
        &self,
        needs: &Needs,
        now: u64,
        known: Option<&Found>,
    ) -> Result<Fetched, CollateralError> {
        let Needs::Amd { has_certificate: false, .. } = needs else {
            return Ok(Fetched { collateral: self.0.fetcher.whole(needs).await?, at: now });
        };
        let (product, vek) = match known.and_then(|known| certificate(needs, &known.collateral)) {
            Some(known) => known,
            None => self.0.fetcher.vcek(needs).await?,
        };
        let issuers = self.issuers(&of_line(needs, product), now, known.is_some()).await?;
        let amd = issuers.collateral.amd.as_ref().map(|issuers| AmdCollateral { vek, ..issuers.clone() });
        // The line's age, so that the next ones are fetched with the line.
        Ok(Fetched { collateral: Collateral { amd, ..Collateral::default() }, at: issuers.fetched })
    }

    /// For a chip that is known they have to be fresh; for another one those that are kept do, if there are no others.
    async fn issuers(&self, needs: &Needs, now: u64, fresh: bool) -> Result<Found, CollateralError> {
        let key = Key::of(needs)?;
        let kept = self.0.cache.find(&key, now);
        if let Some(found) = kept.filter(|found| found.age == Age::Fresh) {
            return Ok(found);
        }
        // There are as many as product lines: no bound is needed, and none may stand in the way of those who wait.
        let waiting = self.depart(&key, needs, now, usize::MAX)?;
        let outcome = Box::pin(waiting.outcome()).await;
        match (outcome, self.0.cache.find(&key, now)) {
            (Err(error), _) if fresh => Err(error),
            (_, Some(found)) => Ok(found),
            (Ok(collateral), None) => Ok(Found { collateral, age: Age::Fresh, fetched: now }),
            (Err(error), None) => Err(error),
        }
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

/// The certificate of the chip's key that is kept, and its product line.
fn certificate(needs: &Needs, known: &Collateral) -> Option<(Product, Vec<u8>)> {
    let Needs::Amd { product, .. } = needs else { return None };
    let vek = &known.amd.as_ref()?.vek;
    let certified = || VekIdentity::unverified(vek).ok()?.product_name.parse().ok();
    Some(((*product).or_else(certified)?, vek.clone()))
}

/// Who asked for what is not kept is told; of what is kept nobody else would say it.
fn say_failed(key: &Key, error: &CollateralError, kept_until: Option<u64>, now: u64) {
    let Some(until) = kept_until else { return };
    let end = humantime::format_rfc3339_seconds(at(until));
    match now <= until {
        true => tracing::warn!(
            %key, kept_until = %end, why = %error,
            "collateral cannot be renewed: what is kept counts until its end, and what was revoked since is not seen"
        ),
        false => tracing::error!(
            %key, ended = %end, why = %error,
            "collateral has ended and cannot be renewed: evidence of these platforms is refused"
        ),
    }
}

fn say_renewed(key: &Key, known: Option<&Found>, collateral: &Arc<Collateral>, until: u64) {
    if known.is_some_and(|known| known.collateral != *collateral) {
        tracing::info!(%key, until = %humantime::format_rfc3339_seconds(at(until)), "collateral was renewed");
    }
}
