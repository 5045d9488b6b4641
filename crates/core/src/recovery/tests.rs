//! Shares are made, opened with the holders' private keys, and put together again.

use std::collections::BTreeMap;

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::shamir::{self, ShamirError, Share};
use super::{RecoveryError, Shares, combine, split_for};
use crate::keys::{FreshKeys, KeyError, KeyKind, KeyPair, KeySource};

const NAMES: [&str; 4] = ["safe-four", "safe-one", "safe-three", "safe-two"];

/// DER of a recorded key (`testdata/golden/api/keys`).
pub(super) fn recorded(name: &str, kind: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/golden/api/keys");
    let pem = std::fs::read_to_string(format!("{folder}/{name}.{kind}.pem")).unwrap();
    let lines: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(lines).unwrap()
}

pub(super) fn holders(count: usize) -> BTreeMap<String, Vec<u8>> {
    let key = |name: &&str| (name.to_string(), recorded(name, "public"));
    NAMES[..count].iter().map(key).collect()
}

fn decrypt(name: &str, encrypted: &[u8]) -> Share {
    let key = PrivateDecryptingKey::from_pkcs8(&recorded(name, "key")).unwrap();
    let key = OaepPrivateDecryptingKey::new(key).unwrap();
    let mut share = vec![0; key.min_output_size()];
    let length = key.decrypt(&OAEP_SHA256_MGF1SHA256, encrypted, &mut share, None).unwrap().len();
    share.truncate(length);
    Zeroizing::new(share)
}

pub(super) fn opened(shares: &Shares) -> Vec<Share> {
    shares.encrypted.iter().map(|(name, encrypted)| decrypt(name, encrypted)).collect()
}

pub(super) fn key() -> Zeroizing<[u8; 32]> {
    Zeroizing::new(std::array::from_fn(|n| n as u8 * 7 + 1))
}

/// Splits for so many holders, checks every selection of their shares, and gives the shares.
#[track_caller]
fn check(count: usize, threshold: usize, needed: usize, length: usize) -> Vec<Share> {
    let shares = split_for(&key(), holders(count), threshold, &FreshKeys).unwrap();
    assert_eq!((shares.hints.threshold, shares.hints.holders.len()), (needed, count));
    let plain = opened(&shares);
    for selection in 0..1_u32 << count {
        let chosen: Vec<Share> =
            (0..count).filter(|n| selection >> n & 1 == 1).map(|n| plain[n].clone()).collect();
        let expected = if chosen.len() >= needed {
            Ok(key())
        } else {
            Err(RecoveryError::TooFew { given: chosen.len(), needed })
        };
        assert_eq!(combine(&chosen, &shares.hints), expected, "selection {selection:b}");
    }
    assert!(plain.iter().all(|share| share.len() == length), "shares have {length} bytes");
    plain
}

#[test]
fn one_holder_gets_the_key_itself() {
    assert_eq!(*check(1, 0, 1, 32)[0], key().to_vec());
    check(1, 1, 1, 32);
}

#[test]
fn all_holders_together_have_the_key() {
    let plain = check(3, 0, 3, 32);
    let xor = |n: usize| plain.iter().fold(0, |sum, share| sum ^ share[n]);
    assert_eq!((0..32).map(xor).collect::<Vec<u8>>(), key().to_vec());
    check(3, 3, 3, 32);
    check(2, 2, 2, 32);
}

#[test]
fn any_threshold_of_the_holders_has_the_key() {
    let plain = check(4, 2, 2, 33);
    assert_eq!(plain.iter().map(|share| share[32]).collect::<Vec<_>>(), [1, 2, 3, 4]);
    check(4, 3, 3, 33);
    check(3, 2, 2, 33);
}

#[test]
fn without_holders_there_is_nothing() {
    let shares = split_for(&key(), BTreeMap::new(), 0, &FreshKeys).unwrap();
    assert!(shares.encrypted.is_empty() && shares.hints == super::Hints::default());
    assert_eq!(combine(&[], &shares.hints), Err(RecoveryError::TooFew { given: 0, needed: 1 }));
}

#[test]
fn wrong_foreign_and_repeated_shares_are_refused_at_once() {
    let shares = split_for(&key(), holders(3), 2, &FreshKeys).unwrap();
    let foreign = opened(&split_for(&key(), holders(3), 2, &FreshKeys).unwrap());
    let own = opened(&shares);
    let mut spoilt = own[1].clone();
    spoilt[0] ^= 1;
    let refused = |given: &[&Share]| {
        combine(&given.iter().map(|s| (*s).clone()).collect::<Vec<_>>(), &shares.hints).unwrap_err()
    };
    assert_eq!(refused(&[&own[0], &foreign[1]]), RecoveryError::Unknown);
    assert_eq!(refused(&[&own[0], &spoilt]), RecoveryError::Unknown);
    assert_eq!(refused(&[&own[0], &Zeroizing::new(Vec::new())]), RecoveryError::Unknown);
    let holder = "safe-four".to_owned();
    assert_eq!(refused(&[&own[0], &own[0]]), RecoveryError::Repeated { holder });
    assert_eq!(shares.hints.holder_of(&own[2]), Ok("safe-three"));
}

