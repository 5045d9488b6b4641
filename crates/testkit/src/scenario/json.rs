//! JSON as it was written: keys keep their order, numbers their text.
//!
//! Recorded fingerprints are over the bytes of a manifest, and serial numbers have more digits than any number type,
//! so neither may pass through a map or a float. A key that stands twice in an object is an error.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail, ensure};

/// Deeper documents are no recordings.
const DEPTH: usize = 200;

/// A JSON value, or bytes that are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// As it was written.
    Number(String),
    /// Unescaped.
    Text(String),
    /// Bytes of an answer that are not UTF-8: never parsed, printed as `{"raw":HEX}`.
    Bytes(Vec<u8>),
    /// In order.
    List(Vec<Json>),
    /// In order of appearance, without duplicates.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Parses one document.
    ///
    /// # Errors
    /// Where it is no JSON, is nested too deep, or repeats a key.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut parser = Parser { text, at: 0 };
        let value = parser.value(0)?;
        parser.space();
        ensure!(parser.at == text.len(), "something follows the JSON document at byte {}", parser.at);
        Ok(value)
    }

    /// Bytes of an answer: a text where they are one.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
    }

    /// A text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The text, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The items of a list; none of anything else.
    pub(crate) fn items(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }

    /// The fields of an object; none of anything else.
    pub(crate) fn fields(&self) -> &[(String, Self)] {
        if let Self::Object(fields) = self { fields } else { &[] }
    }

    /// The field `name` of an object.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        self.fields().iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The text in field `name`.
    pub(crate) fn field_text(&self, name: &str) -> Option<&str> {
        self.field(name).and_then(Self::as_text)
    }

    /// The value at a JSON pointer (RFC 6901).
    pub(crate) fn at(&self, pointer: &str) -> Option<&Self> {
        let Some(path) = pointer.strip_prefix('/') else { return pointer.is_empty().then_some(self) };
        path.split('/').try_fold(self, |value, step| {
            let step = step.replace("~1", "/").replace("~0", "~");
            match value {
                Self::List(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
                other => other.field(&step),
            }
        })
    }

    /// Replaces the value at a JSON pointer, if there is one.
    pub(crate) fn replace_at(&mut self, pointer: &str, new: impl FnOnce(&Self) -> Option<Self>) {
        if let Some(replacement) = self.at(pointer).and_then(new)
            && let Some(place) = self.at_mut(pointer)
        {
            *place = replacement;
        }
    }

    fn at_mut(&mut self, pointer: &str) -> Option<&mut Self> {
        let Some(path) = pointer.strip_prefix('/') else { return pointer.is_empty().then_some(self) };
        path.split('/').try_fold(self, |value, step| {
            let step = step.replace("~1", "/").replace("~0", "~");
            match value {
                Self::List(items) => step.parse::<usize>().ok().and_then(|index| items.get_mut(index)),
                Self::Object(fields) => {
                    fields.iter_mut().find(|(key, _)| *key == step).map(|(_, value)| value)
                }
                _ => None,
            }
        })
    }

    /// Applies a JSON merge patch (RFC 7386); what is there keeps its place, what is new follows.
    #[must_use]
    pub(crate) fn merge(self, patch: &Self) -> Self {
        let Self::Object(changes) = patch else { return patch.clone() };
        let mut fields = if let Self::Object(fields) = self { fields } else { Vec::new() };
        for (key, change) in changes {
            let place = fields.iter().position(|(present, _)| present == key);
            match (place, change) {
                (Some(index), Self::Null) => drop(fields.remove(index)),
                (None, Self::Null) => {}
                (Some(index), change) => {
                    let old = std::mem::replace(&mut fields[index].1, Self::Null);
                    fields[index].1 = old.merge(change);
                }
                (None, change) => fields.push((key.clone(), Self::Null.merge(change))),
            }
        }
        Self::Object(fields)
    }

    /// With every text changed (keys stay).
    ///
    /// # Errors
    /// The first one of `change`.
    pub(crate) fn map_texts(&self, change: &mut impl FnMut(&str) -> Result<String>) -> Result<Self> {
        Ok(match self {
            Self::Text(text) => Self::Text(change(text)?),
            Self::List(items) => {
                Self::List(items.iter().map(|item| item.map_texts(change)).collect::<Result<_>>()?)
            }
            Self::Object(fields) => {
                let changed = fields.iter().map(|(key, value)| Ok((key.clone(), value.map_texts(change)?)));
                Self::Object(changed.collect::<Result<_>>()?)
            }
            other => other.clone(),
        })
    }

    /// Without white space; only control characters, quotes and backslashes are escaped.
    pub(crate) fn compact(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => drop(write!(out, "{value}")),
            Self::Number(text) => out.push_str(text),
            Self::Text(text) => write_text(text, out),
            Self::Bytes(bytes) => drop(write!(out, "{{\"raw\":\"{}\"}}", hex::encode(bytes))),
            Self::List(items) => write_all(items, ('[', ']'), out, |item, out| item.write(out)),
            Self::Object(fields) => write_all(fields, ('{', '}'), out, |(key, value), out| {
                write_text(key, out);
                out.push(':');
                value.write(out);
            }),
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

fn write_all<T>(all: &[T], (open, close): (char, char), out: &mut String, each: impl Fn(&T, &mut String)) {
    out.push(open);
    for (index, one) in all.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        each(one, out);
    }
    out.push(close);
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    /// Skips white space, then takes `token` if it is next.
    fn take(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json> {
        ensure!(depth < DEPTH, "nested deeper than {DEPTH} at byte {}", self.at);
        if self.take("{") {
            return self.object(depth);
        }
        if self.take("[") {
            return self.list(depth);
        }
        for (token, value) in [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))]
        {
            if self.take(token) {
                return Ok(value);
            }
        }
        if self.rest().starts_with('"') { self.string().map(Json::Text) } else { self.number() }
    }

    fn list(&mut self, depth: usize) -> Result<Json> {
        let mut items = Vec::new();
        if self.take("]") {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take("]") {
                return Ok(Json::List(items));
            }
            ensure!(self.take(","), "no comma after an item at byte {}", self.at);
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json> {
        let mut fields: Vec<(String, Json)> = Vec::new();
        if self.take("}") {
            return Ok(Json::Object(fields));
        }
        loop {
            self.space();
            let key = self.string()?;
            ensure!(fields.iter().all(|(present, _)| *present != key), "the key {key:?} stands twice");
            ensure!(self.take(":"), "no colon after a key at byte {}", self.at);
            fields.push((key, self.value(depth + 1)?));
            if self.take("}") {
                return Ok(Json::Object(fields));
            }
            ensure!(self.take(","), "no comma after a field at byte {}", self.at);
        }
    }

    fn string(&mut self) -> Result<String> {
        let start = self.at;
        let mut escaped = false;
        for (offset, character) in self.rest().char_indices().skip(1) {
            match character {
                '"' if !escaped => {
                    self.at += offset + 1;
                    return serde_json::from_str(&self.text[start..self.at]).context("a text");
                }
                '\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        bail!("a text that begins at byte {start} does not end")
    }

    fn number(&mut self) -> Result<Json> {
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c)).unwrap_or(rest.len());
        let number = &rest[..length];
        // The grammar is serde's; only the text is kept.
        serde_json::from_str::<serde_json::Number>(number).with_context(|| format!("at byte {}", self.at))?;
        self.at += length;
        Ok(Json::Number(number.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_numbers() {
        let text = r#"{"b":[1,-2.50,713397057792169091197672213331455438578159425677],"a":{"é/":"\"\\\n\u0001é"},"n":null,"t":true}"#;
        assert_eq!(Json::parse(text).expect("JSON").compact(), text);
        let spaced = " { \"b\" : [ 1 , [ ] ] , \"a\" : { } }\n";
        assert_eq!(Json::parse(spaced).expect("JSON").compact(), r#"{"b":[1,[]],"a":{}}"#);
    }

    #[test]
    fn refuses_what_is_no_json() {
        for text in [
            "",
            "{",
            "[1",
            "[1 2]",
            "{\"a\" 1}",
            "{\"a\":1,\"a\":2}",
            "\"a",
            "\"\\x\"",
            "01",
            "1 2",
            "nul",
            "{a:1}",
        ] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
        assert!(Json::parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn merges_as_rfc_7386_says() {
        for (target, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let merged = Json::parse(target).expect("target").merge(&Json::parse(patch).expect("patch"));
            assert_eq!(merged.compact(), result, "{target} {patch}");
        }
    }

    #[test]
    fn points() {
        let json = Json::parse(r#"{"a/b":[{"c~":5}]}"#).expect("JSON");
        assert_eq!(json.at("/a~1b/0/c~0"), Some(&Json::Number("5".into())));
        assert_eq!(json.at(""), Some(&json));
        assert_eq!(json.at("/a~1b/1"), None);
        assert_eq!(json.at("a"), None);
    }
}
