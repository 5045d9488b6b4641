//! The recorded templates: success and output must be those of Go's `text/template`.

#![allow(clippy::expect_used, reason = "a test program: what is wrong with the recordings ends it")]

use std::collections::BTreeSet;
use std::process::ExitCode;

use marblerun_manifest::template::{Dialect, Generation, Meta, Part, Reserved, Source, Template};
use marblerun_manifest::{Curve, SecretKind};
use marblerun_testkit::golden;
use serde_json::Value;
use zeroize::Zeroizing;

/// Recorded outputs that print a secret without an encoding function: an error here.
const STRICTER: [&str; 5] = [
    "{{ .Secrets.foo }}",
    "{{ .Secrets.foo.Private }}",
    "{{ .Secrets.plain.Private | printf \"%s\" }}",
    "{{ printf \"%x\" .Secrets.foo.Private }}",
    "{{ .Secrets.missing }}",
];

fn main() -> ExitCode {
    let mut report = golden::Report::default();
    if let Some(folder) = golden::folder("templates") {
        let recorded = std::fs::read_to_string(folder.join("go.json")).expect("go.json can be read");
        let recorded: Value = serde_json::from_str(&recorded).expect("go.json is JSON");
        let data = Data::new(&recorded);
        for case in recorded["results"].as_array().expect("results is a list") {
            let template = text(case, "T");
            report.case(&format!("{template:?}"), check(&template, case, &data));
        }
    }
    report.finish()
}

fn check(template: &str, case: &Value, data: &Data) -> Result<(), String> {
    let ours = Template::compile(template, Dialect::File).and_then(|t| Ok((t.render(data)?, t)));
    let wanted = case["Ok"] == true && !STRICTER.contains(&template);
    match ours {
        Err(error) if wanted => Err(format!("error: {error}")),
        Err(error) => data.absent_from(&error.to_string()),
        Ok(_) if !wanted => Err(format!("rendered, but Go says: {}", text(case, "Err"))),
        Ok((output, _)) if hex::encode(&*output) == text(case, "Hex") => Ok(()),
        Ok((output, _)) => Err(format!("{:?}\n{:?}", String::from_utf8_lossy(&output), unhex(case, "Hex"))),
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn unhex(value: &Value, key: &str) -> Vec<u8> {
    hex::decode(text(value, key)).expect("hexadecimal")
}

/// The data of the README beside the recordings.
struct Data {
    certificate: [Vec<u8>; 3],
}

const SYMMETRIC: SecretKind = SecretKind::Symmetric { bytes: 4 };
const PLAIN: [&str; 3] = ["plain", "empty", "kéy"];

impl Data {
    fn new(recorded: &Value) -> Self {
        Self { certificate: ["cert", "spki", "p8"].map(|key| unhex(recorded, key)) }
    }

    fn certificate(&self, part: Part) -> Vec<u8> {
        let [cert, public, private] = &self.certificate;
        match part {
            Part::Cert => cert.clone(),
            Part::Public => public.clone(),
            Part::Private => private.clone(),
        }
    }

    fn absent_from(&self, error: &str) -> Result<(), String> {
        let values = ["0102feff", "hello", "0123", "prev", "[1 2 254 255]"];
        match values.iter().find(|value| error.contains(**value)) {
            Some(value) => Err(format!("the error contains the value {value}: {error}")),
            None => Ok(()),
        }
    }
}

impl Source for Data {
    fn names(&self, generation: Generation) -> BTreeSet<&str> {
        match generation {
            Generation::Current => ["foo", "bin", "my-name", "plain", "empty", "cert", "kéy"].into(),
            Generation::Previous => ["k"].into(),
        }
    }

    fn meta(&self, generation: Generation, name: &str) -> Option<Meta> {
        let kind = match name {
            "cert" => SecretKind::CertEcdsa(Curve::P384),
            name if PLAIN.contains(&name) => SecretKind::Plain,
            _ => SYMMETRIC,
        };
        let known = self.names(generation).contains(name);
        known.then_some(Meta { kind, shared: false, user_defined: kind == SecretKind::Plain })
    }

    fn secret(&self, _: Generation, name: &str, part: Part) -> Result<Zeroizing<Vec<u8>>, String> {
        let bytes = match (name, part) {
            ("cert", part) => self.certificate(part),
            ("foo", _) => vec![1, 2, 254, 255],
            ("bin", _) => vec![0, 255, 254, 0x80, 0x0a, b'{', b'{', 0xc3, b'('],
            ("my-name", _) => b"0123".to_vec(),
            ("plain", _) => b"hello".to_vec(),
            ("kéy", _) => b"K".to_vec(),
            ("k", _) => b"prev".to_vec(),
            _ => Vec::new(),
        };
        Ok(bytes.into())
    }

    fn reserved(&self, _: Reserved, part: Part) -> Zeroizing<Vec<u8>> {
        self.certificate(part).into()
    }

    fn list(&self, name: &str) -> Option<Vec<String>> {
        (name == "List").then(|| ["a", "b", "c", "d"].map(str::to_owned).to_vec())
    }
}
