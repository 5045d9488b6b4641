//! Where in the text a path of the document stands.

use std::collections::HashMap;

use super::Parser;

/// Offsets of some paths in a text, by path in lower case.
pub(crate) struct Places(HashMap<String, Option<usize>>);

impl Places {
    /// Finds `paths` in `text`: one pass, to be made only when there is something to report.
    pub(crate) fn find<'p>(text: &str, paths: impl Iterator<Item = &'p str>) -> Self {
        let mut parser = Parser::new(text);
        for path in paths {
            let path = path.to_lowercase();
            parser.wanted.extend(ancestry(&path).map(|p| (p.to_owned(), None)));
        }
        // The text was read before, so this cannot stop; if it did, places would merely be missing.
        let _ = parser.skip();
        Self(parser.wanted)
    }

    /// Where a path stands; what is missing is found at the nearest object that exists.
    pub(crate) fn offset(&self, path: &str) -> Option<usize> {
        let path = path.to_lowercase();
        ancestry(&path).find_map(|p| self.0.get(p).copied().flatten())
    }
}

/// A path and what it lies in, nearest first.
fn ancestry(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rfind(['.', '[']).map(|end| &path[..end]))
        .filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_keys_items_and_the_nearest_that_exists() {
        let text = r#"{"A": {"b": [1, {"c": 2}]}, "d.e": 3}"#;
        let places = Places::find(text, ["a.b[1].c", "A.missing.deep", "d.e", "none"].into_iter());
        assert_eq!(places.offset("a.b[1].c"), text.find("\"c\""));
        assert_eq!(places.offset("A.missing.deep"), text.find("\"A\""));
        assert_eq!(places.offset("d.e"), text.find("\"d.e\""));
        assert_eq!(places.offset("none"), None);
    }
}
