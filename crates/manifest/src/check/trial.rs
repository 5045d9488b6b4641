//! Templates are tried with dummy values when a manifest is set, so that a mistake shows then and not when a
//! marble starts.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::parameters::Target;
use super::{Check, Place, Secrets};
use crate::model::{Parameter, Secret, SecretKind, Validity};
use crate::template::{Generation, Meta, Part, Reserved, Source};

/// Most steps that all templates of a manifest may take together when they are tried: twenty times what one may
/// take, and far more than ten thousand honest ones. Without it a manifest full of templates that each stay just
/// below their own limit would keep the Coordinator busy for hours.
const MAX_WORK: usize = 20_000_000;

/// A certificate with two values of everything that a template may read, self-signed by a key that was thrown
/// away at once. It vouches for nothing and leaves this module only into renderings that are dropped.
const CERTIFICATE: &[u8] = include_bytes!("dummy.der");

/// Tries templates until the budget of work is used up.
pub(super) struct Trial<'a> {
    values: Option<Dummies<'a>>,
    work: usize,
}

impl<'a> Trial<'a> {
    /// A trial with dummies for `secrets`. If the definition of one is broken, templates are not tried: what
    /// they say about it could only be noise.
    pub(super) fn new(secrets: &'a Secrets) -> Self {
        let values = secrets.values().all(Option::is_some).then_some(Dummies(secrets));
        Self { values, work: 0 }
    }

    pub(super) fn render(
        &mut self,
        check: &mut Check,
        place: &Place<'_>,
        parameter: &Parameter,
        target: Target,
    ) {
        let (Parameter::Template(template), Some(values)) = (parameter, &self.values) else { return };
        if check.errors.is_full() {
            return;
        }
        if self.work > MAX_WORK {
            let message =
                format!("the manifest's templates do too much work together (the limit is {MAX_WORK} steps)");
            return check.error(place, message);
        }
        match template.render_counting(values, &mut self.work) {
            Ok(output) if target.admits(&output) => {}
            Ok(_) => check.error(place, "contains NUL, which a variable or an argument cannot hold"),
            Err(error) => check.error(place, error.to_string()),
        }
    }
}

/// A value for every part of every secret that has it.
struct Dummies<'a>(&'a Secrets);

impl Dummies<'_> {
    fn definition(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)?.as_ref()
    }
}

impl Source for Dummies<'_> {
    fn names(&self, _: Generation) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    fn count(&self, _: Generation) -> usize {
        self.0.len()
    }

    fn meta(&self, _: Generation, name: &str) -> Option<Meta> {
        let secret = self.definition(name)?;
        Some(Meta { kind: secret.kind, shared: secret.shared, user_defined: secret.user_defined })
    }

    fn secret(&self, _: Generation, name: &str, part: Part) -> Result<Zeroizing<Vec<u8>>, String> {
        let secret = self.definition(name).ok_or("there is no such secret")?;
        Ok(Zeroizing::new(match (secret.kind, part) {
            (SecretKind::Symmetric { .. } | SecretKind::Plain, Part::Cert) => Vec::new(),
            (SecretKind::Symmetric { bytes }, _) => vec![1; bytes.try_into().unwrap_or_default()],
            (_, Part::Cert) => CERTIFICATE.to_vec(),
            _ => b"dummy".to_vec(),
        }))
    }

    fn valid_days(&self, _: Generation, name: &str) -> u32 {
        let secret = self.definition(name).filter(|secret| secret.kind.is_certificate());
        match secret.map(|secret| secret.certificate.validity) {
            Some(Validity::Days(days)) => days,
            _ => 0,
        }
    }

    fn reserved(&self, which: Reserved, part: Part) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match (which, part) {
            (_, Part::Cert) => CERTIFICATE.to_vec(),
            (Reserved::MarbleCert, _) => b"dummy".to_vec(),
            _ => Vec::new(),
        })
    }
}
