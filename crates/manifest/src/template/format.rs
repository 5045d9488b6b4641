//! `print`, `println` and `printf`: the part of Go's `fmt` that texts, numbers, booleans and lists of them need.

use super::buffer::{Buffer, Text};
use super::escape::{can_backquote, quote, quoted_char};
use super::float;
use super::value::Value;

/// Largest width, precision or argument number, as in Go.
const MAX_NUMBER: usize = 1_000_000;
/// Largest precision of a floating point number: more digits than any has, and fewer than Rust's `format!` allows.
const MAX_FLOAT_PRECISION: usize = 1000;

/// Go's `fmt.Sprint`: a space between two operands when neither is a text.
///
/// # Errors
/// A value that is never printed, or more than `limit` bytes.
pub(super) fn print(args: &[Value], limit: usize) -> Result<Text, String> {
    let mut out = Buffer::new(limit);
    let mut after_text = true;
    for (i, arg) in args.iter().enumerate() {
        let is_text = matches!(arg, Value::Text(_));
        if i > 0 && !is_text && !after_text {
            out.push(b" ")?;
        }
        write_plain(&mut out, arg)?;
        after_text = is_text;
    }
    Ok(out.into_text())
}

/// Go's `fmt.Sprintln`: spaces between all operands and a line feed.
///
/// # Errors
/// A value that is never printed, or more than `limit` bytes.
pub(super) fn println(args: &[Value], limit: usize) -> Result<Text, String> {
    let mut out = Buffer::new(limit);
    for (i, arg) in args.iter().enumerate() {
        out.push(if i > 0 { b" " } else { b"" })?;
        write_plain(&mut out, arg)?;
    }
    out.push(b"\n")?;
    Ok(out.into_text())
}

/// Writes a value as `%v` does.
///
/// # Errors
/// A value that is never printed, or a full buffer.
pub(super) fn write_plain(out: &mut Buffer, value: &Value) -> Result<(), String> {
    match value {
        Value::Text(bytes) => out.push(bytes),
        value => write_value(out, 'v', &Flags::default(), value),
    }
}

/// Go's `fmt.Sprintf`. As there, a verb that does not fit is reported in the output (`%!d(string=x)`).
///
/// # Errors
/// A value that is never printed, more than `limit` bytes, or a verb that is not supported.
pub(super) fn printf(format: &[u8], args: &[Value], limit: usize) -> Result<Text, String> {
    let mut printer = Printer { out: Buffer::new(limit), args, next: 0, reordered: false, good: true };
    let mut rest = format;
    while let Some(percent) = rest.iter().position(|b| *b == b'%') {
        printer.out.push(&rest[..percent])?;
        rest = printer.directive(&rest[percent + 1..])?;
    }
    printer.out.push(rest)?;
    printer.extra()?;
    Ok(printer.out.into_text())
}

/// What stands between `%` and the verb.
#[derive(Default, Clone)]
struct Flags {
    minus: bool,
    plus: bool,
    sharp: bool,
    /// `#` before `v`: as in Go's own syntax.
    go_syntax: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

struct Printer<'a> {
    out: Buffer,
    args: &'a [Value],
    next: usize,
    reordered: bool,
    /// The last argument index, as in `%[2]d`, was one.
    good: bool,
}

