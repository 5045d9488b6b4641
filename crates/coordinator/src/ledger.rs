//! Sealed state on a store: what is found at start, and how a commit becomes durable.
//!
//! The order of writes is what makes a kill at any moment harmless: the key file comes first, marked unused; then
//! the data, at once; then the mark goes. A lone unused key is a first start, data without its key is recovery,
//! and a key without its data is an error that the operator must see.

mod error;
mod keys;

use std::sync::Arc;

use marblerun_core::journal::keyfile::KeyFile;
use marblerun_core::journal::{Dek, Head, Header, Journal, Kek, RecordKind};
use marblerun_core::keys::KeySource;
use marblerun_core::recovery::{Hints, RecoveryError, check_holders};
use marblerun_core::{
    Deployment, Event, ReplayError, State, apply, decode_events, decode_snapshot, encode_events,
    encode_snapshot,
};
use marblerun_manifest::SealMode;
use marblerun_store::{Loaded, Position, Store, StoreError};
use zeroize::Zeroizing;

pub use self::error::LedgerError;
use self::keys::Unsealed;
use crate::sealing::Sealing;

/// Data is replaced by a snapshot when what was appended is larger than this and than the snapshot itself.
const COMPACT_AFTER: u64 = 1 << 20;

/// The sealed state of one Coordinator.
pub struct Ledger {
    store: Box<dyn Store>,
    sealing: Sealing,
    keys: Arc<dyn KeySource>,
    position: Position,
    open: Option<Open>,
}

/// An open journal and what goes with it.
struct Open {
    journal: Journal,
    /// The KEK under which the journal stands: that of `sealed_key`, or, after an exchange that failed half-way, the one of
    /// before.
    journal_kek: Kek,
    /// What `sealed_key` holds, and the key that seals it.
    key_file: KeyFile,
    kek: Kek,
    snapshot_length: u64,
    /// The data ends in an incomplete record: the next commit replaces everything.
    torn: bool,
}

/// What stood in the store at start.
pub enum Found {
    /// Nothing: a first start.
    Nothing,
    /// Sealed state that this Coordinator cannot open by itself.
    Locked {
        /// The readable part.
        header: Box<Header>,
        /// Why it does not open.
        reason: String,
    },
    /// The deployment goes on.
    Deployment(Box<Deployment>),
}

impl Ledger {
    /// Reads what the store holds. Changes nothing.
    ///
    /// # Errors
    /// Whenever something is there that cannot be used; never reported as nothing.
    pub fn open(
        mut store: Box<dyn Store>,
        sealing: Sealing,
        keys: Arc<dyn KeySource>,
    ) -> Result<(Self, Found), LedgerError> {
        let loaded = load(&mut *store)?;
        let mut ledger = Self { store, sealing, keys, position: loaded.position, open: None };
        let found = match (loaded.key, loaded.data) {
            (None, None) => Found::Nothing,
            (Some(key), None) => ledger.lone_key(&key)?,
            (None, Some(data)) => ledger.locked(&data, "sealed_key is missing".into())?,
            (Some(key), Some(data)) => ledger.both(&key, &data)?,
        };
        Ok((ledger, found))
    }

    /// Makes the first state of a deployment durable. Old sealed state, if any, is kept aside.
    ///
    /// # Errors
    /// If it is not durable; then the old state is as it was.
    pub fn begin(&mut self, deployment: &Deployment, dek: &Dek, hints: Hints) -> Result<(), LedgerError> {
        if deployment.manifest.config.seal_mode == SealMode::Disabled {
            return self.forget(deployment);
        }
        self.keep_aside(deployment)?;
        self.start(deployment, dek, hints, None)
    }

