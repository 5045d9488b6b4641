//! Places in a document, built only when something is to be said about them.

use std::fmt::{Display, Formatter, Result};

/// A place in the document: `Marbles.web.Parameters.Env.ROOT_CA`.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    outer: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Item(usize),
}

/// A section of the manifest.
pub(super) fn section(name: &str) -> Place<'_> {
    Place { outer: None, step: Step::Key(name) }
}

impl<'a> Place<'a> {
    /// The member `name` of the object here.
    pub(super) fn key(&'a self, name: &'a str) -> Place<'a> {
        Place { outer: Some(self), step: Step::Key(name) }
    }

    /// The entry `index`, from 0, of the list here.
    pub(super) fn item(&'a self, index: usize) -> Place<'a> {
        Place { outer: Some(self), step: Step::Item(index) }
    }
}

impl Display for Place<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if let Some(outer) = self.outer {
            outer.fmt(f)?;
        }
        match self.step {
            Step::Key(name) if self.outer.is_some() => write!(f, ".{name}"),
            Step::Key(name) => f.write_str(name),
            Step::Item(index) => write!(f, "[{index}]"),
        }
    }
}
