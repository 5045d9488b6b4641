//! The file that says which token to use, in the form that users of the Go command line have: the JSON of `crypto11`.
//! Keys in any case; what only concerns its pool of sessions is accepted and means nothing here.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use zeroize::Zeroizing;

use crate::{Failure, file};

/// Which token, and how to log in to it. No `Debug`: it holds the PIN.
#[derive(Default)]
pub(super) struct Config {
    /// The vendor's PKCS#11 module, a shared library.
    pub(super) module: PathBuf,
    /// `TokenLabel`.
    pub(super) label: Option<String>,
    /// `TokenSerial`.
    pub(super) serial: Option<String>,
    /// `SlotNumber`.
    pub(super) slot: Option<u64>,
    /// `Pin`; without one the token asks for it on its own keys, or needs none.
    pub(super) pin: Option<Zeroizing<String>>,
    /// `LoginNotSupported`: the token has no PIN.
    pub(super) no_login: bool,
}

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read, or does not name a module and one token. Never says what it holds.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = file::read_secret(path, "the PKCS#11 configuration")?;
        let wrong = |what: String| Failure::Argument(format!("{}: {what}", path.display()));
        // Not the parser's own words: they may quote the PIN.
        let config: Self = serde_json::from_slice(&text)
            .map_err(|e| wrong(format!("line {}, column {}: {EXPECTED}", e.line(), e.column())))?;
        match config.problem() {
            Some(problem) => Err(wrong(format!("{problem}: {EXPECTED}"))),
            None => Ok(config),
        }
    }

    fn problem(&self) -> Option<&'static str> {
        let named = [self.label.is_some(), self.serial.is_some(), self.slot.is_some()];
        match named.iter().filter(|named| **named).count() {
            _ if self.module.as_os_str().is_empty() => Some("`Path` is missing"),
            0 => Some("no token is named"),
            1 => None,
            _ => Some("the token is named in several ways"),
        }
    }
}

const EXPECTED: &str = "expected JSON with `Path` (the PKCS#11 module), one of `TokenLabel`, `TokenSerial` or `SlotNumber`, \
                        and `Pin`, each once";

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Config;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Config, A::Error> {
        let mut config = Config::default();
        let mut seen = std::collections::BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let key = key.to_ascii_lowercase();
            match key.as_str() {
                "path" => config.module = map.next_value::<Option<_>>()?.unwrap_or_default(),
                "tokenlabel" => config.label = text(&mut map)?,
                "tokenserial" => config.serial = text(&mut map)?,
                "slotnumber" => config.slot = map.next_value()?,
                "pin" => config.pin = map.next_value::<Option<String>>()?.map(Zeroizing::new),
                "loginnotsupported" => config.no_login = map.next_value::<Option<_>>()?.unwrap_or_default(),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
            if !seen.insert(key) {
                return Err(A::Error::custom("a key stands there twice"));
            }
        }
        Ok(config)
    }
}

/// An empty text names nothing, as in Go.
fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<String>, A::Error> {
    Ok(map.next_value::<Option<String>>()?.filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with the file; `None` if nothing is.
    fn problem(text: &str) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pkcs11.json");
        std::fs::write(&path, text).unwrap();
        Config::read(&path).err().map(|error| error.to_string())
    }

    #[test]
    fn a_module_and_one_token_are_named() {
        for good in [
            r#"{"Path": "m.so", "TokenLabel": "desk", "Pin": "canary"}"#,
            r#"{"path": "m.so", "TOKENSERIAL": "1", "Pin": "canary", "MaxSessions": 3, "TokenLabel": ""}"#,
            r#"{"Path": "m.so", "SlotNumber": 0, "LoginNotSupported": true, "Pin": null}"#,
        ] {
            assert_eq!(problem(good), None, "{good}");
        }
        for (text, words) in [
            (r#"{"TokenLabel": "desk", "Pin": "canary"}"#, "`Path` is missing"),
            (r#"{"Path": "m.so", "Pin": "canary"}"#, "no token is named"),
            (r#"{"Path": "m.so", "TokenLabel": "a", "SlotNumber": 1}"#, "several ways"),
            (r#"{"Path": "m.so", "TokenLabel": "a", "Pin": {"canary": 1}}"#, "line 1, column"),
            (r#"{"Path": "m.so", "TokenLabel": "a", "Pin": "1", "PIN": "canary"}"#, "line 1, column"),
            ("canary", "line 1, column"),
        ] {
            let said = problem(text).unwrap();
            assert!(said.contains(words) && !said.contains("canary"), "{text}: {said}");
        }
    }
}
