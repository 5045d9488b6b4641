//! How many connections there may be and how much they may hold, and which one has to go when it is too much.
//!
//! Strangers can open connections, send bodies slowly and leave answers unread. When a listener is full, the oldest
//! connection for which the Coordinator is not working at this moment is closed to make room. So neither a flood of
//! idle connections nor one of slow bodies keeps a real client out, and what all of them together hold in memory is
//! bounded.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// What a listener allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Open connections.
    pub connections: usize,
    /// Bytes of bodies and answers, over all connections.
    pub bytes: usize,
}

/// The open connections of one listener.
#[derive(Debug, Clone)]
pub(crate) struct Connections(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    limits: Limits,
    next: u64,
    held: usize,
    open: BTreeMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    activity: Arc<Activity>,
    held: usize,
}

/// What one connection is doing.
#[derive(Debug)]
pub(crate) struct Activity {
    /// Requests that wait for us and not for the peer.
    working: AtomicUsize,
    last: Mutex<Instant>,
    close: Notify,
}

/// A place in the table; dropping it frees the place and what it held.
#[derive(Debug)]
pub(crate) struct Place {
    id: u64,
    table: Arc<Mutex<Table>>,
    /// What the connection is doing.
    pub activity: Arc<Activity>,
}

/// One request and its answer; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Exchange {
    id: u64,
    table: Arc<Mutex<Table>>,
    activity: Arc<Activity>,
    stage: Mutex<Stage>,
    held: AtomicUsize,
}

/// Whom an exchange waits for: its peer, us, its peer again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Receiving,
    Working,
    Sending,
}

impl Connections {
    /// None yet.
    pub(crate) fn new(limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(Table { limits, next: 0, held: 0, open: BTreeMap::new() })))
    }

    /// A place for a new connection, if need be that of another one; `None` if the Coordinator works for all.
    pub(crate) fn admit(&self) -> Option<Place> {
        let mut table = lock(&self.0);
        if table.open.len() >= table.limits.connections {
            // By age alone: if idle ones went first, newcomers that shake hands would make room for each other.
            let victim = table.oldest(|open| !open.activity.is_working())?;
            table.close(victim);
        }
        let id = table.next;
        table.next += 1;
        let activity = Arc::new(Activity {
            working: AtomicUsize::new(0),
            last: Mutex::new(Instant::now()),
            close: Notify::new(),
        });
        table.open.insert(id, Open { activity: Arc::clone(&activity), held: 0 });
        Some(Place { id, table: Arc::clone(&self.0), activity })
    }

    /// How many connections are open.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        lock(&self.0).open.len()
    }

    /// How many bytes they hold.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        lock(&self.0).held
    }
}

impl Table {
    fn oldest(&self, which: impl Fn(&Open) -> bool) -> Option<u64> {
        self.open.iter().find(|(_, open)| which(open)).map(|(id, _)| *id)
    }

    fn close(&mut self, id: u64) {
        if let Some(open) = self.remove(id) {
            open.activity.close.notify_one();
        }
    }

    fn remove(&mut self, id: u64) -> Option<Open> {
        let open = self.open.remove(&id)?;
        self.held -= open.held;
        Some(open)
    }

    /// Whether this connection may hold so many bytes more; others that wait for their peer make room.
    fn take(&mut self, id: u64, bytes: usize) -> bool {
        while self.held.saturating_add(bytes) > self.limits.bytes {
            match self.oldest(|open| open.held > 0 && !open.activity.is_working()) {
                Some(victim) => self.close(victim),
                None => return false,
            }
        }
        let Some(open) = self.open.get_mut(&id) else { return false };
        open.held += bytes;
        self.held += bytes;
        true
    }

    fn give_back(&mut self, id: u64, bytes: usize) {
        if let Some(open) = self.open.get_mut(&id) {
            open.held -= bytes;
            self.held -= bytes;
        }
    }
}

impl Place {
    /// A request begins: its head was read.
    pub(crate) fn begin(&self) -> Exchange {
        self.activity.moved();
        Exchange {
            id: self.id,
            table: Arc::clone(&self.table),
            activity: Arc::clone(&self.activity),
            stage: Mutex::new(Stage::Receiving),
            held: AtomicUsize::new(0),
        }
    }
}