impl<'a> Printer<'a> {
    /// One directive after its `%`; gives back what follows it.
    fn directive<'f>(&mut self, mut rest: &'f [u8]) -> Result<&'f [u8], String> {
        self.good = true;
        let mut flags = Flags::default();
        while let Some((flag, after)) = rest.split_first() {
            match flag {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            rest = after;
        }
        rest = self.argument_index(rest);
        (flags.width, rest) = self.width(rest, &mut flags.minus)?;
        if let Some(after) = rest.strip_prefix(b".") {
            rest = self.argument_index(after);
            (flags.precision, rest) = self.precision(rest)?;
        }
        rest = self.argument_index(rest);
        flags.zero &= !flags.minus;
        let Some((verb, rest)) = first_char(rest) else {
            self.out.push(b"%!(NOVERB)")?;
            return Ok(rest);
        };
        self.verb(verb, flags)?;
        Ok(rest)
    }

    fn verb(&mut self, verb: char, mut flags: Flags) -> Result<(), String> {
        if verb == '%' {
            return self.out.push(b"%");
        }
        if !self.good {
            return self.out.push(format!("%!{verb}(BADINDEX)").as_bytes());
        }
        let Some(arg) = self.args.get(self.next) else {
            return self.out.push(format!("%!{verb}(MISSING)").as_bytes());
        };
        self.next += 1;
        if matches!(verb, 'v' | 'w') {
            flags.go_syntax = flags.sharp;
            (flags.plus, flags.sharp) = (false, false);
        }
        write_value(&mut self.out, verb, &flags, arg)
    }

    /// `[n]`, which chooses the next argument.
    fn argument_index<'f>(&mut self, rest: &'f [u8]) -> &'f [u8] {
        let Some(inner) = rest.strip_prefix(b"[") else { return rest };
        self.reordered = true;
        let Some(end) = inner.iter().position(|b| *b == b']') else {
            self.good = false;
            return inner;
        };
        match number(&inner[..end]) {
            (Some(n), []) if n >= 1 && n <= self.args.len() => self.next = n - 1,
            _ => self.good = false,
        }
        &inner[end + 1..]
    }

    /// Digits, or `*` for an argument; a negative one pads on the right.
    fn width<'f>(&mut self, rest: &'f [u8], minus: &mut bool) -> Result<(Option<usize>, &'f [u8]), String> {
        let Some(after) = rest.strip_prefix(b"*") else { return Ok(number(rest)) };
        let width = self.size_argument();
        if width.is_none() {
            self.out.push(b"%!(BADWIDTH)")?;
        }
        *minus |= width.is_some_and(|n| n < 0);
        Ok((width.and_then(|n| usize::try_from(n.unsigned_abs()).ok()), after))
    }

    /// What follows the point: digits, `*` for an argument, or nothing, which means 0.
    fn precision<'f>(&mut self, rest: &'f [u8]) -> Result<(Option<usize>, &'f [u8]), String> {
        let Some(after) = rest.strip_prefix(b"*") else {
            let (precision, after) = number(rest);
            return Ok((Some(precision.unwrap_or(0)), after));
        };
        let precision = self.size_argument().and_then(|n| usize::try_from(n).ok());
        if precision.is_none() {
            self.out.push(b"%!(BADPREC)")?;
        }
        Ok((precision, after))
    }

    fn size_argument(&mut self) -> Option<i64> {
        let value = self.args.get(self.next);
        self.next = self.args.len().min(self.next + 1);
        match value {
            Some(Value::Int(n)) if n.unsigned_abs() <= MAX_NUMBER as u64 => Some(*n),
            _ => None,
        }
    }

    /// Arguments that no verb took.
    fn extra(&mut self) -> Result<(), String> {
        if self.reordered || self.next >= self.args.len() {
            return Ok(());
        }
        self.out.push(b"%!(EXTRA ")?;
        for (i, arg) in self.args.iter().skip(self.next).enumerate() {
            self.out.push(if i > 0 { b", " } else { b"" })?;
            write_typed(&mut self.out, arg, &Flags::default())?;
        }
        self.out.push(b")")
    }
}

fn first_char(bytes: &[u8]) -> Option<(char, &[u8])> {
    let chunk = bytes.utf8_chunks().next()?;
    match chunk.valid().chars().next() {
        Some(c) => Some((c, &bytes[c.len_utf8()..])),
        None => Some(('\u{fffd}', &bytes[1..])),
    }
}

/// Digits at the start; a number that is too large counts as none.
fn number(bytes: &[u8]) -> (Option<usize>, &[u8]) {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let text = std::str::from_utf8(&bytes[..digits]).unwrap_or_default();
    (text.parse().ok().filter(|n| *n <= MAX_NUMBER), &bytes[digits..])
}

