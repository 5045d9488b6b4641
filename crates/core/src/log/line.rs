//! One line of the log, while it is made.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What happened, on its way into the log.
///
/// An event must give the same line in every later version of this program: lines are leaves of the tree, and a
/// journal is replayed by the versions that come.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// Milliseconds since 1970-01-01 UTC.
    pub at: u64,
    /// What happened; clients know these texts.
    pub update: String,
    /// Further fields, in their order.
    pub fields: Vec<(String, serde_json::Value)>,
}

impl LogLine {
    /// A line without further fields.
    pub fn new(now: SystemTime, update: &str) -> Self {
        Self { at: milliseconds(now), update: update.into(), fields: Vec::new() }
    }

    /// The same line with a further field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// The line as clients read it: a JSON object with `time` (ISO 8601), `update` and the fields, sorted by key.
    pub fn to_json(&self) -> String {
        // Sorted here: the order of the library's own map depends on how the program is built, and this text is hashed.
        let mut object: BTreeMap<&str, serde_json::Value> = BTreeMap::new();
        object.insert("time", iso8601(from_milliseconds(self.at)).into());
        object.insert("update", self.update.clone().into());
        object.extend(self.fields.iter().map(|(name, value)| (name.as_str(), value.clone())));
        // Text keys and finished values always have a JSON.
        serde_json::to_string(&object).unwrap_or_default()
    }
}

/// Milliseconds since 1970-01-01 UTC; times before that count as then.
pub fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The inverse of [`milliseconds`].
pub(crate) fn from_milliseconds(milliseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds)).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// A time as ISO 8601 (RFC 3339) in UTC, to the millisecond. What no calendar has becomes its nearest end.
pub fn iso8601(time: SystemTime) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds(time)) * 1_000_000)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| "9999-12-31T23:59:59Z".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json_with_an_iso_time() {
        let line = LogLine::new(from_milliseconds(1_700_000_000_123), "Initial manifest set");
        assert_eq!(line.to_json(), r#"{"time":"2023-11-14T22:13:20.123Z","update":"Initial manifest set"}"#);
    }

    #[test]
    fn fields_are_sorted_however_the_program_is_built() {
        let line = LogLine::new(from_milliseconds(0), "x").with("zebra", 1).with("apple", 2);
        assert_eq!(line.to_json(), r#"{"apple":2,"time":"1970-01-01T00:00:00Z","update":"x","zebra":1}"#);
    }

    #[test]
    fn times_that_no_calendar_has_do_not_panic() {
        for at in [0, u64::MAX, u64::MAX / 2] {
            assert!(!LogLine { at, update: String::new(), fields: vec![] }.to_json().is_empty());
            let _ = from_milliseconds(at);
        }
    }
}
