//! Requests put together byte by byte, as a hostile marble could, each with a genuine signature.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use proptest::prelude::*;

use super::*;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OCTETS: u8 = 0x04;
const PRINTABLE: u8 = 0x13;
const UTF8: u8 = 0x0c;
const BMP: u8 = 0x1e;
const DNS: u8 = 0x82;
const IP: u8 = 0x87;
const MAIL: u8 = 0x81;

fn tlv(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let value = parts.concat();
    let length = match value.len() {
        short @ 0..128 => vec![short as u8],
        long => [vec![0x84], (long as u32).to_be_bytes().to_vec()].concat(),
    };
    // DER wants the shortest form of a length.
    let length = match length.as_slice() {
        [0x84, 0, 0, 0, low] => vec![0x81, *low],
        [0x84, 0, 0, high, low] => vec![0x82, *high, *low],
        [0x84, 0, high, middle, low] => vec![0x83, *high, *middle, *low],
        _ => length,
    };
    [vec![tag], length, value].concat()
}

fn oid(dotted: &str) -> Vec<u8> {
    ObjectIdentifier::new_unwrap(dotted).to_der().unwrap()
}

fn text(tag: u8, value: &[u8]) -> Vec<u8> {
    tlv(tag, &[value.to_vec()])
}

fn rdn(parts: &[(&str, u8, &str)]) -> Vec<u8> {
    let parts: Vec<_> = parts
        .iter()
        .map(|(kind, tag, value)| tlv(SEQUENCE, &[oid(kind), text(*tag, value.as_bytes())]))
        .collect();
    tlv(SET, &parts)
}

fn extension(dotted: &str, value: Vec<u8>) -> Vec<u8> {
    tlv(SEQUENCE, &[oid(dotted), tlv(OCTETS, &[value])])
}

fn alternatives(names: &[Vec<u8>]) -> Vec<u8> {
    extension("2.5.29.17", tlv(SEQUENCE, names))
}

fn extension_request(extensions: &[Vec<u8>]) -> Vec<u8> {
    tlv(SEQUENCE, &[oid("1.2.840.113549.1.9.14"), tlv(SET, &[tlv(SEQUENCE, extensions)])])
}

/// A request with these parts of the subject and these attributes, signed by a fresh key.
fn request(subject: &[Vec<u8>], attributes: &[Vec<u8>]) -> Vec<u8> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let public = key.public_key().as_der().unwrap().as_ref().to_vec();
    let version = vec![2, 1, 0];
    let info = tlv(SEQUENCE, &[version, tlv(SEQUENCE, subject), public, tlv(0xa0, attributes)]);
    let signature = key.sign(&SystemRandom::new(), &info).unwrap().as_ref().to_vec();
    let algorithm = tlv(SEQUENCE, &[oid("1.2.840.10045.4.3.2")]);
    tlv(SEQUENCE, &[info, algorithm, tlv(0x03, &[vec![0], signature])])
}

fn with_names(names: &[Vec<u8>]) -> Vec<u8> {
    request(&[], &[extension_request(&[alternatives(names)])])
}

fn subject_text(der: &[u8]) -> String {
    let parsed = CertificateRequest::parse(der).unwrap();
    name::encode(&parsed.subject_of("UUID")).unwrap().to_string()
}

fn check_refused(name: &str, der: &[u8], why: &str) {
    match CertificateRequest::parse(der) {
        Err(PkiError::Request(said)) => assert!(said.contains(why), "{name}: {said:?} does not say {why:?}"),
        other => panic!("{name}: expected a refusal with {why:?}, got {other:?}"),
    }
}

fn check_names(name: &str, der: &[u8], dns: &[&str], ip: &[&str]) {
    let parsed = CertificateRequest::parse(der).unwrap_or_else(|why| panic!("{name}: {why}"));
    assert_eq!(parsed.dns_names, dns, "{name}");
    assert_eq!(parsed.ip_addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ip, "{name}");
}

#[test]
fn names_and_addresses_count_and_nothing_else() {
    let four = tlv(IP, &[vec![10, 1, 2, 3]]);
    let sixteen = tlv(IP, &[[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7].to_vec()]);
    let names = [text(DNS, b"*.a.example"), four, text(MAIL, b"a@a.example"), sixteen, text(DNS, b"b")];
    check_names(
        "names of several kinds",
        &with_names(&names),
        &["*.a.example", "b"],
        &["10.1.2.3", "2001:db8::7"],
    );
    check_names("nothing asked for", &request(&[], &[]), &[], &[]);

    let authority = extension("2.5.29.19", tlv(SEQUENCE, &[vec![1, 1, 0xff]]));
    let critical = tlv(SEQUENCE, &[oid("1.2.3.4"), vec![1, 1, 0xff], tlv(OCTETS, &[vec![0xde, 0xad]])]);
    let extensions = extension_request(&[critical, alternatives(&[text(DNS, b"a")]), authority]);
    check_names("unknown extensions", &request(&[], std::slice::from_ref(&extensions)), &["a"], &[]);

    let password = tlv(SEQUENCE, &[oid("1.2.840.113549.1.9.7"), tlv(SET, &[text(UTF8, b"secret")])]);
    // In an order that a sorted SET OF would not have.
    let attributes = [extensions, password];
    check_names("unknown attributes, unsorted", &request(&[], &attributes), &["a"], &[]);
}

