//! Sealing with a TPM 2.0, for TEEs that have no sealing key of their own.
//!
//! A fresh key rests in an object that only this TPM loads and that it unseals only while the registers (PCRs) that
//! measured the boot have the values that they had when it was made. What the TPM is worth is its owner's affair: one that
//! the host plays protects nothing against the host, see docs/platforms.md.
//!
//! Never does anything here trust what lies on disk: an object of another kind, or one that was made while the machine
//! ran something else, is refused even if the TPM would unseal it.

mod commands;
mod device;
mod object;
mod pcrs;
mod wire;

use zeroize::Zeroizing;

pub use device::{OpenTpm, TpmDevice};
pub use pcrs::Pcrs;

use crate::sealed::{self, purpose_byte, purpose_of};
use crate::{SealTo, Tee, TeeError};
use commands::Session;
use object::Object;
use wire::Reader;

/// "MRT1", what it is sealed to (1 byte), the object with its length.
const MARK: &[u8] = b"MRT1";

/// A TEE whose sealing key is a TPM's.
#[derive(Debug)]
pub struct WithTpm<D = OpenTpm> {
    tee: Box<dyn Tee>,
    device: D,
    pcrs: Pcrs,
}

impl<D: TpmDevice> WithTpm<D> {
    /// `tee` with the sealing key of the TPM behind `device`, for as long as `pcrs` have their values of today.
    ///
    /// # Errors
    /// [`TeeError::OwnSealingKey`] if the TEE has a sealing key: a weaker one in its place would open what others sealed.
    pub fn new(tee: Box<dyn Tee>, device: D, pcrs: Pcrs) -> Result<Self, TeeError> {
        match tee.seal(&[], SealTo::Product) {
            Err(TeeError::NoSealingKey) => Ok(Self { tee, device, pcrs }),
            Err(other) => Err(other),
            Ok(_) => Err(TeeError::OwnSealingKey { origin: tee.origin() }),
        }
    }

    /// The key in an object, if the object is one that this software made.
    fn key(&self, object: &Object<'_>) -> Result<Zeroizing<Vec<u8>>, TeeError> {
        object.check(self.pcrs)?;
        let session = Session::new(&self.device);
        let primary = session.primary()?;
        let loaded = session.load(&primary, object)?;
        session.certify_creation(&loaded, object)?;
        session.unseal(&loaded, self.pcrs)
    }
}

impl<D: TpmDevice> Tee for WithTpm<D> {
    fn origin(&self) -> &'static str {
        self.tee.origin()
    }

    fn seal(&self, secret: &[u8], to: SealTo) -> Result<Vec<u8>, TeeError> {
        let key = Zeroizing::new(sealed::random()?);
        let session = Session::new(&self.device);
        let primary = session.primary()?;
        let policy = session.policy_now(self.pcrs)?;
        let object = session.create(&primary, &key, &policy, self.pcrs)?;
        Object::parse(&object)?.check(self.pcrs)?;
        let header = [MARK, &[purpose_byte(to)], &wire::sized(&object)?].concat();
        sealed::seal(header, key.as_slice(), secret)
    }

    fn unseal(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, TeeError> {
        let not_ours = || TeeError::NotOurs("it was not sealed with a TPM".into());
        let mut reader = Reader::new(sealed.strip_prefix(MARK).ok_or_else(not_ours)?);
        purpose_of(reader.u8()?)?;
        let object = reader.sized()?;
        let header_bytes = sealed.len() - reader.rest().len();
        let key = self.key(&Object::parse(object)?)?;
        sealed::open(header_bytes, &key, sealed)
    }

    fn evidence(&self, report_data: &[u8; 64]) -> Result<Option<Vec<u8>>, TeeError> {
        self.tee.evidence(report_data)
    }
}
