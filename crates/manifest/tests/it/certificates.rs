//! What `Secrets.*.Cert` becomes.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use marblerun_manifest::{CertificateTemplate, Validity};
use serde_json::{Value, json};

use super::{parse, patched};

fn template(secret: Value) -> CertificateTemplate {
    let mut whole = json!({"Type": "cert-ecdsa", "Size": 256});
    super::merge(&mut whole, &secret);
    let checked = parse(&patched(&json!({"Secrets": {"x": whole}}))).unwrap_or_else(|e| panic!("{e}"));
    checked.manifest.secrets["x"].certificate.clone()
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn defaults() {
    let made = template(json!({}));
    assert_eq!(made.validity, Validity::Days(365));
    assert!(made.subject.is_empty());
    assert_eq!(made.dns_names, ["localhost"]);
    assert_eq!(made.ip_addresses, addresses(&["127.0.0.1", "::1"]));
    assert_eq!(made.key_usage, 33);
    assert_eq!(made.extended_key_usage, ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    assert!(made.extensions.is_empty() && made.uris.is_empty() && made.email_addresses.is_empty());
    assert!(made.basic_constraints);
}

#[test]
fn each_default_stands_alone() {
    let made = template(json!({"Cert": {"DNSNames": ["a.example"], "EmailAddresses": ["x@a.example"]}}));
    assert_eq!(made.dns_names, ["a.example"]);
    assert_eq!(made.ip_addresses, addresses(&["127.0.0.1", "::1"]));
    assert_eq!(made.email_addresses, ["x@a.example"]);
    let made = template(json!({"Cert": {"IPAddresses": ["192.0.2.9", "2001:db8::9"]}}));
    assert_eq!(made.dns_names, ["localhost"]);
    assert_eq!(made.ip_addresses, addresses(&["192.0.2.9", "2001:db8::9"]));
}

#[test]
fn validity() {
    assert_eq!(template(json!({"ValidFor": 30})).validity, Validity::Days(30));
    assert_eq!(template(json!({"ValidFor": 0})).validity, Validity::Days(365));
    let until = SystemTime::UNIX_EPOCH + Duration::from_secs(2_208_988_800);
    let made = template(json!({"Cert": {"NotAfter": "2040-01-01T01:00:00+01:00"}}));
    assert_eq!(made.validity, Validity::Until(until));
}

#[test]
fn the_subject_is_in_the_order_of_go() {
    let made = template(json!({"Cert": {"Subject": {
        "CommonName": "cellar door", "Organization": ["Orchard", "Press"], "Country": ["AT"], "SerialNumber": "7",
        "ExtraNames": [{"Type": [2, 5, 4, 12], "Value": "Dr"}],
    }}}));
    let subject: Vec<(&str, Vec<&str>)> = made
        .subject
        .iter()
        .map(|(id, values)| (id.as_str(), values.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(
        subject,
        [
            ("2.5.4.6", vec!["AT"]),
            ("2.5.4.10", vec!["Orchard", "Press"]),
            ("2.5.4.3", vec!["cellar door"]),
            ("2.5.4.5", vec!["7"]),
            ("2.5.4.12", vec!["Dr"]),
        ]
    );
}

#[test]
fn usages() {
    let made =
        template(json!({"Cert": {"KeyUsage": 5, "ExtKeyUsage": [1], "UnknownExtKeyUsage": [[1, 2, 3]]}}));
    assert_eq!(made.key_usage, 5);
    assert_eq!(made.extended_key_usage, ["1.3.6.1.5.5.7.3.1", "1.2.3"]);
}

#[test]
fn uris() {
    let made = template(json!({"Cert": {"URIs": [
        {"Scheme": "spiffe", "Host": "orchard.example", "Path": "/press", "User": null},
        {"Scheme": "urn", "Opaque": "x:y"},
        {"Scheme": "https", "Host": "a:1", "RawQuery": "q=1", "Fragment": "f"},
        "https://b/",
    ]}}));
    assert_eq!(made.uris, ["spiffe://orchard.example/press", "urn:x:y", "https://a:1?q=1#f", "https://b/"]);
}

/// Values as OpenSSL's `asn1parse` reads them, written by hand after RFC 5280.
#[test]
fn further_extensions() {
    let made = template(json!({"Cert": {
        "OCSPServer": ["http://o"],
        "CRLDistributionPoints": ["http://c"],
        "PolicyIdentifiers": [[1, 2, 3]],
        "PermittedDNSDomains": ["a"],
        "PermittedDNSDomainsCritical": true,
        "ExcludedIPRanges": [{"IP": "10.1.2.3", "Mask": "/wAAAA=="}],
        "ExtraExtensions": [{"Id": [1, 2, 4], "Critical": true, "Value": "AQI="}],
    }}));
    let found: Vec<(&str, bool, String)> =
        made.extensions.iter().map(|(id, critical, value)| (id.as_str(), *critical, hex(value))).collect();
    let ocsp = "3016 3014 06082b06010505073001 8608687474703a2f2f6f";
    let constraints = "3015 a005 3003 820161 a10c 300a 8708 0a000000ff000000";
    let points = "3010 300e a00c a00a 8608 687474703a2f2f63";
    let want = [
        ("1.3.6.1.5.5.7.1.1", false, ocsp),
        ("2.5.29.32", false, "3006 3004 06022a03"),
        ("2.5.29.30", true, constraints),
        ("2.5.29.31", false, points),
        ("1.2.4", true, "0102"),
    ];
    assert_eq!(found, want.map(|(id, critical, value)| (id, critical, value.replace(' ', ""))));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
