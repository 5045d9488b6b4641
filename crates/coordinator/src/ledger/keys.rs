//! The file `sealed_key`: made, opened, exchanged and brought up to date.

use marblerun_core::journal::keyfile::KeyFile;
use marblerun_core::journal::{Dek, Header, Journal, Kek};
use marblerun_core::recovery::Hints;
use marblerun_core::{Deployment, encode_snapshot};
use zeroize::Zeroizing;

use super::{Ledger, LedgerError, Open};

/// What a `sealed_key` gave.
pub(super) struct Unsealed {
    pub(super) key_file: KeyFile,
    pub(super) kek: Kek,
    pub(super) dek: Dek,
    /// The KEK of the journal that the header begins.
    pub(super) journal_kek: Kek,
}

impl Ledger {
    /// A new KEK, sealed as the deployment wants it, with the data key under it; and that key's name.
    pub(super) fn new_key_file(
        &self,
        deployment: &Deployment,
        dek: &Dek,
    ) -> Result<(KeyFile, Kek, String), LedgerError> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.keys.fill(&mut *bytes)?;
        let kek = Kek(bytes);
        let sealed_kek = self.sealing.seal(&*kek.0, &deployment.manifest.config)?;
        let mut file = KeyFile::new(self.sealing.origin(), sealed_kek);
        let dek_id = file.wrap(dek, &kek, &*self.keys)?;
        Ok((file, kek, dek_id))
    }

    /// What `sealed_key` gives for the data that this header begins; why it gives nothing.
    pub(super) fn unseal(&self, key: &[u8], header: &Header) -> Result<Unsealed, String> {
        let file = KeyFile::parse(key).map_err(|error| error.to_string())?;
        let kek = self.sealing.unseal(&file.sealed_kek).map_err(|error| error.to_string())?;
        let kek: [u8; 32] =
            kek[..].try_into().map_err(|_| "sealed_key: the sealed KEK has a wrong length")?;
        let kek = Kek(Zeroizing::new(kek));
        let file = KeyFile::open(key, &kek).map_err(|error| error.to_string())?;
        let dek = file.unwrap(&header.dek_id, &kek).map_err(|error| error.to_string())?;
        let journal_kek = file.kek_of(&header.dek_id, &kek).map_err(|error| error.to_string())?;
        Ok(Unsealed { key_file: file, kek, dek, journal_kek })
    }

    /// Writes `sealed_key` with new keys beside those of before, then all data under the new ones.
    pub(super) fn exchange_key(
        &mut self,
        open: &mut Open,
        after: &Deployment,
        dek: &Dek,
        hints: Hints,
    ) -> Result<(), LedgerError> {
        let (mut key_file, kek, dek_id) = self.new_key_file(after, dek)?;
        let before = &open.journal.header().dek_id;
        let dek_before = open.key_file.unwrap(before, &open.kek)?;
        key_file.keep(before, &dek_before, &open.journal_kek, &kek, &*self.keys)?;
        key_file.used = open.key_file.used;
        self.store.write_key(&key_file.to_bytes(&kek)?)?;
        // From now on kept in memory, too: a failure after this may leave data that refers to either.
        (open.key_file, open.kek) = (key_file, kek);
        let header = Header { format: 1, origin: self.sealing.origin().into(), dek_id, recovery: hints };
        let snapshot = encode_snapshot(after)?;
        let head = Some(open.journal.head());
        let (journal, bytes) = Journal::start(header, dek.clone(), &open.kek, head, &snapshot, &*self.keys)?;
        self.position = self.store.replace(self.position, &bytes)?;
        (open.journal, open.journal_kek) = (journal, open.kek.clone());
        open.snapshot_length = bytes.len() as u64;
        open.torn = false;
        let dek_id = open.journal.header().dek_id.clone();
        self.tidy(&mut open.key_file, &open.kek, &dek_id);
        Ok(())
    }

    /// Data was committed under this data key: marks the file as used, and takes out the keys of before. If that
    /// cannot be done, or a kill comes before it, the next start does it.
    pub(super) fn tidy(&mut self, key_file: &mut KeyFile, kek: &Kek, dek_id: &str) {
        let mut tidy = key_file.clone();
        tidy.used = true;
        tidy.deks.retain(|id, _| id == dek_id);
        tidy.before = tidy.before.filter(|before| before.dek_id == dek_id);
        if tidy == *key_file {
            return;
        }
        let written =
            tidy.to_bytes(kek).map_err(LedgerError::from).and_then(|b| Ok(self.store.write_key(&b)?));
        match written {
            Ok(()) => *key_file = tidy,
            Err(error) => {
                tracing::warn!(%error, "sealed_key could not be brought up to date; the state itself is safe");
            }
        }
    }
}
