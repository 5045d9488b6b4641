//! The root of a tree from its entries, one after the other, in memory that grows with the logarithm of their number.

use super::{Hash, empty_root, leaf_hash, node_hash};

/// The complete subtrees at the right edge of a growing tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Roots of complete subtrees, largest first: one for each bit of `size` that is set.
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// Adds an entry.
    pub fn push(&mut self, entry: &[u8]) {
        let mut node = leaf_hash(entry);
        // As many subtrees have become complete as the old size ends in ones.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.subtrees.push(node);
        self.size += 1;
    }

    /// How many entries were added.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree of all entries so far.
    pub fn root(&self) -> Hash {
        let mut from_the_right = self.subtrees.iter().rev();
        let Some(last) = from_the_right.next() else { return empty_root() };
        from_the_right.fold(*last, |root, left| node_hash(left, &root))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 section 2.1, word by word.
    fn tree_hash(entries: &[Vec<u8>]) -> Hash {
        match entries {
            [] => empty_root(),
            [entry] => leaf_hash(entry),
            _ => {
                let k = entries.len().next_power_of_two() / 2;
                node_hash(&tree_hash(&entries[..k]), &tree_hash(&entries[k..]))
            }
        }
    }

    #[test]
    fn every_root_is_that_of_the_definition() {
        let entries: Vec<Vec<u8>> = (0..70u8).map(|n| vec![n; usize::from(n)]).collect();
        let mut frontier = Frontier::default();
        for size in 0..entries.len() {
            assert_eq!((frontier.size(), frontier.root()), (size as u64, tree_hash(&entries[..size])));
            frontier.push(&entries[size]);
        }
    }

    /// The empty tree and the tree of one empty entry, as Certificate Transparency's test vectors have them.
    #[test]
    fn known_roots() {
        let mut frontier = Frontier::default();
        let hex = |hash: Hash| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(frontier.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        frontier.push(b"");
        assert_eq!(hex(frontier.root()), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    }
}
