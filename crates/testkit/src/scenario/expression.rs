//! Expressions of a scenario: bytes from saved answers, keys and manifests.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::file::Scenario;
use super::json::Json;
use super::{crypto, pem, x509};

/// What earlier steps saved.
pub(crate) type Saved = BTreeMap<String, Vec<u8>>;

/// The bytes that `expression` stands for: a saved name, or a list of a function and its arguments.
///
/// # Errors
/// If something is not saved, or a function does not like its argument.
pub(crate) fn evaluate(expression: &Json, saved: &Saved, scenario: &Scenario) -> Result<Vec<u8>> {
    Evaluation { saved, scenario }.bytes(expression).with_context(|| format!("in {}", expression.compact()))
}

struct Evaluation<'a> {
    saved: &'a Saved,
    scenario: &'a Scenario,
}

impl Evaluation<'_> {
    fn bytes(&self, expression: &Json) -> Result<Vec<u8>> {
        if let Some(name) = expression.as_text() {
            return self.saved.get(name).cloned().with_context(|| format!("{name} was not saved"));
        }
        let [function, arguments @ ..] = expression.items() else {
            bail!("{} is no expression", expression.compact())
        };
        let function = function.as_text().context("a function is named by a text")?;
        match (function, arguments) {
            ("text", [text]) => Ok(self.scenario.expand(text.as_text().context("a text")?)?.into_bytes()),
            ("manifest", [name]) => self.scenario.manifest(name),
            ("oaep", [key, sealed]) => crypto::oaep_open(&self.key(key)?, &self.bytes(sealed)?),
            ("encrypt", [public, open]) => crypto::oaep_seal(&self.bytes(public)?, &self.bytes(open)?),
            ("sign", [key, message]) => crypto::rsa_sign(&self.key(key)?, &self.bytes(message)?),
            ("concat", parts) => Ok(self.all(parts)?.concat()),
            ("shamir", shares) => crypto::shamir_combine(&self.all(shares)?),
            (function, [argument]) => apply(function, &self.bytes(argument)?),
            _ => bail!("no function {function} of {} arguments", arguments.len()),
        }
    }

    fn all(&self, expressions: &[Json]) -> Result<Vec<Vec<u8>>> {
        expressions.iter().map(|expression| self.bytes(expression)).collect()
    }

    fn key(&self, name: &Json) -> Result<Vec<u8>> {
        self.scenario.der(name.as_text().context("the name of a key")?, "key")
    }
}

/// The functions of bytes alone.
fn apply(function: &str, argument: &[u8]) -> Result<Vec<u8>> {
    match function {
        "base64" => Ok(STANDARD.encode(argument).into_bytes()),
        "unbase64" => STANDARD.decode(argument).context("no base64"),
        "unhex" => hex::decode(argument).context("no hex"),
        "spoil" => spoil(argument),
        "first" => nth_block(argument, 0),
        "second" => nth_block(argument, 1),
        "publicOf" => x509::public_key_of(argument),
        "pemOf" => Ok(pem::encode(x509::label_of(argument)?, argument).into_bytes()),
        _ => bail!("no function {function}"),
    }
}

fn spoil(bytes: &[u8]) -> Result<Vec<u8>> {
    ensure!(!bytes.is_empty(), "nothing to spoil");
    let mut spoilt = bytes.to_vec();
    spoilt[0] ^= 1;
    Ok(spoilt)
}

/// The n-th block of a PEM text, as PEM.
fn nth_block(text: &[u8], index: usize) -> Result<Vec<u8>> {
    let blocks = pem::blocks(std::str::from_utf8(text)?)?;
    let (label, content) = blocks.get(index).with_context(|| format!("{} blocks only", blocks.len()))?;
    Ok(pem::encode(label, content).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::file::tests::scenario;
    use super::*;

    fn check(expression: &str, expected: Option<&[u8]>) {
        let (_folder, scenario) = scenario(r#"{"plain":{"a":1}}"#);
        let saved = Saved::from([("s".into(), b"ab".to_vec()), ("e".into(), vec![])]);
        let expression = Json::parse(expression).expect("JSON");
        let bytes = evaluate(&expression, &saved, &scenario).ok();
        assert_eq!(bytes.as_deref(), expected, "{}", expression.compact());
    }

    #[test]
    fn functions() {
        check(r#""s""#, Some(b"ab"));
        check(r#"["text","x${certDer:ann}"]"#, Some(b"xQUI="));
        check(r#"["manifest","plain"]"#, Some(br#"{"a":1}"#));
        check(r#"["base64","s"]"#, Some(b"YWI="));
        check(r#"["unbase64",["base64","s"]]"#, Some(b"ab"));
        check(r#"["unhex",["text","00ff"]]"#, Some(&[0, 255]));
        check(r#"["concat","s","e","s"]"#, Some(b"abab"));
        check(r#"["spoil","s"]"#, Some(b"`b"));
        let (a, b) = (pem::encode("X", b"1"), pem::encode("X", b"2"));
        let chain = Json::text(format!("{a}{b}")).compact();
        check(&format!(r#"["first",["text",{chain}]]"#), Some(a.as_bytes()));
        check(&format!(r#"["second",["text",{chain}]]"#), Some(b.as_bytes()));
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        for expression in [
            r#""nothing""#,
            r#"["unbase64","s","s"]"#,
            r#"["unhex","s","e"]"#,
            r#"["nope","s"]"#,
            r#"["spoil","e"]"#,
            r#"["second","s"]"#,
            r#"["manifest","other"]"#,
            r#"["text"]"#,
            "[]",
            "5",
            r#"["publicOf","s"]"#,
        ] {
            check(expression, None);
        }
    }
}
