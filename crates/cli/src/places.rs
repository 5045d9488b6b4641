//! Where in a file the things stand that a finding names: `Marbles.web.Parameters.Env.ROOT_CA` -> line 12, column 7.

use std::collections::HashMap;

use crate::yaml::{Node, Position, Value};

/// Positions of all keys and list items of a document, by their path.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Places(HashMap<String, Position>);

impl Places {
    /// Of a YAML document.
    pub fn of_yaml(document: &Node) -> Self {
        let mut places = Self::default();
        places.add_yaml(String::new(), document);
        places
    }

    /// Of a JSON document that has already been found to be one.
    pub fn of_json(text: &str) -> Self {
        let start = Position { line: 1, column: 1 };
        let mut scan =
            JsonScan { rest: text.chars().peekable(), at: start, open: Vec::new(), places: Self::default() };
        scan.document();
        scan.places
    }

    /// The position of `path`, or of the innermost thing around it that exists (a finding may name what is missing).
    pub fn find(&self, path: &str) -> Option<Position> {
        let path = normal(path);
        let mut prefix = path.as_str();
        loop {
            if let Some(position) = self.0.get(prefix) {
                return Some(*position);
            }
            prefix = &prefix[..prefix.rfind('.')?];
        }
    }

    fn insert(&mut self, path: &str, at: Position) {
        self.0.entry(normal(path)).or_insert(at);
    }

    fn add_yaml(&mut self, path: String, node: &Node) {
        // What an alias brings in stands where its anchor is; a tree as tall as the parser allows is no stack to fear,
        // and one as wide as aliases can make it stops at a size that no honest manifest has.
        if self.0.len() > MAX_PLACES {
            return;
        }
        match &node.value {
            Value::Map(entries) => entries.iter().for_each(|entry| {
                let path = join(&path, &entry.key);
                self.insert(&path, entry.at);
                self.add_yaml(path, &entry.value);
            }),
            Value::List(items) => items.iter().enumerate().for_each(|(i, item)| {
                let path = join(&path, &i.to_string());
                self.insert(&path, item.at);
                self.add_yaml(path, item);
            }),
            _ => {}
        }
    }
}

/// Places that are remembered at most.
const MAX_PLACES: usize = 1_000_000;

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Keys are known in any case, and `Argv[0]` is as good as `Argv.0`.
fn normal(path: &str) -> String {
    path.replace('[', ".").replace(']', "").to_lowercase()
}

/// A walk over valid JSON that only notes where keys and items begin.
struct JsonScan<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    at: Position,
    open: Vec<Level>,
    places: Places,
}

/// A list or object that is open.
struct Level {
    path: String,
    within: Within,
}

/// What comes next in it.
enum Within {
    /// The item of this index.
    List(usize),
    /// A key.
    Object,
    /// The value of the key with this path.
    Member(String),
}

impl JsonScan<'_> {
    fn document(&mut self) {
        while self.places.0.len() <= MAX_PLACES {
            self.skip_space();
            match self.rest.peek() {
                None => return,
                Some('}' | ']') => drop((self.next(), self.open.pop())),
                Some(',' | ':') => drop(self.next()),
                Some(_) => self.key_or_value(),
            }
        }
    }

    fn key_or_value(&mut self) {
        let at = self.at;
        let Some(level) = self.open.last_mut() else {
            return self.value(String::new());
        };
        match &mut level.within {
            Within::List(index) => {
                let path = join(&level.path, &index.to_string());
                *index += 1;
                self.places.insert(&path, at);
                self.value(path);
            }
            Within::Member(path) => {
                let path = std::mem::take(path);
                level.within = Within::Object;
                self.value(path);
            }
            Within::Object => self.key(at),
        }
    }

    fn key(&mut self, at: Position) {
        let key = self.string();
        let Some(level) = self.open.last_mut() else { return };
        let path = join(&level.path, &key);
        self.places.insert(&path, at);
        level.within = Within::Member(path);
    }

    fn value(&mut self, path: String) {
        match self.rest.peek() {
            Some('{') => self.begin(path, Within::Object),
            Some('[') => self.begin(path, Within::List(0)),
            Some('"') => drop(self.string()),
            _ => self.word(),
        }
    }

    fn begin(&mut self, path: String, within: Within) {
        self.next();
        self.open.push(Level { path, within });
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.at = match c {
            '\n' => Position { line: self.at.line + 1, column: 1 },
            _ => Position { column: self.at.column + 1, ..self.at },
        };
        Some(c)
    }

    fn skip_space(&mut self) {
        while self.rest.peek().is_some_and(char::is_ascii_whitespace) {
            self.next();
        }
    }

    /// A number, `true`, `false` or `null`: at least one character, so that the walk always ends.
    fn word(&mut self) {
        self.next();
        while self.rest.peek().is_some_and(|c| !c.is_ascii_whitespace() && !",]}:".contains(*c)) {
            self.next();
        }
    }

    /// Reads a string; escapes are decoded by the real parser.
    fn string(&mut self) -> String {
        let mut raw = String::new();
        while let Some(c) = self.next() {
            raw.push(c);
            match c {
                '\\' => raw.extend(self.next()),
                '"' if raw.len() > 1 => break,
                _ => {}
            }
        }
        serde_json::from_str(&raw).unwrap_or(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(places: &Places, path: &str, expected: Option<(usize, usize)>) {
        assert_eq!(places.find(path).map(|at| (at.line, at.column)), expected, "{path}");
    }

    #[test]
    fn places_in_json() {
        let json = "{\n  \"Packages\": {\"a\": {\"Debug\": true}},\n\t\"Marbles\": {\n    \"w\\u0065b.x\": {\"Argv\": [1, [\"}\"], {\"Data\": \"\"}]}\n  }\n}\n";
        let places = Places::of_json(json);
        check(&places, "Packages", Some((2, 3)));
        check(&places, "packages.A.Debug", Some((2, 22)));
        check(&places, "Marbles", Some((3, 2)));
        check(&places, "Marbles.web.x.Argv[1]", Some((4, 32)));
        check(&places, "Marbles.web.x.Argv.2.Data", Some((4, 40)));
        check(&places, "Marbles.web.x.Missing.Deeper", Some((4, 5)));
        check(&places, "Users", None);
        check(&Places::of_json("[[["), "0.0", Some((1, 3)));
    }

    #[test]
    fn places_in_yaml() {
        let yaml = "Packages:\n  a: &a {Debug: true}\n  b: *a\nList:\n  - x\n  - z: 1\n";
        let places = Places::of_yaml(&crate::yaml::parse(yaml).unwrap());
        check(&places, "Packages.a.Debug", Some((2, 10)));
        check(&places, "Packages.b", Some((3, 3)));
        check(&places, "Packages.b.Debug", Some((2, 10)));
        check(&places, "List[1].z", Some((6, 5)));
    }
}
