//! A sealed object as it rests on disk: what the TPM gave when it was made (TPM 2.0 Library, part 3, section 12.1).
//!
//! ```text
//! TPM2B_PRIVATE | TPM2B_PUBLIC | TPM2B_CREATION_DATA | TPMT_TK_CREATION
//! ```

use aws_lc_rs::digest::{SHA256, digest};

use super::pcrs::Pcrs;
use super::wire::{Reader, sized};
use crate::TeeError;

/// `TPM_CC_PolicyPCR`.
const POLICY_PCR: [u8; 4] = [0, 0, 1, 0x7f];

/// The parts of an object, unchecked.
pub(super) struct Object<'a> {
    pub(super) private: &'a [u8],
    pub(super) public: &'a [u8],
    pub(super) creation: &'a [u8],
    /// `TPMT_TK_CREATION`: the TPM's word, to itself, that it made the object as `creation` says.
    pub(super) ticket: &'a [u8],
}

impl<'a> Object<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, TeeError> {
        let mut reader = Reader::new(bytes);
        let (private, public, creation) = (reader.sized()?, reader.sized()?, reader.sized()?);
        let ticket = reader.rest();
        reader.bytes(2 + 4)?;
        reader.sized()?;
        reader.end()?;
        Ok(Self { private, public, creation, ticket })
    }

    /// Whether it is an object of our kind: of this TPM for good, for the registers in question, and made while they had
    /// the values that it asks for. Without the last, whoever ran another system on this machine before could have made
    /// one with a key that he knows.
    pub(super) fn check(&self, pcrs: Pcrs) -> Result<(), TeeError> {
        let policy = policy(pcrs, self.registers_when_made(pcrs)?);
        let wanted = public_area(&policy)?;
        let common = wanted.len() - 2;
        // What follows is a hash that is another one for each object.
        if self.public.get(..common) != wanted.get(..common) {
            let why = "its object in the TPM is of another kind, or was made while another system ran";
            return Err(TeeError::NotOurs(why.into()));
        }
        Ok(())
    }

    /// The digest of the registers at the time of creation (`TPMS_CREATION_DATA`).
    fn registers_when_made(&self, pcrs: Pcrs) -> Result<&'a [u8], TeeError> {
        let mut reader = Reader::new(self.creation);
        let selection = pcrs.selection();
        if reader.bytes(selection.len())? != selection {
            return Err(TeeError::NotOurs(format!(
                "it was sealed to other registers of the TPM than {pcrs:?}"
            )));
        }
        reader.sized()
    }

    pub(super) fn creation_hash(&self) -> Vec<u8> {
        digest(&SHA256, self.creation).as_ref().to_vec()
    }
}

/// The policy digest of one PolicyPCR (TPM 2.0 Library, part 3, section 23.7).
fn policy(pcrs: Pcrs, registers: &[u8]) -> Vec<u8> {
    let before = [0; 32];
    digest(&SHA256, &[&before, &POLICY_PCR[..], &pcrs.selection(), registers].concat()).as_ref().to_vec()
}

/// `TPMT_PUBLIC` of sealed data: KEYEDHASH, SHA-256, `fixedTPM | fixedParent | noDA` (so neither imported nor made by
/// anybody else, and opened by the policy alone), no scheme, no unique yet.
pub(super) fn public_area(policy: &[u8]) -> Result<Vec<u8>, TeeError> {
    Ok([&[0, 0x08, 0, 0x0b, 0, 0, 0x04, 0x12][..], &sized(policy)?, &[0, 0x10], &[0, 0]].concat())
}