impl Exchange {
    /// So many bytes more came or are to go; `false` if there is no room for them and the connection has to end.
    #[must_use]
    pub(crate) fn hold(&self, bytes: usize) -> bool {
        self.activity.moved();
        let taken = lock(&self.table).take(self.id, bytes);
        if taken {
            self.held.fetch_add(bytes, Ordering::Relaxed);
        } else {
            self.activity.close.notify_one();
        }
        taken
    }

    /// Nothing more is expected from the peer: now we work.
    pub(crate) fn received(&self) {
        let mut stage = lock(&self.stage);
        if *stage == Stage::Receiving {
            *stage = Stage::Working;
            self.activity.working.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The answer is there: now the peer has to take it.
    pub(crate) fn answered(&self) {
        let before = std::mem::replace(&mut *lock(&self.stage), Stage::Sending);
        if before == Stage::Working {
            self.activity.working.fetch_sub(1, Ordering::Relaxed);
        }
        self.activity.moved();
    }

    /// A part of the answer goes out.
    pub(crate) fn moved(&self) {
        self.activity.moved();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.answered();
        lock(&self.table).give_back(self.id, self.held.load(Ordering::Relaxed));
    }
}

impl Activity {
    /// Whether a request waits for us.
    pub(crate) fn is_working(&self) -> bool {
        self.working.load(Ordering::Relaxed) > 0
    }

    /// Waits until, for this long, we did not work and nothing came or went.
    pub(crate) async fn quiet_for(&self, limit: Duration) {
        loop {
            let since = if self.is_working() { Instant::now() } else { *lock(&self.last) };
            if since.elapsed() >= limit {
                return;
            }
            sleep_until(since + limit).await;
        }
    }

    /// Waits until the connection has to make room.
    pub(crate) async fn closed(&self) {
        self.close.notified().await;
    }

    fn moved(&self) {
        *lock(&self.last) = Instant::now();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.table).remove(self.id);
    }
}

/// What these locks guard stays consistent whatever panics, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(connections: usize) -> Connections {
        Connections::new(Limits { connections, bytes: 100 })
    }

    #[tokio::test]
    async fn the_oldest_connection_for_which_nobody_works_makes_room() {
        let connections = connections(3);
        let [working, slow, idle] = [(); 3].map(|()| connections.admit().unwrap());
        let (work, _slow_body) = (working.begin(), slow.begin());
        work.received();
        let newcomer = connections.admit().unwrap();
        slow.activity.closed().await;
        let request = newcomer.begin();
        request.received();
        let second = connections.admit().unwrap();
        idle.activity.closed().await;
        let request = second.begin();
        request.received();
        assert!(connections.admit().is_none(), "the Coordinator works for all");
        work.answered();
        assert!(connections.admit().is_some(), "an unread answer keeps us waiting");
        drop((idle, slow, second));
        assert_eq!(connections.count(), 1);
    }

    #[tokio::test]
    async fn bytes_are_bounded_and_given_back() {
        let connections = connections(9);
        let [first, second, third] = [(); 3].map(|()| connections.admit().unwrap());
        let [one, two, three] = [&first, &second, &third].map(Place::begin);
        assert!(one.hold(60) && two.hold(40));
        assert!(three.hold(50), "the oldest makes room");
        first.activity.closed().await;
        assert!(!one.hold(1), "it is closed");
        assert_eq!(connections.held(), 90);
        two.received();
        three.received();
        assert!(!two.hold(20), "nobody keeps us waiting, so there is no room");
        drop(two);
        assert_eq!(connections.held(), 50);
        drop((first, one, third, three));
        assert_eq!(connections.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn quiet_is_when_nobody_works_and_nothing_moves() {
        let connections = connections(1);
        let place = connections.admit().unwrap();
        let request = place.begin();
        request.received();
        let limit = Duration::from_secs(60);
        let waiting = tokio::time::timeout(limit * 3, place.activity.quiet_for(limit));
        assert!(waiting.await.is_err(), "we work");
        request.answered();
        let begun = Instant::now();
        place.activity.quiet_for(limit).await;
        assert_eq!(begun.elapsed(), limit, "an answer that nobody takes");
    }
}