#[test]
fn an_unusable_key_is_named() {
    let mut holders = holders(2);
    holders.insert("safe".into(), recorded("alice", "key"));
    let refused = split_for(&key(), holders, 0, &FreshKeys).unwrap_err();
    assert_eq!(refused, KeyError("RecoveryKeys.safe: this is no RSA public key of 2048 to 8192 bits".into()));
}

#[test]
fn a_threshold_beyond_the_holders_is_refused() {
    for threshold in [1, 4] {
        let refused = split_for(&key(), holders(3), threshold, &FreshKeys).unwrap_err().to_string();
        assert!(refused.contains(&format!("threshold {threshold} of 3")), "{refused}");
    }
    assert!(shamir::split(&[1], 256, 2, &FreshKeys).is_err());
}

#[test]
fn forged_hints_are_noticed_not_believed() {
    let mut shares = split_for(&key(), holders(3), 2, &FreshKeys).unwrap();
    let mut forged: Vec<Share> = opened(&shares);
    forged[1] = forged[0].clone();
    forged[1][3] ^= 1;
    let names: Vec<_> = shares.hints.holders.keys().cloned().collect();
    for (name, share) in names.iter().zip(&forged) {
        shares.hints.holders.get_mut(name).unwrap().share_sha256 = super::sha256(share);
    }
    let refused = combine(&forged[..2], &shares.hints);
    assert_eq!(refused, Err(RecoveryError::Unfit("two shares have the same x".into())));
}

#[test]
fn no_randomness_no_shares() {
    struct Dry;
    impl KeySource for Dry {
        fn key_pair(&self, _: KeyKind) -> Result<KeyPair, KeyError> {
            Err(KeyError("dry".into()))
        }
        fn fill(&self, _: &mut [u8]) -> Result<(), KeyError> {
            Err(KeyError("dry".into()))
        }
    }
    for threshold in [0, 2] {
        assert_eq!(split_for(&key(), holders(3), threshold, &Dry).unwrap_err(), KeyError("dry".into()));
    }
}

/// Made by another implementation (Python, with log and exponent tables over generator 3): secret byte i is i,
/// coefficients are 7i + 11 and 29i + 200 modulo 256.
const VECTORS: [&str; 3] = [
    "c3f6193c1f7245a8fb8eb154772a3d00f326496c8fa2f5d82b3e610427daedb001",
    "1b9c383fba26af0578842da722deb710b0ec7eb9119644c353345de164ee07fb02",
    "db6c5d576e2db0ab19d9cc5f66d5053a47bdd468254a5b3409f31dd6efa462d105",
];

struct Coefficients;

impl KeySource for Coefficients {
    fn key_pair(&self, _: KeyKind) -> Result<KeyPair, KeyError> {
        Err(KeyError("none".into()))
    }

    fn fill(&self, out: &mut [u8]) -> Result<(), KeyError> {
        for (n, byte) in out.iter_mut().enumerate() {
            let i = (n % 32) as u8;
            *byte = if n < 32 {
                i.wrapping_mul(7).wrapping_add(11)
            } else {
                i.wrapping_mul(29).wrapping_add(200)
            };
        }
        Ok(())
    }
}

#[test]
fn shares_are_those_of_another_implementation() {
    let secret: Vec<u8> = (0..32).collect();
    let ours = shamir::split(&secret, 5, 3, &Coefficients).unwrap();
    let theirs: Vec<Share> = VECTORS.iter().map(|text| Zeroizing::new(hex::decode(text).unwrap())).collect();
    assert_eq!([&ours[0], &ours[1], &ours[4]], [&theirs[0], &theirs[1], &theirs[2]]);
    assert_eq!(*shamir::combine(&theirs).unwrap(), secret);
}

#[test]
fn shares_that_cannot_belong_together_are_refused() {
    let share = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
    let cases: [(&str, Vec<Share>, ShamirError); 7] = [
        ("none", vec![], ShamirError::TooFew),
        ("one", vec![share(&[1, 1])], ShamirError::TooFew),
        ("lengths", vec![share(&[1, 1]), share(&[1, 1, 2])], ShamirError::Lengths),
        ("empty", vec![share(&[]), share(&[])], ShamirError::Lengths),
        ("x alone", vec![share(&[1]), share(&[2])], ShamirError::Lengths),
        ("x = 0", vec![share(&[1, 1]), share(&[1, 0])], ShamirError::ZeroX),
        ("same x", vec![share(&[1, 1]), share(&[2, 1])], ShamirError::SameX),
    ];
    for (name, shares, error) in cases {
        assert_eq!(shamir::combine(&shares).err(), Some(error), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_threshold_of_shares_gives_the_secret_and_fewer_do_not(
        secret in proptest::collection::vec(any::<u8>(), 16..34),
        (count, threshold) in prop_oneof![9 => 2_usize..=12, 1 => Just(255)].prop_flat_map(|n| (Just(n), 2..=n)),
        start in any::<proptest::sample::Index>(),
    ) {
        let mut shares = shamir::split(&secret, count, threshold, &FreshKeys).unwrap();
        shares.rotate_left(start.index(count));
        prop_assert_eq!(&*shamir::combine(&shares[..threshold]).unwrap(), &secret);
        if threshold > 2 {
            prop_assert_ne!(&*shamir::combine(&shares[..threshold - 1]).unwrap(), &secret);
        }
    }
}
