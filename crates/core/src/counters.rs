//! Monotonic counters of marbles.
//!
//! The map is persistent: a state that differs by one counter shares the rest with the one before it, so that raising
//! a counter costs the same whether there are ten of them or a million.

use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use uuid::Uuid;

use crate::refusal::Refusal;

/// Longest name of a counter, in bytes.
pub const MAX_COUNTER_NAME: usize = 256;
/// Most counters of a deployment.
pub const MAX_COUNTERS: usize = 1_000_000;

/// Whose counter, and which one. No two of these meet in another form, so no marble reaches another's counter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CounterId {
    /// The marble's type, from its certificate.
    pub marble_type: String,
    /// The marble's UUID, from its certificate.
    #[serde(with = "uuid_text")]
    pub uuid: Uuid,
    /// The name that the marble chose; may be empty.
    pub name: String,
}

/// The values of all counters. Cheap to clone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Counters(RedBlackTreeMapSync<CounterId, u64>);

impl Counters {
    /// The value of a counter; one that was never raised is 0.
    pub fn value(&self, id: &CounterId) -> u64 {
        self.0.get(id).copied().unwrap_or_default()
    }

    /// How many counters were ever raised.
    pub fn len(&self) -> usize {
        self.0.size()
    }

    /// Whether none was ever raised.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `value` would raise the counter.
    ///
    /// # Errors
    /// If the name is too long, or there are too many counters already.
    pub(crate) fn would_raise(&self, id: &CounterId, value: u64) -> Result<bool, Refusal> {
        if id.name.len() > MAX_COUNTER_NAME {
            return Err(Refusal::CounterName { bytes: id.name.len(), limit: MAX_COUNTER_NAME });
        }
        let new = !self.0.contains_key(id);
        if new && value > 0 && self.len() >= MAX_COUNTERS {
            return Err(Refusal::TooManyCounters(MAX_COUNTERS));
        }
        Ok(value > self.value(id))
    }

    /// The counters with this one raised; a value that is not higher changes nothing.
    pub(crate) fn raised(&self, id: &CounterId, value: u64) -> Self {
        if value <= self.value(id) {
            return self.clone();
        }
        Self(self.0.insert(id.clone(), value))
    }
}

impl Serialize for Counters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de> Deserialize<'de> for Counters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = Vec::<(CounterId, u64)>::deserialize(deserializer)?;
        let count = all.len();
        let mut map = RedBlackTreeMapSync::default();
        for (id, value) in all {
            map.insert_mut(id, value);
        }
        if map.size() == count {
            Ok(Self(map))
        } else {
            Err(D::Error::custom("a counter stands there twice"))
        }
    }
}

/// A UUID as its usual text.
mod uuid_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
    use uuid::Uuid;

    pub(super) fn serialize<S: Serializer>(uuid: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&uuid.hyphenated())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
        Uuid::try_parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(marble_type: &str, uuid: u128, name: &str) -> CounterId {
        CounterId { marble_type: marble_type.into(), uuid: Uuid::from_u128(uuid), name: name.into() }
    }

    #[test]
    fn a_counter_never_goes_down_and_touches_no_other() {
        let ids = [id("a", 1, "n"), id("b", 1, "n"), id("a", 2, "n"), id("a", 1, "m"), id("a", 1, "")];
        let raised = Counters::default().raised(&ids[0], 9).raised(&ids[0], 3);
        assert_eq!(ids.each_ref().map(|id| raised.value(id)), [9, 0, 0, 0, 0]);
        assert_eq!(raised.raised(&ids[0], 0).len(), 1);
        assert!(Counters::default().raised(&ids[0], 0).is_empty());
    }

    #[test]
    fn survives_being_stored() {
        let counters = Counters::default().raised(&id("a", 1, "\0\""), u64::MAX).raised(&id("", 2, ""), 1);
        let stored = serde_json::to_string(&counters).unwrap();
        assert!(serde_json::from_str::<Counters>(&stored).unwrap() == counters);
        let first = &stored[1..stored.find("],[").unwrap() + 1];
        let twice = format!("[{first},{first}]");
        assert!(serde_json::from_str::<Counters>(&twice).is_err());
    }

    #[test]
    fn names_and_numbers_are_bounded() {
        let counters = Counters::default();
        assert_eq!(counters.would_raise(&id("a", 1, &"n".repeat(MAX_COUNTER_NAME)), 1), Ok(true));
        assert_eq!(counters.would_raise(&id("a", 1, "n"), 0), Ok(false));
        let long = counters.would_raise(&id("a", 1, &"n".repeat(MAX_COUNTER_NAME + 1)), 1);
        assert_eq!(long, Err(Refusal::CounterName { bytes: MAX_COUNTER_NAME + 1, limit: MAX_COUNTER_NAME }));
    }
}
