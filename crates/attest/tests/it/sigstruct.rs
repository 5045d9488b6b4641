//! Signatures of enclaves: one that OpenSSL made, every byte of it changed, and bytes of any kind.

use std::path::Path;

use marblerun_attest::{DebugMode, EnclaveSignature, Malformed, Sigstruct};
use proptest::prelude::*;

/// Of testdata/sigstruct; its README says what it states.
fn signed() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/sigstruct/signed.sig");
    std::fs::read(path).unwrap()
}

/// The same with one bit of a byte changed.
fn flipped(at: usize, bit: u8) -> Vec<u8> {
    let mut bytes = signed();
    bytes[at] ^= bit;
    bytes
}

#[test]
fn it_says_what_its_signer_said() {
    let read = Sigstruct::parse(&signed()).unwrap();
    let enclave = "f0ad54a39e240f068609c16d6eac11bbd624fe3400ce416729de363fae38c31a";
    let signer = "2a2b6c8ece4351ebc7817195fc7763b05d6d9633b103b13334f9ef361994dc34";
    assert_eq!((read.mrenclave.to_string(), read.mrsigner.to_string()), (enclave.into(), signer.into()));
    assert_eq!((read.isvprodid, read.isvsvn), (15, 3));
    assert_eq!((read.debug(), read.signature()), (DebugMode::Forbidden, EnclaveSignature::Genuine));
}

/// SWDEFINED is signed, Q1 and Q2 (from 1040) and what follows the signed parts are not; all else is fixed or counts.
#[test]
fn no_byte_of_what_is_signed_can_change() {
    let signature = |bytes: &[u8]| Sigstruct::parse(bytes).map(|read| read.signature());
    for at in 0..Sigstruct::BYTES {
        let changed = signature(&flipped(at, 1 << (at % 8)));
        let genuine = changed == Ok(EnclaveSignature::Genuine);
        assert_eq!(genuine, at >= 1040, "byte {at}: {changed:?}");
    }
}

#[test]
fn debug_mode_counts_where_the_mask_says_so() {
    let debug = |at, bit| Sigstruct::parse(&flipped(at, bit)).unwrap().debug();
    assert_eq!(debug(928, 2), DebugMode::Required);
    assert_eq!(debug(944, 2), DebugMode::Allowed);
}

#[test]
fn it_is_found_wherever_it_lies_and_however_often() {
    let (one, pad) = (signed(), [0x06; 33]);
    let found = |parts: &[&[u8]]| Sigstruct::find(&parts.concat()).map(|all| all.len());
    assert_eq!(found(&[]), Ok(0));
    assert_eq!(found(&[&pad, &pad]), Ok(0));
    assert_eq!(found(&[&one]), Ok(1));
    assert_eq!(found(&[&pad, &one, &pad]), Ok(1));
    assert_eq!(found(&[&one, &one, &pad, &one]), Ok(3));
}

#[test]
fn what_is_cut_off_followed_or_broken_is_said_so() {
    let bytes = signed();
    for length in 0..bytes.len() {
        let cut = Sigstruct::parse(&bytes[..length]);
        assert!(matches!(cut, Err(Malformed::TooShort { .. })), "{length}: {cut:?}");
    }
    assert!(matches!(Sigstruct::find(&bytes[..1000]), Err(Malformed::TooShort { .. })));
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(Sigstruct::parse(&longer), Err(Malformed::Trailing { left: 1, .. })));
    for reserved in [0, 24, 44, 127, 992, 1028] {
        let refused = Sigstruct::parse(&flipped(reserved, 1));
        assert!(matches!(refused, Err(Malformed::Field { .. })), "{reserved}: {refused:?}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(before in prop::collection::vec(any::<u8>(), 0..64), at in 0..1808_usize, value: u8, length in 0..1900_usize) {
        let mut bytes = [before.clone(), flipped(at, value)].concat();
        bytes.truncate(length);
        for read in Sigstruct::find(&bytes).unwrap_or_default() {
            read.signature();
        }
        let _ = Sigstruct::parse(&before);
    }
}
