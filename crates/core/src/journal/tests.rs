//! The journal from outside: what was written is read, and nothing else is.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::keyfile::KeyFile;
use super::{Dek, Head, Header, Journal, JournalError, Kek, Opened, RecordKind};
use crate::keys::FreshKeys;
use crate::recovery::{Hints, Holder};

fn dek() -> Dek {
    Dek(Zeroizing::new([3; 32]))
}

fn kek() -> Kek {
    Kek(Zeroizing::new([5; 32]))
}

fn header() -> Header {
    let holder = Holder { public_key: vec![1; 30], share_sha256: vec![2; 32] };
    let recovery = Hints { threshold: 1, holders: BTreeMap::from([("safe".into(), holder)]) };
    Header { format: 1, origin: "simulation".into(), dek_id: "abcd".into(), recovery }
}

fn started(snapshot: &[u8]) -> (Journal, Vec<u8>) {
    Journal::start(header(), dek(), &kek(), None, snapshot, &FreshKeys).unwrap()
}

fn append(journal: &mut Journal, data: &mut Vec<u8>, events: &[u8]) {
    let encoded = journal.encode(events, &FreshKeys).unwrap();
    data.extend_from_slice(&encoded.bytes);
    journal.advance(encoded.head);
}

/// A journal of a snapshot and three records, and where each record ends.
fn sample() -> (Journal, Vec<u8>, Vec<usize>) {
    let (mut journal, mut data) = started(b"snapshot");
    let mut ends = vec![data.len()];
    for events in [b"one".as_slice(), b"", b"three"] {
        append(&mut journal, &mut data, events);
        ends.push(data.len());
    }
    (journal, data, ends)
}

fn open(data: &[u8]) -> Result<Opened, JournalError> {
    Journal::open(data, dek(), &kek())
}

fn payloads(records: &[(RecordKind, Zeroizing<Vec<u8>>)]) -> Vec<Vec<u8>> {
    records.iter().map(|(_, payload)| payload.to_vec()).collect()
}

fn error(data: &[u8]) -> JournalError {
    open(data).err().unwrap()
}

/// The record that an error names.
fn named(error: JournalError) -> Option<u64> {
    match error {
        JournalError::Record { sequence, .. } => Some(sequence),
        _ => None,
    }
}

#[test]
fn what_was_written_is_read() {
    let (journal, data, _) = sample();
    let opened = open(&data).unwrap();
    let expected: [&[u8]; 4] = [b"snapshot", b"one", b"", b"three"];
    assert_eq!(payloads(&opened.records), expected);
    let kinds: Vec<_> = opened.records.iter().map(|(kind, _)| *kind).collect();
    use RecordKind::{Events, Snapshot};
    assert_eq!(kinds, [Snapshot, Events, Events, Events]);
    assert_eq!((opened.journal.head(), opened.journal.header()), (journal.head(), &header()));
    assert_eq!((opened.valid_length, opened.journal.head().sequence), (data.len() as u64, 4));
    assert_eq!(Journal::read_header(&data).unwrap(), header());
}

#[test]
fn an_opened_journal_goes_on() {
    let (_, mut data, _) = sample();
    let mut journal = open(&data).unwrap().journal;
    append(&mut journal, &mut data, b"four");
    assert_eq!(open(&data).unwrap().journal.head(), journal.head());
}

#[test]
fn a_snapshot_replaces_everything_and_the_chain_goes_on() {
    let (mut journal, _, _) = sample();
    let before = journal.head();
    let compact = journal.compact(b"all of it", &FreshKeys).unwrap();
    assert_eq!((journal.head(), compact.head.sequence), (before, 5));
    journal.advance(compact.head);
    let mut data = compact.bytes;
    append(&mut journal, &mut data, b"six");
    let opened = open(&data).unwrap();
    assert_eq!(payloads(&opened.records), [b"all of it".to_vec(), b"six".to_vec()]);
    assert_eq!(opened.journal.head(), journal.head());
    assert_eq!(opened.journal.head().sequence, 6);
}