/// Writes any value under a verb.
fn write_value(out: &mut Buffer, verb: char, flags: &Flags, value: &Value) -> Result<(), String> {
    let Some(go_type) = value.go_type() else { return Err(value.unprintable()) };
    if verb == 'T' && go_type != "<nil>" {
        return write_text(out, 's', flags, go_type.as_bytes());
    }
    match (value, verb) {
        (Value::Nil, 'v' | 'T') => pad(out, flags, b"<nil>"),
        (Value::Bool(truth), 'v' | 't') => pad(out, flags, if *truth { b"true" } else { b"false" }),
        (Value::Int(n), 'v' | 'd' | 'b' | 'o' | 'O' | 'x' | 'X' | 'c' | 'q' | 'U') => {
            write_int(out, verb, flags, *n)
        }
        (Value::Float(_), 'b' | 'x' | 'X') => Err(format!("printf: %{verb} of a floating point number")),
        (Value::Float(n), 'v' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G') => write_float(out, verb, flags, *n),
        (Value::Text(bytes), 'v' | 's' | 'q' | 'x' | 'X') => write_text(out, verb, flags, bytes),
        (Value::List(items), _) => {
            out.push(b"[")?;
            for (i, item) in items.iter().enumerate() {
                out.push(if i > 0 { b" " } else { b"" })?;
                write_value(out, verb, flags, item)?;
            }
            out.push(b"]")
        }
        (value, verb) => {
            out.push(format!("%!{verb}(").as_bytes())?;
            write_typed(out, value, flags)?;
            out.push(b")")
        }
    }
}

/// `type=value`, as Go reports an argument that does not fit.
fn write_typed(out: &mut Buffer, value: &Value, flags: &Flags) -> Result<(), String> {
    let Some(go_type) = value.go_type() else { return Err(value.unprintable()) };
    out.push(go_type.as_bytes())?;
    if matches!(value, Value::Nil) {
        return Ok(());
    }
    out.push(b"=")?;
    write_value(out, 'v', flags, value)
}

fn write_text(out: &mut Buffer, verb: char, flags: &Flags, bytes: &[u8]) -> Result<(), String> {
    if matches!(verb, 'x' | 'X') {
        return write_hex(out, verb, flags, bytes);
    }
    let cut = flags.precision.map_or(bytes, |runes| first_runes(bytes, runes));
    if verb == 's' || verb == 'v' && !flags.go_syntax {
        return pad(out, flags, cut);
    }
    let mut quoted = Buffer::new(out.room());
    if flags.sharp && verb == 'q' && can_backquote(cut) {
        quoted.push(b"`")?;
        quoted.push(cut)?;
        quoted.push(b"`")?;
    } else {
        quote(&mut quoted, cut, flags.plus)?;
    }
    pad(out, flags, &quoted.finish())
}

fn first_runes(bytes: &[u8], count: usize) -> &[u8] {
    let length: usize = super::escape::units(bytes)
        .take(count)
        .map(|unit| match unit {
            super::escape::Unit::Char(c) => c.len_utf8(),
            super::escape::Unit::Byte(_) => 1,
        })
        .sum();
    bytes.get(..length).unwrap_or(bytes)
}

fn write_hex(out: &mut Buffer, verb: char, flags: &Flags, bytes: &[u8]) -> Result<(), String> {
    let bytes = bytes.get(..flags.precision.unwrap_or(bytes.len())).unwrap_or(bytes);
    let prefix = if verb == 'x' { "0x" } else { "0X" };
    let mut digits = Buffer::new(out.room());
    for (i, byte) in bytes.iter().enumerate() {
        if i > 0 && flags.space {
            digits.push(b" ")?;
        }
        if flags.sharp && (i == 0 || flags.space) {
            digits.push(prefix.as_bytes())?;
        }
        let pair = if verb == 'x' { format!("{byte:02x}") } else { format!("{byte:02X}") };
        digits.push(pair.as_bytes())?;
    }
    pad(out, flags, &digits.finish())
}

fn write_int(out: &mut Buffer, verb: char, flags: &Flags, n: i64) -> Result<(), String> {
    let size = n.unsigned_abs();
    let (digits, prefix) = match verb {
        'c' | 'q' => return write_char(out, verb, flags, n),
        'U' => return write_code_point(out, flags, n),
        'b' => (format!("{size:b}"), if flags.sharp { "0b" } else { "" }),
        'o' => (format!("{size:o}"), ""),
        'O' => (format!("{size:o}"), "0o"),
        'x' => (format!("{size:x}"), if flags.sharp { "0x" } else { "" }),
        'X' => (format!("{size:X}"), if flags.sharp { "0X" } else { "" }),
        _ => (size.to_string(), ""),
    };
    let sign = sign(n < 0, flags);
    if flags.precision == Some(0) && n == 0 {
        return out.fill(b' ', flags.width.unwrap_or(0));
    }
    let least = match (flags.precision, flags.width) {
        (Some(precision), _) => precision,
        (None, Some(width)) if flags.zero => width.saturating_sub(sign.len()),
        _ => 0,
    };
    let zeros = "0".repeat(least.saturating_sub(digits.len()).min(MAX_NUMBER));
    let octal =
        flags.sharp && matches!(verb, 'o' | 'O') && !zeros.starts_with('0') && !digits.starts_with('0');
    let octal = if octal { "0" } else { "" };
    let written = format!("{sign}{prefix}{octal}{zeros}{digits}");
    pad(out, &Flags { zero: false, ..flags.clone() }, written.as_bytes())
}

fn sign(negative: bool, flags: &Flags) -> &'static str {
    match (negative, flags.plus, flags.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    }
}

