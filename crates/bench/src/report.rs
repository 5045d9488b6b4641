//! What was found: as a table for people, as JSON for programs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::Format;
use crate::measure::Round;
use crate::output;
use crate::procfs::{self, Memory};

/// Everything that one run found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Processor and number of CPUs.
    pub(crate) machine: String,
    /// Load on servers.
    pub(crate) rows: Vec<Row>,
    /// Single figures.
    pub(crate) figures: Vec<Figure>,
    /// What it must reach.
    pub(crate) goals: Vec<Goal>,
    /// What could not be measured, and why.
    pub(crate) problems: Vec<String>,
}

/// Load on one server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    /// Which server or scenario.
    pub(crate) name: String,
    /// Successful activations.
    pub(crate) activations: usize,
    /// Failed ones.
    pub(crate) failures: u64,
    /// Why the first one failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_failure: Option<String>,
    /// Activations in a second.
    pub(crate) per_second: f64,
    /// Half of the activations were answered within so many milliseconds.
    pub(crate) p50_ms: f64,
    /// 99 of 100 were.
    pub(crate) p99_ms: f64,
    /// CPU time of the server for one activation, in milliseconds.
    pub(crate) server_cpu_ms: Option<f64>,
    /// Cores that the server kept busy.
    pub(crate) server_cores: Option<f64>,
    /// CPU time of the load generator for one activation, in milliseconds.
    pub(crate) client_cpu_ms: f64,
    /// Memory of the server afterwards.
    pub(crate) memory: Option<Memory>,
}

/// A measured value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figure {
    /// What it is.
    pub(crate) name: String,
    /// In the unit.
    pub(crate) value: f64,
    /// `ms`, `MB` or `x` for a ratio.
    pub(crate) unit: &'static str,
}

/// A measured value beside what it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Goal {
    /// What was measured.
    #[serde(flatten)]
    pub(crate) measured: Figure,
    /// Which side of the limit is right.
    pub(crate) bound: Bound,
    /// In the same unit.
    pub(crate) limit: f64,
    /// Whether it is.
    pub(crate) reached: bool,
}

/// Direction of a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    /// Less is better.
    AtMost,
    /// More is better.
    AtLeast,
}

impl Report {
    /// An empty one for this machine.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let machine = format!("{}, {} CPUs", procfs::processor(), procfs::idle()?.len());
        Ok(Self { machine, ..Self::default() })
    }

    /// Notes a figure without a goal.
    pub(crate) fn figure(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.figures.push(Figure { name: name.into(), value, unit });
    }

    /// Notes a figure that must not exceed the limit.
    pub(crate) fn at_most(&mut self, name: impl Into<String>, value: f64, limit: f64, unit: &'static str) {
        self.goal(Figure { name: name.into(), value, unit }, Bound::AtMost, limit, value <= limit);
    }

    /// Notes a figure that must reach the limit.
    pub(crate) fn at_least(&mut self, name: impl Into<String>, value: f64, limit: f64, unit: &'static str) {
        self.goal(Figure { name: name.into(), value, unit }, Bound::AtLeast, limit, value >= limit);
    }

    fn goal(&mut self, measured: Figure, bound: Bound, limit: f64, reached: bool) {
        self.goals.push(Goal { measured, bound, limit, reached });
    }

    /// Whether everything could be measured; goals may still be missed.
    pub(crate) fn complete(&self) -> bool {
        self.problems.is_empty() && self.rows.iter().all(|row| row.failures == 0 && row.activations > 0)
    }

    /// Prints it.
    pub(crate) fn print(&self, format: Format) -> anyhow::Result<()> {
        match format {
            Format::Table => output::say(self.table().trim_end()),
            Format::Json => output::say(&serde_json::to_string_pretty(self)?),
        }
        Ok(())
    }

    fn table(&self) -> String {
        let mut text = format!("{}\n\n", self.machine);
        if !self.rows.is_empty() {
            text += &aligned(&HEADINGS, &self.rows.iter().map(Row::cells).collect::<Vec<_>>());
        }
        for row in &self.rows {
            if let Some(failure) = &row.first_failure {
                let _ = writeln!(text, "{}: {} failed, the first with: {failure}", row.name, row.failures);
            }
        }
        if !self.figures.is_empty() {
            let cells = self.figures.iter().map(|figure| vec![figure.name.clone(), figure.text()]);
            text += &format!("\n{}", aligned(&["figure", "value"], &cells.collect::<Vec<_>>()));
        }
        if !self.goals.is_empty() {
            let cells: Vec<_> = self.goals.iter().map(Goal::cells).collect();
            text += &format!("\n{}", aligned(&["goal", "measured", "limit", "reached"], &cells));
        }
        for problem in &self.problems {
            let _ = writeln!(text, "\nnot measured: {problem}");
        }
        text
    }
}