#[test]
fn a_new_data_key_follows_the_old_head() {
    let (journal, _, _) = sample();
    let other = || Dek(Zeroizing::new([4; 32]));
    let start = Journal::start(header(), other(), &kek(), Some(journal.head()), b"state", &FreshKeys);
    let (new, data) = start.unwrap();
    assert_eq!(new.head().sequence, 5);
    assert!(open(&data).is_err());
    assert_eq!(Journal::open(&data, other(), &kek()).ok().unwrap().journal.head(), new.head());
}

#[test]
fn what_is_not_acknowledged_does_not_move_the_head_and_never_repeats_a_key() {
    let (mut journal, mut data) = started(b"");
    let torn = journal.encode(b"events", &FreshKeys).unwrap();
    let again = journal.encode(b"events", &FreshKeys).unwrap();
    assert_eq!(torn.head.sequence, again.head.sequence);
    let same = torn.bytes.iter().zip(&again.bytes).skip(16).filter(|(a, b)| a == b).count();
    assert!(same < 16, "salt, ciphertext and MACs are new: {same} bytes are equal");
    data.extend_from_slice(&again.bytes);
    journal.advance(again.head);
    assert_eq!(open(&data).unwrap().journal.head(), journal.head());
}

#[test]
fn payloads_do_not_show() {
    let (mut journal, mut data) = started(b"canary-in-the-snapshot");
    append(&mut journal, &mut data, b"canary-in-the-events");
    assert!(!data.windows(6).any(|window| window == b"canary"));
}

// T7: hostile bytes on disk.

