//! Objects, arrays and limits; where in the document we are, and what was found on the way.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::{Stop, lexer::Lexer};
use crate::finding::{Findings, shown};
use crate::model::MAX_ENTRIES;

/// Deepest nesting of objects and arrays. A manifest that means something has 9.
const MAX_DEPTH: usize = 64;
/// Most values in a document, nested ones included: what they become is bounded with them.
const MAX_VALUES: usize = 500_000;
/// Longest key, in bytes; the longest path of a file in Linux.
const MAX_KEY: usize = 4096;
/// Longest array of numbers (bytes written out).
const MAX_NUMBERS: usize = 65_536;

/// What kind of value comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl Kind {
    /// With its article, for messages.
    pub(crate) fn named(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "a list",
            Self::Object => "an object",
        }
    }
}

/// Reads one document from front to back.
pub(crate) struct Parser<'a> {
    lexer: Lexer<'a>,
    path: String,
    depth: usize,
    values: usize,
    /// Where the key or value that is being read begins.
    start: usize,
    /// What breaks a rule.
    pub(crate) errors: Findings,
    /// What is accepted but worth a word.
    pub(crate) warnings: Findings,
    /// Paths in lower case whose offsets are wanted.
    pub(super) wanted: HashMap<String, Option<usize>>,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            lexer: Lexer::new(text),
            path: String::new(),
            depth: 0,
            values: 0,
            start: 0,
            errors: Findings::default(),
            warnings: Findings::default(),
            wanted: HashMap::new(),
        }
    }

    pub(crate) fn error(&mut self, message: impl Into<String>) {
        self.errors.push(&self.path, Some(self.start), message);
    }

    pub(crate) fn warn(&mut self, message: impl Into<String>) {
        self.warnings.push(&self.path, Some(self.start), message);
    }

    /// What comes next.
    pub(crate) fn kind(&mut self) -> Result<Kind, Stop> {
        match self.lexer.peek() {
            Some(b'n') => Ok(Kind::Null),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b'"') => Ok(Kind::String),
            Some(b'[') => Ok(Kind::Array),
            Some(b'{') => Ok(Kind::Object),
            _ => Err(self.lexer.unexpected("a value")),
        }
    }

    pub(crate) fn null(&mut self) -> Result<(), Stop> {
        self.count()?;
        self.lexer.word("null")
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Stop> {
        self.count()?;
        let value = self.lexer.peek() == Some(b't');
        self.lexer.word(if value { "true" } else { "false" })?;
        Ok(value)
    }

    /// A number, as written.
    pub(crate) fn number(&mut self) -> Result<&'a str, Stop> {
        self.count()?;
        self.lexer.number()
    }

    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, Stop> {
        self.count()?;
        self.lexer.string()
    }

    /// An object: calls `member` with each key; it must read the value. A key that stands twice is an error,
    /// and the first one counts.
    pub(crate) fn object(
        &mut self,
        member: &mut dyn FnMut(&mut Self, &str) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        self.enter(b'{')?;
        let mut seen = HashSet::new();
        while !self.ends(b'}', seen.is_empty())? {
            let (key, outer) = self.key()?;
            if seen.len() >= MAX_ENTRIES {
                return Err(self.stop(format!("an object with more than {MAX_ENTRIES} entries")));
            }
            if seen.contains(&key) {
                self.error("this key stands twice in the same object: remove one");
                self.skip()?;
            } else {
                member(self, &key)?;
                seen.insert(key);
            }
            self.path.truncate(outer);
        }
        self.leave();
        Ok(())
    }

    /// Reads a key and its colon and goes down into its path; gives the length of the outer path.
    fn key(&mut self) -> Result<(Cow<'a, str>, usize), Stop> {
        self.lexer.peek();
        self.start = self.lexer.at();
        let key = self.lexer.string()?;
        if key.len() > MAX_KEY {
            return Err(self.stop(format!("a key longer than {MAX_KEY} bytes")));
        }
        self.lexer.expect(b':')?;
        let outer = self.path.len();
        if outer > 0 {
            self.path.push('.');
        }
        self.path.push_str(&key);
        self.reached();
        Ok((key, outer))
    }

    /// An array: calls `item` for each; it must read the value.
    pub(crate) fn array(&mut self, item: &mut dyn FnMut(&mut Self) -> Result<(), Stop>) -> Result<(), Stop> {
        self.enter(b'[')?;
        let outer = self.path.len();
        let mut index = 0;
        while !self.ends(b']', index == 0)? {
            let limit = if self.kind()? == Kind::Number { MAX_NUMBERS } else { MAX_ENTRIES };
            self.start = self.lexer.at();
            if index >= limit {
                return Err(self.stop(format!("a list with more than {limit} entries")));
            }
            self.path.push_str(&format!("[{index}]"));
            self.reached();
            item(self)?;
            self.path.truncate(outer);
            index += 1;
        }
        self.leave();
        Ok(())
    }

    /// Reads over any value, checked as JSON but not kept.
    pub(crate) fn skip(&mut self) -> Result<(), Stop> {
        match self.kind()? {
            Kind::Null => self.null(),
            Kind::Bool => self.bool().map(drop),
            Kind::Number => self.number().map(drop),
            Kind::String => self.string().map(drop),
            Kind::Array => self.array(&mut Self::skip),
            Kind::Object => self.object(&mut |p, _| p.skip()),
        }
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Result<(), Stop> {
        match self.lexer.peek() {
            None => Ok(()),
            Some(_) => Err(Stop::new(self.lexer.at(), "not JSON: text after the end of the manifest")),
        }
    }

    /// The path that was reached, as shown to the operator.
    pub(crate) fn path(&self) -> String {
        shown(&self.path)
    }

    fn enter(&mut self, open: u8) -> Result<(), Stop> {
        self.count()?;
        self.lexer.expect(open)?;
        self.depth += 1;
        match self.depth > MAX_DEPTH {
            true => Err(self.stop(format!("nested deeper than {MAX_DEPTH} levels"))),
            false => Ok(()),
        }
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Whether the closing bracket comes; consumes it, or the comma before the next entry.
    fn ends(&mut self, close: u8, first: bool) -> Result<bool, Stop> {
        if self.lexer.eat(close) {
            return Ok(true);
        }
        if !first {
            self.lexer.expect(b',').map_err(|stop| match stop.message.contains("ends") {
                true => stop,
                false => Stop::new(stop.at, format!("not JSON: expected `,` or `{}`", char::from(close))),
            })?;
        }
        Ok(false)
    }

    fn count(&mut self) -> Result<(), Stop> {
        self.values += 1;
        match self.values > MAX_VALUES {
            true => Err(self.stop(format!("more than {MAX_VALUES} values"))),
            false => Ok(()),
        }
    }

    fn reached(&mut self) {
        if self.wanted.is_empty() {
            return;
        }
        if let Some(offset @ None) = self.wanted.get_mut(&shown(&self.path).to_lowercase()) {
            *offset = Some(self.start);
        }
    }

    fn stop(&self, message: String) -> Stop {
        Stop::new(self.lexer.at(), message)
    }
}
