//! What stands in a recorded answer for what varies: `<pem:CERTIFICATE>`, `<hex:16>`, `<uuid>` and so on.
//!
//! A text in angle brackets that is none of them means itself.

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::json::Json;
use super::{pem, x509};

/// A placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Placeholder {
    /// Anything.
    Any,
    /// Any text that is not empty.
    Text,
    /// A UUID in its canonical form.
    Uuid,
    /// An RFC 3339 time.
    Time,
    /// That many PEM blocks of a label, each of the kind that it names.
    Pem(String, usize),
    /// Something in an encoding.
    Encoded(Encoding, Content),
}

/// How bytes stand in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Standard base64, padded.
    Base64,
    /// In lower case.
    Hex,
    /// As they are.
    Raw,
}

/// What the bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// At least and at most so many.
    Length(usize, usize),
    /// Those of a manifest of the scenario.
    Manifest(String),
    /// DER of the kind that this PEM label names.
    Der(String),
}

impl Placeholder {
    /// The placeholder that `text` as a whole is.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let inner = text.strip_prefix('<')?.strip_suffix('>')?;
        match inner {
            "any" => return Some(Self::Any),
            "text" => return Some(Self::Text),
            "uuid" => return Some(Self::Uuid),
            "time" => return Some(Self::Time),
            _ => {}
        }
        let (kind, content) = inner.split_once(':')?;
        match kind {
            "pem" => {
                let (label, count) = content.split_once('*').unwrap_or((content, "1"));
                Some(Self::Pem(label.to_owned(), count.parse().ok()?))
            }
            "base64" => Some(Self::Encoded(Encoding::Base64, Content::parse(content)?)),
            "hex" => Some(Self::Encoded(Encoding::Hex, Content::parse(content)?)),
            "raw" => Some(Self::Encoded(Encoding::Raw, Content::parse(content)?)),
            _ => None,
        }
    }

    /// Whether `actual` is one; `manifest` gives the bytes of a manifest by name.
    ///
    /// # Errors
    /// What does not fit.
    pub(crate) fn check(&self, actual: &Json, manifest: &dyn Fn(&str) -> Result<Vec<u8>>) -> Result<()> {
        match self {
            Self::Any => Ok(()),
            Self::Encoded(encoding, content) => content.check(&encoding.decode(actual)?, manifest),
            _ => self.check_text(actual.as_text().context("no text")?),
        }
    }

    fn check_text(&self, actual: &str) -> Result<()> {
        match self {
            Self::Text => ensure!(!actual.is_empty(), "an empty text"),
            Self::Uuid => ensure!(is_uuid(actual), "no UUID"),
            Self::Time => {
                time::OffsetDateTime::parse(actual, &time::format_description::well_known::Rfc3339)
                    .context("no time")?;
            }
            Self::Pem(label, count) => check_pem(actual, label, *count)?,
            Self::Any | Self::Encoded(..) => {}
        }
        Ok(())
    }

    /// The DER of each certificate and key in `actual`, with its label.
    ///
    /// # Errors
    /// If there is none to be found.
    pub(crate) fn objects(&self, actual: &Json) -> Result<Vec<(String, Vec<u8>)>> {
        match self {
            Self::Pem(..) => pem::blocks(actual.as_text().context("no text")?),
            Self::Encoded(encoding, Content::Der(label)) => {
                Ok(vec![(label.clone(), encoding.decode(actual)?)])
            }
            _ => bail!("no certificates or keys are recorded here"),
        }
    }

    /// How many characters a placeholder inside a text takes.
    fn width(&self) -> Option<usize> {
        match self {
            Self::Encoded(Encoding::Hex, Content::Length(n, m)) if n == m => Some(n * 2),
            Self::Encoded(Encoding::Base64, Content::Length(n, m)) if n == m => Some(n.div_ceil(3) * 4),
            _ => None,
        }
    }
}

