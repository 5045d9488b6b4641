//! `Marbles.*.Parameters`: files, variables and arguments. Messages never quote a content.

use super::{Check, Place};
use crate::finding::{choices, shown};
use crate::model::Parameter;
use crate::template::{Dialect, Template};
use crate::written::{ArgumentObject, Content, ContentObject, base64};

/// Where a content goes: it decides which functions a template has and which bytes may come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    File,
    Variable,
    Argument,
}

impl Target {
    fn dialect(self) -> Dialect {
        match self {
            Self::File => Dialect::File,
            Self::Variable | Self::Argument => Dialect::Env,
        }
    }

    /// The operating system ends variables and arguments at the first NUL.
    pub(super) fn admits(self, bytes: &[u8]) -> bool {
        self == Self::File || !bytes.contains(&0)
    }
}

impl Check {
    pub(super) fn content(
        &mut self,
        place: &Place<'_>,
        written: Content,
        target: Target,
    ) -> Option<Parameter> {
        match written {
            Content::Text(text) => self.parameter(place, text.into_bytes(), true, target),
            Content::Object(object) => self.content_object(place, object, target),
        }
    }

    fn content_object(
        &mut self,
        place: &Place<'_>,
        written: ContentObject,
        target: Target,
    ) -> Option<Parameter> {
        let data = self.decoded(place, written.data.unwrap_or_default(), written.encoding.as_deref())?;
        self.parameter(place, data, !written.no_templates.unwrap_or_default(), target)
    }

    pub(super) fn argument_object(
        &mut self,
        place: &Place<'_>,
        written: ArgumentObject,
    ) -> Option<Parameter> {
        let Some(data) = written.data else {
            self.error(&place.key("Data"), "required: the argument");
            return None;
        };
        self.parameter(place, data.into_bytes(), !written.no_templates.unwrap_or_default(), Target::Argument)
    }

    pub(super) fn literal(&mut self, place: &Place<'_>, bytes: Vec<u8>, target: Target) -> Option<Parameter> {
        if target.admits(&bytes) {
            return Some(Parameter::Literal(bytes));
        }
        self.error(place, "contains NUL, which a variable or an argument cannot hold");
        None
    }

    fn parameter(
        &mut self,
        place: &Place<'_>,
        bytes: Vec<u8>,
        templates: bool,
        target: Target,
    ) -> Option<Parameter> {
        let is_template = templates && bytes.windows(2).any(|pair| pair == b"{{");
        if !is_template {
            return self.literal(place, bytes, target);
        }
        let Ok(text) = String::from_utf8(bytes) else {
            self.error(place, "contains `{{` but is not UTF-8: set NoTemplates if it is no template");
            return None;
        };
        match Template::compile(&text, target.dialect()) {
            Ok(template) => Some(Parameter::Template(template)),
            Err(error) => {
                self.error(place, error.to_string());
                None
            }
        }
    }

    fn decoded(&mut self, place: &Place<'_>, data: String, encoding: Option<&str>) -> Option<Vec<u8>> {
        let encoding = encoding.unwrap_or_default();
        let (decoded, rule) = match encoding.to_ascii_lowercase().as_str() {
            "" | "string" => return Some(data.into_bytes()),
            "base64" => (base64(&data), "not base64 (standard alphabet, with padding)"),
            "hex" => (hex::decode(data).ok(), "not hexadecimal (an even number of digits)"),
            _ => {
                let known = choices(&["string", "base64", "hex"]);
                let message = format!("`{}` is no encoding; write {known}", shown(encoding));
                self.error(&place.key("Encoding"), message);
                return None;
            }
        };
        if decoded.is_none() {
            self.error(&place.key("Data"), rule);
        }
        decoded
    }
}
