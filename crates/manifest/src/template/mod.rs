//! The language of Go's `text/template` with the Coordinator's functions, compiled once into a plan.
//!
//! A template is compiled when a manifest is set and rendered at each activation. Output is bytes. Errors name
//! the place in the template and never a value. Work and output are bounded.

mod ast;
mod buffer;
mod builtins;
mod certificate;
mod encode;
mod escape;
mod eval;
mod fields;
mod float;
mod format;
mod lex;
mod literal;
mod parse;
mod scope;
#[cfg(test)]
mod tests;
mod uses;
mod value;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// Which functions a template may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `pem hex raw base64`.
    File,
    /// `pem hex string base64`; also used for arguments.
    Env,
}

/// Longest template, in bytes: as long as a whole manifest may be.
pub const MAX_SOURCE: usize = crate::MAX_MANIFEST_BYTES;

/// A compiled template. Cheap to clone.
#[derive(Clone)]
pub struct Template(Arc<Plan>);

struct Plan {
    program: ast::Program,
    dialect: Dialect,
    uses: crate::Uses,
}

/// Templates are equal if they were written alike: whether others mean the same nobody needs to know.
impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        (&self.0.program.source, self.0.dialect) == (&other.0.program.source, other.0.dialect)
    }
}

impl Eq for Template {}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { dialect, uses, .. } = &*self.0;
        f.debug_struct("Template").field("dialect", dialect).field("uses", uses).finish_non_exhaustive()
    }
}

/// Current secrets (`.Secrets`) or those before the last rotation (`.Previous.Secrets`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Generation {
    /// `.Secrets`.
    Current,
    /// `.Previous.Secrets`.
    Previous,
}

/// A part of a secret or of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// DER of the certificate.
    Cert,
    /// Public key (PKIX DER), or the bytes of a symmetric or plain secret.
    Public,
    /// Private key (PKCS#8 DER), or the bytes of a symmetric or plain secret.
    Private,
}

/// The certificates under `.MarbleRun`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reserved {
    /// `.MarbleRun.RootCA`: the marble root. Only [`Part::Cert`].
    RootCa,
    /// `.MarbleRun.MarbleCert`: the marble's own certificate and key.
    MarbleCert,
    /// `.MarbleRun.CoordinatorRoot`. Only [`Part::Cert`].
    CoordinatorRoot,
    /// `.MarbleRun.CoordinatorIntermediate`. Only [`Part::Cert`].
    CoordinatorIntermediate,
}

/// What a template may see of a secret without making its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Kind and size.
    pub kind: crate::SecretKind,
    /// Whether it is shared.
    pub shared: bool,
    /// Whether a user uploads it.
    pub user_defined: bool,
}

/// Where rendering takes its values from. Values are asked for only when a function encodes them.
pub trait Source {
    /// Names of all secrets of a generation.
    fn names(&self, generation: Generation) -> BTreeSet<&str>;
    /// How many secrets a generation has. A loop may ask for it often, so a source of many secrets should answer
    /// without collecting their names.
    fn count(&self, generation: Generation) -> usize {
        self.names(generation).len()
    }
    /// Kind of a secret; `None` if there is none of that name.
    fn meta(&self, generation: Generation, name: &str) -> Option<Meta>;
    /// The bytes of a part of a secret. Empty bytes mean that the secret has no such part.
    ///
    /// # Errors
    /// A reason without any value, for instance that a user-defined secret was never uploaded.
    fn secret(&self, generation: Generation, name: &str, part: Part) -> Result<Zeroizing<Vec<u8>>, String>;
    /// The bytes of a part of a reserved certificate; empty if it has no such part.
    fn reserved(&self, which: Reserved, part: Part) -> Zeroizing<Vec<u8>>;
    /// `.ValidFor` of a secret, in days; 0 for what is no certificate.
    fn valid_days(&self, generation: Generation, name: &str) -> u32 {
        let _ = (generation, name);
        0
    }
    /// A further list at the top of the data, by its name. A marble's parameters have none.
    fn list(&self, name: &str) -> Option<Vec<String>> {
        let _ = name;
        None
    }
}

/// Why a template was refused or could not be rendered. Never contains a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct TemplateError {
    /// 1-based line in the template.
    pub line: usize,
    /// 1-based column, in characters.
    pub column: usize,
    /// What was seen, which rule, what to write.
    pub message: String,
}

impl TemplateError {
    /// Turns a byte offset into line and column.
    fn at(source: &str, fail: Fail) -> Self {
        let mut place = fail.at.min(source.len());
        while !source.is_char_boundary(place) {
            place -= 1;
        }
        let before = &source[..place];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { line, column, message: fail.message }
    }
}

/// An error inside this module: a byte offset instead of line and column.
#[derive(Debug)]
struct Fail {
    at: usize,
    message: String,
}

impl Fail {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

impl Template {
    /// Compiles a template.
    ///
    /// # Errors
    /// The first syntax error or unknown function, with its place; a template that is longer than [`MAX_SOURCE`],
    /// nested too deep or has too many parts.
    pub fn compile(text: &str, dialect: Dialect) -> Result<Self, TemplateError> {
        if text.len() > MAX_SOURCE {
            let message = format!("the template has {} bytes, the limit is {MAX_SOURCE}", text.len());
            return Err(TemplateError { line: 1, column: 1, message });
        }
        let program = parse::parse(text, dialect).map_err(|fail| TemplateError::at(text, fail))?;
        let uses = uses::uses(&program);
        Ok(Self(Arc::new(Plan { program, dialect, uses })))
    }

    /// Which secrets rendering may ask for. A name may stand here that no secret has: naming it is an error only
    /// where a function encodes it.
    pub fn uses(&self) -> &crate::Uses {
        &self.0.uses
    }

    /// Renders with values from `source`, within fixed limits of work and output (16 MiB).
    ///
    /// # Errors
    /// What could not be evaluated and where; an exceeded limit; a missing secret.
    pub fn render(&self, source: &dyn Source) -> Result<Zeroizing<Vec<u8>>, TemplateError> {
        self.render_counting(source, &mut 0)
    }

    /// Like [`Template::render`]; adds to `work` the steps that it took, failed or not, so that a caller can
    /// bound many renderings together.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render_counting(
        &self,
        source: &dyn Source,
        work: &mut usize,
    ) -> Result<Zeroizing<Vec<u8>>, TemplateError> {
        let Plan { program, dialect, .. } = &*self.0;
        eval::render(program, *dialect, source, work).map_err(|fail| TemplateError::at(&program.source, fail))
    }
}
