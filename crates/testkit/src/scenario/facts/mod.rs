//! What must hold for each certificate and key in an answer.

mod describe;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

pub(crate) use describe::describe;

use super::json::Json;
use super::placeholder::Placeholder;

/// The Coordinator's own certificates at the moment of an answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Own {
    /// DER by name: `root`, `intermediate`, `marble root`.
    pub(crate) certificates: BTreeMap<String, Vec<u8>>,
    /// Seconds since 1970: certificates that start now start near it.
    pub(crate) now: u64,
}

/// Where what is found in `actual` is not what `facts` state. `expected` says by its placeholders in which encoding a
/// certificate or key stands.
pub(crate) fn differences(facts: &Json, expected: &Json, actual: &Json, own: &Own) -> Vec<String> {
    let each = facts.fields().iter();
    let wrong = each.filter_map(|(pointer, facts)| {
        let outcome = check_place(facts, expected.at(pointer), actual.at(pointer), own);
        outcome.err().map(|why| format!("facts of {pointer}: {why:#}"))
    });
    wrong.collect()
}

fn check_place(facts: &Json, expected: Option<&Json>, actual: Option<&Json>, own: &Own) -> Result<()> {
    let actual = actual.context("not in the answer")?;
    let placeholder = expected.and_then(Json::as_text).and_then(Placeholder::parse);
    let objects = placeholder.context("nothing is recorded there")?.objects(actual)?;
    ensure!(objects.len() == facts.items().len(), "{} found, {} stated", objects.len(), facts.items().len());
    for (index, (fact, (label, der))) in facts.items().iter().zip(&objects).enumerate() {
        check_object(fact, label, der, own).with_context(|| format!("number {}", index + 1))?;
    }
    Ok(())
}

fn check_object(fact: &Json, label: &str, der: &[u8], own: &Own) -> Result<()> {
    if let Some(name) = fact.as_text() {
        let expected =
            own.certificates.get(name).with_context(|| format!("the Coordinator shows no {name}"))?;
        ensure!(der == expected, "it is not the {name}, but {}", describe(label, der, own)?.compact());
        return Ok(());
    }
    let (stated, seen) = (with_defaults(fact, label), describe(label, der, own)?);
    let wrong: Vec<_> = stated
        .fields()
        .iter()
        .filter(|(name, value)| seen.field(name) != Some(value))
        .map(|(name, value)| {
            format!(
                "{name} {}, seen {}",
                value.compact(),
                seen.field(name).map_or_else(String::new, Json::compact)
            )
        })
        .collect();
    ensure!(wrong.is_empty(), "expected {}", wrong.join("; "));
    Ok(())
}

