//! The tokens of JSON. Messages never quote the text: it may be the content of a file.

use std::borrow::Cow;

use super::Stop;

/// A position in a JSON text that moves forward token by token.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next byte that is no white space, not consumed.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    /// Consumes `wanted` if it comes next.
    pub(super) fn eat(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, wanted: u8) -> Result<(), Stop> {
        match self.eat(wanted) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("`{}`", char::from(wanted)))),
        }
    }

    pub(super) fn unexpected(&self, wanted: &str) -> Stop {
        match self.byte() {
            Some(_) => self.stop(format!("not JSON: expected {wanted}")),
            None => self.stop(format!("not JSON: the text ends where {wanted} is expected")),
        }
    }

    pub(super) fn word(&mut self, word: &'static str) -> Result<(), Stop> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.unexpected(word));
        }
        self.at += word.len();
        Ok(())
    }

    /// A number, as written.
    pub(super) fn number(&mut self) -> Result<&'a str, Stop> {
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        let integer = self.at;
        self.digits()?;
        if self.at - integer > 1 && self.text.as_bytes()[integer] == b'0' {
            return Err(Stop::new(integer, "not JSON: a number may not begin with 0"));
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        self.exponent()?;
        Ok(&self.text[start..self.at])
    }

    fn exponent(&mut self) -> Result<(), Stop> {
        if !matches!(self.byte(), Some(b'e' | b'E')) {
            return Ok(());
        }
        self.at += 1;
        self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
        self.digits()
    }

    fn digits(&mut self) -> Result<(), Stop> {
        let start = self.at;
        while self.byte().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected("a digit")) } else { Ok(()) }
    }

    /// A string, escapes resolved.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Stop> {
        self.expect(b'"')?;
        let mut text = Cow::Borrowed(self.run());
        loop {
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    let c = self.escape()?;
                    let text = text.to_mut();
                    text.push(c);
                    text.push_str(self.run());
                }
                Some(_) => return Err(self.stop("not JSON: a control character in a string must be escaped")),
                None => return Err(self.stop("not JSON: the text ends within a string")),
            }
        }
    }

    /// What needs no unescaping, up to the next quote, backslash or control character.
    fn run(&mut self) -> &'a str {
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len());
        let start = self.at;
        self.at += length;
        &self.text[start..self.at]
    }

    fn escape(&mut self) -> Result<char, Stop> {
        let start = self.at;
        self.at += 1;
        let plain = match self.byte() {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(start),
            _ => return Err(Stop::new(start, "not JSON: unknown escape in a string")),
        };
        self.at += 1;
        Ok(plain)
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char, Stop> {
        let first = self.code_unit(start)?;
        let mut units = vec![first];
        if (0xd800..0xdc00).contains(&first) && self.byte() == Some(b'\\') {
            self.at += 1;
            units.push(self.code_unit(start)?);
        }
        match String::from_utf16(&units).ok().and_then(|s| s.chars().next()) {
            Some(c) => Ok(c),
            None => Err(Stop::new(start, "not JSON: half of a UTF-16 surrogate pair in a string")),
        }
    }

    /// `uXXXX`.
    fn code_unit(&mut self, start: usize) -> Result<u16, Stop> {
        let digits = self.text.as_bytes().get(self.at..self.at + 5).unwrap_or_default();
        let value = match digits {
            [b'u', hex @ ..] if hex.iter().all(u8::is_ascii_hexdigit) => hex
                .iter()
                .try_fold(0u16, |sum, b| Some(sum << 4 | u16::try_from(char::from(*b).to_digit(16)?).ok()?)),
            _ => None,
        };
        self.at += 5;
        value.ok_or_else(|| Stop::new(start, "not JSON: \\u needs four hexadecimal digits"))
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn stop(&self, message: impl Into<String>) -> Stop {
        Stop::new(self.at, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Result<String, String> {
        Lexer::new(text)
            .string()
            .map(Cow::into_owned)
            .map_err(|stop| format!("{}: {}", stop.at, stop.message))
    }

    #[test]
    fn strings() {
        let good = [
            (r#""""#, ""),
            (r#""plain ß""#, "plain ß"),
            (r#""a\"\\\/\b\f\n\r\tb""#, "a\"\\/\u{8}\u{c}\n\r\tb"),
            (r#""\u00e9\u0000""#, "é\0"),
            (r#""\ud83c\udf4f!""#, "🍏!"),
        ];
        for (text, want) in good {
            assert_eq!(string(text).as_deref(), Ok(want), "{text}");
        }
        let bad = [
            "",
            "\"",
            "\"a",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud83c\"",
            "\"\\udf4f\"",
            "\"\\ud83c\\n\"",
            "\"\\ud83c\\u0041\"",
            "\"a\nb\"",
            "\"\\u12é\"",
        ];
        for text in bad {
            assert!(string(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers() {
        for text in ["0", "-0", "12", "-1.5", "1e9", "1E-9", "0.25e+1"] {
            assert_eq!(Lexer::new(text).number().as_deref(), Ok(text));
        }
        for text in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1"] {
            assert!(Lexer::new(text).number().is_err(), "{text}");
        }
    }
}
