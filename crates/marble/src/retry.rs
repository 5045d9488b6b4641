//! How long to wait between attempts: twice as long each time, with chance in it, until a deadline.
//!
//! Chance, because all marbles of a restarted cluster would otherwise come back in the same instant, again and again.

use std::time::Duration;

/// How patiently to knock at the Coordinator's door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// No attempt starts later than this after the first one.
    pub deadline: Duration,
    /// The wait after the first attempt.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
}

impl Patience {
    /// Waits of 0.2 s, doubling up to 10 s, until `deadline`.
    pub fn until(deadline: Duration) -> Self {
        Self { deadline, first: Duration::from_millis(200), longest: Duration::from_secs(10) }
    }

    /// The wait after attempt number `attempt` (from 1): between half and all of the doubled wait, as `chance`
    /// (0 to 255) decides.
    pub(crate) fn wait(&self, attempt: u32, chance: u8) -> Duration {
        let doubled =
            self.first.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
        let half = doubled.min(self.longest) / 2;
        half + half * u32::from(chance) / 255
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_with_chance_up_to_the_longest() {
        let patience = Patience::until(Duration::from_secs(300));
        let check = |attempt, chance, milliseconds| {
            assert_eq!(
                patience.wait(attempt, chance),
                Duration::from_millis(milliseconds),
                "{attempt} {chance}"
            );
        };
        check(1, 0, 100);
        check(1, 255, 200);
        check(2, 255, 400);
        check(6, 255, 6_400);
        check(7, 0, 5_000);
        check(7, 255, 10_000);
        check(32, 255, 10_000);
        check(33, 255, 10_000);
        check(u32::MAX, 255, 10_000);
    }
}