const HEADINGS: [&str; 10] = [
    "server",
    "activations",
    "/s",
    "p50 ms",
    "p99 ms",
    "CPU ms each",
    "cores",
    "client CPU ms",
    "RSS MB",
    "own MB",
];

impl Row {
    /// Sums up a measurement.
    pub(crate) fn new(name: impl Into<String>, round: &Round, memory: Option<Memory>) -> Self {
        Self {
            name: name.into(),
            activations: round.activations(),
            failures: round.outcome.failures,
            first_failure: round.outcome.first_failure.clone(),
            per_second: round.per_second(),
            p50_ms: round.quantile_ms(0.5),
            p99_ms: round.quantile_ms(0.99),
            server_cpu_ms: round.server_cpu_ms(),
            server_cores: round.server_cores(),
            client_cpu_ms: round.client_cpu_ms(),
            memory,
        }
    }

    fn cells(&self) -> Vec<String> {
        let number = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
        };
        vec![
            self.name.clone(),
            self.activations.to_string(),
            format!("{:.0}", self.per_second),
            format!("{:.2}", self.p50_ms),
            format!("{:.2}", self.p99_ms),
            number(self.server_cpu_ms, 3),
            number(self.server_cores, 2),
            format!("{:.3}", self.client_cpu_ms),
            number(self.memory.map(|memory| memory.resident_mb), 1),
            number(self.memory.map(|memory| memory.anonymous_mb), 1),
        ]
    }
}

impl Figure {
    fn text(&self) -> String {
        format!("{:.2} {}", self.value, self.unit)
    }
}

impl Goal {
    fn cells(&self) -> Vec<String> {
        let sign = if self.bound == Bound::AtMost { "<=" } else { ">=" };
        let limit = format!("{sign} {} {}", self.limit, self.measured.unit);
        let reached = if self.reached { "yes" } else { "NO" };
        vec![self.measured.name.clone(), self.measured.text(), limit, reached.to_owned()]
    }
}

/// Columns as wide as their widest cell: names to the left, figures to the right.
fn aligned(headings: &[&str], rows: &[Vec<String>]) -> String {
    let headings: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
    let width = |column: usize| {
        std::iter::once(&headings)
            .chain(rows)
            .filter_map(|row| row.get(column))
            .map(String::len)
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    std::iter::once(&headings).chain(rows).map(|row| line(row, &widths)).collect()
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cell = |(index, (cell, &width)): (usize, (&String, &usize))| match index {
        0 => format!("{cell:<width$}"),
        _ => format!("  {cell:>width$}"),
    };
    let text: String = row.iter().zip(widths).enumerate().map(cell).collect();
    format!("{}\n", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_state_value_limit_and_verdict() {
        let mut report = Report::default();
        report.at_most("plain / floor", 1.1, 1.1, "x");
        report.at_least("two cores / one", 1.69, 1.7, "x");
        let table = report.table();
        let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert!(
            words.contains(&vec!["plain", "/", "floor", "1.10", "x", "<=", "1.1", "x", "yes"]),
            "{table}"
        );
        assert!(
            words.contains(&vec!["two", "cores", "/", "one", "1.69", "x", ">=", "1.7", "x", "NO"]),
            "{table}"
        );
    }

    #[test]
    fn failures_and_problems_make_a_run_incomplete() {
        let sound = Row::new("plain", &Round::default(), None);
        let cases = [
            ("nothing wrong", Row { activations: 1, ..sound.clone() }, None, true),
            ("no activation", sound.clone(), None, false),
            ("a failure", Row { activations: 1, failures: 1, ..sound.clone() }, None, false),
            ("a problem", Row { activations: 1, ..sound }, Some("no Coordinator".to_owned()), false),
        ];
        for (name, row, problem, complete) in cases {
            let report =
                Report { rows: vec![row], problems: problem.into_iter().collect(), ..Report::default() };
            assert_eq!(report.complete(), complete, "{name}");
        }
    }

    #[test]
    fn json_names_the_unit_of_each_value() {
        let mut report = Report::default();
        report.at_most("start to ready", 12.0, 50.0, "ms");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["goals"][0]["name"], "start to ready");
        assert_eq!(json["goals"][0]["bound"], "at_most");
        assert_eq!(json["goals"][0]["unit"], "ms");
    }
}
