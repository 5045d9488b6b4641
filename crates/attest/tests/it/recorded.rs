//! Recorded evidence that verifies, for tests that then change one thing.

use std::path::Path;
use std::time::SystemTime;

use marblerun_attest::{Appraisal, Binding, Collateral, Failure, Genuine, Memory, Roots};

use crate::case::Case;

/// One recorded piece of evidence and all that it takes to verify it.
pub(crate) struct Recorded {
    pub(crate) evidence: Vec<u8>,
    pub(crate) collateral: Collateral,
    pub(crate) binding: Binding,
    pub(crate) now: SystemTime,
    pub(crate) roots: Roots,
    pub(crate) memory: Memory,
}

impl Recorded {
    /// The first form of evidence in `testdata/vectors/NAME`.
    pub(crate) fn load(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vectors").join(name);
        let case = Case::load(&folder).unwrap();
        Self {
            now: case.evaluate_at().unwrap(),
            evidence: case.evidence.into_iter().next().unwrap().1,
            collateral: case.collateral.into_iter().next().unwrap().1,
            binding: case.binding,
            roots: Roots::of_hardware_vendors().unwrap(),
            memory: Memory::default(),
        }
    }

    pub(crate) fn genuine(&self) -> Result<Genuine, Failure> {
        self.genuine_of(&self.evidence)
    }

    /// The same with other evidence.
    pub(crate) fn genuine_of(&self, evidence: &[u8]) -> Result<Genuine, Failure> {
        let Self { roots, collateral, memory, now, .. } = self;
        Appraisal { roots, collateral, memory, now: *now }.genuine(evidence, &self.binding)
    }

    /// What is wrong, by its short name.
    pub(crate) fn code(&self) -> &'static str {
        self.genuine().map_or_else(|failure| failure.code(), |_| "ok")
    }

    /// Forgets what was verified.
    pub(crate) fn cold(mut self) -> Self {
        self.memory = Memory::default();
        self
    }
}
