//! From text to tokens, after the lexical rules of Go's `text/template`.
//!
//! Tokens are made one at a time and nothing is kept of them; a copy of the lexer is a look-ahead.

use super::Fail;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Literal text outside of actions, already trimmed.
    Text,
    /// `{{`.
    Left,
    /// `}}`.
    Right,
    /// White space inside an action; it separates arguments.
    Space,
    Assign,
    Declare,
    Pipe,
    Comma,
    OpenParen,
    CloseParen,
    /// `.` alone.
    Dot,
    /// `.name`.
    Field,
    /// `$` or `$name`.
    Variable,
    /// A function or keyword.
    Word,
    /// `"..."`, with quotes and escapes.
    Quoted,
    /// `` `...` ``.
    Raw,
    /// `'c'`.
    Char,
    Number,
    /// The end of the text.
    End,
}

/// A token and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) at: usize,
}

/// Reads tokens.
#[derive(Clone)]
pub(super) struct Lexer<'a> {
    source: &'a str,
    at: usize,
    inside: bool,
    parens: usize,
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

impl<'a> Lexer<'a> {
    /// A lexer at the start of `source`.
    pub(super) fn new(source: &'a str) -> Self {
        Self { source, at: 0, inside: false, parens: 0 }
    }

    /// The next token.
    ///
    /// # Errors
    /// What is not a token.
    pub(super) fn next(&mut self) -> Result<Token<'a>, Fail> {
        if self.inside { self.inside_action() } else { self.outside() }
    }

    /// The whole text.
    pub(super) fn source(&self) -> &'a str {
        self.source
    }

    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, kind: Kind, length: usize) -> Token<'a> {
        let at = self.at;
        let text = self.rest().get(..length).unwrap_or_default();
        self.at += length;
        Token { kind, text, at }
    }

    fn outside(&mut self) -> Result<Token<'a>, Fail> {
        loop {
            let rest = self.rest();
            let Some(open) = rest.find("{{") else {
                return Ok(self.take(if rest.is_empty() { Kind::End } else { Kind::Text }, rest.len()));
            };
            let trims = starts_trimming(&rest[open + 2..]);
            let text = if trims { rest[..open].trim_end_matches(SPACES) } else { &rest[..open] };
            if !text.is_empty() {
                let token = self.take(Kind::Text, text.len());
                self.at += open - text.len();
                return Ok(token);
            }
            self.at += open;
            let marker = 2 + if trims { 2 } else { 0 };
            if rest[open + marker..].starts_with("/*") {
                self.comment(marker)?;
                continue;
            }
            self.inside = true;
            self.parens = 0;
            return Ok(self.take(Kind::Left, marker));
        }
    }

    fn comment(&mut self, marker: usize) -> Result<(), Fail> {
        let at = self.at;
        let body = &self.rest()[marker..];
        let end = body.find("*/").ok_or_else(|| Fail::new(at, "this comment is never closed with */"))?;
        self.at += marker + end + 2;
        match self.closing() {
            Some(length) => {
                self.close(length);
                Ok(())
            }
            None => Err(Fail::new(at, "a comment must fill its action: write {{/* ... */}}")),
        }
    }

    /// Length of the closing delimiter here, if there is one; three bytes more than two if it trims.
    fn closing(&self) -> Option<usize> {
        let rest = self.rest();
        if rest.starts_with("}}") {
            return Some(2);
        }
        (rest.starts_with(SPACES) && rest[1..].starts_with("-}}")).then_some(4)
    }

    fn close(&mut self, length: usize) -> Token<'a> {
        let token = self.take(Kind::Right, length);
        self.inside = false;
        if length > 2 {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches(SPACES).len();
        }
        token
    }

    fn inside_action(&mut self) -> Result<Token<'a>, Fail> {
        if let Some(length) = self.closing() {
            if self.parens > 0 {
                return Err(Fail::new(self.at, "a left parenthesis is not closed in this action"));
            }
            return Ok(self.close(length));
        }
        let rest = self.rest();
        let mut chars = rest.chars();
        let (Some(first), second) = (chars.next(), chars.next()) else {
            return Err(Fail::new(self.at, "an action is not closed: }} is missing"));
        };
        match first {
            c if SPACES.contains(&c) => Ok(self.space()),
            '=' => Ok(self.take(Kind::Assign, 1)),
            ':' if second == Some('=') => Ok(self.take(Kind::Declare, 2)),
            ':' => Err(Fail::new(self.at, "expected := after a variable")),
            '|' => Ok(self.take(Kind::Pipe, 1)),
            ',' => Ok(self.take(Kind::Comma, 1)),
            '(' => {
                self.parens += 1;
                Ok(self.take(Kind::OpenParen, 1))
            }
            ')' if self.parens == 0 => Err(Fail::new(self.at, "a right parenthesis without a left one")),
            ')' => {
                self.parens -= 1;
                Ok(self.take(Kind::CloseParen, 1))
            }
            '"' => self.quoted('"', Kind::Quoted),
            '\'' => self.quoted('\'', Kind::Char),
            '`' => self.raw(),
            '$' => self.word(Kind::Variable),
            '.' if !second.is_some_and(|c| c.is_ascii_digit()) => self.word(Kind::Field),
            '+' | '-' | '.' | '0'..='9' => Ok(self.number()),
            c if is_word(c) => self.word(Kind::Word),
            c => Err(Fail::new(self.at, format!("unexpected character {c:?} in an action"))),
        }
    }

    /// White space, but not the one that belongs to a trimming delimiter.
    fn space(&mut self) -> Token<'a> {
        let rest = self.rest();
        let all = rest.len() - rest.trim_start_matches(SPACES).len();
        let closes = all > 1 && rest[all..].starts_with("-}}");
        self.take(Kind::Space, if closes { all - 1 } else { all })
    }

    fn quoted(&mut self, quote: char, kind: Kind) -> Result<Token<'a>, Fail> {
        let rest = self.rest();
        let mut escaped = false;
        for (i, c) in rest.char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == quote => return Ok(self.take(kind, i + 1)),
                _ => {}
            }
        }
        Err(Fail::new(self.at, format!("a text in {quote} is not closed on its line")))
    }

    fn raw(&mut self) -> Result<Token<'a>, Fail> {
        match self.rest()[1..].find('`') {
            Some(end) => Ok(self.take(Kind::Raw, end + 2)),
            None => Err(Fail::new(self.at, "a text in ` is not closed")),
        }
    }

    /// A number's extent; whether it is one is decided when it is read.
    fn number(&mut self) -> Token<'a> {
        let rest = self.rest();
        let hex = is_hexadecimal(rest);
        let mut before = ' ';
        let mut end = rest.len();
        for (i, c) in rest.char_indices() {
            let sign = matches!(c, '+' | '-') && (i == 0 || !hex && matches!(before, 'e' | 'E'));
            if !(sign || c == '.' || is_word(c)) {
                end = i;
                break;
            }
            before = c;
        }
        self.take(Kind::Number, end)
    }

    /// `.name`, `$name` or `name`; the character after it must be one that may follow a name.
    fn word(&mut self, kind: Kind) -> Result<Token<'a>, Fail> {
        let rest = self.rest();
        let prefix = usize::from(kind != Kind::Word);
        let length =
            rest[prefix..].char_indices().find(|(_, c)| !is_word(*c)).map_or(rest.len(), |(i, _)| i + prefix);
        if let Some(c) = rest[length..].chars().next()
            && !rest[length..].starts_with("}}")
            && !SPACES.contains(&c)
            && !matches!(c, '.' | ',' | '|' | ':' | '(' | ')')
        {
            let hint =
                if c == '-' { "; a name with - is reached by index: index .Secrets \"a-b\"" } else { "" };
            return Err(Fail::new(self.at + length, format!("unexpected character {c:?} in a name{hint}")));
        }
        Ok(self.take(if kind == Kind::Field && length == 1 { Kind::Dot } else { kind }, length))
    }
}

/// Whether a number is written in hexadecimal, where `e` is a digit.
fn is_hexadecimal(number: &str) -> bool {
    let digits = number.trim_start_matches(['+', '-']);
    digits.starts_with("0x") || digits.starts_with("0X")
}

fn starts_trimming(after: &str) -> bool {
    after.starts_with('-') && after[1..].starts_with(SPACES)
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}
