//! One round: load on one server, and what it cost both sides meanwhile.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::identity::Identity;
use crate::load::{self, Outcome, Target, Until};
use crate::procfs::{self, CpuTime};

/// What is measured.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// Where the load goes.
    pub(crate) target: Target,
    /// The server's process, if it is known.
    pub(crate) pid: Option<u32>,
    /// Numbers of the CPUs that the server may use.
    pub(crate) cpus: Range<usize>,
}

/// What one or several rounds found.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// What the load generator saw.
    pub(crate) outcome: Outcome,
    /// CPU time of the server.
    pub(crate) server: Option<Duration>,
    /// CPU time of this program.
    pub(crate) client: Duration,
    /// Time that the server's CPUs were idle.
    pub(crate) idle: Duration,
}

/// Loads the subject once.
pub(crate) async fn round(
    subject: &Subject,
    until: Until,
    identities: &Arc<[Identity]>,
) -> anyhow::Result<Round> {
    let before = Reading::take(subject)?;
    let outcome = load::generate(&subject.target, until, identities).await;
    let after = Reading::take(subject)?;
    Ok(Round {
        outcome,
        server: after.server.zip(before.server).map(|(after, before)| after.since(&before)),
        client: after.client.since(&before.client),
        idle: after.idle.saturating_sub(before.idle),
    })
}

impl Round {
    /// Successful activations.
    pub(crate) fn activations(&self) -> usize {
        self.outcome.latencies.len()
    }

    /// Activations in a second.
    pub(crate) fn per_second(&self) -> f64 {
        ratio(self.activations() as f64, self.outcome.elapsed.as_secs_f64())
    }

    /// CPU time of the server for one activation, in milliseconds.
    pub(crate) fn server_cpu_ms(&self) -> Option<f64> {
        Some(ratio(self.server?.as_secs_f64() * 1e3, self.activations() as f64))
    }

    /// CPU time of this program for one activation, in milliseconds.
    pub(crate) fn client_cpu_ms(&self) -> f64 {
        ratio(self.client.as_secs_f64() * 1e3, self.activations() as f64)
    }

    /// Cores that the server kept busy.
    pub(crate) fn server_cores(&self) -> Option<f64> {
        Some(ratio(self.server?.as_secs_f64(), self.outcome.elapsed.as_secs_f64()))
    }

    /// Activations for each second of CPU that the server used or could have used: what clients and neighbours
    /// took from its CPUs is discounted, what it left idle is not.
    pub(crate) fn per_available_second(&self) -> Option<f64> {
        Some(ratio(self.activations() as f64, (self.server? + self.idle).as_secs_f64()))
    }

    /// The time within which this share of the activations was answered, in milliseconds.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        quantile(&self.outcome.latencies, share).as_secs_f64() * 1e3
    }

    /// Joins another round of the same server.
    pub(crate) fn add(&mut self, other: Self) {
        self.outcome.add(other.outcome);
        self.outcome.latencies.sort_unstable();
        self.server = self.server.zip(other.server).map(|(one, other)| one + other);
        self.client += other.client;
        self.idle += other.idle;
    }
}

/// The rounds of one server taken together; of nothing, nothing.
pub(crate) fn together(rounds: Vec<Round>) -> Round {
    let joined = rounds.into_iter().reduce(|mut sum, round| {
        sum.add(round);
        sum
    });
    joined.unwrap_or_default()
}

/// The middle value: one disturbed round does not move it.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[middle - 1], upper) })
}

/// A quotient; of nothing, nothing.
pub(crate) fn ratio(dividend: f64, divisor: f64) -> f64 {
    if divisor > 0.0 { dividend / divisor } else { 0.0 }
}

/// Nearest rank over sorted values.
pub(crate) fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

struct Reading {
    server: Option<CpuTime>,
    client: CpuTime,
    idle: Duration,
}

impl Reading {
    fn take(subject: &Subject) -> anyhow::Result<Self> {
        let idle = procfs::idle()?;
        Ok(Self {
            server: subject.pid.map(CpuTime::of).transpose()?,
            client: CpuTime::of(std::process::id())?,
            idle: idle.get(subject.cpus.clone()).unwrap_or_default().iter().sum(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn round(latencies: &[u64], server: u64, idle: u64) -> Round {
        let latencies: Vec<_> = latencies.iter().copied().map(ms).collect();
        let outcome = Outcome { latencies, elapsed: ms(1000), ..Outcome::default() };
        Round { outcome, server: Some(ms(server)), client: ms(4), idle: ms(idle) }
    }

    #[test]
    fn figures_of_rounds_taken_together() {
        let sum = together(vec![round(&[1, 9], 600, 400), round(&[2, 3], 200, 800)]);
        assert_eq!(sum.activations(), 4);
        assert_eq!(sum.per_second(), 2.0);
        assert_eq!(sum.server_cpu_ms(), Some(200.0));
        assert_eq!(sum.server_cores(), Some(0.4));
        assert_eq!(sum.per_available_second(), Some(2.0));
        assert_eq!((sum.quantile_ms(0.5), sum.quantile_ms(0.99)), (2.0, 9.0));
    }

    #[test]
    fn nothing_measured_is_no_division_by_zero() {
        let empty = together(Vec::new());
        assert_eq!((empty.per_second(), empty.server_cpu_ms(), empty.quantile_ms(0.5)), (0.0, None, 0.0));
    }

    #[test]
    fn medians() {
        let cases = [
            (vec![], None),
            (vec![3.0], Some(3.0)),
            (vec![9.0, 1.0, 2.0], Some(2.0)),
            (vec![1.0, 2.0], Some(1.5)),
        ];
        for (values, expected) in cases {
            assert_eq!(median(values.clone()), expected, "{values:?}");
        }
    }
}
