//! The JSON text, byte for byte as Go's `encoding/json` writes it.

use super::node::{Entry, Node, Value};
use super::{MAX_BYTES, YamlError};

pub(super) fn emit(root: &Node) -> Result<Vec<u8>, YamlError> {
    let mut json = Vec::new();
    value(&mut json, root)?;
    Ok(json)
}

/// Recursion is as deep as the tree, and that is bounded by `MAX_DEPTH`. Work is bounded by the bytes written: no
/// value takes none, so aliases of aliases (a billion laughs) end here.
fn value(json: &mut Vec<u8>, node: &Node) -> Result<(), YamlError> {
    if json.len() > MAX_BYTES {
        return Err(YamlError::new(
            node.at,
            format!("with aliases expanded the document is longer than {MAX_BYTES} bytes"),
        ));
    }
    match &node.value {
        Value::Null => json.extend_from_slice(b"null"),
        Value::Bool(value) => json.extend_from_slice(value.to_string().as_bytes()),
        Value::Integer(digits) => json.extend_from_slice(digits.as_bytes()),
        Value::Text(content) => text(json, content, node)?,
        Value::List(items) => {
            json.push(b'[');
            for (i, item) in items.iter().enumerate() {
                separate(json, i);
                value(json, item)?;
            }
            json.push(b']');
        }
        Value::Map(entries) => map(json, entries, node)?,
    }
    Ok(())
}

fn map(json: &mut Vec<u8>, entries: &[Entry], node: &Node) -> Result<(), YamlError> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    // Rust compares strings by their UTF-8 bytes, and so does Go.
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    json.push(b'{');
    for (i, entry) in sorted.into_iter().enumerate() {
        separate(json, i);
        text(json, &entry.key, node)?;
        json.push(b':');
        value(json, &entry.value)?;
    }
    json.push(b'}');
    Ok(())
}

fn separate(json: &mut Vec<u8>, index: usize) {
    if index > 0 {
        json.push(b',');
    }
}

/// `<`, `>`, `&` and the two separators are escaped because Go escapes them; back space and form feed are refused
/// because Go's spelling of them changed between its versions.
fn text(json: &mut Vec<u8>, content: &str, node: &Node) -> Result<(), YamlError> {
    json.push(b'"');
    for c in content.chars() {
        match c {
            '"' => json.extend_from_slice(b"\\\""),
            '\\' => json.extend_from_slice(b"\\\\"),
            '\n' => json.extend_from_slice(b"\\n"),
            '\r' => json.extend_from_slice(b"\\r"),
            '\t' => json.extend_from_slice(b"\\t"),
            '\u{8}' | '\u{c}' => {
                return Err(YamlError::new(
                    node.at,
                    "back space and form feed have no settled spelling in JSON; leave them out",
                ));
            }
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                json.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
            }
            c => json.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    json.push(b'"');
    Ok(())
}