/// What is left out when as usual. A `sha256` is stated only where bytes are fixed.
fn with_defaults(fact: &Json, label: &str) -> Json {
    let mut fields = fact.fields().to_vec();
    if label == super::x509::CERTIFICATE {
        for (name, value) in [
            ("otherExtensions", Json::Object(Vec::new())),
            ("signature", Json::text("ecdsa-with-SHA384")),
            ("startsNow", Json::Bool(true)),
            ("serial", Json::text("random")),
        ] {
            if fact.field(name).is_none() {
                fields.push((name.to_owned(), value));
            }
        }
    }
    Json::Object(fields)
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
        KeyPair, KeyUsagePurpose, SanType, SerialNumber,
    };

    use super::*;
    use crate::scenario::pem;

    const NOW: u64 = 1_800_000_000;

    fn key() -> KeyPair {
        KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("key")
    }

    fn params(name: &str, days: i64) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = time::OffsetDateTime::from_unix_timestamp(NOW as i64).expect("time");
        params.not_after = params.not_before + time::Duration::days(days);
        params.serial_number = Some(SerialNumber::from(vec![0x70; 16]));
        params
    }

    fn ca(name: &str, key: &KeyPair) -> Vec<u8> {
        let mut params = params(name, 40_000);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(key).expect("ca").der().to_vec()
    }

    struct World {
        own: Own,
        marble_key: KeyPair,
    }

    fn world() -> World {
        let (root_key, marble_key) = (key(), key());
        let certificates = BTreeMap::from([
            ("root".to_owned(), ca("root", &root_key)),
            ("intermediate".to_owned(), ca("mid", &marble_key)),
            ("marble root".to_owned(), ca("mid", &marble_key)),
        ]);
        World { own: Own { certificates, now: NOW + 5 }, marble_key }
    }

    fn leaf_params() -> CertificateParams {
        let mut params = params("leaf", 365);
        params.distinguished_name.push(DnType::OrganizationName, "Orchard");
        params.subject_alt_names = vec![
            SanType::IpAddress([127, 0, 0, 1].into()),
            SanType::DnsName("a.example".try_into().expect("name")),
        ];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyAgreement];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.is_ca = IsCa::ExplicitNoCa;
        let extension = CustomExtension::from_oid_content(&[1, 3, 9903, 2, 1], b"press".to_vec());
        params.custom_extensions = vec![extension];
        params
    }

    const LEAF: &str = r#"{"subject":"CN=leaf,O=Orchard","issuer":"CN=mid","alternatives":["DNS:a.example","IP:127.0.0.1"],
        "key":"EC secp384r1","usage":["digitalSignature","keyAgreement"],"extendedUsage":["clientAuth","serverAuth"],
        "ca":false,"critical":["2.5.29.15","2.5.29.19"],"otherExtensions":{"1.3.9903.2.1":"7072657373"},"days":365,
        "signedBy":["intermediate","marble root"]}"#;

    fn differences_of(fact: &Json, placeholder: &str, actual: &Json, own: &Own) -> Vec<String> {
        let facts = Json::Object(vec![("/x".into(), Json::List(vec![fact.clone()]))]);
        let at = |value: Json| Json::Object(vec![("x".into(), value)]);
        differences(&facts, &at(Json::text(placeholder)), &at(actual.clone()), own)
    }

    fn leaf(world: &World, params: &CertificateParams) -> Vec<u8> {
        let issuer = Issuer::new(super::tests::params("mid", 1), &world.marble_key);
        params.signed_by(&key(), &issuer).expect("leaf").der().to_vec()
    }

    fn check_leaf(fact: &Json, params: &CertificateParams) -> Vec<String> {
        let world = world();
        let pem = Json::text(pem::encode("CERTIFICATE", &leaf(&world, params)));
        differences_of(fact, "<pem:CERTIFICATE>", &pem, &world.own)
    }

    #[test]
    fn a_leaf_as_stated() {
        let fact = Json::parse(LEAF).expect("JSON");
        assert_eq!(check_leaf(&fact, &leaf_params()), Vec::<String>::new());
    }

    /// Each stated property, and each that is left out because it is as usual, is seen when it is another.
    #[test]
    fn every_property_counts() {
        for (name, other) in [
            ("subject", "\"CN=leaf\""),
            ("issuer", "\"CN=root\""),
            ("alternatives", "[\"DNS:a.example\"]"),
            ("key", "\"EC secp256r1\""),
            ("usage", "[\"digitalSignature\"]"),
            ("extendedUsage", "[\"serverAuth\"]"),
            ("ca", "true"),
            ("ca", "null"),
            ("critical", "[]"),
            ("otherExtensions", "{}"),
            ("otherExtensions", "{\"1.3.9903.2.1\":\"70\"}"),
            ("days", "364"),
            ("days", "\"more than 36500\""),
            ("signedBy", "[\"root\"]"),
            ("signedBy", "[\"self\"]"),
            ("signature", "\"ecdsa-with-SHA256\""),
            ("startsNow", "false"),
            ("serial", "5"),
            ("sha256", "\"00\""),
        ] {
            let mut fields = Json::parse(LEAF).expect("JSON").fields().to_vec();
            fields.retain(|(key, _)| key != name);
            fields.push((name.to_owned(), Json::parse(other).expect("JSON")));
            let fact = Json::Object(fields);
            let found = check_leaf(&fact, &leaf_params()).join("\n");
            let only = format!("facts of /x: number 1: expected {name} {other}, seen ");
            assert!(found.starts_with(&only) && !found.contains("; "), "{name} {other} {found}");
        }
    }

    #[test]
    fn unusual_certificates_are_seen() {
        let fact = Json::parse(LEAF).expect("JSON");
        let changed = |change: fn(&mut CertificateParams)| {
            let mut params = leaf_params();
            change(&mut params);
            check_leaf(&fact, &params).join("\n")
        };
        assert!(changed(|p| p.serial_number = Some(SerialNumber::from(vec![1; 8]))).contains("serial"));
        assert!(changed(|p| p.serial_number = Some(SerialNumber::from(vec![1; 17]))).contains("serial"));
        assert!(changed(|p| p.not_before += time::Duration::hours(1)).contains("startsNow"));
        assert!(changed(|p| p.not_after += time::Duration::days(1)).contains("days"));
        assert!(changed(|p| p.is_ca = IsCa::NoCa).contains("ca false"));
        assert!(changed(|p| p.key_usages.clear()).contains("usage"));
        assert!(
            changed(|p| p.custom_extensions.push(CustomExtension::from_oid_content(&[1, 2, 3], vec![1])))
                .contains("otherExtensions")
        );
    }

    #[test]
    fn the_coordinators_own_are_the_very_same() {
        let world = world();
        for name in ["root", "intermediate", "marble root"] {
            let der = &world.own.certificates[name];
            let check = |fact: &str| {
                let actual = Json::text(pem::encode("CERTIFICATE", der));
                differences_of(&Json::text(fact), "<pem:CERTIFICATE>", &actual, &world.own).len()
            };
            assert_eq!(check(name), 0);
            assert_eq!(["root", "intermediate", "marble root"].map(check).iter().sum::<usize>(), 2, "{name}");
            assert_eq!(check("stranger"), 1);
        }
        let details =
            describe("CERTIFICATE", &world.own.certificates["marble root"], &world.own).expect("described");
        assert_eq!(details.field("signedBy").map(Json::compact).as_deref(), Some("[\"self\"]"));
    }

    #[test]
    fn keys_and_counts() {
        let own = Own::default();
        let pem = pem::encode("PRIVATE KEY", &key().serialize_der());
        let check = |fact: &str, placeholder: &str, actual: &str| {
            differences_of(&Json::parse(fact).expect("JSON"), placeholder, &Json::text(actual), &own)
                .is_empty()
        };
        assert!(check(r#"{"key":"EC secp384r1"}"#, "<pem:PRIVATE KEY>", &pem));
        assert!(!check(r#"{"key":"EC secp256r1"}"#, "<pem:PRIVATE KEY>", &pem));
        assert!(!check(r#"{"key":"EC secp384r1","sha256":"00"}"#, "<pem:PRIVATE KEY>", &pem));
        assert!(!check(r#"{"key":"EC secp384r1"}"#, "<pem:PRIVATE KEY>", &format!("{pem}{pem}")));
        assert!(check(r#"{"key":"EC secp384r1"}"#, "<hex:PRIVATE KEY>", &hex::encode(key().serialize_der())));
        assert!(!check(r#"{"key":"EC secp384r1"}"#, "<text>", &pem), "nothing is recorded there");
    }
}
