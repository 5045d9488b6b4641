//! Findings: what is wrong with a manifest, or worth a word, and where in the document.
//!
//! A finding never carries the content of a file, of a variable or of a key: only names, and values of fields
//! that hold no secret, cut short.

use crate::json::Places;

/// Most findings of one kind that are reported; a hostile document must not make the answer grow.
pub(crate) const MAX_FINDINGS: usize = 100;
/// Most bytes of a path or a quoted value that are shown.
const MAX_SHOWN: usize = 256;

/// One thing found in a manifest: where, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Place in the document, in the operator's words: `Marbles.web.Parameters.Env.ROOT_CA`. Empty: the whole.
    pub path: String,
    /// What was seen, which rule it breaks and what to write instead. Never a secret's value.
    pub message: String,
    /// Where that is in the text, if it can be told. What is missing is placed at the object that lacks it.
    pub position: Option<Position>,
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.path.is_empty() {
            return write!(f, "{}: {}", self.path, self.message);
        }
        match self.position {
            Some(at) => write!(f, "line {}, column {}: {}", at.line, at.column, self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// A finding while the document is still read: its place is an offset in bytes.
pub(crate) struct Found {
    pub(crate) path: String,
    pub(crate) message: String,
    pub(crate) offset: Option<usize>,
}

/// A bounded list of findings.
#[derive(Default)]
pub(crate) struct Findings {
    list: Vec<Found>,
    dropped: usize,
}

impl Findings {
    pub(crate) fn push(&mut self, path: &str, offset: Option<usize>, message: impl Into<String>) {
        if self.is_full() {
            self.dropped += 1;
            return;
        }
        self.list.push(Found { path: shown(path), message: message.into(), offset });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether one more finding would only be counted.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MAX_FINDINGS
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|found| found.path.as_str())
    }

    /// Takes over those of `later` that are no mere consequence of one that stands here: a value that has the
    /// wrong shape must not be called missing as well.
    pub(crate) fn absorb(&mut self, later: Findings) {
        let causes: Vec<String> = self.list.iter().map(|f| f.path.to_lowercase()).collect();
        for found in later.list {
            let path = found.path.to_lowercase();
            if !causes.iter().any(|cause| related(cause, &path)) {
                self.push(&found.path, found.offset, found.message);
            }
        }
        self.dropped += later.dropped;
    }

    /// Takes over all of `later`.
    pub(crate) fn append(&mut self, later: Findings) {
        later.list.into_iter().for_each(|found| self.push(&found.path, found.offset, found.message));
        self.dropped += later.dropped;
    }

    /// Gives offsets to findings that have none yet.
    pub(crate) fn place(&mut self, places: &Places) {
        for found in self.list.iter_mut().filter(|f| f.offset.is_none()) {
            found.offset = places.offset(&found.path);
        }
    }

    /// The findings in the order of the document.
    pub(crate) fn finish(mut self, text: &str) -> Vec<Finding> {
        self.list.sort_by_key(|f| f.offset.unwrap_or(0));
        let mut ruler = Ruler { text, at: 0, line: 1, line_start: 0 };
        let mut done: Vec<Finding> = self.list.into_iter().map(|f| f.finish(&mut ruler)).collect();
        if self.dropped > 0 {
            let message = format!("{} more findings are not listed", self.dropped);
            done.push(Finding { path: String::new(), message, position: None });
        }
        done
    }
}

impl Found {
    fn finish(self, ruler: &mut Ruler<'_>) -> Finding {
        Finding { path: self.path, message: self.message, position: self.offset.map(|at| ruler.position(at)) }
    }
}

/// Whether one of two paths lies within the other.
fn related(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    match long.strip_prefix(short) {
        Some(rest) => short.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']),
        None => false,
    }
}

/// Turns ascending offsets into lines and columns in one pass over the text.
struct Ruler<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    line_start: usize,
}

impl Ruler<'_> {
    fn position(&mut self, offset: usize) -> Position {
        let bytes = self.text.as_bytes();
        let end = offset.min(bytes.len());
        while self.at < end {
            if bytes[self.at] == b'\n' {
                self.line += 1;
                self.line_start = self.at + 1;
            }
            self.at += 1;
        }
        let before = &bytes[self.line_start.min(end)..end];
        let column = before.iter().filter(|b| **b & 0xc0 != 0x80).count() + 1;
        Position { line: self.line, column }
    }
}

/// A text as it may appear in a finding: cut short, control characters escaped.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if out.len() >= MAX_SHOWN {
            out.push('…');
            break;
        }
        match c.is_control() {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

/// `one`, `two` or `three`: names to choose from.
pub(crate) fn choices(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|n| format!("`{n}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters() {
        let mut findings = Findings::default();
        findings.push("b", Some(8), "second");
        findings.push("a", Some(4), "first");
        let done = findings.finish("{\"ö\n\u{e9}\nx");
        assert_eq!(done[0].position, Some(Position { line: 1, column: 4 }));
        assert_eq!(done[1].position, Some(Position { line: 3, column: 1 }));
    }

    #[test]
    fn a_consequence_is_not_reported_beside_its_cause() {
        let mut shape = Findings::default();
        shape.push("Packages.cider.SignerID", None, "expected a string");
        let mut meaning = Findings::default();
        meaning.push("Packages.cider", None, "incomplete");
        meaning.push("Packages.ciders", None, "incomplete");
        shape.absorb(meaning);
        let paths: Vec<&str> = shape.paths().collect();
        assert_eq!(paths, ["Packages.cider.SignerID", "Packages.ciders"]);
    }

    #[test]
    fn the_list_is_bounded() {
        let mut findings = Findings::default();
        (0..1_000_000).for_each(|_| findings.push("x", None, "y"));
        let done = findings.finish("");
        assert_eq!(done.len(), MAX_FINDINGS + 1);
        assert!(done[MAX_FINDINGS].message.starts_with("999900 more"));
    }
}
