//! Is this answer the recorded one, as far as it is fixed?

use anyhow::Result;

use super::json::Json;
use super::placeholder::{Placeholder, check_text_with_placeholders};

/// Where a message for people stands in an answer: free, unless the step says otherwise.
const MESSAGES: [&str; 3] = ["/data/message", "/data/StatusMessage", "/data/sgxQuote"];

/// How a message is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Message {
    /// Any text.
    #[default]
    Free,
    /// Clients show it.
    Exact,
    /// It begins with what was recorded.
    Starts,
}

/// What a step leaves open.
pub(crate) struct Rules<'a> {
    /// How messages are compared.
    pub(crate) message: Message,
    /// Objects may have more fields than recorded.
    pub(crate) more: bool,
    /// JSON pointers to what is not compared.
    pub(crate) any: Vec<String>,
    /// JSON pointers to lists whose order is free.
    pub(crate) unordered: Vec<String>,
    /// The bytes of a manifest of the scenario.
    pub(crate) manifest: &'a dyn Fn(&str) -> Result<Vec<u8>>,
}

impl<'a> Rules<'a> {
    /// Those that `step` states.
    pub(crate) fn of(step: &Json, manifest: &'a dyn Fn(&str) -> Result<Vec<u8>>) -> Self {
        let pointers = |name| {
            let list = step.field(name).map(Json::items).unwrap_or_default();
            list.iter().filter_map(Json::as_text).map(str::to_owned).collect()
        };
        let message = match step.field_text("message") {
            Some("exact") => Message::Exact,
            Some("starts") => Message::Starts,
            _ => Message::Free,
        };
        let more = step.field("more") == Some(&Json::Bool(true));
        Self { message, more, any: pointers("any"), unordered: pointers("unordered"), manifest }
    }

    /// Where `actual` is not what `expected` says, each with its JSON pointer.
    pub(crate) fn differences(&self, expected: &Json, actual: &Json) -> Vec<String> {
        let mut found = Vec::new();
        self.compare(expected, actual, "", &mut found);
        found
    }

    fn compare(&self, expected: &Json, actual: &Json, at: &str, found: &mut Vec<String>) {
        if self.any.iter().any(|pointer| pointer == at) {
            return;
        }
        match (expected, actual) {
            (Json::Text(text), actual) => self.compare_text(text, actual, at, found),
            (Json::List(expected), Json::List(actual)) if self.is_set(at) => {
                self.compare_sets(expected, actual, at, found)
            }
            (Json::List(expected), Json::List(actual)) => self.compare_lists(expected, actual, at, found),
            (Json::Object(expected), Json::Object(actual)) => {
                self.compare_objects(expected, actual, at, found)
            }
            (expected, Json::Bytes(bytes)) if expected.field_text("raw").is_some() => {
                if expected.field_text("raw") != Some(hex::encode(bytes).as_str()) {
                    found.push(differs(at, expected, actual));
                }
            }
            // Bytes that a recording has as no text may be one by the letter of UTF-8: a NUL is.
            (expected, Json::Text(text)) if expected.field_text("raw") == Some(&hex::encode(text)) => {}
            (expected, actual) if expected == actual => {}
            (expected, actual) => found.push(differs(at, expected, actual)),
        }
    }

    fn compare_text(&self, expected: &str, actual: &Json, at: &str, found: &mut Vec<String>) {
        if MESSAGES.contains(&at) && self.message != Message::Exact {
            let start = if self.message == Message::Starts { expected } else { "" };
            if !actual.as_text().is_some_and(|text| text.starts_with(start)) {
                found.push(format!(
                    "{at}: expected a text that begins with {start:?}, seen {}",
                    shown(actual)
                ));
            }
            return;
        }
        let outcome = match (Placeholder::parse(expected), actual) {
            (Some(placeholder), actual) => placeholder.check(actual, self.manifest),
            (None, Json::Text(actual)) if expected == actual => Ok(()),
            (None, Json::Text(actual)) => check_text_with_placeholders(expected, actual),
            _ => return found.push(differs(at, &Json::text(expected), actual)),
        };
        if let Err(why) = outcome {
            found.push(format!("{at}: expected {expected:?}, seen {}: {why:#}", shown(actual)));
        }
    }

