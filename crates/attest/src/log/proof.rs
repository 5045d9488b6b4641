//! Whether an entry is in a tree, and whether a tree begins with an older one.

use super::{Hash, LogError, empty_root, node_hash};

/// Whether the entry with this leaf hash stands at `index` of the tree of `size` entries with this root: RFC 9162
/// section 2.1.3.2.
///
/// # Errors
/// [`LogError::Proof`].
pub fn verify_inclusion(
    leaf: &Hash,
    (index, size): (u64, u64),
    proof: &[Hash],
    root: &Hash,
) -> Result<(), LogError> {
    if index >= size {
        return Err(LogError::Proof("the entry is beyond the end of the tree"));
    }
    let mut climb = Climb { index, last: size - 1, rest: proof };
    let mut node = *leaf;
    while let Some((sibling, side)) = climb.step()? {
        node = side.join(&node, sibling);
    }
    equal(&node, root, "it leads to another root")
}

/// Whether the tree of `to` entries begins with the tree of `from` entries: RFC 9162 section 2.1.4.2.
///
/// # Errors
/// [`LogError::Proof`].
pub fn verify_consistency(
    (from, from_root): (u64, &Hash),
    (to, to_root): (u64, &Hash),
    proof: &[Hash],
) -> Result<(), LogError> {
    if from > to {
        return Err(LogError::Proof("the later tree is the smaller one"));
    }
    if from == 0 {
        equal(from_root, &empty_root(), "an empty tree has another root")?;
    }
    if from == to {
        equal(from_root, to_root, "two trees of one size have different roots")?;
    }
    if from == 0 || from == to {
        return if proof.is_empty() { Ok(()) } else { Err(LogError::Proof("it is longer than needed")) };
    }
    grown((from, from_root), (to, to_root), proof)
}

/// [`verify_consistency`] for a tree that has entries and got more.
fn grown(
    (from, from_root): (u64, &Hash),
    (to, to_root): (u64, &Hash),
    proof: &[Hash],
) -> Result<(), LogError> {
    // The largest complete subtree at the right edge of the old tree; if it is all of it, its root is known.
    let complete = from.trailing_zeros();
    let (seed, rest) = match proof.split_first() {
        _ if from.is_power_of_two() => (from_root, proof),
        Some(first) => first,
        None => return Err(LogError::Proof("it is too short")),
    };
    let mut climb = Climb { index: (from - 1) >> complete, last: (to - 1) >> complete, rest };
    let (mut old, mut new) = (*seed, *seed);
    while let Some((sibling, side)) = climb.step()? {
        // What stands to the right came after the old tree.
        if side == Side::Left {
            old = node_hash(sibling, &old);
        }
        new = side.join(&new, sibling);
    }
    equal(&old, from_root, "it starts from another history")?;
    equal(&new, to_root, "it leads to another root")
}

/// The way from a node up to the root, with the siblings that a proof gives.
struct Climb<'a> {
    index: u64,
    /// Index of the last node of the level.
    last: u64,
    rest: &'a [Hash],
}

/// On which side of a node its sibling stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

impl Side {
    fn join(self, node: &Hash, sibling: &Hash) -> Hash {
        match self {
            Self::Left => node_hash(sibling, node),
            Self::Right => node_hash(node, sibling),
        }
    }
}

impl<'a> Climb<'a> {
    /// One level up that has a sibling; `None` at the root.
    fn step(&mut self) -> Result<Option<(&'a Hash, Side)>, LogError> {
        // A last node without a sibling rises as it is.
        while self.last > 0 && self.index == self.last && self.index.is_multiple_of(2) {
            self.rise();
        }
        if self.last == 0 {
            return if self.rest.is_empty() { Ok(None) } else { Err(LogError::Proof("it is too long")) };
        }
        let (sibling, rest) = self.rest.split_first().ok_or(LogError::Proof("it is too short"))?;
        let side = if self.index.is_multiple_of(2) { Side::Right } else { Side::Left };
        self.rest = rest;
        self.rise();
        Ok(Some((sibling, side)))
    }

    fn rise(&mut self) {
        self.index >>= 1;
        self.last >>= 1;
    }
}

fn equal(found: &Hash, expected: &Hash, otherwise: &'static str) -> Result<(), LogError> {
    if found == expected { Ok(()) } else { Err(LogError::Proof(otherwise)) }
}
