//! `html`, `js`, `urlquery`, and quoted texts, byte for byte as Go writes them.

use super::buffer::{Buffer, Text};

/// Escapes for HTML, after Go's `template.HTMLEscape`.
///
/// # Errors
/// Longer than `limit`.
pub(super) fn html(bytes: &[u8], limit: usize) -> Result<Text, String> {
    let mut out = Buffer::new(limit);
    for byte in bytes {
        match byte {
            0 => out.push("\u{fffd}".as_bytes())?,
            b'"' => out.push(b"&#34;")?,
            b'\'' => out.push(b"&#39;")?,
            b'&' => out.push(b"&amp;")?,
            b'<' => out.push(b"&lt;")?,
            b'>' => out.push(b"&gt;")?,
            byte => out.push(&[*byte])?,
        }
    }
    Ok(out.into_text())
}

/// Escapes for JavaScript, after Go's `template.JSEscape`.
///
/// # Errors
/// Longer than `limit`.
pub(super) fn js(bytes: &[u8], limit: usize) -> Result<Text, String> {
    let mut out = Buffer::new(limit);
    for unit in units(bytes) {
        match unit {
            Unit::Char(c @ ('\\' | '\'' | '"')) => out.push(&[b'\\', c as u8])?,
            Unit::Char(c) if matches!(c, '<' | '>' | '&' | '=') || c < ' ' => js_code(&mut out, c)?,
            Unit::Char(c) if c > '\x7f' && !is_printable(c) => js_code(&mut out, c)?,
            Unit::Char(c) => out.push_char(c)?,
            Unit::Byte(b) => out.push(&[b])?,
        }
    }
    Ok(out.into_text())
}

fn js_code(out: &mut Buffer, c: char) -> Result<(), String> {
    out.push(format!("\\u{:04X}", u32::from(c)).as_bytes())
}

/// Escapes for the query of a URL, after Go's `url.QueryEscape`.
///
/// # Errors
/// Longer than `limit`.
pub(super) fn url_query(bytes: &[u8], limit: usize) -> Result<Text, String> {
    let mut out = Buffer::new(limit);
    for byte in bytes {
        match byte {
            b' ' => out.push(b"+")?,
            b'-' | b'_' | b'.' | b'~' => out.push(&[*byte])?,
            byte if byte.is_ascii_alphanumeric() => out.push(&[*byte])?,
            byte => {
                out.push(b"%")?;
                out.push(&hex_upper(*byte))?;
            }
        }
    }
    Ok(out.into_text())
}

fn hex_upper(byte: u8) -> [u8; 2] {
    let digit = |n: u8| if n < 10 { b'0' + n } else { b'A' + n - 10 };
    [digit(byte >> 4), digit(byte & 15)]
}

/// Writes bytes between double quotes, after Go's `strconv.Quote`; with `ascii`, all else is escaped.
///
/// # Errors
/// The buffer is full.
pub(super) fn quote(out: &mut Buffer, bytes: &[u8], ascii: bool) -> Result<(), String> {
    out.push(b"\"")?;
    for unit in units(bytes) {
        match unit {
            Unit::Char(c) => quoted_char(out, c, '"', ascii)?,
            Unit::Byte(b) => out.push(format!("\\x{b:02x}").as_bytes())?,
        }
    }
    out.push(b"\"")
}

/// Writes one character of a quoted text, escaped where Go does.
///
/// # Errors
/// The buffer is full.
pub(super) fn quoted_char(out: &mut Buffer, c: char, quote: char, ascii: bool) -> Result<(), String> {
    let simple = match c {
        '\x07' => 'a',
        '\x08' => 'b',
        '\x0c' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\x0b' => 'v',
        '\\' => '\\',
        c if c == quote => c,
        c if (c.is_ascii() || !ascii) && is_printable(c) => return out.push_char(c),
        c => {
            let code = u32::from(c);
            let written = match code {
                0..=0x1f | 0x7f => format!("\\x{code:02x}"),
                0x20..=0xffff => format!("\\u{code:04x}"),
                _ => format!("\\U{code:08x}"),
            };
            return out.push(written.as_bytes());
        }
    };
    out.push_char('\\')?;
    out.push_char(simple)
}

/// Whether a text can stand between backquotes unchanged.
pub(super) fn can_backquote(bytes: &[u8]) -> bool {
    let fits = |c: char| c == '\t' || !(c.is_control() || matches!(c, '`' | '\u{feff}'));
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(fits))
}

/// A character, or a byte that belongs to none.
pub(super) enum Unit {
    Char(char),
    Byte(u8),
}

/// Bytes as Go's `range` over a string sees them: an invalid byte stands for itself.
pub(super) fn units(bytes: &[u8]) -> impl Iterator<Item = Unit> + '_ {
    bytes.utf8_chunks().flat_map(|chunk| {
        chunk.valid().chars().map(Unit::Char).chain(chunk.invalid().iter().copied().map(Unit::Byte))
    })
}

/// Go's `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII space.
pub(super) fn is_printable(c: char) -> bool {
    // A combining mark is escaped by `escape_debug` only at the start of a text.
    matches!(c, '"' | '\'' | '\\') || ['a', c].iter().collect::<String>().escape_debug().count() == 2
}
