//! Roots and proofs of the tree of a history: RFC 6962 section 2.1 (RFC 9162 section 2.1).

use marblerun_attest::log::{Hash, empty_root, node_hash};

use super::History;
use super::history::TILE;

/// A size or an index that this history does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// More entries than there are.
    #[error("the log has {length} entries, not {size}")]
    Size {
        /// As asked for.
        size: u64,
        /// How many there are.
        length: u64,
    },
    /// An entry beyond the end of the tree.
    #[error("there is no entry {index} among the first {size}; entries count from 0")]
    Index {
        /// As asked for.
        index: u64,
        /// Size of the tree that was asked for.
        size: u64,
    },
    /// A range that ends before it begins.
    #[error("from {from} to {to} is no range: `from` is at most `to`")]
    Order {
        /// Its beginning.
        from: u64,
        /// Its end.
        to: u64,
    },
}

impl History {
    /// Root of the tree of the first `size` lines.
    ///
    /// # Errors
    /// [`RangeError::Size`].
    pub fn root(&self, size: u64) -> Result<Hash, RangeError> {
        self.check_size(size)?;
        Ok(if size == 0 { empty_root() } else { self.hash_lines(0, size) })
    }

    /// The siblings on the way from the line at `index` to the root of the first `size` lines, lowest first.
    ///
    /// # Errors
    /// [`RangeError`].
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, RangeError> {
        self.check_size(size)?;
        if index >= size {
            return Err(RangeError::Index { index, size });
        }
        let mut path = Vec::new();
        let (mut start, mut end) = (0, size);
        while end - start > 1 {
            let middle = split(start, end);
            if index < middle {
                path.push(self.hash_lines(middle, end));
                end = middle;
            } else {
                path.push(self.hash_lines(start, middle));
                start = middle;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// What shows that the tree of the first `to` lines begins with that of the first `from`; nothing for an empty or an
    /// equal one.
    ///
    /// # Errors
    /// [`RangeError`].
    pub fn consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>, RangeError> {
        self.check_size(to)?;
        if from > to {
            return Err(RangeError::Order { from, to });
        }
        let mut path = Vec::new();
        if from == 0 || from == to {
            return Ok(path);
        }
        let (mut start, mut end) = (0, to);
        while end != from {
            let middle = split(start, end);
            if from <= middle {
                path.push(self.hash_lines(middle, end));
                end = middle;
            } else {
                path.push(self.hash_lines(start, middle));
                start = middle;
            }
        }
        // A subtree that begins with the whole tree is the old root, which the reader has.
        if start > 0 {
            path.push(self.hash_lines(start, end));
        }
        path.reverse();
        Ok(path)
    }

    /// Hash over the lines from `start` to before `end`: a subtree of the tree, so `start` is a multiple of its width.
    pub(super) fn hash_lines(&self, start: u64, end: u64) -> Hash {
        let width = end - start;
        if width == 1 {
            return self.leaf(start);
        }
        let kept = (width.is_power_of_two() && width >= TILE)
            .then(|| self.peaks().node((width / TILE).trailing_zeros(), start / width));
        if let Some(node) = kept.flatten() {
            return *node;
        }
        let middle = split(start, end);
        node_hash(&self.hash_lines(start, middle), &self.hash_lines(middle, end))
    }

    fn check_size(&self, size: u64) -> Result<(), RangeError> {
        let length = self.len() as u64;
        if size > length { Err(RangeError::Size { size, length }) } else { Ok(()) }
    }
}

/// Where a subtree of two or more leaves parts: the left half is the largest complete tree that is not all of it.
fn split(start: u64, end: u64) -> u64 {
    start + (end - start).next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    use marblerun_attest::log::{Frontier, leaf_hash, verify_consistency, verify_inclusion};

    use super::*;

    fn history(lines: u64) -> (History, Vec<Hash>) {
        let mut frontier = Frontier::default();
        let mut roots = vec![frontier.root()];
        let lines = (0..lines).map(|n| {
            frontier.push(n.to_string().as_bytes());
            roots.push(frontier.root());
            n.to_string().into()
        });
        (lines.collect(), roots)
    }

    /// Of sizes and places around every boundary.
    fn interesting(most: u64) -> impl Iterator<Item = u64> {
        (0..most).filter(move |n| {
            *n < 20 || most - n < 4 || (n % TILE).abs_diff(TILE / 2) > TILE / 2 - 3 || n % 97 == 0
        })
    }

    #[test]
    fn every_proof_holds_and_no_other_does() {
        let (history, roots) = history(3 * TILE + 70);
        for size in interesting(history.len() as u64 + 1) {
            let root = history.root(size).unwrap();
            assert_eq!(root, roots[size as usize]);
            for index in interesting(size) {
                let leaf = leaf_hash(history.line(index).unwrap().as_bytes());
                let proof = history.inclusion(index, size).unwrap();
                let check = |place, proof: &[Hash], root| verify_inclusion(&leaf, place, proof, root);
                assert_eq!(check((index, size), &proof, &root), Ok(()), "{index} in {size}");
                assert!(check((index ^ 1, size), &proof, &root).is_err() || size == 1);
                assert!(check((index, size), &proof, &[0; 32]).is_err());
                assert!(check((index, size), &[&proof[..], &[root]].concat(), &root).is_err());
                assert!(proof.is_empty() || check((index, size), &proof[1..], &root).is_err());
            }
            for from in interesting(size + 1) {
                let proof = history.consistency(from, size).unwrap();
                let check = |from_root: &Hash, proof: &[Hash], root: &Hash| {
                    verify_consistency((from, from_root), (size, root), proof)
                };
                let old = &roots[from as usize];
                assert_eq!(check(old, &proof, &root), Ok(()), "{from} to {size}");
                assert!(check(&[0; 32], &proof, &root).is_err(), "another past, {from} to {size}");
                assert!(check(old, &proof, &[0; 32]).is_err() || from == 0, "another root");
                assert!(check(old, &[&proof[..], &[root]].concat(), &root).is_err());
                assert!(proof.is_empty() || check(old, &proof[1..], &root).is_err());
            }
        }
    }

    #[test]
    fn what_is_not_there_is_said() {
        let (history, _) = history(5);
        assert_eq!(history.root(6), Err(RangeError::Size { size: 6, length: 5 }));
        assert_eq!(history.inclusion(3, 3), Err(RangeError::Index { index: 3, size: 3 }));
        assert_eq!(history.inclusion(0, u64::MAX), Err(RangeError::Size { size: u64::MAX, length: 5 }));
        assert_eq!(history.consistency(4, 3), Err(RangeError::Order { from: 4, to: 3 }));
        assert_eq!(history.consistency(u64::MAX, 5), Err(RangeError::Order { from: u64::MAX, to: 5 }));
    }

    #[test]
    fn a_stored_history_is_the_same_and_old_ones_stay() {
        let (history, roots) = history(TILE + 3);
        let stored = serde_json::to_string(&history).unwrap();
        assert!(serde_json::from_str::<History>(&stored).unwrap() == history);
        let longer = history.with(super::super::LogLine::new(std::time::UNIX_EPOCH, "x"));
        assert_eq!(history.root(TILE + 3).unwrap(), longer.root(TILE + 3).unwrap());
        assert_eq!(
            (history.len() + 1, roots[roots.len() - 1]),
            (longer.len(), history.root(TILE + 3).unwrap())
        );
    }
}
