//! From the parser's events to a tree, with an explicit stack: no document can exhaust ours.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::node::{Entry, Node, Value};
use super::quirks::Quirks;
use super::{MAX_DEPTH, Position, YamlError, scalar};

pub(super) fn compose(text: &str) -> Result<Node, YamlError> {
    let mut composer = Composer::default();
    let mut quirks = Quirks::of(text);
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(syntax)?;
        quirks.check(&event, span)?;
        composer.event(event, position(span))?;
    }
    let start = Position { line: 1, column: 1 };
    let root = composer.root.ok_or_else(|| YamlError::new(start, "the document is empty"))?;
    // The anchors' table may hold the root as well.
    drop(composer.anchors);
    Ok(Rc::unwrap_or_clone(root))
}

fn syntax(error: ScanError) -> YamlError {
    let at = Position { line: error.marker().line(), column: error.marker().col() + 1 };
    YamlError::new(at, error.info())
}

pub(super) fn position(span: Span) -> Position {
    Position { line: span.start.line(), column: span.start.col() + 1 }
}

#[derive(Default)]
struct Composer {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
}

/// A list or mapping that has begun.
struct Open {
    at: Position,
    /// 0 means none.
    anchor: usize,
    parts: Parts,
}

enum Parts {
    List(Vec<Rc<Node>>),
    Map { entries: Vec<Entry>, seen: HashSet<String>, key: Option<Key> },
}

/// A key that waits for its value.
enum Key {
    Name(String, Position),
    /// `<<`: the value's entries belong here.
    Merge(Position),
}

impl Composer {
    fn event(&mut self, event: Event<'_>, at: Position) -> Result<(), YamlError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag.as_deref(), at),
            Event::SequenceStart(anchor, tag) => {
                check_tag(tag.as_deref(), "seq", at)?;
                self.begin(at, anchor, Parts::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(tag.as_deref(), "map", at)?;
                self.begin(at, anchor, Parts::Map { entries: Vec::new(), seen: HashSet::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(at),
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(YamlError::new(at, "a second document begins here; a manifest is one document"))
            }
            _ => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: Position,
    ) -> Result<(), YamlError> {
        check_tag(tag, "str", at)?;
        let plain = style == ScalarStyle::Plain && tag.is_none();
        if self.awaits_key() {
            return self.key(text, plain, anchor, at);
        }
        let value = if plain {
            scalar::resolve(text).map_err(|message| YamlError::new(at, message))?
        } else {
            Value::Text(text.to_owned())
        };
        self.complete(Rc::new(Node { at, height: 0, value }), anchor)
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { parts: Parts::Map { key: None, .. }, .. }))
    }

    fn key(&mut self, text: &str, plain: bool, anchor: usize, at: Position) -> Result<(), YamlError> {
        if anchor != 0 {
            return Err(YamlError::new(at, "an anchor on a key is not supported"));
        }
        let name = match (plain, text) {
            (true, "<<") => Key::Merge(at),
            (true, text) => {
                Key::Name(scalar::resolve_key(text).map_err(|message| YamlError::new(at, message))?, at)
            }
            (false, text) => Key::Name(text.to_owned(), at),
        };
        if let Some(Open { parts: Parts::Map { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(name);
        }
        Ok(())
    }

    fn begin(&mut self, at: Position, anchor: usize, parts: Parts) -> Result<(), YamlError> {
        if self.awaits_key() {
            return Err(YamlError::new(at, "a key must be text"));
        }
        if self.open.len() == MAX_DEPTH {
            return Err(too_deep(at));
        }
        self.open.push(Open { at, anchor, parts });
        Ok(())
    }

    fn end(&mut self, at: Position) -> Result<(), YamlError> {
        let Some(Open { at, anchor, parts }) = self.open.pop() else {
            return Err(YamlError::new(at, "nothing is open that could end here"));
        };
        let (tallest, value) = match parts {
            Parts::List(items) => (items.iter().map(|item| item.height).max(), Value::List(items)),
            Parts::Map { entries, .. } => {
                (entries.iter().map(|entry| entry.value.height).max(), Value::Map(entries))
            }
        };
        self.complete(Rc::new(Node { at, height: 1 + tallest.unwrap_or(0), value }), anchor)
    }

    /// An anchor counts from the end of its value on, so a value that contains itself is refused here.
    fn alias(&mut self, anchor: usize, at: Position) -> Result<(), YamlError> {
        if self.awaits_key() {
            return Err(YamlError::new(at, "an alias as a key is not supported"));
        }
        let target = self.anchors.get(&anchor).cloned();
        let target =
            target.ok_or_else(|| YamlError::new(at, "this alias names a value that is not complete"))?;
        self.complete(target, 0)
    }

    fn complete(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), YamlError> {
        // Heights add up through aliases, while the stack only sees what is written out.
        if node.height + self.open.len() > MAX_DEPTH {
            return Err(too_deep(node.at));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open { parts: Parts::List(items), .. }) => items.push(node),
            Some(Open { parts: Parts::Map { entries, seen, key }, .. }) => match key.take() {
                Some(Key::Name(key, at)) => add(entries, seen, Entry { key, at, value: node })?,
                Some(Key::Merge(at)) => merge(entries, seen, &node, at)?,
                None => return Err(YamlError::new(node.at, "a key must be text")),
            },
        }
        Ok(())
    }
}

fn too_deep(at: Position) -> YamlError {
    YamlError::new(at, format!("nested deeper than {MAX_DEPTH} levels"))
}

fn add(entries: &mut Vec<Entry>, seen: &mut HashSet<String>, entry: Entry) -> Result<(), YamlError> {
    if !seen.insert(entry.key.clone()) {
        return Err(YamlError::new(entry.at, format!("the key {:?} stands here twice", entry.key)));
    }
    entries.push(entry);
    Ok(())
}

/// `<<: *base`. A key that both sides have is refused, as a duplicate always is.
fn merge(
    entries: &mut Vec<Entry>,
    seen: &mut HashSet<String>,
    node: &Node,
    at: Position,
) -> Result<(), YamlError> {
    let sources = match &node.value {
        Value::List(items) => items.iter().map(|item| &item.value).collect(),
        value => vec![value],
    };
    for source in sources {
        let Value::Map(more) = source else {
            return Err(YamlError::new(at, "<< merges mappings only"));
        };
        for entry in more {
            add(entries, seen, Entry { at, ..entry.clone() })?;
        }
    }
    Ok(())
}

fn check_tag(tag: Option<&Tag>, allowed: &str, at: Position) -> Result<(), YamlError> {
    match tag {
        None => Ok(()),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == allowed => Ok(()),
        Some(tag) => {
            Err(YamlError::new(at, format!("the tag {}{} is not supported here", tag.handle, tag.suffix)))
        }
    }
}
