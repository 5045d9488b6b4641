//! Checkpoints (C2SP tlog-checkpoint) and the signed notes in which they come (C2SP signed-note).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Hash, LogError, VerifierKey};

/// Longest note that is read, in bytes.
const MAX_NOTE: usize = 64 << 10;
/// Most signatures that a note may carry: others than the log may have signed it, too.
const MAX_SIGNATURES: usize = 16;
/// What stands before each signature.
const DASH: &str = "\u{2014} ";

/// What a log was at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: String,
    /// How many entries it had.
    pub size: u64,
    /// Root of the tree of these entries.
    pub root: Hash,
    /// Where the Coordinator's journal stood; `None` if the Coordinator keeps no state.
    pub journal: Option<JournalHead>,
}

/// The end of a Coordinator's journal: commits to its whole sealed state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalHead {
    /// Sequence number of the last record; it never falls.
    pub sequence: u64,
    /// SHA-256 of the last record, which contains the hash of the one before it.
    pub hash: Hash,
}

impl Checkpoint {
    /// The text that is signed: origin, size, root, and an extension line `journal SEQUENCE HASH` if there is one.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root));
        if let Some(JournalHead { sequence, hash }) = &self.journal {
            text.push_str(&format!("journal {sequence} {}\n", STANDARD.encode(hash)));
        }
        text
    }

    /// Reads a signed note, of which this key must be a signer.
    ///
    /// # Errors
    /// If it is malformed, not signed by this key, or of another log.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, LogError> {
        let text = open_note(note, key)?;
        let checkpoint = Self::parse(text)?;
        if checkpoint.origin == key.name() {
            return Ok(checkpoint);
        }
        Err(LogError::OtherLog { found: checkpoint.origin, expected: key.name().to_owned() })
    }

    fn parse(text: &str) -> Result<Self, LogError> {
        let mut lines = text.lines();
        let origin = lines.next().filter(|line| !line.is_empty());
        let origin = origin.ok_or(LogError::Malformed("it has no origin line"))?.to_owned();
        let size = lines.next().and_then(number).ok_or(LogError::Malformed("its second line is no size"))?;
        let root = lines.next().and_then(hash).ok_or(LogError::Malformed("its third line is no hash"))?;
        let mut journal = None;
        for line in lines {
            if let Some(head) = line.strip_prefix("journal ") {
                let head = journal_head(head).ok_or(LogError::Malformed("its journal line is none"))?;
                if journal.replace(head).is_some() {
                    return Err(LogError::Malformed("it has two journal lines"));
                }
            }
        }
        Ok(Self { origin, size, root, journal })
    }
}

/// A text and the log's signature over it, as one note.
pub fn signed_note(text: &str, key: &VerifierKey, signature: &[u8; 64]) -> String {
    let signature = STANDARD.encode([&key.id()[..], signature].concat());
    format!("{text}\n{DASH}{} {signature}\n", key.name())
}

/// The text of a note that `key` signed.
fn open_note<'a>(note: &'a str, key: &VerifierKey) -> Result<&'a str, LogError> {
    if note.len() > MAX_NOTE || note.chars().any(|c| c.is_control() && c != '\n') {
        return Err(LogError::Malformed("it is too long or has control characters"));
    }
    let split = note.rfind("\n\n").ok_or(LogError::Malformed("it has no signatures"))?;
    // The text ends with the first of the two line breaks.
    let (text, signatures) = (&note[..=split], &note[split + 2..]);
    if !signatures.ends_with('\n') || signatures.lines().count() > MAX_SIGNATURES {
        return Err(LogError::Malformed("its last line is not ended, or it has too many signatures"));
    }
    for line in signatures.lines() {
        let (name, signature) = signature(line).ok_or(LogError::Malformed("a signature line is none"))?;
        let ours = name == key.name() && signature[..4] == key.id();
        if ours && key.verifies(text.as_bytes(), &signature[4..]) {
            return Ok(text);
        }
    }
    Err(LogError::NotSigned)
}

/// Name of the signer, and its key's id with the signature.
fn signature(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, signature) = line.strip_prefix(DASH)?.split_once(' ')?;
    let signature = STANDARD.decode(signature).ok()?;
    (!name.is_empty() && signature.len() > 4).then_some((name, signature))
}

/// ASCII decimal without leading zeros.
fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

fn journal_head(text: &str) -> Option<JournalHead> {
    let (sequence, text) = text.split_once(' ')?;
    Some(JournalHead { sequence: number(sequence)?, hash: hash(text)? })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;

    fn keys() -> (Ed25519KeyPair, VerifierKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        (pair, VerifierKey::of_deployment(b"root", public))
    }

    fn sign(text: &str) -> String {
        let (pair, key) = keys();
        signed_note(text, &key, &pair.sign(text.as_bytes()).as_ref().try_into().unwrap())
    }

    fn checkpoint() -> Checkpoint {
        let journal = Some(JournalHead { sequence: 12, hash: [2; 32] });
        Checkpoint { origin: keys().1.name().into(), size: 3, root: [1; 32], journal }
    }

    #[test]
    fn what_was_signed_is_read() {
        let key = keys().1;
        for checkpoint in [checkpoint(), Checkpoint { journal: None, size: 0, ..checkpoint() }] {
            assert_eq!(Checkpoint::open(&sign(&checkpoint.text()), &key), Ok(checkpoint));
        }
        // Lines that a later version may add say nothing to this one; other signers do no harm.
        let more = checkpoint().text() + "later 1\n";
        let witnessed = sign(&more) + "\u{2014} witness AAAAAAAA\n";
        assert_eq!(Checkpoint::open(&witnessed, &key), Ok(checkpoint()));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let (note, key) = (sign(&checkpoint().text()), keys().1);
        for place in 0..note.len() {
            let mut changed = note.clone().into_bytes();
            changed[place] ^= 1;
            if let Ok(changed) = String::from_utf8(changed) {
                assert!(Checkpoint::open(&changed, &key).is_err(), "byte {place}: {changed}");
            }
            assert!(Checkpoint::open(note.get(..place).unwrap_or_default(), &key).is_err(), "cut at {place}");
        }
    }

    #[test]
    fn what_is_signed_but_no_checkpoint_of_this_log_is_refused() {
        let (good, key) = (checkpoint().text(), keys().1);
        let other = Checkpoint { origin: "marblerun/other".into(), ..checkpoint() }.text();
        assert!(matches!(Checkpoint::open(&sign(&other), &key), Err(LogError::OtherLog { .. })));
        let line = good.lines().nth(3).unwrap().to_owned() + "\n";
        for text in [
            "".into(),
            "\n3\n".into(),
            good.replace("\n3\n", "\n03\n"),
            good.replace("\n3\n", "\n-3\n"),
            good.replace("\n3\n", "\n\n"),
            good.replace("AQEB", "AQ"),
            good.replace("journal 12", "journal x"),
            good.clone() + &line,
        ] {
            assert!(matches!(Checkpoint::open(&sign(&text), &key), Err(LogError::Malformed(_))), "{text}");
        }
    }
}
