//! The table of certificates that a host may give beside a report (GHCB specification 56421, "SNP Extended Guest
//! Request"): entries of GUID, offset and length, then the certificates.
//!
//! Nobody signed it. What is in here saves a question to AMD's service and proves nothing: whoever uses a certificate of it
//! follows its chain like that of any other.

use super::report::SigningKey;
use crate::bytes::Reader;
use crate::error::Malformed;

const TABLE: &str = "the host's table of SNP certificates";

/// Linux hands out no more, in bytes.
const LONGEST: usize = 16 * 1024;
/// Six kinds are defined; vendors add few.
const MOST_ENTRIES: usize = 32;
const ENTRY_BYTES: u32 = 24;

/// 63da758d-e664-4564-adc5-f4b93be8accd, in the order of its text.
const VCEK: [u8; 16] = *b"\x63\xda\x75\x8d\xe6\x64\x45\x64\xad\xc5\xf4\xb9\x3b\xe8\xac\xcd";
/// a8074bc2-a25a-483e-aae6-39c045a0b8a1, likewise.
const VLEK: [u8; 16] = *b"\xa8\x07\x4b\xc2\xa2\x5a\x48\x3e\xaa\xe6\x39\xc0\x45\xa0\xb8\xa1";

/// The certificate of a signing key in `table`, as the host wrote it; none in a table of zeros, which is how a host says
/// that it has none.
pub(super) fn certificate(table: &[u8], key: SigningKey) -> Result<Option<&[u8]>, Malformed> {
    if table.len() > LONGEST {
        return Err(Malformed::field(TABLE, "length", table.len(), "at most 16 KiB"));
    }
    let (mut entries, mut found) = (Reader::new(table, TABLE), None);
    for _ in 0..MOST_ENTRIES {
        let (guid, offset, length) = (entries.array()?, entries.u32()?, entries.u32()?);
        if guid == [0; 16] {
            return Ok(found);
        }
        let certificate = part(table, offset, length)?;
        if guid == guid_of(key) {
            found = found.or(Some(certificate));
        }
    }
    Err(Malformed::field(TABLE, "number of entries", "more", "at most 32, and then zeros"))
}

/// A table with one certificate.
pub(super) fn of_one(key: SigningKey, certificate: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(certificate.len()).ok()?;
    let entry = [&guid_of(key)[..], &(2 * ENTRY_BYTES).to_le_bytes(), &length.to_le_bytes()].concat();
    let table = [&entry[..], &[0; ENTRY_BYTES as usize], certificate].concat();
    (table.len() <= LONGEST).then_some(table)
}

fn guid_of(key: SigningKey) -> [u8; 16] {
    match key {
        SigningKey::Vcek => VCEK,
        SigningKey::Vlek => VLEK,
    }
}

fn part(table: &[u8], offset: u32, length: u32) -> Result<&[u8], Malformed> {
    let at = |number: u32| usize::try_from(number).ok();
    let end = offset.checked_add(length).and_then(at);
    let part = at(offset).zip(end).and_then(|(start, end)| table.get(start..end));
    let seen = || format!("{length} bytes at {offset}");
    part.ok_or_else(|| Malformed::field(TABLE, "certificate", seen(), "one inside of the table"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [SigningKey; 2] = [SigningKey::Vcek, SigningKey::Vlek];

    fn entry(guid: [u8; 16], offset: u32, length: u32) -> Vec<u8> {
        [&guid[..], &offset.to_le_bytes(), &length.to_le_bytes()].concat()
    }

    #[test]
    fn what_is_written_is_read() {
        for key in KEYS {
            let table = of_one(key, b"certificate").unwrap();
            for other in KEYS {
                let expected = (other == key).then_some(&b"certificate"[..]);
                assert_eq!(certificate(&table, other), Ok(expected));
            }
        }
        assert_eq!(of_one(SigningKey::Vcek, &[0; LONGEST]), None);
    }

    #[test]
    fn a_host_without_certificates_says_so_with_zeros() {
        for bytes in [24, 4096, LONGEST] {
            assert_eq!(certificate(&vec![0; bytes], SigningKey::Vcek), Ok(None));
        }
    }

    #[test]
    fn other_certificates_may_stand_beside() {
        let table = [
            entry([7; 16], 96, 2),
            entry(VLEK, 98, 2),
            entry(VCEK, 100, 2),
            entry([0; 16], 0, 0),
            b"otvlvc".to_vec(),
            vec![0; 4096],
        ]
        .concat();
        assert_eq!(certificate(&table, SigningKey::Vcek), Ok(Some(&b"vc"[..])));
        assert_eq!(certificate(&table, SigningKey::Vlek), Ok(Some(&b"vl"[..])));
    }

    #[test]
    fn what_points_outside_or_has_no_end_is_refused() {
        let ended = |first: Vec<u8>| [first, vec![0; 24]].concat();
        for (offset, length) in
            [(48, 1), (49, 0), (0, 49), (u32::MAX, 1), (1, u32::MAX), (u32::MAX, u32::MAX)]
        {
            let table = ended(entry(VCEK, offset, length));
            assert!(certificate(&table, SigningKey::Vcek).is_err(), "{offset}, {length}");
            // Whatever it is for.
            assert!(certificate(&table, SigningKey::Vlek).is_err(), "{offset}, {length}");
        }
        assert!(certificate(&ended(entry(VCEK, 48, 0)), SigningKey::Vcek).is_ok());
        let endless = entry(VCEK, 0, 1).repeat(MOST_ENTRIES + 1);
        assert!(certificate(&endless, SigningKey::Vcek).is_err());
        assert!(certificate(&ended(vec![0; LONGEST]), SigningKey::Vcek).is_err(), "too long");
        assert!(certificate(&[], SigningKey::Vcek).is_err());
    }

    #[test]
    fn nothing_makes_it_panic() {
        let whole = of_one(SigningKey::Vcek, &[0x30; 300]).unwrap();
        for end in 0..whole.len() {
            assert!(certificate(&whole[..end], SigningKey::Vcek).is_err(), "{end}");
        }
        for at in 0..whole.len().min(64) {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                let _whatever = KEYS.map(|key| certificate(&changed, key).is_ok());
            }
        }
    }
}
