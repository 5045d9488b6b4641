//! Numbers, characters and quoted texts as Go writes them.

use super::ast::ExprKind;

/// A number literal: a whole number, or a float if it is written with `.` or an exponent.
///
/// # Errors
/// Not a number, or one that does not fit.
pub(super) fn number(written: &str) -> Result<ExprKind, String> {
    let hexadecimal =
        written.trim_start_matches(['+', '-']).get(..2).is_some_and(|p| p.eq_ignore_ascii_case("0x"));
    if !hexadecimal && written.contains(['.', 'e', 'E']) {
        return float(written).map(ExprKind::Float);
    }
    integer(written).map(ExprKind::Int)
}

fn float(written: &str) -> Result<f64, String> {
    let plain = without_separators(written).ok_or_else(|| bad(written))?;
    let starts_well =
        plain.trim_start_matches(['+', '-']).starts_with(|c: char| c == '.' || c.is_ascii_digit());
    match plain.parse::<f64>() {
        Ok(value) if starts_well && value.is_finite() => Ok(value),
        _ => Err(bad(written)),
    }
}

fn integer(written: &str) -> Result<i64, String> {
    let (sign, digits) = match written.as_bytes().first() {
        Some(b'-') => ("-", &written[1..]),
        Some(b'+') => ("", &written[1..]),
        _ => ("", written),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    // An underscore may follow the prefix directly, as in 0x_ff.
    let digits = if base == 10 { digits } else { digits.strip_prefix('_').unwrap_or(digits) };
    let digits = without_separators(digits).ok_or_else(|| bad(written))?;
    if digits.starts_with(['+', '-']) {
        return Err(bad(written));
    }
    i64::from_str_radix(&format!("{sign}{digits}"), base).map_err(|_| bad(written))
}

fn bad(written: &str) -> String {
    format!("{written} is not a number, or does not fit into 64 bits")
}

/// Takes out underscores, which stand only between digits.
fn without_separators(digits: &str) -> Option<String> {
    let misplaced = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    (!misplaced).then(|| digits.replace('_', ""))
}

/// The value of a character constant in quotes, `'a'`.
///
/// # Errors
/// Not exactly one character.
pub(super) fn character(written: &str) -> Result<i64, String> {
    let inner = written.get(1..written.len().saturating_sub(1)).unwrap_or_default();
    let bad = || "a text in ' must be one character".to_owned();
    let (unit, rest) = unit(inner, '\'').ok_or_else(bad)?;
    if !rest.is_empty() {
        return Err(bad());
    }
    Ok(match unit {
        Unit::Char(c) => i64::from(u32::from(c)),
        Unit::Byte(b) => i64::from(b),
    })
}

/// The bytes of a text in double quotes or backquotes.
///
/// # Errors
/// An escape that Go does not know.
pub(super) fn quoted(written: &str) -> Result<Vec<u8>, String> {
    let inner = written.get(1..written.len().saturating_sub(1)).unwrap_or_default();
    if written.starts_with('`') {
        return Ok(inner.bytes().filter(|b| *b != b'\r').collect());
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while !rest.is_empty() {
        let (unit, after) = unit(rest, '"').ok_or("a text in \" has an unknown escape after \\")?;
        match unit {
            Unit::Char(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Unit::Byte(b) => out.push(b),
        }
        rest = after;
    }
    Ok(out)
}

enum Unit {
    Char(char),
    Byte(u8),
}

/// The first character or escape of a text, and the rest.
fn unit(text: &str, quote: char) -> Option<(Unit, &str)> {
    let mut chars = text.chars();
    let first = chars.next()?;
    if first != '\\' {
        return (first != quote).then_some((Unit::Char(first), chars.as_str()));
    }
    let escape = chars.next()?;
    let rest = chars.as_str();
    let simple = match escape {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' => '\\',
        c if c == quote => c,
        'x' => return code(rest, 2, 16).and_then(|(n, r)| Some((Unit::Byte(u8::try_from(n).ok()?), r))),
        'u' => return code(rest, 4, 16).and_then(|(n, r)| Some((Unit::Char(char::from_u32(n)?), r))),
        'U' => return code(rest, 8, 16).and_then(|(n, r)| Some((Unit::Char(char::from_u32(n)?), r))),
        '0'..='7' => {
            let digits = &text[1..];
            return code(digits, 3, 8).and_then(|(n, r)| Some((Unit::Byte(u8::try_from(n).ok()?), r)));
        }
        _ => return None,
    };
    Some((Unit::Char(simple), rest))
}

fn code(text: &str, digits: usize, base: u32) -> Option<(u32, &str)> {
    let number = text.get(..digits).filter(|n| n.chars().all(|c| c.is_digit(base)))?;
    Some((u32::from_str_radix(number, base).ok()?, &text[digits..]))
}
