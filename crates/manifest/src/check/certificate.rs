//! `Secrets.*.Cert`: what of Go's `x509.Certificate` shapes a generated certificate.

use std::net::IpAddr;
use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Check, Place};
use crate::finding::shown;
use crate::json::ZERO_TIME;
use crate::model::{CertificateTemplate, Validity};
use crate::written::{Certificate, ExtendedKeyUsage, Name, ObjectId, Uri, UriParts};

/// 9999-12-31T23:59:59Z in seconds since 1970: no certificate can say more (RFC 5280 section 4.1.2.5.2).
const LATEST: i64 = 253_402_300_799;
/// digitalSignature and certSign.
const DEFAULT_KEY_USAGE: u16 = 1 | 32;
/// All bits of RFC 5280 section 4.2.1.3.
const ALL_KEY_USAGES: u32 = 0x1ff;
/// Extended key usages in Go's numbering.
const EXTENDED_KEY_USAGES: [&str; 14] = [
    "2.5.29.37.0",
    "1.3.6.1.5.5.7.3.1",
    "1.3.6.1.5.5.7.3.2",
    "1.3.6.1.5.5.7.3.3",
    "1.3.6.1.5.5.7.3.4",
    "1.3.6.1.5.5.7.3.5",
    "1.3.6.1.5.5.7.3.6",
    "1.3.6.1.5.5.7.3.7",
    "1.3.6.1.5.5.7.3.8",
    "1.3.6.1.5.5.7.3.9",
    "1.3.6.1.4.1.311.10.3.3",
    "2.16.840.1.113730.4.1",
    "1.3.6.1.4.1.311.2.1.22",
    "1.3.6.1.4.1.311.61.1.1",
];
const SERVER_AUTH: usize = 1;
const CLIENT_AUTH: usize = 2;

impl Check {
    /// `NotAfter`; `None` if it is Go's zero value or wrong.
    pub(super) fn not_after(&mut self, place: &Place<'_>, written: &str) -> Option<SystemTime> {
        if written == ZERO_TIME {
            return None;
        }
        let Ok(until) = OffsetDateTime::parse(written, &Rfc3339) else {
            self.error(place, "not a time of the form 2030-12-31T23:59:59Z (RFC 3339)");
            return None;
        };
        if until.unix_timestamp() > LATEST {
            self.error(place, format!("{} is after the year 9999 (UTC), the last of X.509", shown(written)));
        }
        let until = SystemTime::from(until);
        if until <= self.now {
            self.error(place, format!("{} lies in the past", shown(written)));
        }
        Some(until)
    }

    pub(super) fn certificate(
        &mut self,
        place: &Place<'_>,
        written: Certificate,
        validity: Validity,
    ) -> CertificateTemplate {
        if written.is_ca == Some(true) {
            self.error(&place.key("IsCA"), "refused: its holder could issue identities of any marble");
        }
        let extensions = self.extensions(place, &written);
        self.names(place, &written);
        CertificateTemplate {
            validity,
            subject: self.subject(&place.key("Subject"), written.subject.unwrap_or_default()),
            dns_names: or(written.dns_names, || vec!["localhost".into()]),
            ip_addresses: self.addresses(&place.key("IPAddresses"), written.ip_addresses),
            email_addresses: written.email_addresses.unwrap_or_default(),
            uris: self.uris(&place.key("URIs"), written.uris.unwrap_or_default()),
            key_usage: self.key_usage(&place.key("KeyUsage"), written.key_usage),
            extended_key_usage: self.extended(place, written.ext_key_usage, written.unknown_ext_key_usage),
            extensions,
            // Written whether or not `BasicConstraintsValid` says so, to state that this is no CA.
            basic_constraints: true,
        }
    }

    fn names(&mut self, place: &Place<'_>, written: &Certificate) {
        for (key, names) in [("DNSNames", &written.dns_names), ("EmailAddresses", &written.email_addresses)] {
            self.ia5(&place.key(key), names.as_deref().unwrap_or_default());
        }
    }

    /// IA5String (RFC 5280 section 4.2.1.6) is ASCII; control characters have no place in a name.
    pub(super) fn ia5(&mut self, place: &Place<'_>, names: &[String]) {
        for (i, name) in names.iter().enumerate() {
            if name.is_empty() {
                self.error(&place.item(i), "must not be empty");
            } else if !name.is_ascii() || name.contains(|c: char| c.is_ascii_control()) {
                // A NUL has fooled verifiers into reading another name than the one that was issued.
                self.error(
                    &place.item(i),
                    "must be printable ASCII: write international names in their encoded form",
                );
            }
        }
    }