    fn is_set(&self, at: &str) -> bool {
        at.ends_with("/missingUsers") || self.unordered.iter().any(|pointer| pointer == at)
    }

    fn compare_lists(&self, expected: &[Json], actual: &[Json], at: &str, found: &mut Vec<String>) {
        if expected.len() != actual.len() {
            let actual = shown(&Json::List(actual.to_vec()));
            found.push(format!("{at}: expected {} items, seen {actual}", expected.len()));
            return;
        }
        for (index, (expected, actual)) in expected.iter().zip(actual).enumerate() {
            self.compare(expected, actual, &format!("{at}/{index}"), found);
        }
    }

    /// Each expected item takes the first actual one that fits; recorded sets are small and their items distinct.
    fn compare_sets(&self, expected: &[Json], actual: &[Json], at: &str, found: &mut Vec<String>) {
        let mut left: Vec<&Json> = actual.iter().collect();
        for item in expected {
            match left.iter().position(|candidate| self.differences(item, candidate).is_empty()) {
                Some(index) => drop(left.swap_remove(index)),
                None => found.push(format!("{at}: no item {}", shown(item))),
            }
        }
        found.extend(
            left.into_iter().map(|item| format!("{at}: an item that was not recorded: {}", shown(item))),
        );
    }

    fn compare_objects(
        &self,
        expected: &[(String, Json)],
        actual: &[(String, Json)],
        at: &str,
        found: &mut Vec<String>,
    ) {
        for (key, value) in expected {
            let at = child(at, key);
            match actual.iter().find(|(name, _)| name == key) {
                Some((_, seen)) => self.compare(value, seen, &at, found),
                None if *value == Json::Null || self.any.contains(&at) => {}
                None => found.push(format!("{at}: expected {}, seen nothing", shown(value))),
            }
        }
        if !self.more {
            let unknown = actual.iter().filter(|(name, _)| !expected.iter().any(|(key, _)| key == name));
            found.extend(
                unknown
                    .map(|(name, seen)| format!("{}: not recorded, seen {}", child(at, name), shown(seen))),
            );
        }
    }
}