/// Whether `actual` is the text `expected`, in which placeholders of a fixed width may stand.
///
/// # Errors
/// Where they differ.
pub(crate) fn check_text_with_placeholders(expected: &str, actual: &str) -> Result<()> {
    let (mut expected, mut actual) = (expected, actual);
    while let Some((literal, placeholder, after)) = next_placeholder(expected) {
        let rest = actual
            .strip_prefix(literal)
            .with_context(|| format!("{actual:?} does not begin with {literal:?}"))?;
        let width = placeholder.width().context("a placeholder inside a text has a fixed width")?;
        let (value, rest) = rest.split_at_checked(width).with_context(|| format!("{rest:?} is too short"))?;
        placeholder.check(&Json::text(value), &|_| bail!("no manifest"))?;
        (expected, actual) = (after, rest);
    }
    ensure!(expected == actual, "the texts differ from {actual:?} on");
    Ok(())
}

/// The text before the next placeholder of fixed width, the placeholder, and the text after it.
fn next_placeholder(text: &str) -> Option<(&str, Placeholder, &str)> {
    text.match_indices('<').find_map(|(start, _)| {
        let end = start + text[start..].find('>')? + 1;
        let placeholder =
            Placeholder::parse(&text[start..end]).filter(|placeholder| placeholder.width().is_some())?;
        Some((&text[..start], placeholder, &text[end..]))
    })
}

impl Encoding {
    fn decode(self, actual: &Json) -> Result<Vec<u8>> {
        match (self, actual) {
            (Self::Raw, Json::Bytes(bytes)) => Ok(bytes.clone()),
            (Self::Raw, Json::Text(text)) => Ok(text.clone().into_bytes()),
            (Self::Base64, Json::Text(text)) => STANDARD.decode(text).context("no base64"),
            (Self::Hex, Json::Text(text)) => {
                ensure!(!text.contains(|c: char| c.is_ascii_uppercase()), "hex in capitals");
                hex::decode(text).context("no hex")
            }
            _ => bail!("no text"),
        }
    }
}

impl Content {
    fn parse(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix("manifest ") {
            return Some(Self::Manifest(name.to_owned()));
        }
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let (least, most) = text.split_once("..").unwrap_or((text, text));
            return Some(Self::Length(least.parse().ok()?, most.parse().ok()?));
        }
        Some(Self::Der(text.to_owned()))
    }

    fn check(&self, bytes: &[u8], manifest: &dyn Fn(&str) -> Result<Vec<u8>>) -> Result<()> {
        match self {
            Self::Length(least, most) => {
                ensure!((*least..=*most).contains(&bytes.len()), "{} bytes", bytes.len());
            }
            Self::Manifest(name) => ensure!(bytes == manifest(name)?, "not the bytes of that manifest"),
            Self::Der(label) => x509::check_kind(label, bytes)?,
        }
        Ok(())
    }
}

