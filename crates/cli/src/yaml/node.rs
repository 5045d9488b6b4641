//! A document as a tree. Aliases share what they point at.

use std::rc::Rc;

use super::Position;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it begins.
    pub at: Position,
    /// How many levels of lists and mappings there are in it, itself included.
    pub height: usize,
    /// What it is.
    pub value: Value,
}

/// What a document can be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `~`, `null` or nothing.
    Null,
    /// `true`, `yes`, `on`, `y` and their opposites.
    Bool(bool),
    /// A whole number, in the digits of JSON.
    Integer(String),
    /// Anything else that is a scalar.
    Text(String),
    /// A sequence.
    List(Vec<Rc<Node>>),
    /// A mapping, in the order of the document, without two equal keys.
    Map(Vec<Entry>),
}

/// One key of a mapping and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key, as text.
    pub key: String,
    /// Where the key stands.
    pub at: Position,
    /// Its value.
    pub value: Rc<Node>,
}
