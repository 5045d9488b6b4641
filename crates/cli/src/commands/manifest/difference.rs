//! The difference between the manifest in force and an update, on the screen.

use marblerun_api::client::printable;
use marblerun_api::rest::PendingUpdate;
use marblerun_manifest::Update;
use marblerun_manifest::diff::{Change, Difference, InForce, compare, compare_packages};
use serde_json::{Value, json};

use crate::args::Format;
use crate::document::Document;
use crate::{Failure, console};

/// What an update would change, and what a Coordinator says to it if one was asked.
pub(super) struct Report {
    old: String,
    new: String,
    packages_alone: bool,
    difference: Difference,
    pending: Option<Waiting>,
}

/// An update that waits already.
struct Waiting {
    /// It is the very one that is reported on.
    same: bool,
    missing_users: Vec<String>,
}

impl Report {
    pub(super) fn new(old: InForce<'_>, update: &Update, document: &Document) -> Self {
        let (packages_alone, difference) = match update {
            Update::Packages(update) => (true, compare_packages(old, update)),
            Update::Manifest(checked) => (false, compare(old, &checked.manifest)),
        };
        let (old, new) = (hex::encode(old.manifest.fingerprint), document.fingerprint());
        Self { old, new, packages_alone, difference, pending: None }
    }

    /// With the update that waits at the Coordinator, if one does.
    pub(super) fn with_pending(mut self, pending: Option<PendingUpdate>, document: &Document) -> Self {
        self.pending = pending.map(|pending| Waiting {
            same: pending.manifest.0 == document.json(),
            missing_users: pending.missing_users,
        });
        self
    }

    pub(super) fn print(&self, format: Format) -> Result<(), Failure> {
        match format {
            Format::Text => console::print(&self.text()),
            Format::Json => console::print(&self.json().to_string()),
        }
    }

    fn text(&self) -> String {
        let Difference { changes, kept, .. } = &self.difference;
        let mut lines = vec![format!("{} -> {}", self.old, self.new)];
        let mut section = "";
        for change in changes {
            if change.section() != section {
                section = change.section();
                lines.push(format!("{section}:"));
            }
            lines.push(format!("  {} {change}", if change.warns() { '!' } else { '-' }));
        }
        if changes.is_empty() {
            lines.push("Nothing changes in the manifest.".into());
        }
        if !kept.is_empty() {
            lines.push(format!("These secrets keep their values: {}", names(kept)));
        }
        lines.push(INTERMEDIATE.into());
        lines.push(self.consent());
        lines.extend(self.pending.as_ref().map(Waiting::text));
        lines.join("\n")
    }

    fn consent(&self) -> String {
        let consent = &self.difference.consent;
        match (consent.is_possible(), self.packages_alone) {
            (true, true) => format!("It is sent by {consent}, and applies at once."),
            (true, false) => {
                format!("It applies when it has been agreed to by {consent}; whoever sends it agrees.")
            }
            (false, true) => "! No user may raise all of these packages: the Coordinator refuses it.".into(),
            (false, false) => {
                "! No user may update the manifest that is in force: the Coordinator refuses it.".into()
            }
        }
    }

    fn json(&self) -> Value {
        let Difference { changes, kept, consent, last, .. } = &self.difference;
        json!({
            "old": self.old,
            "new": self.new,
            "kind": if self.packages_alone { "packages" } else { "manifest" },
            "changes": changes.iter().map(as_json).collect::<Vec<_>>(),
            "kept": kept,
            "consent": { "users": consent.users, "needed": consent.needed, "possible": consent.is_possible() },
            "nobodyCanUpdate": last,
            "pending": self.pending.as_ref().map(Waiting::json),
        })
    }
}

/// Names of a manifest, made fit for a terminal. Changes are so themselves.
pub(super) fn names(all: &[String]) -> String {
    all.iter().map(|name| printable(name)).collect::<Vec<_>>().join(", ")
}

const INTERMEDIATE: &str = "Every update brings another intermediate certificate: marbles that run and marbles that start \
                            later trust each other only once all have been restarted.";

fn as_json(change: &Change) -> Value {
    json!({
        "section": change.section(),
        "name": change.name(),
        "warning": change.warns(),
        "text": change.to_string(),
    })
}

impl Waiting {
    fn text(&self) -> String {
        match self.same {
            true => format!(
                "This update waits already; these users can still agree: {}",
                names(&self.missing_users)
            ),
            false => "! Another update is pending: it has to be agreed to or cancelled before this one can be sent.".into(),
        }
    }

    fn json(&self) -> Value {
        json!({ "same": self.same, "missingUsers": self.missing_users })
    }
}
