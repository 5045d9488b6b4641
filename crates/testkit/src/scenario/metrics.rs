//! Names, label names and values in the Prometheus text format.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use super::json::Json;

/// One sample: `name{label="value",...} number`.
#[derive(Debug, PartialEq)]
struct Sample {
    name: String,
    labels: Vec<String>,
    value: String,
}

/// What `step` asks of the metrics in `text`: `{names: {metric: [label]}, values: {metric: number}}`.
///
/// # Errors
/// If a line is not of the format.
pub(crate) fn answer(text: &str, step: &Json) -> Result<Json> {
    let listed = |name: &str| -> Vec<&str> {
        step.field(name).map(Json::items).unwrap_or_default().iter().filter_map(Json::as_text).collect()
    };
    let (prefixes, ignored, wanted) = (listed("prefixes"), listed("ignoreLabels"), listed("values"));
    let (mut names, mut values) = (BTreeMap::<String, BTreeSet<String>>::new(), Vec::new());
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let sample = parse(line).with_context(|| format!("in the metrics line {line:?}"))?;
        if wanted.contains(&sample.name.as_str()) {
            values.push((sample.name.clone(), number(&sample.value)?));
        }
        if prefixes.iter().any(|prefix| sample.name.starts_with(prefix)) {
            let labels = sample.labels.into_iter().filter(|label| !ignored.contains(&label.as_str()));
            names.entry(sample.name).or_default().extend(labels);
        }
    }
    let names = names
        .into_iter()
        .map(|(name, labels)| (name, Json::List(labels.into_iter().map(Json::Text).collect())));
    let fields = [("names", Json::Object(names.collect())), ("values", Json::Object(values))];
    Ok(Json::Object(fields.map(|(name, value)| (name.to_owned(), value)).into()))
}

/// As recordings write it: `2.0`.
fn number(text: &str) -> Result<Json> {
    Ok(Json::Number(format!("{:?}", text.parse::<f64>().context("no number")?)))
}

fn parse(line: &str) -> Result<Sample> {
    let end = line.find(['{', ' ']).context("no value")?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => parse_labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = rest.split_whitespace().next().context("no value")?;
    Ok(Sample { name: name.to_owned(), labels, value: value.to_owned() })
}

/// The label names up to `}`, and what follows.
fn parse_labels(mut rest: &str) -> Result<(Vec<String>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (label, value) = rest.split_once("=\"").context("a label without a value")?;
        labels.push(label.to_owned());
        rest = &value[end_of_value(value)? + 1..];
    }
}

fn end_of_value(value: &str) -> Result<usize> {
    let mut escaped = false;
    let end = value.char_indices().find(|(_, character)| {
        let ends = *character == '"' && !escaped;
        escaped = *character == '\\' && !escaped;
        ends
    });
    Ok(end.context("a label value does not end")?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP a_state x\n# TYPE a_state gauge\na_state 2\n\
        a_total{type=\"x\",uuid=\"1\"} 1e3\na_total{type=\"quote \\\" } , \\\\\",code=\"\"} 5 1700000000\nb_other 7\n";

    #[test]
    fn names_labels_and_values() {
        let step =
            Json::parse(r#"{"prefixes":["a_"],"ignoreLabels":["uuid"],"values":["a_state"]}"#).expect("JSON");
        let answer = answer(TEXT, &step).expect("metrics");
        assert_eq!(
            answer.compact(),
            r#"{"names":{"a_state":[],"a_total":["code","type"]},"values":{"a_state":2.0}}"#
        );
    }

    #[test]
    fn other_lines_are_errors() {
        for line in ["a", "a{b} 1", "a{b=\"c} 1", "a{b=\"c\"", "a{b=\"c\"} "] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
