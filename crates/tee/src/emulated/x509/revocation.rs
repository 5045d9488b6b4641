//! A certificate revocation list, RFC 5280 section 5.

use std::time::SystemTime;

use der::asn1::Uint;
use der::{Decode as _, Encode as _, Sequence};
use spki::AlgorithmIdentifierRef;
use x509_cert::ext::Extension;
use x509_cert::name::Name;
use x509_cert::time::Time;

use super::{EmulatorError, Signer, extension, sign};

/// Version 2 of the form.
const V2: u8 = 1;

/// What a revocation list says.
pub(in crate::emulated) struct Revocations<'a> {
    pub(in crate::emulated) issuer: &'a Name,
    pub(in crate::emulated) this_update: SystemTime,
    pub(in crate::emulated) next_update: SystemTime,
    /// Grows with each list that differs.
    pub(in crate::emulated) number: u32,
    pub(in crate::emulated) revoked: Vec<Revoked>,
}

/// A certificate that does not count any more.
pub(in crate::emulated) struct Revoked {
    /// Big-endian, unsigned.
    pub(in crate::emulated) serial: Vec<u8>,
    pub(in crate::emulated) since: SystemTime,
}

#[derive(Sequence)]
struct Body<'a> {
    version: u8,
    algorithm: AlgorithmIdentifierRef<'a>,
    issuer: Name,
    this_update: Time,
    next_update: Time,
    /// Absent if empty, as section 5.1.2.6 wants.
    revoked: Option<Vec<Entry>>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

#[derive(Sequence)]
struct Entry {
    serial: Uint,
    since: Time,
    extensions: Vec<Extension>,
}

impl Revocations<'_> {
    /// DER of the list that `signer` signs.
    pub(in crate::emulated) fn sign(self, signer: &dyn Signer) -> Result<Vec<u8>, EmulatorError> {
        let entries = self.revoked.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        let body = Body {
            version: V2,
            algorithm: AlgorithmIdentifierRef::from_der(signer.algorithm())?,
            issuer: self.issuer.clone(),
            this_update: Time::try_from(self.this_update)?,
            next_update: Time::try_from(self.next_update)?,
            revoked: (!entries.is_empty()).then_some(entries),
            extensions: vec![
                extension::crl_number(self.number)?,
                extension::authority_key(&signer.public_info()?)?,
            ],
        };
        sign(&body.to_der()?, signer)
    }
}

fn entry(revoked: &Revoked) -> Result<Entry, EmulatorError> {
    Ok(Entry {
        serial: Uint::new(&revoked.serial)?,
        since: Time::try_from(revoked.since)?,
        extensions: vec![extension::key_compromise()?],
    })
}
