//! Two sections of the same kind, entry by entry.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::finding::shown;

/// What became of the entry of a name.
pub(super) enum Pair<'a, T> {
    Removed(&'a T),
    Added(&'a T),
    Both(&'a T, &'a T),
}

/// All names of both sections, in order, each once.
pub(super) fn pairs<'a, T>(
    old: &'a BTreeMap<String, T>,
    new: &'a BTreeMap<String, T>,
) -> impl Iterator<Item = (&'a str, Pair<'a, T>)> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names.into_iter().filter_map(|name| {
        let pair = match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => Pair::Both(old, new),
            (Some(old), None) => Pair::Removed(old),
            (None, Some(new)) => Pair::Added(new),
            (None, None) => return None,
        };
        Some((name.as_str(), pair))
    })
}

/// `a`, `b` and `c`: names from a manifest, made fit for a terminal.
pub(super) struct Names<'a, T>(pub(super) &'a [T]);

impl<T: AsRef<str>> fmt::Display for Names<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.0.iter().enumerate() {
            let join = match i {
                0 => "",
                _ if i + 1 == self.0.len() => " and ",
                _ => ", ",
            };
            write!(f, "{join}`{}`", shown(name.as_ref()))?;
        }
        Ok(())
    }
}
