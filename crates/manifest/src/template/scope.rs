//! What is visible where the parser stands.

use std::sync::Arc;

use super::Fail;
use super::lex::Token;

/// Most variables that are visible at one place: each use of one looks through them.
const MAX_VARIABLES: usize = 256;

/// The variables of a place, and how deep it lies.
pub(super) struct Scope {
    pub(super) variables: Vec<Arc<str>>,
    pub(super) loops: usize,
    pub(super) depth: usize,
}

impl Scope {
    /// The beginning of a template, `depth` levels down.
    pub(super) fn new(depth: usize) -> Self {
        Self { variables: vec!["$".into()], loops: 0, depth }
    }

    /// From here on these variables are visible.
    ///
    /// # Errors
    /// There are too many.
    pub(super) fn declare(&mut self, at: usize, variables: &[Arc<str>]) -> Result<(), Fail> {
        if self.variables.len() + variables.len() > MAX_VARIABLES {
            return Err(Fail::new(at, format!("more than {MAX_VARIABLES} variables at one place")));
        }
        self.variables.extend(variables.iter().cloned());
        Ok(())
    }

    /// The name of a variable that is visible.
    ///
    /// # Errors
    /// There is none of that name.
    pub(super) fn variable(&self, token: Token<'_>) -> Result<Arc<str>, Fail> {
        let known = self.variables.iter().rev().find(|name| ***name == *token.text);
        known.cloned().ok_or_else(|| Fail::new(token.at, format!("undefined variable {:?}", token.text)))
    }
}
