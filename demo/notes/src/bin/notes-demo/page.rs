//! The page that the reader sees: numbered steps, commands, what they print, and why it can be trusted.

use std::io::{self, Write as _};

/// Lines are at most this long, margins included: what every terminal has.
const WIDTH: usize = 79;

/// Prints to standard output. Fails when nobody reads any more, which ends the demo.
pub(crate) struct Page {
    colour: bool,
    step: usize,
}

impl Page {
    pub(crate) fn new(colour: bool) -> Self {
        Self { colour, step: 0 }
    }

    /// The title, and the warning that belongs above everything.
    pub(crate) fn title(&mut self, title: &str, about: &str, warning: &[&str]) -> io::Result<()> {
        self.line(&self.paint("1", title))?;
        self.wrapped("", about)?;
        self.line("")?;
        for line in warning {
            self.line(&self.paint("1;33", &format!("  !! {line}")))?;
        }
        Ok(())
    }

    /// Begins the next step.
    pub(crate) fn step(&mut self, title: &str) -> io::Result<()> {
        self.step += 1;
        let head = format!("{:>2}  {title}", self.step);
        self.line("")?;
        self.line(&self.paint("1;36", &head))
    }

    /// What the reader could type. A long one is broken where it has line breaks, else where it has spaces.
    pub(crate) fn command(&mut self, command: &str) -> io::Result<()> {
        let lines: Vec<_> =
            command.lines().flat_map(|line| fitting(line, WIDTH - "    $  \\".len())).collect();
        for (index, line) in lines.iter().enumerate() {
            let before = if index == 0 { self.paint("2", "$") } else { "   ".into() };
            let after = if index + 1 < lines.len() { " \\" } else { "" };
            self.line(&format!("    {before} {}{after}", self.paint("1", line)))?;
        }
        Ok(())
    }

    /// What it printed, line by line; only lines that are too long are wrapped.
    pub(crate) fn output(&mut self, text: &str) -> io::Result<()> {
        let indent = "      ";
        let lines = text.lines().filter(|line| !line.is_empty());
        let lines = lines.flat_map(|line| fitting(line, WIDTH - indent.len()));
        lines.into_iter().try_for_each(|line| self.line(&format!("{indent}{line}")))
    }

    /// Something that was just seen to be so.
    pub(crate) fn seen(&mut self, text: &str) -> io::Result<()> {
        let mark = self.paint("32", "ok");
        self.line(&format!("    {mark} {text}"))
    }

    /// Why that can be trusted.
    pub(crate) fn why(&mut self, text: &str) -> io::Result<()> {
        self.wrapped("    ", text)
    }

    /// A heading without a number.
    pub(crate) fn heading(&mut self, text: &str) -> io::Result<()> {
        self.line("")?;
        self.line(&self.paint("1", text))
    }

    fn wrapped(&mut self, indent: &str, text: &str) -> io::Result<()> {
        wrap(text, WIDTH - indent.len())
            .iter()
            .try_for_each(|line| self.line(&format!("{indent}{}", self.paint("2", line))))
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// As it stands if it is short enough: its spaces may mean something.
fn fitting(line: &str, width: usize) -> Vec<String> {
    if line.chars().count() <= width { vec![line.to_owned()] } else { wrap(line, width) }
}

/// Breaks at spaces, so that no line is longer than `width` unless a word is.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("incomprehensible word", 4), ["incomprehensible", "word"]);
        assert!(wrap("", 4).is_empty());
    }
}