#[test]
fn every_flipped_bit_is_an_error_and_names_the_record() {
    let (_, data, ends) = sample();
    let beginning = super::header::read(&data).unwrap().length;
    for at in 0..data.len() {
        for bit in 0..8 {
            let mut flipped = data.clone();
            flipped[at] ^= 1 << bit;
            let found = error(&flipped);
            if at < beginning {
                assert!(matches!(found, JournalError::Header(_)), "byte {at}: {found}");
            } else {
                let record = ends.iter().filter(|end| **end <= at).count() as u64 + 1;
                assert_eq!(named(found), Some(record), "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn every_truncation_is_an_error_or_cuts_whole_records() {
    let (_, data, ends) = sample();
    for length in 0..data.len() {
        let complete = ends.iter().filter(|end| **end <= length).count();
        let outcome = open(&data[..length]);
        if complete == 0 {
            assert!(outcome.is_err(), "length {length}");
            continue;
        }
        let opened = outcome.unwrap_or_else(|error| panic!("length {length}: {error}"));
        assert_eq!(opened.records.len(), complete);
        assert_eq!(opened.valid_length, ends[complete - 1] as u64);
    }
}

#[test]
fn a_tail_of_zeros_is_cut() {
    let (_, data, ends) = sample();
    for (keep, complete) in [(data.len(), 4), (data.len() - 40, 3), (ends[2] + 64, 3), (ends[2] + 5, 3)] {
        for zeros in [8, 60, 64, 500, 4096] {
            let mut torn = data[..keep].to_vec();
            torn.extend(vec![0; zeros]);
            let opened = open(&torn).unwrap_or_else(|error| panic!("{keep} + {zeros}: {error}"));
            assert_eq!((opened.records.len(), opened.valid_length), (complete, ends[complete - 1] as u64));
        }
    }
}

#[test]
fn a_tail_of_anything_else_is_an_error() {
    let (_, data, _) = sample();
    let tail = |byte| [data.as_slice(), &[byte; 200]].concat();
    for byte in [1, 0x80, 0xff] {
        assert_eq!(named(error(&tail(byte))), Some(5), "{byte}");
    }
}

#[test]
fn hostile_lengths_cost_nothing() {
    let (_, data, ends) = sample();
    for length in [0, 15, 16, 1 << 29, (1 << 29) + 17, u32::MAX] {
        let mut hostile = data.clone();
        hostile[8..12].copy_from_slice(&length.to_le_bytes());
        assert!(matches!(error(&hostile), JournalError::Header(_)), "header length {length}");
        let mut hostile = data.clone();
        hostile[ends[2]..ends[2] + 4].copy_from_slice(&length.to_le_bytes());
        assert_eq!(named(error(&hostile)), Some(4), "record length {length}");
    }
}

#[test]
fn records_cannot_be_left_out_swapped_repeated_or_taken_from_elsewhere() {
    let (journal, data, ends) = sample();
    let record = |n: usize| &data[ends[n - 1]..ends[n]];
    let begin = &data[..ends[0]];
    let cases = [
        ("left out", [begin, record(2)].concat(), 2),
        ("swapped", [begin, record(2), record(1)].concat(), 2),
        ("repeated", [begin, record(1), record(1)].concat(), 3),
        ("another journal's", [&started(b"snapshot").1, record(1)].concat(), 2),
        ("a snapshot in the middle", [&data[..], &data[beginning(&data)..ends[0]]].concat(), 5),
    ];
    for (name, hostile, sequence) in cases {
        assert_eq!(named(error(&hostile)), Some(sequence), "{name}");
    }
    let compact = journal.compact(b"x", &FreshKeys).unwrap().bytes;
    let spliced = [begin, &compact[beginning(&compact)..]].concat();
    assert_eq!(named(error(&spliced)), Some(2));
}

fn beginning(data: &[u8]) -> usize {
    super::header::read(data).unwrap().length
}

#[test]
fn an_unknown_format_says_so() {
    let (_, data) =
        Journal::start(Header { format: 2, ..header() }, dek(), &kek(), None, b"", &FreshKeys).unwrap();
    assert_eq!(error(&data).to_string(), "sealed_data: header: format 2 is not known here; this is format 1");
    assert_eq!(error(b"").to_string(), "sealed_data: header: it is incomplete");
    let other = error(b"some other file");
    assert!(other.to_string().contains("no journal"), "{other}");
}

#[test]
fn sequence_numbers_end_without_a_panic() {
    let last = Head { sequence: u64::MAX - 1, hash: [1; 32] };
    let start = |after| Journal::start(header(), dek(), &kek(), Some(after), b"", &FreshKeys);
    let (journal, data) = start(last).unwrap();
    assert_eq!(open(&data).unwrap().journal.head().sequence, u64::MAX);
    assert_eq!(journal.encode(b"", &FreshKeys).err(), Some(JournalError::UsedUp));
    assert_eq!(start(journal.head()).err(), Some(JournalError::UsedUp));
    let mut tail = data.clone();
    tail.extend([7; 200]);
    assert!(open(&tail).is_err());
}

// T8: who holds the DEK reads, and cannot write.

#[test]
fn a_wrong_key_opens_nothing() {
    let (_, data, _) = sample();
    let other = || Zeroizing::new([9; 32]);
    assert_eq!(Journal::open(&data, Dek(other()), &kek()).err().and_then(named), Some(1));
    assert_eq!(Journal::open(&data, dek(), &Kek(other())).err().and_then(named), Some(1));
    assert!(Journal::open_without_head_key(&data, &Dek(other())).is_err());
}

#[test]
fn a_holder_of_the_data_key_reads_but_cannot_make_a_journal_that_opens() {
    let (_, data, ends) = sample();
    let read = Journal::open_without_head_key(&data, &dek()).ok().unwrap();
    assert_eq!((payloads(&read.records).len(), read.head.sequence, read.header), (4, 4, header()));

    let wrong = Kek(Zeroizing::new([6; 32]));
    let (mut forger, forged) =
        Journal::start(header(), dek(), &wrong, None, b"genuine looking", &FreshKeys).unwrap();
    assert_eq!(
        error(&forged).to_string(),
        format!(
            "sealed_data: record 1 at byte {}: no Coordinator that holds this key-encryption key wrote it",
            beginning(&forged)
        )
    );
    let unproved = Journal::open_without_head_key(&forged, &dek()).ok().unwrap();
    assert_eq!(payloads(&unproved.records), [b"genuine looking"]);

    forger.advance(read.head);
    let extended = [&data[..], &forger.encode(b"more", &FreshKeys).unwrap().bytes].concat();
    assert_eq!(named(error(&extended)), Some(5));
    let replaced = [&data[..ends[3]], &forger.encode(b"more", &FreshKeys).unwrap().bytes].concat();
    assert_eq!(named(error(&replaced)), Some(5));
}

#[test]
fn recovery_hints_cannot_be_exchanged() {
    let (_, data, _) = sample();
    let mut other = header();
    other.recovery.holders.clear();
    let (prologue, _) = super::header::write(&other, None).unwrap();
    let hostile = [&prologue, &data[beginning(&data)..]].concat();
    assert_eq!(Journal::read_header(&hostile).unwrap(), other);
    assert_eq!(named(error(&hostile)), Some(1));
}

// The key file.

/// While both keys change, each journal is read with the keys that it was written with, and no others.
#[test]
fn a_key_file_keeps_the_keys_of_before_for_the_journal_of_before() {
    let (now, before) = (kek(), Kek(Zeroizing::new([0x77; 32])));
    let mut file = KeyFile::new("simulation", now.0.to_vec());
    let old = Dek(Zeroizing::new([0x66; 32]));
    file.keep("old", &old, &before, &now, &FreshKeys).unwrap();
    let new = file.wrap(&dek(), &now, &FreshKeys).unwrap();
    let file = KeyFile::open(&file.to_bytes(&now).unwrap(), &now).unwrap();
    let keys_of = |id: &str| (*file.kek_of(id, &now).unwrap().0, file.unwrap(id, &now).unwrap() == old);
    assert_eq!(keys_of("old"), (*before.0, true));
    assert_eq!(keys_of(&new), (*now.0, false));
    assert!(file.kek_of("old", &before).is_err(), "the key of before opens nothing here");
    let mut taken = file.clone();
    taken.before.as_mut().unwrap().dek_id = new.clone();
    assert!(taken.kek_of(&new, &now).is_err(), "it belongs to one journal");
}

fn key_file() -> (KeyFile, String) {
    let mut file = KeyFile::new("simulation", kek().0.to_vec());
    let id = file.wrap(&dek(), &kek(), &FreshKeys).unwrap();
    (file, id)
}

#[test]
fn a_key_file_is_read_as_it_was_written() {
    let (mut file, id) = key_file();
    let other = Dek(Zeroizing::new([8; 32]));
    let second = file.wrap(&other, &kek(), &FreshKeys).unwrap();
    file.used = true;
    let bytes = file.to_bytes(&kek()).unwrap();
    let read = KeyFile::open(&bytes, &kek()).unwrap();
    assert!(read == file && KeyFile::parse(&bytes).unwrap() == file);
    assert!(read.unwrap(&id, &kek()).unwrap() == dek() && read.unwrap(&second, &kek()).unwrap() == other);
    assert_eq!((id.len(), bytes.last()), (32, Some(&b'\n')));
}

#[test]
fn every_flipped_bit_and_every_truncation_of_a_key_file_is_noticed() {
    let bytes = key_file().0.to_bytes(&kek()).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            assert!(KeyFile::open(&flipped, &kek()).is_err(), "byte {at}, bit {bit}");
        }
        assert!(KeyFile::parse(&bytes[..at]).is_err(), "truncated to {at}");
    }
    assert!(KeyFile::parse(&[&bytes[..], b" "].concat()).is_err());
}

#[test]
fn a_wrapped_key_opens_only_by_its_key_under_its_name() {
    let (mut file, id) = key_file();
    let wrong = Kek(Zeroizing::new([6; 32]));
    assert!(file.unwrap(&id, &wrong).is_err());
    assert!(KeyFile::open(&file.to_bytes(&wrong).unwrap(), &kek()).is_err());
    assert!(file.unwrap("other", &kek()).err().unwrap().to_string().contains("no data key \"other\""));
    let wrapped = file.deks[&id].clone();
    file.deks.insert("other".into(), wrapped);
    assert!(file.unwrap("other", &kek()).is_err());
    for damaged in ["", "!", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        file.deks.insert(id.clone(), damaged.into());
        assert!(file.unwrap(&id, &kek()).is_err(), "{damaged:?}");
    }
}

#[test]
fn a_key_file_does_not_show_its_key() {
    let text = format!("{:?}", key_file().0);
    assert!(text.contains("simulation") && !text.contains("5, 5") && !text.contains("BQUF"), "{text}");
    let mut quoted = key_file().0.to_bytes(&kek()).unwrap();
    let at = quoted.windows(4).position(|window| window == b"BQUF").unwrap();
    quoted[at + 5] = b'!';
    let error = KeyFile::parse(&quoted).unwrap_err().to_string();
    assert!(!error.contains("BQUF"), "{error}");
}

// Random lives.

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<u8>),
    /// A record is made, so much of it arrives, and the process dies.
    Torn(Vec<u8>, prop::sample::Index),
    /// The same, on a file system that shows zeros for what did not arrive.
    TornToZeros(Vec<u8>, prop::sample::Index),
    /// A record is made and dropped.
    Dropped(Vec<u8>),
    Compact,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || vec(any::<u8>(), 0..50);
    let part = any::<prop::sample::Index>;
    prop_oneof![
        5 => bytes().prop_map(Step::Append),
        2 => (bytes(), part()).prop_map(|(bytes, part)| Step::Torn(bytes, part)),
        1 => (bytes(), part()).prop_map(|(bytes, part)| Step::TornToZeros(bytes, part)),
        1 => bytes().prop_map(Step::Dropped),
        1 => Just(Step::Compact),
        1 => Just(Step::Restart),
    ]
}