    /// Opens the sealed state with a DEK that its recovery keys gave back, and seals it again under a new KEK. `header`
    /// is what the recovery secrets were held against. The journal goes on: sequence, chain, DEK and shares stay.
    ///
    /// # Errors
    /// If the state does not open, does not belong to these recovery keys, or is not durable under the new KEK; then
    /// the data is as it was, and recovery can be tried again.
    pub fn recover(&mut self, dek: &Dek, header: &Header) -> Result<Deployment, LedgerError> {
        let loaded = load(&mut *self.store)?;
        self.position = loaded.position;
        let data = loaded.data.ok_or(LedgerError::Internal("the sealed state to recover is gone"))?;
        let opened = Journal::open_without_head_key(&data, dek)?;
        // Not its `dek_id`: an attempt that failed at the last step may have left it sealed anew.
        if (&opened.header.recovery, &opened.header.origin) != (&header.recovery, &header.origin) {
            return Err(RecoveryError::Holders("sealed_data was exchanged meanwhile").into());
        }
        let deployment = replay(&opened.records)?;
        check_holders(&header.recovery, &deployment.manifest)?;
        if loaded.key.is_some_and(|key| KeyFile::parse(&key).map_or(true, |file| file.used)) {
            // It does not open here, but perhaps where it was made.
            let label = self.store.copy_aside(&format!("before-recovery-{}", opened.head.sequence))?;
            tracing::info!(label, "the sealed key that did not open is kept aside under this ending");
        }
        self.start(&deployment, dek, header.recovery.clone(), Some(opened.head))?;
        Ok(deployment)
    }

    /// A new key file, marked unused, then all data at once, then the mark. Until the data is replaced, the key file
    /// fits no data: what was there before is a first start or recovery as it was.
    fn start(
        &mut self,
        deployment: &Deployment,
        dek: &Dek,
        hints: Hints,
        previous: Option<Head>,
    ) -> Result<(), LedgerError> {
        let (mut key_file, kek, dek_id) = self.new_key_file(deployment, dek)?;
        self.store.write_key(&key_file.to_bytes(&kek)?)?;
        let header = Header { format: 1, origin: self.sealing.origin().into(), dek_id, recovery: hints };
        let snapshot = encode_snapshot(deployment)?;
        let (journal, bytes) = Journal::start(header, dek.clone(), &kek, previous, &snapshot, &*self.keys)?;
        self.position = self.store.replace(self.position, &bytes)?;
        // The deployment is durable; a mark that could not be set is set at the next start.
        self.tidy(&mut key_file, &kek, &journal.header().dek_id);
        let (journal_kek, snapshot_length) = (kek.clone(), bytes.len() as u64);
        self.open = Some(Open { journal, journal_kek, key_file, kek, snapshot_length, torn: false });
        Ok(())
    }

    /// Old state that makes way stays under a name of its own.
    fn keep_aside(&mut self, deployment: &Deployment) -> Result<(), LedgerError> {
        let loaded = load(&mut *self.store)?;
        // An attempt that failed may have moved the end.
        self.position = loaded.position;
        if loaded.data.is_some() {
            let since =
                deployment.set_at.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
            let label = self.store.copy_aside(&format!("before-{}", since.as_millis()))?;
            tracing::info!(label, "the old sealed state is kept aside under this ending");
        }
        Ok(())
    }

    /// `SealMode` `Disabled`: nothing is kept, not even what was there before.
    fn forget(&mut self, deployment: &Deployment) -> Result<(), LedgerError> {
        self.keep_aside(deployment)?;
        self.open = None;
        Ok(self.store.clear()?)
    }

