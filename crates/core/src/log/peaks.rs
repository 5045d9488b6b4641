//! The nodes of a Merkle tree whose subtrees are complete and will never change, in one list that only grows.
//!
//! Nodes stand in the order in which they become complete: a node right after its right child. So the place of a node
//! depends on its level and index alone.

use marblerun_attest::log::{Hash, node_hash};
use rpds::VectorSync;

/// All complete nodes from a level on. Cheap to clone and to extend.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Peaks {
    nodes: VectorSync<Hash>,
    /// How many nodes there are on the lowest level.
    count: u64,
}

impl Peaks {
    /// Adds a node on the lowest level, and all that it completes.
    pub(super) fn push(&mut self, lowest: Hash) {
        let mut node = lowest;
        self.nodes.push_back_mut(node);
        for level in 0..self.count.trailing_ones() {
            // The new node is the last of its level, and an odd one: its left sibling is there.
            let left = self.node(level, (self.count >> level) - 1).copied().unwrap_or_default();
            node = node_hash(&left, &node);
            self.nodes.push_back_mut(node);
        }
        self.count += 1;
    }

    /// The node at `index` of `level`, if it is complete; both count from 0.
    pub(super) fn node(&self, level: u32, index: u64) -> Option<&Hash> {
        self.nodes.get(usize::try_from(place(level, index)).ok()?)
    }
}

/// Where a node stands: after everything up to its last leaf `m`, of which there are `2m - ones(m)` nodes before that
/// leaf, and then one for each level.
fn place(level: u32, index: u64) -> u64 {
    let last = ((index + 1) << level) - 1;
    2 * last - u64::from(last.count_ones()) + u64::from(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_stands_where_it_is_looked_for() {
        let mut peaks = Peaks::default();
        for n in 0..100u64 {
            peaks.push([n as u8; 32]);
            for level in 0..7 {
                for index in 0..(n + 1) >> level {
                    let found = peaks.node(level, index).unwrap();
                    assert_eq!(*found, expected(level, index), "level {level}, index {index} of {n}");
                }
            }
        }
    }

    fn expected(level: u32, index: u64) -> Hash {
        match level {
            0 => [index as u8; 32],
            _ => node_hash(&expected(level - 1, 2 * index), &expected(level - 1, 2 * index + 1)),
        }
    }
}
