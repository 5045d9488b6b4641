//! Values of a manifest that are no plain JSON values.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{ArgumentObject, ContentObject};
use crate::json::{Decode, Kind, Parser, Stop, object, wrong_kind};

/// Named entries, in the order of the document. No name stands twice.
pub struct Map<T>(Vec<(String, T)>);

impl<T> Default for Map<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Map<T> {
    /// The entries, in the order of the document.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl<T> IntoIterator for Map<T> {
    type Item = (String, T);
    type IntoIter = std::vec::IntoIter<(String, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T: Decode + Default> Decode for Map<T> {
    fn decode(p: &mut Parser<'_>) -> Result<Option<Self>, Stop> {
        if p.kind()? != Kind::Object {
            return wrong_kind(p, Kind::Object.named());
        }
        let mut entries = Vec::new();
        p.object(&mut |p, name| {
            let value = match p.kind()? {
                Kind::Null => T::null_entry(p)?,
                // What does not fit stays as an empty entry, so that references to it are not called unknown.
                _ => Some(T::decode(p)?.unwrap_or_default()),
            };
            entries.extend(value.map(|value| (name.to_owned(), value)));
            Ok(())
        })?;
        Ok(Some(Self(entries)))
    }
}

impl<T: JsonSchema> JsonSchema for Map<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Map_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<Option<T>>() })
    }
}

/// Bytes, written as base64 (line breaks inside are ignored) or as an array of numbers.
pub struct Bytes(pub Vec<u8>);

impl Decode for Bytes {
    fn decode(p: &mut Parser<'_>) -> Result<Option<Self>, Stop> {
        match p.kind()? {
            Kind::String => match base64(&p.string()?) {
                Some(bytes) => Ok(Some(Self(bytes))),
                None => {
                    p.error("not base64 (standard alphabet, with padding)");
                    Ok(None)
                }
            },
            Kind::Array => Ok(Vec::decode(p)?.map(Self)),
            _ => wrong_kind(p, "base64 or a list of bytes"),
        }
    }
}

impl JsonSchema for Bytes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string", "contentEncoding": "base64" },
            { "type": "array", "items": { "type": "integer", "minimum": 0, "maximum": 255 } },
        ] })
    }
}

/// Decodes base64 (RFC 4648 section 4): padded, line breaks ignored, unused bits not looked at.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    let text: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    ENGINE.decode(text).ok()
}

/// The content of a file or variable: a string, or an object that says how it is encoded.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum Content {
    /// A template.
    Text(String),
    /// Encoded, or no template.
    Object(ContentObject),
}

impl Default for Content {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Decode for Content {
    fn decode(p: &mut Parser<'_>) -> Result<Option<Self>, Stop> {
        match p.kind()? {
            Kind::String => Ok(String::decode(p)?.map(Self::Text)),
            Kind::Object => Ok(object(p)?.map(Self::Object)),
            _ => wrong_kind(p, "a string or an object with Data"),
        }
    }

    fn null_entry(p: &mut Parser<'_>) -> Result<Option<Self>, Stop> {
        wrong_kind(p, "a string or an object with Data")
    }
}

/// An entry of Argv: a string is taken as it stands, an object is rendered.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum Argument {
    /// Taken as it stands.
    Text(String),
    /// Rendered as an environment variable is.
    Object(ArgumentObject),
}

impl Decode for Argument {
    fn decode(p: &mut Parser<'_>) -> Result<Option<Self>, Stop> {
        match p.kind()? {
            Kind::String => Ok(String::decode(p)?.map(Self::Text)),
            Kind::Object => Ok(object(p)?.map(Self::Object)),
            _ => wrong_kind(p, "a string or an object with Data"),
        }
    }
}

/// Whether a value that must not be there says anything; the value itself is not kept.
pub struct Presence(pub bool);

impl Decode for Presence {
    fn decode(p: &mut Parser<'_>) -> Result<Option<Self>, Stop> {
        let present = match p.kind()? {
            Kind::String => !p.string()?.is_empty(),
            _ => p.skip().map(|()| true)?,
        };
        Ok(Some(Self(present)))
    }
}