    /// Makes events durable; `after` is the deployment that they lead to.
    ///
    /// # Errors
    /// If they are not durable; then nothing happened.
    pub fn commit(&mut self, events: &[Event], after: &Deployment) -> Result<(), LedgerError> {
        if after.manifest.config.seal_mode == SealMode::Disabled {
            return Ok(());
        }
        let open = self.open.as_mut().ok_or(LedgerError::Internal("no journal is open"))?;
        let appended = self.position.length.saturating_sub(open.snapshot_length);
        if open.torn || appended > COMPACT_AFTER.max(open.snapshot_length) {
            return self.replace(after);
        }
        let encoded = open.journal.encode(&encode_events(events)?, &*self.keys)?;
        match self.store.append(self.position, &encoded.bytes) {
            Ok(position) => {
                self.position = position;
                open.journal.advance(encoded.head);
                Ok(())
            }
            Err(StoreError::ReplaceFirst(why)) => {
                tracing::warn!(why, "writing the sealed state anew");
                self.replace(after)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Where the journal stands: everything up to there is durable. `None` where nothing is kept.
    pub fn head(&self) -> Option<Head> {
        self.open.as_ref().map(|open| open.journal.head())
    }

    fn replace(&mut self, after: &Deployment) -> Result<(), LedgerError> {
        let open = self.open.as_mut().ok_or(LedgerError::Internal("no journal is open"))?;
        let encoded = open.journal.compact(&encode_snapshot(after)?, &*self.keys)?;
        self.position = self.store.replace(self.position, &encoded.bytes)?;
        open.journal.advance(encoded.head);
        open.snapshot_length = encoded.bytes.len() as u64;
        open.torn = false;
        Ok(())
    }

    fn lone_key(&self, key: &[u8]) -> Result<Found, LedgerError> {
        match KeyFile::parse(key) {
            Ok(file) if !file.used => Ok(Found::Nothing),
            _ => Err(LedgerError::DataMissing),
        }
    }

    fn locked(&self, data: &[u8], reason: String) -> Result<Found, LedgerError> {
        let header = Box::new(Journal::read_header(data)?);
        self.check_origin(&header.origin)?;
        Ok(Found::Locked { header, reason })
    }

    fn both(&mut self, key: &[u8], data: &[u8]) -> Result<Found, LedgerError> {
        let header = Journal::read_header(data)?;
        self.check_origin(&header.origin)?;
        let Unsealed { mut key_file, kek, dek, journal_kek } = match self.unseal(key, &header) {
            Ok(unsealed) => unsealed,
            Err(reason) => return self.locked(data, reason),
        };
        let opened = Journal::open(data, dek, &journal_kek)?;
        let mut deployment = replay(&opened.records)?;
        deployment.head = Some(opened.journal.head());
        let snapshot_length = opened.records.first().map_or(0, |(_, snapshot)| snapshot.len() as u64);
        let torn = opened.valid_length != data.len() as u64;
        if torn {
            tracing::warn!(
                bytes = data.len() as u64 - opened.valid_length,
                "cut an incomplete record at the end of sealed_data: it was never acknowledged"
            );
        }
        self.tidy(&mut key_file, &kek, &header.dek_id);
        let journal = opened.journal;
        self.open = Some(Open { journal, journal_kek, key_file, kek, snapshot_length, torn });
        Ok(Found::Deployment(Box::new(deployment)))
    }

    /// Makes an update durable that changes the data key, since others are to recover the state from now on, or that
    /// changes how the state is sealed. Both keys are new ones: who could unseal a `sealed_key` of before, and kept it, is
    /// not to open what comes. `sealed_key` holds the keys of before as well until the data refers to the new ones, so that
    /// no kill leads to recovery.
    ///
    /// # Errors
    /// If it is not durable; then the old state goes on.
    pub fn rekey(&mut self, after: &Deployment, dek: &Dek, hints: Hints) -> Result<(), LedgerError> {
        if after.manifest.config.seal_mode == SealMode::Disabled {
            return self.forget(after);
        }
        let Some(mut open) = self.open.take() else {
            // Nothing was kept until now.
            return self.begin(after, dek, hints);
        };
        let outcome = self.exchange_key(&mut open, after, dek, hints);
        self.open = Some(open);
        outcome
    }

    fn check_origin(&self, found: &str) -> Result<(), LedgerError> {
        let here = self.sealing.origin();
        if found == here {
            return Ok(());
        }
        Err(LedgerError::Origin { found: found.into(), here: here.into() })
    }
}

/// Everything in the store. What is missing from a short read looks like a torn tail, and would be cut for good by
/// the next commit.
fn load(store: &mut dyn Store) -> Result<Loaded, LedgerError> {
    let loaded = store.load()?;
    let (read, stored) = (loaded.data.as_ref().map_or(0, Vec::len) as u64, loaded.position.length);
    if read == stored { Ok(loaded) } else { Err(LedgerError::ShortRead { read, stored }) }
}

fn replay(records: &[(RecordKind, Zeroizing<Vec<u8>>)]) -> Result<Deployment, LedgerError> {
    let Some(((RecordKind::Snapshot, snapshot), rest)) = records.split_first() else {
        return Err(ReplayError::Order("the journal does not begin with a snapshot").into());
    };
    let mut state = State::Serving(decode_snapshot(snapshot)?);
    for (_, payload) in rest {
        for event in decode_events(payload)? {
            state = apply(&state, &event)?;
        }
    }
    state.deployment().cloned().ok_or(LedgerError::Internal("replay left no deployment"))
}