fn child(at: &str, key: &str) -> String {
    format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn differs(at: &str, expected: &Json, actual: &Json) -> String {
    format!("{at}: expected {}, seen {}", shown(expected), shown(actual))
}

/// Long values are cut: a difference is found by its place.
fn shown(json: &Json) -> String {
    const LONGEST: usize = 400;
    let text = json.compact();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `step` holds the rules; `expected` fits each of `good`, and none of `bad`.
    fn check(step: &str, expected: &str, good: &[&str], bad: &[&str]) {
        let parse = |text: &str| Json::parse(text).expect("JSON");
        let manifest = |_: &str| Ok(b"{}".to_vec());
        let rules_from = parse(step);
        let rules = Rules::of(&rules_from, &manifest);
        for actual in good {
            assert_eq!(
                rules.differences(&parse(expected), &parse(actual)),
                Vec::<String>::new(),
                "{expected} {actual}"
            );
        }
        for actual in bad {
            assert_ne!(
                rules.differences(&parse(expected), &parse(actual)),
                Vec::<String>::new(),
                "{expected} {actual}"
            );
        }
    }

    #[test]
    fn exactly() {
        check(
            "{}",
            "{\"a\":1}",
            &["{\"a\":1}"],
            &["{\"a\":2}", "{}", "{\"a\":1,\"b\":null}", "[]", "null", "{\"a\":\"1\"}"],
        );
        check("{}", "[1,2]", &["[1,2]"], &["[2,1]", "[1]", "[1,2,3]", "{}"]);
        check("{}", "true", &["true"], &["false", "null", "1", "\"true\""]);
        check("{}", "\"a\"", &["\"a\""], &["\"b\"", "\"aa\"", "null", "[\"a\"]"]);
        check("{}", "\"<pear>\"", &["\"<pear>\""], &["\"<plum>\""]);
        check(
            "{}",
            "{\"a\":{\"b\":[{\"c\":1}]}}",
            &["{\"a\":{\"b\":[{\"c\":1}]}}"],
            &["{\"a\":{\"b\":[{\"c\":2}]}}"],
        );
    }

    #[test]
    fn null_may_be_absent() {
        check("{}", "{\"a\":null}", &["{}", "{\"a\":null}"], &["{\"a\":0}", "{\"a\":\"\"}", "{\"a\":[]}"]);
        check("{}", "{\"a\":{}}", &["{\"a\":{}}"], &["{}", "{\"a\":null}"]);
    }

    #[test]
    fn more_fields() {
        check("{\"more\":true}", "{\"a\":{}}", &["{\"a\":{\"b\":1},\"c\":2}"], &["{\"c\":2}"]);
        check("{\"more\":false}", "{\"a\":1}", &[], &["{\"a\":1,\"c\":2}"]);
    }

    #[test]
    fn left_open() {
        check(
            "{\"any\":[\"/a\"]}",
            "{\"a\":1,\"b\":1}",
            &["{\"a\":2,\"b\":1}", "{\"b\":1}"],
            &["{\"a\":1,\"b\":2}"],
        );
    }

    #[test]
    fn sets() {
        let expected = "{\"x\":[{\"t\":\"<time>\",\"n\":1},{\"t\":\"<time>\",\"n\":2}]}";
        let turned =
            "{\"x\":[{\"t\":\"2026-01-01T00:00:00Z\",\"n\":2},{\"t\":\"2026-01-01T00:00:00Z\",\"n\":1}]}";
        let twice =
            "{\"x\":[{\"t\":\"2026-01-01T00:00:00Z\",\"n\":2},{\"t\":\"2026-01-01T00:00:00Z\",\"n\":2}]}";
        check("{\"unordered\":[\"/x\"]}", expected, &[turned], &[twice, "{\"x\":[]}"]);
        check("{}", expected, &[], &[turned]);
        check(
            "{}",
            "{\"missingUsers\":[\"a\",\"b\"]}",
            &["{\"missingUsers\":[\"b\",\"a\"]}"],
            &[
                "{\"missingUsers\":[\"a\"]}",
                "{\"missingUsers\":[\"a\",\"b\",\"c\"]}",
                "{\"missingUsers\":[\"a\",\"a\"]}",
            ],
        );
    }

    #[test]
    fn messages() {
        let expected = "{\"data\":{\"message\":\"All well.\"}}";
        let (other, longer) =
            ("{\"data\":{\"message\":\"Fine\"}}", "{\"data\":{\"message\":\"All well. Really.\"}}");
        check("{}", expected, &[expected, other, longer], &["{\"data\":{\"message\":5}}", "{\"data\":{}}"]);
        check("{\"message\":\"starts\"}", expected, &[expected, longer], &[other]);
        check("{\"message\":\"exact\"}", expected, &[expected], &[other, longer]);
        check(
            "{\"message\":\"starts\"}",
            "{\"data\":{\"StatusMessage\":\"a\"}}",
            &["{\"data\":{\"StatusMessage\":\"ab\"}}"],
            &["{\"data\":{\"StatusMessage\":\"b\"}}"],
        );
        check("{}", "{\"message\":\"a\"}", &[], &["{\"message\":\"b\"}"]);
    }

    #[test]
    fn placeholders_and_bytes() {
        check("{}", "{\"u\":\"<hex:1>\"}", &["{\"u\":\"00\"}"], &["{\"u\":\"0000\"}", "{\"u\":null}"]);
        check("{}", "\"<base64:manifest plain>\"", &["\"e30=\""], &["\"e31=\""]);
        check("{}", "{\"raw\":\"x\"}", &["{\"raw\":\"x\"}"], &["{\"raw\":\"y\"}"]);
        let manifest = |_: &str| Ok(Vec::new());
        let rules_from = Json::Null;
        let rules = Rules::of(&rules_from, &manifest);
        let expected = Json::parse("{\"raw\":\"00ff\"}").expect("JSON");
        assert!(rules.differences(&expected, &Json::Bytes(vec![0, 255])).is_empty());
        assert!(!rules.differences(&expected, &Json::Bytes(vec![0, 254])).is_empty());
        assert!(!rules.differences(&expected, &Json::text("00ff")).is_empty());
    }
}
