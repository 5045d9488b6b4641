//! Any text, compiled in both dialects and rendered: no panic, bounded work, and no value in an error.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use marblerun_manifest::SecretKind;
use marblerun_manifest::template::{Dialect, Generation, Meta, Part, Reserved, Source, Template};
use zeroize::Zeroizing;

const CANARY: &[u8] = b"canary-4f1e";

struct Canaries;

impl Source for Canaries {
    fn names(&self, _: Generation) -> BTreeSet<&str> {
        ["a", "b"].into()
    }

    fn meta(&self, _: Generation, name: &str) -> Option<Meta> {
        let kind = if name == "a" { SecretKind::Plain } else { SecretKind::CertEd25519 };
        matches!(name, "a" | "b").then_some(Meta { kind, shared: false, user_defined: name == "a" })
    }

    fn secret(&self, _: Generation, _: &str, _: Part) -> Result<Zeroizing<Vec<u8>>, String> {
        Ok(CANARY.to_vec().into())
    }

    fn reserved(&self, _: Reserved, _: Part) -> Zeroizing<Vec<u8>> {
        CANARY.to_vec().into()
    }
}

fuzz_target!(|text: &str| {
    for dialect in [Dialect::File, Dialect::Env] {
        let rendered = Template::compile(text, dialect).and_then(|template| template.render(&Canaries));
        if let Err(error) = rendered {
            let error = error.to_string();
            // The canary may stand in the template itself.
            assert!(text.contains("canary") || !error.contains("canary-4f1e"));
        }
    }
});
