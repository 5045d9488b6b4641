//! What is asked for: the cache in front, fetching behind it.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use marblerun_attest::{AmdCollateral, Collateral, Needs, Roots};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::cache::{Cache, Slot};
use crate::fetch::Fetcher;
use crate::flights::{Boarding, Flights, Outcome, Waiting};
use crate::folder::Folder;
use crate::http::Limits;
use crate::patience::Patience;
use crate::{Bundle, CollateralError, Entry, Key, Refused, Sources};

/// How long to wait after a failed attempt to fetch something newer, in seconds.
const NEXT_ATTEMPT: u64 = 600;

/// Bounds, and whom to trust.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whose collateral counts.
    pub roots: Roots,
    /// Bounds of one request.
    pub limits: Limits,
    /// How many entries are kept.
    pub entries: usize,
    /// How many platforms that are not known yet are asked for at the same time.
    pub at_once: usize,
    /// How many of them per minute.
    pub per_minute: u32,
    /// After which time something newer is fetched, though the old one would still do. Vendors publish new rules
    /// before the old ones end.
    pub refresh: Duration,
    /// Where entries are kept across restarts.
    pub folder: Option<PathBuf>,
}

/// Gives collateral, from what it keeps or from the vendors' services. Cloning gives another handle on the same.
#[derive(Debug, Clone)]
pub struct Service(Arc<Inner>);

/// One entry that is kept, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What it is for.
    pub key: Key,
    /// Until when it is valid.
    pub until: SystemTime,
}

#[derive(Debug)]
struct Inner {
    fetcher: Fetcher,
    options: Options,
    roots: RwLock<Arc<Roots>>,
    cache: Cache,
    flights: Flights,
    patience: Patience,
    folder: Option<Folder>,
}

impl Options {
    /// Usual bounds, for whoever trusts `roots`; nothing is kept on disk.
    pub fn new(roots: Roots) -> Self {
        Self {
            roots,
            limits: Limits::default(),
            entries: 1024,
            at_once: 16,
            per_minute: 120,
            refresh: Duration::from_secs(24 * 60 * 60),
            folder: None,
        }
    }
}

