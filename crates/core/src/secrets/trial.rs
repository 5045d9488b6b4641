//! Would a marble's variables still render with this value? Asked before a value with a NUL byte is accepted: no
//! variable or argument can hold one, and the user should know before the marble's next start.

use std::collections::BTreeSet;

use marblerun_manifest::template::{Generation, Meta, Part, Reserved, Source};
use marblerun_manifest::{Manifest, Marble, Parameter, SecretKind};
use zeroize::Zeroizing;

/// The place of a variable or argument that cannot hold `value` as the plain secret `name`, because of its NUL bytes.
pub(crate) fn refusing_nul(manifest: &Manifest, name: &str, value: &[u8]) -> Option<String> {
    if !value.contains(&0) {
        return None;
    }
    let without: Vec<u8> = value.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect();
    let (with, without) =
        (Trial { manifest, name, value }, Trial { manifest, name, value: &Zeroizing::new(without) });
    let marbles = manifest.marbles.iter().filter(|(_, marble)| uses(marble, name));
    let places = marbles.flat_map(|(kind, marble)| places(kind, marble));
    // Templates may fail for many reasons; this one is at fault if it alone makes the difference.
    let at_fault = |parameter: &Parameter| match parameter {
        Parameter::Literal(_) => false,
        Parameter::Template(template) => template.render(&with).is_err() && template.render(&without).is_ok(),
    };
    places.into_iter().find(|(_, parameter)| at_fault(parameter)).map(|(place, _)| place)
}

fn uses(marble: &Marble, name: &str) -> bool {
    marble.uses.any || marble.uses.secrets.contains(name)
}

/// Variables and arguments; a file may hold anything.
fn places<'a>(kind: &'a str, marble: &'a Marble) -> impl Iterator<Item = (String, &'a Parameter)> {
    let env = marble.env.iter().map(move |(key, p)| (format!("Marbles.{kind}.Parameters.Env.{key}"), p));
    let argv = marble.argv.iter().enumerate();
    env.chain(argv.map(move |(i, p)| (format!("Marbles.{kind}.Parameters.Argv[{i}]"), p)))
}

/// The value for one secret, something of the right form for all others.
struct Trial<'a> {
    manifest: &'a Manifest,
    name: &'a str,
    value: &'a [u8],
}

impl Source for Trial<'_> {
    fn names(&self, _: Generation) -> BTreeSet<&str> {
        self.manifest.secrets.keys().map(String::as_str).collect()
    }

    fn count(&self, _: Generation) -> usize {
        self.manifest.secrets.len()
    }

    fn meta(&self, _: Generation, name: &str) -> Option<Meta> {
        let secret = self.manifest.secrets.get(name)?;
        Some(Meta { kind: secret.kind, shared: secret.shared, user_defined: secret.user_defined })
    }

    fn secret(&self, _: Generation, name: &str, part: Part) -> Result<Zeroizing<Vec<u8>>, String> {
        if name == self.name {
            return Ok(Zeroizing::new(self.value.to_vec()));
        }
        let kind = self.manifest.secrets.get(name).map(|secret| secret.kind);
        Ok(Zeroizing::new(match (kind.ok_or("there is no such secret")?, part) {
            (SecretKind::Symmetric { .. } | SecretKind::Plain, Part::Cert) => Vec::new(),
            (SecretKind::Symmetric { bytes }, _) => vec![1; bytes as usize],
            _ => b"value".to_vec(),
        }))
    }

    fn reserved(&self, which: Reserved, part: Part) -> Zeroizing<Vec<u8>> {
        let there = part == Part::Cert || which == Reserved::MarbleCert;
        Zeroizing::new(if there { b"value".to_vec() } else { Vec::new() })
    }
}
