//! Intel's configuration file `sgx_default_qcnl.conf`, in both of its forms: JSON with comments, and lines `KEY=value`
//! as older libraries read it. What it says about other things than the service is ignored.

use serde::Deserialize;

use crate::CollateralError;

const NAME: &str = "sgx_default_qcnl.conf";

/// What the file says about the service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Qcnl {
    pub(crate) address: Option<String>,
    pub(crate) use_secure_cert: bool,
}

#[derive(Deserialize)]
struct Json {
    /// Where collateral comes from, if not from the PCCS that also has certificates for the platform's quotes.
    #[serde(default)]
    collateral_service: Option<String>,
    #[serde(default)]
    pccs_url: Option<String>,
    #[serde(default)]
    use_secure_cert: Switch,
}

/// Written as a boolean or as text in any case.
#[derive(Deserialize)]
#[serde(untagged)]
enum Switch {
    Bool(bool),
    Text(String),
}

impl Default for Switch {
    fn default() -> Self {
        Self::Bool(true)
    }
}

impl Switch {
    /// Only a clear no switches the check off.
    fn is_on(&self) -> bool {
        match self {
            Self::Bool(on) => *on,
            Self::Text(text) => !text.trim().eq_ignore_ascii_case("false"),
        }
    }
}

/// A file that is there and cannot be read may name a service; another one is not asked in its place.
pub(crate) fn unreadable(why: &str) -> CollateralError {
    CollateralError::Configuration { file: NAME.to_owned(), reason: why.to_owned() }
}

pub(crate) fn parse(text: &str) -> Result<Qcnl, CollateralError> {
    if !text.trim_start().starts_with(['{', '/']) {
        return Ok(lines(text));
    }
    let json = serde_json::from_str(&without_comments(text));
    let json: Json = json.map_err(|error| unreadable(&error.to_string()))?;
    let address = json.collateral_service.or(json.pccs_url).filter(|address| !address.trim().is_empty());
    Ok(Qcnl { address, use_secure_cert: json.use_secure_cert.is_on() })
}

fn lines(text: &str) -> Qcnl {
    let mut found = Qcnl { address: None, use_secure_cert: true };
    let pairs =
        text.lines().filter(|line| !line.trim_start().starts_with('#')).filter_map(|l| l.split_once('='));
    for (key, value) in pairs {
        match key.trim().to_ascii_uppercase().as_str() {
            "PCCS_URL" => found.address = Some(value.trim().to_owned()),
            "USE_SECURE_CERT" => found.use_secure_cert = Switch::Text(value.to_owned()).is_on(),
            _ => {}
        }
    }
    found
}

/// The same length, with blanks for `// ...` and `/* ... */` outside of texts.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut chars, mut in_text) = (text.chars().peekable(), false);
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(_)) if in_text => out.extend([Some(c), chars.next()].into_iter().flatten()),
            ('/', Some('/')) if !in_text => while chars.next_if(|c| *c != '\n').is_some() {},
            ('/', Some('*')) if !in_text => {
                let mut last = chars.next();
                while last.is_some() && !(last == Some('*') && chars.peek() == Some(&'/')) {
                    last = chars.next();
                }
                chars.next();
            }
            _ => {
                in_text ^= c == '"';
                out.push(c);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, address: Option<&str>, use_secure_cert: bool) {
        let expected = Qcnl { address: address.map(str::to_owned), use_secure_cert };
        assert_eq!(parse(text), Ok(expected), "{text}");
    }

    #[test]
    fn both_forms() {
        check(r#"{"pccs_url": "https://a//b", "use_secure_cert": true}"#, Some("https://a//b"), true);
        check(r#"{"pccs_url": "https://a", "use_secure_cert": "False"}"#, Some("https://a"), false);
        check("// first\n{ /* \"x\": */ \"pccs_url\": \"https://a\" // \"b\"\n}", Some("https://a"), true);
        check(r#"{"pccs_url": "https://a", "collateral_service": "https://b"}"#, Some("https://b"), true);
        check("# old\nPCCS_URL=https://a/v4/\nUSE_SECURE_CERT=FALSE\n", Some("https://a/v4/"), false);
        check("{}", None, true);
        check("", None, true);
        for bad in ["{", r#"{"pccs_url": 1}"#, "/*"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