fn code_point(n: i64) -> char {
    u32::try_from(n).ok().and_then(char::from_u32).unwrap_or('\u{fffd}')
}

fn write_char(out: &mut Buffer, verb: char, flags: &Flags, n: i64) -> Result<(), String> {
    let c = code_point(n);
    let mut written = Buffer::new(16);
    if verb == 'q' {
        written.push(b"'")?;
        quoted_char(&mut written, c, '\'', flags.plus)?;
        written.push(b"'")?;
    } else {
        written.push_char(c)?;
    }
    pad(out, flags, &written.finish())
}

fn write_code_point(out: &mut Buffer, flags: &Flags, n: i64) -> Result<(), String> {
    let digits = format!("{n:X}");
    let least = flags.precision.map_or(4, |precision| precision.max(4));
    let mut written = format!("U+{}{digits}", "0".repeat(least.saturating_sub(digits.len())));
    let c = code_point(n);
    if flags.sharp && i64::from(u32::from(c)) == n && super::escape::is_printable(c) {
        written.push_str(&format!(" '{c}'"));
    }
    pad(out, &Flags { zero: false, ..flags.clone() }, written.as_bytes())
}

fn write_float(out: &mut Buffer, verb: char, flags: &Flags, n: f64) -> Result<(), String> {
    if flags.sharp || flags.go_syntax {
        return Err("printf: # before a verb of a floating point number".into());
    }
    if flags.precision.is_some_and(|precision| precision > MAX_FLOAT_PRECISION) {
        return Err(format!("printf: a precision over {MAX_FLOAT_PRECISION} of a floating point number"));
    }
    let digits = match verb {
        'v' => float::general(n.abs(), flags.precision, 'e'),
        'e' | 'E' => float::exponent(n.abs(), flags.precision.unwrap_or(6), verb),
        'g' | 'G' => float::general(n.abs(), flags.precision, if verb == 'g' { 'e' } else { 'E' }),
        _ => format!("{:.*}", flags.precision.unwrap_or(6), n.abs()),
    };
    let sign = sign(n.is_sign_negative(), flags);
    let width = flags.width.unwrap_or(0);
    let zeros = if flags.zero { width.saturating_sub(sign.len() + digits.len()) } else { 0 };
    let written = format!("{sign}{}{digits}", "0".repeat(zeros));
    pad(out, flags, written.as_bytes())
}

/// Fills up to the width, which counts characters.
fn pad(out: &mut Buffer, flags: &Flags, bytes: &[u8]) -> Result<(), String> {
    let missing = match flags.width {
        None => 0,
        Some(width) => width.saturating_sub(super::escape::units(bytes).count()),
    };
    if !flags.minus {
        out.fill(if flags.zero { b'0' } else { b' ' }, missing)?;
    }
    out.push(bytes)?;
    out.fill(b' ', if flags.minus { missing } else { 0 })
}
