//! Challenges: what evidence must cover to be known as made for this activation.
//!
//! Nothing is kept for one that was handed out, so strangers who ask for many make nothing grow: a challenge carries the
//! time at which it was made and is authenticated with a key of this process. It may be used more than once within its
//! two minutes; what ties evidence to one marble is the certificate that it covers besides.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use marblerun_core::Refusal;
use marblerun_core::keys::{KeyError, KeySource};

/// How long a challenge counts: enough for the slowest issuer of evidence.
const LIFETIME: Duration = Duration::from_secs(120);

/// Seconds since 1970, big endian; then chance; then HMAC-SHA256 over both.
const TIME: usize = 8;
const CHANCE: usize = 16;
const MAC: usize = 32;
const BYTES: usize = TIME + CHANCE + MAC;

/// Makes challenges and knows its own.
pub struct Challenges(hmac::Key);

impl Challenges {
    /// With a new key: those of an earlier process do not count.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn new(keys: &dyn KeySource) -> Result<Self, KeyError> {
        let mut key = [0; 32];
        keys.fill(&mut key)?;
        Ok(Self(hmac::Key::new(HMAC_SHA256, &key)))
    }

    /// A new challenge.
    ///
    /// # Errors
    /// If there is no randomness.
    pub(crate) fn issue(&self, keys: &dyn KeySource, now: SystemTime) -> Result<Vec<u8>, KeyError> {
        let mut challenge = seconds(now).to_be_bytes().to_vec();
        challenge.resize(TIME + CHANCE, 0);
        keys.fill(&mut challenge[TIME..])?;
        let mac = hmac::sign(&self.0, &challenge);
        challenge.extend_from_slice(mac.as_ref());
        Ok(challenge)
    }

    /// That a challenge is one of ours and not too old.
    ///
    /// # Errors
    /// [`Refusal::Challenge`].
    pub(crate) fn check(&self, challenge: &[u8], now: SystemTime) -> Result<(), Refusal> {
        let foreign = Refusal::Challenge("was not made by this Coordinator since it started");
        let Some((content, mac)) =
            challenge.split_at_checked(BYTES - MAC).filter(|(_, mac)| mac.len() == MAC)
        else {
            return Err(foreign);
        };
        hmac::verify(&self.0, content, mac).map_err(|_| foreign)?;
        let made = content.first_chunk().map_or(0, |time| u64::from_be_bytes(*time));
        match seconds(now).checked_sub(made) {
            Some(age) if age <= LIFETIME.as_secs() => Ok(()),
            Some(_) => Err(Refusal::Challenge("is older than two minutes")),
            None => Err(Refusal::Challenge("was made in the future: the Coordinator's clock was set back")),
        }
    }
}

/// Before 1970 it is 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use marblerun_core::keys::FreshKeys;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_challenge_counts_for_two_minutes_and_for_who_made_it() {
        let challenges = Challenges::new(&FreshKeys).unwrap();
        let challenge = challenges.issue(&FreshKeys, at(1000)).unwrap();
        let check = |now| challenges.check(&challenge, at(now)).map_err(|refusal| refusal.to_string());
        assert_eq!((check(1000), check(1120)), (Ok(()), Ok(())));
        assert!(check(1121).unwrap_err().contains("older than two minutes"));
        assert!(check(999).unwrap_err().contains("set back"));
        let restarted = Challenges::new(&FreshKeys).unwrap();
        assert!(restarted.check(&challenge, at(1000)).unwrap_err().to_string().contains("since it started"));
        assert_ne!(challenge, challenges.issue(&FreshKeys, at(1000)).unwrap());
    }

    #[test]
    fn what_was_changed_cut_or_padded_is_no_challenge() {
        let challenges = Challenges::new(&FreshKeys).unwrap();
        let challenge = challenges.issue(&FreshKeys, at(1000)).unwrap();
        for position in 0..challenge.len() {
            let mut changed = challenge.clone();
            changed[position] ^= 1;
            assert!(challenges.check(&changed, at(1000)).is_err(), "byte {position}");
            assert!(challenges.check(&challenge[..position], at(1000)).is_err(), "cut to {position}");
        }
        assert!(challenges.check(&[&challenge[..], &[0]].concat(), at(1000)).is_err());
    }
}
