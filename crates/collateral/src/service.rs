//! What is asked for: the cache in front, fetching behind it.

mod fetching;
mod keeping;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use marblerun_attest::{Collateral, Needs, Roots};

use crate::cache::{Age, Cache, Found, Slot};
use crate::fetch::Fetcher;
use crate::flights::Flights;
use crate::folder::Folder;
use crate::http::Limits;
use crate::patience::Patience;
use crate::{Bundle, CollateralError, Entry, Key, Refused, Sources};

/// After which time collateral is fetched anew, where nobody says otherwise.
pub const REFRESH: Duration = Duration::from_secs(60 * 60);

/// For how long after its end collateral is still renewed though nobody asks, in seconds.
const LEFT: u64 = 24 * 60 * 60;

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
    /// After which time something newer is fetched, though the old one would still do: how much later at most a
    /// revocation or new rules are seen, while the services answer.
    pub refresh: Duration,
    /// How long who asks waits for something newer, once twice that time has passed and nobody tried.
    pub wait: Duration,
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
            refresh: REFRESH,
            wait: Duration::from_secs(5),
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
    /// at the same time. What is kept and ageing is renewed behind the caller's back; only what nobody renewed in time (as
    /// after a restart) is waited for, for a moment.
    ///
    /// # Errors
    /// Why there is none. Nothing that is expired, revoked by a newer list, older than what was seen, or not the vendor's
    /// is ever given.
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
            return self.or_newer(&key, needs, seconds, found, self.0.options.wait).await;
        }
        self.0.patience.check(&key, seconds)?;
        self.depart(&key, needs, seconds, self.0.options.at_once)?.outcome().await
    }

    /// As [`Service::collateral`], but what is kept and ageing is given only if nothing newer can be had. For programs that
    /// ask once and end.
    ///
    /// # Errors
    /// As [`Service::collateral`].
    pub async fn latest(&self, needs: &Needs, now: SystemTime) -> Result<Arc<Collateral>, CollateralError> {
        let (Ok(key), moment) = (Key::of(needs), seconds(now)) else {
            return self.collateral(needs, now).await;
        };
        self.0.check_clock(moment)?;
        match self.0.cache.find(&key, moment) {
            Some(found) if found.age != Age::Fresh => {
                let found = Found { age: Age::Overdue, ..found };
                self.or_newer(&key, needs, moment, found, Duration::MAX).await
            }
            _ => self.collateral(needs, now).await,
        }
    }

    /// What is kept and valid at `now`, without waiting for anything. What is ageing is renewed behind the caller's back, if
    /// there is a runtime.
    pub fn cached(&self, needs: &Needs, now: SystemTime) -> Option<Arc<Collateral>> {
        if comes_with_evidence(needs) {
            return Some(Arc::default());
        }
        let (key, now) = (Key::of(needs).ok()?, seconds(now));
        let found = self.0.cache.find(&key, now)?;
        if found.age != Age::Fresh {
            let _ = self.depart_to_renew(&key, needs, now);
        }
        Some(found.collateral)
    }

    /// Starts to fetch something newer for all that is ageing. What ended longer ago than a day is left until somebody asks
    /// for it.
    pub fn renew(&self, now: SystemTime) {
        let now = seconds(now);
        let is_due = |slot: &Slot| slot.is_due(now) && now <= slot.validity.until.saturating_add(LEFT);
        for (key, slot) in self.0.cache.all().into_iter().filter(|(_, slot)| is_due(slot)) {
            let _ = self.depart_to_renew(&key, &slot.needs, now);
        }
    }

    /// Takes the entries of a bundle that count at `now`, and tells which do not.
    pub fn import(&self, bundle: &Bundle, now: SystemTime) -> Vec<Refused> {
        // Who brings it has nothing newer.
        bundle.entries.iter().filter_map(|entry| self.0.take(entry, seconds(now), seconds(now))).collect()
    }

    /// All that is kept.
    pub fn export(&self) -> Bundle {
        let all = self.0.cache.all().into_iter();
        Bundle::new(all.map(|(_, slot)| Entry::new(slot.needs, (*slot.collateral).clone())).collect())
    }

    /// What is kept, and until when, for people.
    pub fn kept(&self) -> Vec<Kept> {
        let all = self.0.cache.all().into_iter();
        all.map(|(key, slot)| Kept { key, until: at(slot.validity.until) }).collect()
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
        let now = seconds(now);
        let take = |entry: &Entry| self.0.take(entry, entry.fetched.unwrap_or_default().min(now), now);
        Ok(entries.iter().filter_map(take).collect())
    }

    /// Writes all that is kept to the folder, if there is one. It blocks on the disk.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn save(&self) -> Result<(), CollateralError> {
        let Some(folder) = &self.0.folder else { return Ok(()) };
        let newest = self.0.cache.newest();
        self.0.cache.all().into_iter().try_for_each(|(key, slot)| folder.write(&key, slot.entry(), newest))
    }

    /// Asks each service for something that it has for everybody, and tells how that went, by address. For people: no
    /// decision rests on it.
    pub async fn reach(&self) -> [(String, Result<(), CollateralError>); 2] {
        self.0.fetcher.reach().await
    }

    /// From now on the collateral of these roots counts, and what is kept of others does not.
    pub fn trust(&self, roots: Roots) {
        let roots = Arc::new(roots);
        *self.0.roots.write().unwrap_or_else(PoisonError::into_inner) = roots.clone();
        self.0.patience.forget();
        self.0.cache.retain(|slot| slot.validity.rests_on(&roots));
    }

    /// The newest time at which a vendor signed something that was kept. No clock before it is believed.
    pub fn newest_signature(&self) -> SystemTime {
        at(self.0.cache.newest())
    }

    /// Takes note of such a time from elsewhere (sealed state, a peer).
    pub fn saw_signature_at(&self, time: SystemTime) {
        self.0.cache.saw(seconds(time));
    }
}

/// Whether the evidence carries all that there is.
fn comes_with_evidence(needs: &Needs) -> bool {
    matches!(needs, Needs::Nvidia { has_certificates: true })
}

/// That many seconds after the beginning of 1970.
fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}

/// Before 1970 nothing is valid.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