impl Service {
    /// A service that asks `sources`. It keeps nothing yet; [`Service::load`] brings back what a folder has.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(sources: Sources, options: Options) -> Result<Self, CollateralError> {
        Ok(Self(Arc::new(Inner {
            fetcher: Fetcher::new(sources, options.limits)?,
            roots: RwLock::new(Arc::new(options.roots.clone())),
            cache: Cache::new(options.entries),
            flights: Flights::default(),
            patience: Patience::new(options.per_minute),
            folder: options.folder.clone().map(Folder::new),
            options,
        })))
    }

    /// The collateral that `needs` asks for, valid at `now`: at once if it is kept, else fetched, once for all who ask
    /// at the same time. What is kept and ageing is renewed behind the caller's back.
    ///
    /// # Errors
    /// Why there is none. Nothing that is expired, older than what was seen, or not the vendor's is ever given.
    pub async fn collateral(
        &self,
        needs: &Needs,
        now: SystemTime,
    ) -> Result<Arc<Collateral>, CollateralError> {
        if comes_with_evidence(needs) {
            return Ok(Arc::default());
        }
        let (key, seconds) = (Key::of(needs)?, seconds(now));
        self.0.check_clock(seconds)?;
        if let Some(found) = self.0.cache.find(&key, seconds) {
            if found.is_due {
                // Its own bound, so that strangers cannot keep what is known from being renewed.
                let _ = self.depart(&key, needs, seconds, 2 * self.0.options.at_once);
            }
            return Ok(found.collateral);
        }
        self.0.patience.check(&key, seconds)?;
        self.depart(&key, needs, seconds, self.0.options.at_once)?.outcome().await
    }

    /// What is kept and valid at `now`, without waiting for anything.
    pub fn cached(&self, needs: &Needs, now: SystemTime) -> Option<Arc<Collateral>> {
        if comes_with_evidence(needs) {
            return Some(Arc::default());
        }
        let found = self.0.cache.find(&Key::of(needs).ok()?, seconds(now))?;
        Some(found.collateral)
    }

    /// Starts to fetch something newer for all that is ageing.
    pub fn renew(&self, now: SystemTime) {
        let now = seconds(now);
        for (key, slot) in self.0.cache.all().into_iter().filter(|(_, slot)| now >= slot.due) {
            let _ = self.depart(&key, &slot.needs, now, 2 * self.0.options.at_once);
        }
    }

    /// Takes the entries of a bundle that count at `now`, and tells which do not.
    pub fn import(&self, bundle: &Bundle, now: SystemTime) -> Vec<Refused> {
        let take = |entry: &Entry| {
            let outcome = Key::of(&entry.needs)
                .and_then(|key| self.0.keep(&key, &entry.needs, entry.collateral.clone(), seconds(now)));
            outcome.err().map(|error| Refused { needs: entry.needs.clone(), error })
        };
        bundle.entries.iter().filter_map(take).collect()
    }

    /// All that is kept.
    pub fn export(&self) -> Bundle {
        let all = self.0.cache.all().into_iter();
        Bundle::new(
            all.map(|(_, slot)| Entry { needs: slot.needs, collateral: (*slot.collateral).clone() })
                .collect(),
        )
    }

    /// What is kept, and until when, for people.
    pub fn kept(&self) -> Vec<Kept> {
        let until = |seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH);
        let all = self.0.cache.all().into_iter();
        all.map(|(key, slot)| Kept { key, until: until(slot.validity.until) }).collect()
    }

    /// Takes what the folder has and counts at `now`; tells which entries do not count. It blocks on the disk.
    ///
    /// # Errors
    /// If the folder is there and cannot be read.
    pub fn load(&self, now: SystemTime) -> Result<Vec<Refused>, CollateralError> {
        let Some(folder) = &self.0.folder else { return Ok(Vec::new()) };
        let (entries, newest) = folder.read(self.0.options.entries)?;
        self.0.cache.saw(newest);
        self.0.check_clock(seconds(now))?;
        Ok(self.import(&Bundle::new(entries), now))
    }

    /// From now on the collateral of these roots counts, and what is kept of others does not.
    pub fn trust(&self, roots: Roots, now: SystemTime) {
        let roots = Arc::new(roots);
        *self.0.roots.write().unwrap_or_else(PoisonError::into_inner) = roots.clone();
        self.0.patience.forget();
        self.0.cache.retain(|slot| slot.collateral.validity(&slot.needs, &roots, now).is_ok());
    }

    /// The newest time at which a vendor signed something that was kept. No clock before it is believed.
    pub fn newest_signature(&self) -> SystemTime {
        UNIX_EPOCH.checked_add(Duration::from_secs(self.0.cache.newest())).unwrap_or(UNIX_EPOCH)
    }

    /// Takes note of such a time from elsewhere (sealed state, a peer).
    pub fn saw_signature_at(&self, time: SystemTime) {
        self.0.cache.saw(seconds(time));
    }

    /// Joins the fetch of `key`, or begins it on a task of its own, so that it goes on if the caller goes away.
    fn depart(&self, key: &Key, needs: &Needs, now: u64, at_most: usize) -> Result<Waiting, CollateralError> {
        match self.0.flights.board(key, at_most)? {
            Boarding::Joined(waiting) => Ok(waiting),
            Boarding::First(sender, waiting) => {
                let (service, key, needs) = (self.clone(), key.clone(), needs.clone());
                tokio::spawn(async move { service.fly(&key, &needs, now, sender).await });
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
            self.0.cache.postpone(key, now.saturating_add(NEXT_ATTEMPT));
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
        let kept = self.0.keep(key, needs, fetched, now)?;
        self.0.write(key, needs, &kept).await;
        Ok(kept)
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

impl Inner {
    fn check_clock(&self, now: u64) -> Result<(), CollateralError> {
        match self.cache.newest() {
            seen if now < seen => Err(CollateralError::Clock { now, seen }),
            _ => Ok(()),
        }
    }

    /// Only what counts is kept.
    fn keep(&self, key: &Key, needs: &Needs, collateral: Collateral, now: u64) -> Outcome {
        let roots = self.roots.read().unwrap_or_else(PoisonError::into_inner).clone();
        let at = UNIX_EPOCH.checked_add(Duration::from_secs(now)).unwrap_or(UNIX_EPOCH);
        let refused = |failure| CollateralError::Refused { key: key.to_string(), failure };
        let validity = collateral.validity(needs, &roots, at).map_err(refused)?;
        let half = validity.until.saturating_sub(now) / 2;
        let due = now.saturating_add(half.min(self.options.refresh.as_secs()));
        let collateral = Arc::new(collateral);
        self.cache.keep(key, Slot { needs: needs.clone(), collateral: collateral.clone(), validity, due })?;
        Ok(collateral)
    }

    /// A folder that cannot be written costs a fetch after the next restart, and nothing else.
    async fn write(&self, key: &Key, needs: &Needs, collateral: &Collateral) {
        let Some(folder) = self.folder.clone() else { return };
        let (key, newest) = (key.clone(), self.cache.newest());
        let entry = Entry { needs: needs.clone(), collateral: collateral.clone() };
        let written = tokio::task::spawn_blocking(move || folder.write(&key, entry, newest)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "collateral was not saved");
        }
    }
}

/// Whether the evidence carries all that there is.
fn comes_with_evidence(needs: &Needs) -> bool {
    matches!(needs, Needs::Nvidia { has_certificates: true })
}

/// What a chip's needs leave to its product line.
fn of_line(needs: &Needs, product: marblerun_attest::Product) -> Needs {
    match needs.clone() {
        Needs::Amd { chip_id, reported_tcb, signing_key, .. } => {
            Needs::Amd { product: Some(product), chip_id, reported_tcb, signing_key, has_certificate: true }
        }
        other => other,
    }
}

/// Before 1970 nothing is valid.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
