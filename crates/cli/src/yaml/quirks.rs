//! Documents that our parser and Go's read differently, though both find them in order. Found by comparing the two
//! on generated documents; each is refused, for two readings are two hashes.

use saphyr_parser::{Event, ScalarStyle, Span};

use super::YamlError;
use super::compose::position;

/// Watches the events of one document.
pub(super) struct Quirks {
    characters: Vec<char>,
    ends_with_break: bool,
    anchors_checked: bool,
    depth: usize,
}

impl Quirks {
    pub(super) fn of(text: &str) -> Self {
        let ends_with_break = text.ends_with(['\n', '\r']);
        Self { characters: text.chars().collect(), ends_with_break, anchors_checked: false, depth: 0 }
    }

    pub(super) fn check(&mut self, event: &Event<'_>, span: Span) -> Result<(), YamlError> {
        self.depth = match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => self.depth + 1,
            Event::SequenceEnd | Event::MappingEnd => self.depth.saturating_sub(1),
            _ => self.depth,
        };
        if anchor(event) != 0 && !self.anchors_checked {
            self.anchors_checked = true;
            self.anchor_names(span)?;
        }
        match event {
            Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..) => self.block_text(span),
            Event::Scalar(text, ScalarStyle::Plain, ..) if text.is_empty() => self.nothing(span),
            Event::Scalar(text, ScalarStyle::Plain, ..) if text.starts_with('?') => {
                Err(YamlError::new(position(span), "text that begins with a question mark needs quotes"))
            }
            _ => Ok(()),
        }
    }

    /// `&a:b`: YAML 1.2 takes all of it for the anchor's name, Go `a` alone. Names do not come with the events, so in
    /// a document that has anchors everything that looks like one is looked at.
    fn anchor_names(&self, span: Span) -> Result<(), YamlError> {
        let begins = |at: usize| {
            at == 0 || matches!(self.characters[at - 1], ' ' | '\t' | '\n' | '\r' | '[' | '{' | ',')
        };
        let in_name = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        for (at, c) in self.characters.iter().enumerate() {
            if !matches!(c, '&' | '*') || !begins(at) {
                continue;
            }
            let after = self.characters[at + 1..].iter().find(|c| !in_name(c));
            if !matches!(after, None | Some(' ' | '\t' | '\n' | '\r' | ',' | ']' | '}')) {
                let rule = "names of anchors are made of letters, digits, hyphens and underscores";
                let line = 1 + self.characters[..at].iter().filter(|c| **c == '\n').count();
                return Err(YamlError::new(position(span), format!("{rule}; see the {c} in line {line}")));
            }
        }
        Ok(())
    }

    /// A block text that the file ends in: YAML 1.2 adds the missing line break to it, Go does not.
    fn block_text(&self, span: Span) -> Result<(), YamlError> {
        if self.depth == 0 {
            return Err(YamlError::new(position(span), "a manifest is a mapping, not a text"));
        }
        if self.ends_with_break || span.end.index() < self.characters.len() {
            return Ok(());
        }
        Err(YamlError::new(
            position(span),
            "the file ends within this text; end its last line with a line break",
        ))
    }

    /// `[a:]` and `{a:}`: for YAML 1.2 a key without a value, for Go the text `a:`.
    fn nothing(&self, span: Span) -> Result<(), YamlError> {
        let at = span.start.index();
        let around = at.saturating_sub(1)..(at + 2).min(self.characters.len());
        let touching = |pair: &[char]| matches!(pair, [':', ',' | ']' | '}']);
        if self.characters[around].windows(2).any(touching) {
            return Err(YamlError::new(position(span), "a colon needs a space or a line break after it"));
        }
        Ok(())
    }
}

/// The number of the anchor on a value; 0 is none.
fn anchor(event: &Event<'_>) -> usize {
    match event {
        Event::Scalar(_, _, anchor, _) | Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
            *anchor
        }
        _ => 0,
    }
}