#[test]
fn the_common_name_is_never_what_the_marble_says() {
    let cn = "2.5.4.3";
    let cases = [
        ("none", vec![], "CN=UUID"),
        ("one", vec![rdn(&[(cn, UTF8, "admin")])], "CN=UUID"),
        ("two", vec![rdn(&[(cn, UTF8, "a")]), rdn(&[(cn, PRINTABLE, "b")])], "CN=UUID"),
        ("beside another", vec![rdn(&[("2.5.4.10", UTF8, "Orchard"), (cn, UTF8, "a")])], "CN=UUID,O=Orchard"),
    ];
    for (name, subject, expected) in cases {
        assert_eq!(subject_text(&request(&subject, &[])), expected, "{name}");
    }
}

#[test]
fn the_rest_of_the_subject_is_kept_as_go_keeps_it() {
    let subject = [
        rdn(&[("2.5.4.5", PRINTABLE, "7")]),
        rdn(&[("2.5.4.11", UTF8, "K\u{fc}he")]),
        rdn(&[("2.5.4.10", PRINTABLE, "B")]),
        rdn(&[("1.2.840.113549.1.9.1", UTF8, "a@a.example")]),
        rdn(&[("2.5.4.6", PRINTABLE, "AT"), ("2.5.4.10", PRINTABLE, "A")]),
    ];
    assert_eq!(subject_text(&request(&subject, &[])), "SERIALNUMBER=7,CN=UUID,OU=K\u{fc}he,O=A+O=B,C=AT",);
    let twice = [rdn(&[("2.5.4.10", UTF8, "A")]), rdn(&[("2.5.4.10", UTF8, "A")])];
    assert_eq!(subject_text(&request(&twice, &[])), "CN=UUID,O=A");
}

#[test]
fn what_is_wrong_is_named() {
    let names = |count: usize| vec![text(DNS, b"a"); count];
    let twice = extension_request(&[alternatives(&names(1)), alternatives(&names(1))]);
    let lists = [extension_request(&[alternatives(&names(1))]), extension_request(&[])];
    let two_values =
        tlv(SEQUENCE, &[oid("1.2.840.113549.1.9.14"), tlv(SET, &[tlv(SEQUENCE, &[]), tlv(SEQUENCE, &[])])]);
    let cases = [
        ("empty", vec![], "no PKCS#10 request"),
        ("garbage", b"-----BEGIN CERTIFICATE REQUEST-----".to_vec(), "no PKCS#10 request"),
        ("trailing", [request(&[], &[]), vec![0]].concat(), "no PKCS#10 request"),
        ("huge", vec![0x30; MAX_REQUEST_BYTES + 1], "at most 65536"),
        ("empty name", with_names(&[text(DNS, b"")]), "DNS name \"\""),
        ("NUL in a name", with_names(&[text(DNS, b"a\0.example")]), "not ASCII"),
        ("control character", with_names(&[text(DNS, b"a\x1b[2J")]), "not ASCII"),
        ("not ASCII", with_names(&[text(DNS, "\u{fc}.example".as_bytes())]), "not ASCII"),
        ("long name", with_names(&[text(DNS, &[b'a'; 254])]), "longer than 253"),
        ("short address", with_names(&[text(IP, b"12345")]), "has 5 bytes"),
        ("no GeneralName", with_names(&[text(UTF8, b"a")]), "no GeneralName"),
        ("too many names", with_names(&names(513)), "more than 512 alternative names"),
        ("names twice", request(&[], &[twice]), "twice"),
        ("two lists", request(&[], &lists), "several lists"),
        ("two values", request(&[], &[two_values]), "not one value"),
        ("strange text", request(&[rdn(&[("2.5.4.10", BMP, "ab")])], &[]), "write UTF8String"),
        ("long text", request(&[rdn(&[("2.5.4.10", UTF8, &"a".repeat(1025))])], &[]), "longer than 1024"),
        ("subject of strings", request(&[text(UTF8, b"a")], &[]), "its subject"),
    ];
    for (name, der, why) in cases {
        check_refused(name, &der, why);
    }
}

#[test]
fn a_signature_by_nobody_is_refused() {
    let good = with_names(&[text(DNS, b"a.example")]);
    let place = good.windows(9).position(|part| part == b"a.example").unwrap();
    let mut changed = good.clone();
    changed[place] = b'b';
    check_refused("changed name", &changed, "not made by its key");
    let mut spoiled = good;
    *spoiled.last_mut().unwrap() ^= 1;
    check_refused("spoiled signature", &spoiled, "not made by its key");
}

/// What a hostile marble could sign: parsed without regard to the signature.
fn read_unsigned(der: &[u8]) -> Parsed<CertificateRequest> {
    let (signed, info) = open(der)?;
    let _ = check_signature(&signed, &info.public);
    CertificateRequest::read(&info)
}

fn sample() -> Vec<u8> {
    let names = [text(DNS, b"a.example"), tlv(IP, &[vec![10, 1, 2, 3]]), text(MAIL, b"a@a.example")];
    let subject = [rdn(&[("2.5.4.10", UTF8, "Orchard"), ("2.5.4.3", PRINTABLE, "a")])];
    request(&subject, &[extension_request(&[alternatives(&names)])])
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        whole in prop::bool::weighted(0.8),
    ) {
        let mut der = sample();
        for (place, byte) in changes {
            let place = place.index(der.len());
            der[place] = byte;
        }
        if !whole {
            der.truncate(cut.index(der.len()));
        }
        let _ = read_unsigned(&der);
    }

    #[test]
    fn noise_never_panics(der in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_unsigned(&der);
    }
}
