//! Recorded values against found ones. A recorded text may hold placeholders: `{time}`, `{hex:N}`, `{base64:N}`,
//! `{base64}`, `{number}`, `{text}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

pub(crate) fn matches(recorded: &Value, found: &Value) -> Result<(), String> {
    let differ = || Err(format!("{found} instead of {recorded}"));
    match (recorded, found) {
        (Value::String(pattern), Value::String(text)) if text_matches(pattern, text) => Ok(()),
        (Value::Object(recorded), Value::Object(found)) if recorded.len() == found.len() => {
            recorded.iter().try_for_each(|(key, value)| match found.get(key) {
                Some(found) => matches(value, found).map_err(|e| format!("{key}: {e}")),
                None => Err(format!("{key} is missing")),
            })
        }
        (Value::Array(recorded), Value::Array(found)) if recorded.len() == found.len() => {
            recorded.iter().zip(found).try_for_each(|(recorded, found)| matches(recorded, found))
        }
        (recorded, found) if recorded == found => Ok(()),
        _ => differ(),
    }
}

fn text_matches(pattern: &str, text: &str) -> bool {
    let Some(kind) = pattern.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return pattern == text;
    };
    let (kind, length) = match kind.split_once(':') {
        Some((kind, length)) => (kind, length.parse::<usize>().ok()),
        None => (kind, None),
    };
    match kind {
        "text" => !text.is_empty(),
        "number" => text.parse::<f64>().is_ok(),
        "hex" => text.bytes().all(|b| b.is_ascii_hexdigit()) && length.is_none_or(|n| text.len() == n),
        "base64" => STANDARD.decode(text).is_ok_and(|bytes| length.is_none_or(|n| bytes.len() == n)),
        "time" => is_time(text),
        _ => pattern == text,
    }
}

/// ISO 8601: `2026-11-21T06:00:00`, a fraction, and a zone.
fn is_time(text: &str) -> bool {
    let shape = |c: char| if c.is_ascii_digit() { '0' } else { c };
    text.len() > 19 && text.chars().take(19).map(shape).eq("0000-00-00T00:00:00".chars())
}

/// Without nulls, zeros, false and empty values, from the inside out.
pub(crate) fn without_defaults(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().map(|(key, value)| (key.clone(), without_defaults(value)));
            Value::Object(kept.filter(|(_, value)| !is_default(value)).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_defaults).collect()),
        other => other.clone(),
    }
}

fn is_default(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}