fn check_pem(text: &str, label: &str, count: usize) -> Result<()> {
    let blocks = pem::blocks(text)?;
    ensure!(blocks.len() == count, "{} PEM blocks", blocks.len());
    for (seen, content) in &blocks {
        ensure!(seen == label, "a PEM block of {seen}");
        x509::check_kind(label, content)?;
    }
    Ok(())
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').collect();
    let digits = |group: &str| group.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) && groups.iter().all(|group| digits(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(placeholder: &str, actual: &Json) -> bool {
        let placeholder = Placeholder::parse(placeholder).expect("a placeholder");
        placeholder
            .check(actual, &|name| if name == "plain" { Ok(b"{}".to_vec()) } else { bail!("none") })
            .is_ok()
    }

    fn check(placeholder: &str, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(fits(placeholder, &Json::text(*text)), "{placeholder} {text}");
        }
        for text in bad {
            assert!(!fits(placeholder, &Json::text(*text)), "{placeholder} {text}");
        }
        if placeholder != "<any>" {
            assert!(
                !fits(placeholder, &Json::Null) && !fits(placeholder, &Json::Number("5".into())),
                "{placeholder}"
            );
        }
    }

    #[test]
    fn simple_kinds() {
        check("<any>", &["", "x"], &[]);
        assert!(fits("<any>", &Json::Null));
        check("<text>", &["x"], &[""]);
        check(
            "<uuid>",
            &["0d1e2f30-4152-4637-8a9b-acbdcedff001"],
            &["0D1E2F30-4152-4637-8A9B-ACBDCEDFF001", "0d1e2f304152-4637-8a9b-acbdcedff001-", "x"],
        );
        check("<time>", &["2026-11-21T06:00:00Z", "2026-11-21T06:00:00.123+01:00"], &["2026-11-21", "x", ""]);
    }

    #[test]
    fn encodings_and_lengths() {
        check("<base64:2>", &["AAA="], &["AAAA", "AAA", "AA==", "!", ""]);
        check("<hex:2>", &["00ff"], &["00FF", "00f", "00", "00ff00", "xx"]);
        check("<raw:2>", &["ab"], &["a", "abc"]);
        assert!(fits("<raw:2>", &Json::Bytes(vec![255, 0])));
        assert!(!fits("<raw:2>", &Json::Bytes(vec![255])));
        assert!(!fits("<hex:2>", &Json::Bytes(b"00ff".to_vec())));
        check("<raw:2..3>", &["ab", "abc"], &["a", "abcd"]);
        check("<base64:manifest plain>", &["e30="], &["e30K", "{}"]);
        check("<base64:manifest other>", &[], &["e30="]);
    }

    #[test]
    fn certificates_and_keys() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("key");
        let params = rcgen::CertificateParams::new(vec!["x".into()]).expect("parameters");
        let certificate = params.self_signed(&key).expect("certificate").der().to_vec();
        let one = pem::encode("CERTIFICATE", &certificate);
        let two = format!("{one}{one}");
        let mislabelled = pem::encode("CERTIFICATE", &key.serialize_der());
        let unended = one.trim_end();
        check("<pem:CERTIFICATE>", &[&one], &[&two, unended, &mislabelled, "", "x"]);
        check("<pem:CERTIFICATE*2>", &[&two], &[&one]);
        check(
            "<pem:PRIVATE KEY>",
            &[&pem::encode("PRIVATE KEY", &key.serialize_der())],
            &[&one, &mislabelled],
        );
        check("<hex:CERTIFICATE>", &[&hex::encode(&certificate)], &[&hex::encode(key.serialize_der()), "00"]);
        check(
            "<base64:PRIVATE KEY>",
            &[&STANDARD.encode(key.serialize_der())],
            &[&STANDARD.encode(&certificate)],
        );
        check(
            "<base64:ECDSA SIGNATURE>",
            &["MAYCAQECAQI="],
            &["MAMCAQE=", "AAAA", &STANDARD.encode(&certificate)],
        );
        assert!(fits("<raw:CERTIFICATE>", &Json::Bytes(certificate.clone())));
        assert!(!fits("<raw:CERTIFICATE>", &Json::Bytes(certificate[1..].to_vec())));
    }

    #[test]
    fn other_texts_mean_themselves() {
        for text in ["<pear>", "<refused>", "any", "<any", "<pem:X*y>", "<hex:1..x>", "<sql:5>", ""] {
            assert_eq!(Placeholder::parse(text), None, "{text}");
        }
    }

    #[test]
    fn placeholders_inside_a_text() {
        let check = check_text_with_placeholders;
        check("a=<hex:2>;b=<base64:2>\n", "a=00ff;b=AAA=\n").expect("fits");
        check("<pear>", "<pear>").expect("no placeholder");
        check("<<hex:1>>", "<0f>").expect("fits");
        for actual in [
            "a=00ff;b=AAA=",
            "a=00f;b=AAA=\n",
            "a=00ff;b=AAAA\n",
            "b=00ff;b=AAA=\n",
            "a=00ff;b=AAA=\nx",
            "a=0é",
        ] {
            assert!(check("a=<hex:2>;b=<base64:2>\n", actual).is_err(), "{actual:?}");
        }
    }
}
