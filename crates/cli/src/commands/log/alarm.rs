//! How a Coordinator's checkpoint contradicts an older one that it signed, and what to do then.

use std::fmt;
use std::path::Path;

use marblerun_attest::log::Checkpoint;

/// A contradiction between two signed checkpoints: one of them is proof against whoever runs the Coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alarm {
    /// The state is older than it was.
    RolledBack,
    /// The state is another than it was.
    Forked,
}

impl Alarm {
    /// What two checkpoints show by themselves. If they show nothing, the trees have to be compared.
    pub(super) fn between(before: &Checkpoint, now: &Checkpoint) -> Option<Self> {
        if now.size < before.size {
            return Some(Self::RolledBack);
        }
        if let (Some(old), Some(new)) = (before.journal, now.journal) {
            if new.sequence < old.sequence {
                return Some(Self::RolledBack);
            }
            // One record of the journal stands for one state, log included.
            let same_record = new.sequence == old.sequence;
            if same_record && (new.hash != old.hash || now.size != before.size) {
                return Some(Self::Forked);
            }
        }
        (now.size == before.size && now.root != before.root).then_some(Self::Forked)
    }

    /// As programs read it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RolledBack => "roll-back",
            Self::Forked => "fork",
        }
    }

    /// For people: what was seen, what it means, what to do.
    pub(super) fn explain(self, before: &Checkpoint, now: &Checkpoint, file: &Path, proof: &Path) -> String {
        let (what, meaning) = match self {
            Self::RolledBack => (
                "was rolled back",
                "It runs on an older copy of its state: changes of the manifest, secrets, counters and activations since then are undone",
            ),
            Self::Forked => (
                "was forked",
                "Two different histories carry its signature: somebody runs two copies of its state, or rewrote it",
            ),
        };
        format!(
            "ALARM: the Coordinator's history {what}. {} remembers {}, and now it shows {}. {meaning}. Do not trust this \
             Coordinator: stop sending it secrets and updates, keep {} and {} (both are signed by it, and together they are \
             the proof), and find out who restored or copied its sealed state. If you restored a backup yourself, or \
             switched Config.SealMode off and on, delete {} and verify again",
            file.display(),
            Standing(before),
            Standing(now),
            file.display(),
            proof.display(),
            file.display(),
        )
    }
}

/// A checkpoint in words.
pub(super) struct Standing<'a>(pub(super) &'a Checkpoint);

impl fmt::Display for Standing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checkpoint { size, root, journal, .. } = self.0;
        write!(
            f,
            "{size} {} (root {})",
            if *size == 1 { "entry" } else { "entries" },
            &hex::encode(root)[..16]
        )?;
        match journal {
            Some(head) => write!(f, " at journal record {}", head.sequence),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use marblerun_attest::log::JournalHead;

    use super::*;

    fn at(size: u64, root: u8, journal: Option<(u64, u8)>) -> Checkpoint {
        let journal = journal.map(|(sequence, hash)| JournalHead { sequence, hash: [hash; 32] });
        Checkpoint { origin: "marblerun/x".into(), size, root: [root; 32], journal }
    }

    fn check(now: &Checkpoint, expected: Option<Alarm>) {
        assert_eq!(Alarm::between(&at(5, 1, Some((9, 1))), now), expected, "{now:?}");
    }

    #[test]
    fn what_two_checkpoints_show() {
        check(&at(5, 1, Some((9, 1))), None);
        check(&at(5, 1, Some((10, 2))), None);
        check(&at(6, 2, Some((10, 2))), None);
        check(&at(6, 2, None), None);
        check(&at(4, 2, Some((10, 2))), Some(Alarm::RolledBack));
        check(&at(5, 1, Some((8, 2))), Some(Alarm::RolledBack));
        check(&at(6, 2, Some((8, 2))), Some(Alarm::RolledBack));
        check(&at(5, 2, Some((10, 2))), Some(Alarm::Forked));
        check(&at(5, 1, Some((9, 2))), Some(Alarm::Forked));
        check(&at(6, 2, Some((9, 1))), Some(Alarm::Forked));
        check(&at(5, 2, None), Some(Alarm::Forked));
    }
}
