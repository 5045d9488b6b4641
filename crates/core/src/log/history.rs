//! All lines, and the parts of their tree that are dear to compute.

use std::fmt;

use marblerun_attest::log::{Hash, leaf_hash};
use rpds::VectorSync;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::LogLine;
use super::peaks::Peaks;

/// Lines under one stored node: below it a proof hashes the lines again, which is cheaper than keeping the hashes.
pub(super) const TILE: u64 = 256;

/// All lines, oldest first. Cheap to clone and to extend: it shares what did not change with the one before it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    lines: VectorSync<Box<str>>,
    /// Nodes above complete tiles.
    peaks: Peaks,
}

impl History {
    /// The history with one more line.
    #[must_use]
    pub fn with(&self, line: LogLine) -> Self {
        let mut longer = self.clone();
        longer.push(line.to_json().into());
        longer
    }

    /// The lines as they are served, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| &**line)
    }

    /// The line at `index`, counted from 0.
    pub fn line(&self, index: u64) -> Option<&str> {
        self.lines.get(usize::try_from(index).ok()?).map(|line| &**line)
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether nothing happened yet.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn peaks(&self) -> &Peaks {
        &self.peaks
    }

    /// Hash of the leaf at `index`; there must be one.
    pub(super) fn leaf(&self, index: u64) -> Hash {
        leaf_hash(self.line(index).unwrap_or_default().as_bytes())
    }

    fn push(&mut self, line: Box<str>) {
        self.lines.push_back_mut(line);
        let length = self.lines.len() as u64;
        if length.is_multiple_of(TILE) {
            let tile = self.hash_lines(length - TILE, length);
            self.peaks.push(tile);
        }
    }
}

impl FromIterator<Box<str>> for History {
    fn from_iter<I: IntoIterator<Item = Box<str>>>(lines: I) -> Self {
        let mut history = Self::default();
        lines.into_iter().for_each(|line| history.push(line));
        history
    }
}

impl Serialize for History {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for History {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Lines)
    }
}

/// Takes lines as they come: a list of a million of them is not made first.
struct Lines;

impl<'de> Visitor<'de> for Lines {
    type Value = History;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lines of a log")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut lines: A) -> Result<History, A::Error> {
        let mut history = History::default();
        while let Some(line) = lines.next_element()? {
            history.push(line);
        }
        Ok(history)
    }
}