/// A journal and what it must hold.
struct Life {
    journal: Journal,
    data: Vec<u8>,
    model: Vec<Vec<u8>>,
}

impl Life {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Append(events) => {
                append(&mut self.journal, &mut self.data, events);
                self.model.push(events.clone());
            }
            Step::Torn(events, part) => self.tear(events, *part, false),
            Step::TornToZeros(events, part) => self.tear(events, *part, true),
            Step::Dropped(events) => drop(self.journal.encode(events, &FreshKeys).unwrap()),
            Step::Compact => self.compact(),
            Step::Restart => self.restart(),
        }
    }

    fn compact(&mut self) {
        let snapshot = self.model.concat();
        let compact = self.journal.compact(&snapshot, &FreshKeys).unwrap();
        (self.data, self.model) = (compact.bytes, vec![snapshot]);
        self.journal.advance(compact.head);
    }

    /// A crash: then a restart cuts what was not acknowledged, and a snapshot replaces the data.
    fn tear(&mut self, events: &[u8], part: prop::sample::Index, zeros: bool) {
        let record = self.journal.encode(events, &FreshKeys).unwrap().bytes;
        // The head MAC is what completes a record: with 8 bytes of it missing, zeros cannot stand for them.
        let arrived = part.index(record.len() - 8);
        self.data.extend_from_slice(&record[..arrived]);
        if zeros {
            self.data.resize(self.data.len() + record.len() - arrived, 0);
        }
        self.restart();
        self.compact();
    }

    fn restart(&mut self) {
        let opened = open(&self.data).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(payloads(&opened.records), self.model);
        assert_eq!(opened.journal.head(), self.journal.head());
        self.data.truncate(opened.valid_length as usize);
        self.journal = opened.journal;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_journal_holds_what_was_acknowledged(steps in vec(step(), 0..25)) {
        let (journal, data) = started(b"start");
        let mut life = Life { journal, data, model: vec![b"start".to_vec()] };
        for step in &steps {
            life.take(step);
        }
        life.restart();
    }

    #[test]
    fn arbitrary_bytes_never_open_and_never_panic(bytes in vec(any::<u8>(), 0..300), keep in 0_usize..900) {
        let (_, data, _) = sample();
        let mixed = [&data[..keep.min(data.len())], &bytes].concat();
        let _ = open(&mixed);
        prop_assert!(open(&bytes).is_err());
        prop_assert!(KeyFile::parse(&bytes).is_err());
    }
}
