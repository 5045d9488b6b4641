//! How many connections there may be, and which one has to go when there are too many.
//!
//! Strangers can open connections. When a listener is full, the oldest connection that is doing nothing for
//! anybody (still shaking hands, or idle) is closed to make room, so that a flood of idle connections cannot keep a
//! real client out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The open connections of one listener.
#[derive(Debug, Clone)]
pub(crate) struct Connections(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    limit: usize,
    next: u64,
    open: BTreeMap<u64, Arc<Activity>>,
}

/// What one connection is doing.
#[derive(Debug)]
pub(crate) struct Activity {
    requests: AtomicUsize,
    last: Mutex<Instant>,
    close: Notify,
}

/// A place in the table; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Place {
    id: u64,
    table: Arc<Mutex<Table>>,
    /// What the connection is doing.
    pub activity: Arc<Activity>,
}

/// A request that is being answered; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Activity>);

impl Connections {
    /// At most `limit` connections.
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(Table { limit, next: 0, open: BTreeMap::new() })))
    }

    /// A place for a new connection, if need be that of the oldest idle one; `None` if all are busy.
    pub(crate) fn admit(&self) -> Option<Place> {
        let mut table = lock(&self.0);
        if table.open.len() >= table.limit {
            let (&oldest, activity) = table.open.iter().find(|(_, activity)| activity.is_idle())?;
            activity.close.notify_one();
            table.open.remove(&oldest);
        }
        let id = table.next;
        table.next += 1;
        let activity = Arc::new(Activity {
            requests: AtomicUsize::new(0),
            last: Mutex::new(Instant::now()),
            close: Notify::new(),
        });
        table.open.insert(id, Arc::clone(&activity));
        Some(Place { id, table: Arc::clone(&self.0), activity })
    }
}

impl Activity {
    /// Marks a request as being answered.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// Whether no request is being answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0
    }

    /// Waits until no request was answered for this long.
    pub(crate) async fn idle_for(&self, limit: Duration) {
        loop {
            let last = *lock(&self.last);
            let since = if self.is_idle() { last } else { Instant::now() };
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
}

impl Drop for Busy {
    fn drop(&mut self) {
        *lock(&self.0.last) = Instant::now();
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.table).open.remove(&self.id);
    }
}

/// What these locks guard stays consistent whatever panics, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_idle_connection_makes_room() {
        let connections = Connections::new(2);
        let busy = connections.admit().unwrap();
        let _request = busy.activity.begin();
        let idle = connections.admit().unwrap();
        let newcomer = connections.admit().unwrap();
        idle.activity.closed().await;
        let _second = newcomer.activity.begin();
        assert!(connections.admit().is_none(), "all are busy");
        drop(newcomer);
        assert_eq!(lock(&connections.0).open.len(), 1);
        assert!(connections.admit().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn idleness_ends_only_without_requests() {
        let place = Connections::new(1).admit().unwrap();
        let request = place.activity.begin();
        let limit = Duration::from_secs(60);
        let waiting = tokio::time::timeout(limit * 3, place.activity.idle_for(limit));
        assert!(waiting.await.is_err(), "a request is under way");
        drop(request);
        let begun = Instant::now();
        place.activity.idle_for(limit).await;
        assert_eq!(begun.elapsed(), limit);
    }
}
