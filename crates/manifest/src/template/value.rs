//! What an expression evaluates to. Secrets are handles here: their bytes are asked for when a function encodes them.

use std::sync::Arc;

use super::buffer::Text;
use super::{Generation, Meta, Part, Reserved};

/// The value of an expression. Cheap to clone.
#[derive(Clone)]
pub(super) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text),
    List(Arc<[Value]>),
    /// The data of the whole template: `.Secrets`, `.Previous`, `.MarbleRun`.
    Root,
    /// `.Previous`.
    Previous,
    /// `.MarbleRun`.
    MarbleRun,
    /// All secrets of a generation.
    Secrets(Generation),
    /// One secret or reserved certificate, whole.
    Whole(Handle),
    /// A part of it.
    Part(Handle, Part),
    /// The subject or issuer of a certificate.
    Name(Arc<DistinguishedName>),
    /// A secret that was named and does not exist. The name comes from the template's text.
    Missing(Arc<str>),
    /// What `index` gives for a secret that does not exist: true in conditions as any secret, but it has no bytes.
    Zero,
}

/// Which secret or certificate.
#[derive(Clone)]
pub(super) enum Handle {
    Secret(Generation, Arc<str>, Meta),
    Reserved(Reserved),
}

/// The parts of an X.500 name that Go's `pkix.Name` has, as texts.
pub(super) type DistinguishedName = Vec<(&'static str, Vec<Text>)>;

impl Value {
    /// In words, for errors.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nothing (nil)",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a floating point number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Root => "the data of the template",
            Self::Previous => ".Previous",
            Self::MarbleRun => ".MarbleRun",
            Self::Secrets(_) => "all secrets",
            Self::Whole(_) => "a secret",
            Self::Part(_, Part::Cert) => "a certificate",
            Self::Part(_, Part::Public) => "a public key",
            Self::Part(_, Part::Private) => "a private key",
            Self::Name(_) => "a distinguished name",
            Self::Missing(_) | Self::Zero => "a secret that does not exist",
        }
    }

    /// Go's name of a type that may be printed; `None` for what is never printed.
    pub(super) fn go_type(&self) -> Option<&'static str> {
        Some(match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "[]string",
            _ => return None,
        })
    }

    /// Why a value that is never printed is not, and what to write instead.
    pub(super) fn unprintable(&self) -> String {
        match self {
            Self::Missing(name) => format!("the secret {name} does not exist"),
            Self::Zero => "the secret looked up by index does not exist".into(),
            Self::Whole(_) | Self::Part(..) => format!(
                "{} is never written as it is: encode it with base64, hex, pem, raw (files) or string (variables)",
                self.kind()
            ),
            _ => format!("{} cannot be written: name a field of it", self.kind()),
        }
    }
}
