//! The load generator: a bounded number of activations at the same time, until a bounded time or count.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::activation::activate;
use crate::identity::Identity;

/// A server that refuses this often is not measured any further.
const FAILURES_AT_MOST: u64 = 100;

/// Where the load goes.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The server's address for marbles.
    pub(crate) address: SocketAddr,
    /// Marble types, used in turn; never empty.
    pub(crate) types: Arc<[String]>,
}

/// When the load ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// After this time; activations under way are finished.
    Elapsed(Duration),
    /// After this many activations.
    Count(u64),
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Of each successful activation, sorted.
    pub(crate) latencies: Vec<Duration>,
    /// Activations without parameters.
    pub(crate) failures: u64,
    /// Why the first of them failed.
    pub(crate) first_failure: Option<String>,
    /// From the first connection to the last answer.
    pub(crate) elapsed: Duration,
}

/// Activates with every identity at the same time, each anew as soon as it is done.
pub(crate) async fn generate(target: &Target, until: Until, identities: &Arc<[Identity]>) -> Outcome {
    let (target, workers, identities) = (target.clone(), identities.len(), identities.clone());
    generate_calls(workers, until, move |worker, number| {
        let (target, identities) = (target.clone(), identities.clone());
        async move {
            let marble_type = &target.types[usize::try_from(number).unwrap_or(0) % target.types.len()];
            activate(target.address, &identities[worker], marble_type).await
        }
    })
    .await
}

/// Makes calls of any kind: `call` is given the number of the worker and of the call, and says how long it took.
pub(crate) async fn generate_calls<C, F>(workers: usize, until: Until, call: C) -> Outcome
where
    C: Fn(usize, u64) -> F + Clone + Send + 'static,
    F: Future<Output = anyhow::Result<Duration>> + Send + 'static,
{
    let course = Arc::new(Course::new(until));
    let mut outcome = Outcome::default();
    let mut tasks = JoinSet::new();
    for worker in 0..workers {
        tasks.spawn(work(worker, call.clone(), course.clone()));
    }
    while let Some(Ok(part)) = tasks.join_next().await {
        outcome.add(part);
    }
    outcome.elapsed = course.start.elapsed();
    outcome.latencies.sort_unstable();
    outcome
}

async fn work<C, F>(worker: usize, call: C, course: Arc<Course>) -> Outcome
where
    C: Fn(usize, u64) -> F,
    F: Future<Output = anyhow::Result<Duration>>,
{
    let mut outcome = Outcome::default();
    while let Some(number) = course.next() {
        match call(worker, number).await {
            Ok(latency) => outcome.latencies.push(latency),
            Err(error) => {
                course.failures.fetch_add(1, Ordering::Relaxed);
                outcome.fail(&error);
            }
        }
    }
    outcome
}

impl Outcome {
    fn fail(&mut self, error: &anyhow::Error) {
        self.failures += 1;
        self.first_failure.get_or_insert_with(|| format!("{error:#}"));
    }

    /// Joins what another worker, or another round, saw.
    pub(crate) fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.failures += other.failures;
        self.first_failure = self.first_failure.take().or(other.first_failure);
        self.elapsed += other.elapsed;
    }
}

/// How far the workers are together.
struct Course {
    start: Instant,
    until: Until,
    begun: AtomicU64,
    failures: AtomicU64,
}

impl Course {
    fn new(until: Until) -> Self {
        Self { start: Instant::now(), until, begun: AtomicU64::new(0), failures: AtomicU64::new(0) }
    }

    /// The number of the activation to begin, if there is one more.
    fn next(&self) -> Option<u64> {
        if self.failures.load(Ordering::Relaxed) >= FAILURES_AT_MOST {
            return None;
        }
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let more = match self.until {
            Until::Elapsed(limit) => self.start.elapsed() < limit,
            Until::Count(limit) => number < limit,
        };
        more.then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_exact() {
        let course = Course::new(Until::Count(3));
        assert_eq!(std::iter::from_fn(|| course.next()).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_server_that_only_refuses_ends_the_load() {
        let course = Course::new(Until::Count(u64::MAX));
        course.failures.store(FAILURES_AT_MOST, Ordering::Relaxed);
        assert_eq!(course.next(), None);
    }
}