    fn subject(&mut self, place: &Place<'_>, written: Name) -> Vec<(String, Vec<String>)> {
        let one = |text: Option<String>| text.filter(|t| !t.is_empty()).map(|t| vec![t]);
        let extra_names = place.key("ExtraNames");
        let mut subject = vec![
            ("2.5.4.6".to_owned(), written.country),
            ("2.5.4.10".to_owned(), written.organization),
            ("2.5.4.11".to_owned(), written.organizational_unit),
            ("2.5.4.7".to_owned(), written.locality),
            ("2.5.4.8".to_owned(), written.province),
            ("2.5.4.9".to_owned(), written.street_address),
            ("2.5.4.17".to_owned(), written.postal_code),
            ("2.5.4.3".to_owned(), one(written.common_name)),
            ("2.5.4.5".to_owned(), one(written.serial_number)),
        ];
        for (i, extra) in written.extra_names.unwrap_or_default().into_iter().enumerate() {
            match extra.kind {
                Some(ObjectId(kind)) => subject.push((kind, Some(vec![extra.value.unwrap_or_default()]))),
                None => self.error(&extra_names.item(i), "needs Type: an object identifier"),
            }
        }
        let given = subject.into_iter().filter_map(|(kind, values)| Some((kind, values?)));
        given.filter(|(_, values)| !values.is_empty()).collect()
    }

    fn addresses(&mut self, place: &Place<'_>, written: Option<Vec<String>>) -> Vec<IpAddr> {
        let mut addresses = Vec::new();
        for (i, address) in written.unwrap_or_default().into_iter().enumerate() {
            match address.parse() {
                Ok(address) => addresses.push(address),
                Err(_) => self.error(&place.item(i), format!("`{}` is no IP address", shown(&address))),
            }
        }
        match addresses.is_empty() {
            true => vec![std::net::Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()],
            false => addresses,
        }
    }

    fn uris(&mut self, place: &Place<'_>, written: Vec<Uri>) -> Vec<String> {
        let uris: Vec<String> = written
            .into_iter()
            .map(|uri| match uri {
                Uri::Text(text) => text,
                Uri::Parts(parts) => assembled(parts),
            })
            .collect();
        self.ia5(place, &uris);
        uris
    }

    fn key_usage(&mut self, place: &Place<'_>, written: Option<u32>) -> u16 {
        match written {
            None | Some(0) => DEFAULT_KEY_USAGE,
            Some(bits) if bits <= ALL_KEY_USAGES => u16::try_from(bits).unwrap_or(DEFAULT_KEY_USAGE),
            Some(bits) => {
                self.error(
                    place,
                    format!("{bits} is no sum of key usages, which is at most {ALL_KEY_USAGES}"),
                );
                DEFAULT_KEY_USAGE
            }
        }
    }

    fn extended(
        &mut self,
        place: &Place<'_>,
        known: Option<Vec<ExtendedKeyUsage>>,
        unknown: Option<Vec<ObjectId>>,
    ) -> Vec<String> {
        let list = place.key("ExtKeyUsage");
        let mut usages = Vec::new();
        for (i, ExtendedKeyUsage(number)) in known.unwrap_or_default().into_iter().enumerate() {
            match EXTENDED_KEY_USAGES.get(usize::from(number)) {
                Some(id) => usages.push((*id).to_owned()),
                None => self.error(&list.item(i), format!("{number} is none: write 0 to 13")),
            }
        }
        usages.extend(unknown.unwrap_or_default().into_iter().map(|id| id.0));
        match usages.is_empty() {
            true => [SERVER_AUTH, CLIENT_AUTH].map(|i| EXTENDED_KEY_USAGES[i].to_owned()).to_vec(),
            false => usages,
        }
    }
}

fn or(given: Option<Vec<String>>, default: impl FnOnce() -> Vec<String>) -> Vec<String> {
    given.filter(|list| !list.is_empty()).unwrap_or_else(default)
}

/// A URI of its parts (RFC 3986 section 5.3).
fn assembled(parts: UriParts) -> String {
    let mut uri = parts.scheme.filter(|s| !s.is_empty()).map(|s| s + ":").unwrap_or_default();
    match parts.opaque.filter(|opaque| !opaque.is_empty()) {
        Some(opaque) => uri += &opaque,
        None => {
            if let Some(host) = parts.host.filter(|host| !host.is_empty()) {
                uri += "//";
                uri += &host;
            }
            uri += &parts.path.unwrap_or_default();
        }
    }
    for (mark, part) in [("?", parts.raw_query), ("#", parts.fragment)] {
        if let Some(part) = part.filter(|part| !part.is_empty()) {
            uri += mark;
            uri += &part;
        }
    }
    uri
}
