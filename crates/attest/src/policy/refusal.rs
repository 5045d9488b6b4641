//! A refusal: each field that does not fit, what was seen, what was wanted, and what would allow it.

use std::fmt;

/// Genuine evidence that is not wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The package that it was held against.
    pub package: String,
    /// All that does not fit; never empty.
    pub mismatches: Vec<Mismatch>,
}

/// One field that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Where in the manifest the rule stands (`Packages.backend.TDX.MRTD`).
    pub field: String,
    /// What the evidence has.
    pub seen: String,
    /// What the rule wants.
    pub wanted: String,
    /// The change of the manifest that would allow it.
    pub change: String,
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "package `{}` does not admit this evidence", self.package)?;
        self.mismatches.iter().try_for_each(|mismatch| write!(f, "; {mismatch}"))
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, seen, wanted, change } = self;
        write!(f, "{field}: seen {seen}, wanted {wanted} (to allow it: {change})")
    }
}

/// Collects what does not fit below one place of the manifest.
pub(super) struct Findings<'a> {
    package: &'a str,
    all: Vec<Mismatch>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(package: &'a str) -> Self {
        Self { package, all: Vec::new() }
    }

    pub(super) fn finish(self) -> Result<(), Refusal> {
        match self.all.is_empty() {
            true => Ok(()),
            false => Err(Refusal { package: self.package.to_owned(), mismatches: self.all }),
        }
    }

    /// A field of the package must have a value, if the package names one.
    pub(super) fn equal<T: PartialEq + ToString>(&mut self, field: &str, wanted: Option<&T>, seen: &T) {
        if let Some(wanted) = wanted.filter(|wanted| *wanted != seen) {
            self.of_package(
                field,
                seen.to_string(),
                wanted.to_string(),
                &format!("set it to {}", seen.to_string()),
            );
        }
    }

    /// A field of the package must have a value at least as high, if the package names one.
    pub(super) fn at_least<T: PartialOrd + ToString>(&mut self, field: &str, wanted: Option<&T>, seen: &T) {
        if let Some(wanted) = wanted.filter(|wanted| seen < *wanted) {
            let (seen, wanted) = (seen.to_string(), format!("at least {}", wanted.to_string()));
            let change = format!("lower it to {seen}");
            self.of_package(field, seen, wanted, &change);
        }
    }

    /// What weakens a TEE must be allowed by a switch of the package.
    pub(super) fn allowed(&mut self, field: &str, is_allowed: bool, is_so: bool, what: &str) {
        if is_so && !is_allowed {
            self.of_package(field, what.to_owned(), "that it is not so".to_owned(), "set it to true");
        }
    }

    /// Debug mode must be exactly what the package says: a mesh for debugging is not one for production, nor the other way
    /// round.
    pub(super) fn debug(&mut self, is_wanted: bool, is_so: bool, what: &str) {
        self.allowed("Debug", is_wanted, is_so, what);
        if is_wanted && !is_so {
            let (seen, wanted) = ("one for production", "one for debugging, as the package says");
            self.of_package("Debug", seen.to_owned(), wanted.to_owned(), "set it to false");
        }
    }

    pub(super) fn of_package(&mut self, field: &str, seen: String, wanted: String, change: &str) {
        let field = format!("Packages.{}.{field}", self.package);
        self.add(field, seen, wanted, change.to_owned());
    }

    pub(super) fn add(&mut self, field: String, seen: String, wanted: String, change: String) {
        self.all.push(Mismatch { field, seen, wanted, change });
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Takes back what was found since there were `length` findings.
    pub(super) fn truncate(&mut self, length: usize) {
        self.all.truncate(length);
    }
}
