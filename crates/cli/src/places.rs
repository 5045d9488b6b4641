//! Where in a YAML file the things stand that a finding names: `Marbles.web.Parameters.Env.ROOT_CA` -> line 12,
//! column 7. The checks see the JSON that the file becomes, and know places in that alone.

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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(places: &Places, path: &str, expected: Option<(usize, usize)>) {
        assert_eq!(places.find(path).map(|at| (at.line, at.column)), expected, "{path}");
    }

    #[test]
    fn places_in_yaml() {
        let yaml = "Packages:\n  a: &a {Debug: true}\n  b: *a\nList:\n  - x\n  - z: 1\n";
        let places = Places::of_yaml(&crate::yaml::parse(yaml).unwrap());
        check(&places, "Packages.a.Debug", Some((2, 10)));
        check(&places, "Packages.b", Some((3, 3)));
        check(&places, "Packages.b.Debug", Some((2, 10)));
        check(&places, "packages.B.debug", Some((2, 10)));
        check(&places, "List[1].z", Some((6, 5)));
        check(&places, "List[1].missing.deeper", Some((6, 5)));
        check(&places, "Users", None);
    }
}
