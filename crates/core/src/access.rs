//! Who used which secret: how often, and when last.
//!
//! Not one entry per use: a user who may read could otherwise make the state grow for ever by reading. There is one for
//! each pair of user and secret that ever was, and both stand in a manifest.

use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How a user used a secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Times that it was read.
    pub reads: u64,
    /// Milliseconds since 1970 of the last time; 0 if there was none.
    pub last_read: u64,
    /// Times that it was set.
    pub writes: u64,
    /// Milliseconds since 1970 of the last time; 0 if there was none.
    pub last_written: u64,
}

/// The uses of all secrets by all users. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accesses(RedBlackTreeMapSync<(String, String), Access>);

impl Accesses {
    /// User, secret and use, by user and then by secret.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, Access)> {
        self.0.iter().map(|((user, secret), access)| (user.as_str(), secret.as_str(), *access))
    }

    /// Whether no secret was ever used.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// After the user read the secret at this time.
    pub(crate) fn read(&mut self, user: &str, secret: &str, at: u64) {
        self.change(user, secret, |access| Access {
            reads: access.reads.saturating_add(1),
            last_read: access.last_read.max(at),
            ..access
        });
    }

    /// After the user set the secret at this time.
    pub(crate) fn written(&mut self, user: &str, secret: &str, at: u64) {
        self.change(user, secret, |access| Access {
            writes: access.writes.saturating_add(1),
            last_written: access.last_written.max(at),
            ..access
        });
    }

    fn change(&mut self, user: &str, secret: &str, change: impl FnOnce(Access) -> Access) {
        let key = (user.to_owned(), secret.to_owned());
        let before = self.0.get(&key).copied().unwrap_or_default();
        self.0.insert_mut(key, change(before));
    }
}

impl Serialize for Accesses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de> Deserialize<'de> for Accesses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = Vec::<((String, String), Access)>::deserialize(deserializer)?;
        Ok(Self(all.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_counted_by_pair_and_survive_being_stored() {
        let mut accesses = Accesses::default();
        for at in [5, 3] {
            accesses.read("a", "s", at);
        }
        accesses.written("a", "s", 9);
        accesses.read("as", "", 1);
        let all: Vec<_> = accesses.iter().collect();
        let first = Access { reads: 2, last_read: 5, writes: 1, last_written: 9 };
        let second = Access { reads: 1, last_read: 1, ..Access::default() };
        assert_eq!(all, [("a", "s", first), ("as", "", second)]);
        let stored = serde_json::to_string(&accesses).unwrap();
        assert_eq!(serde_json::from_str::<Accesses>(&stored).unwrap(), accesses);
    }
}
