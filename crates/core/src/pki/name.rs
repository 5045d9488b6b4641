//! Distinguished names, encoded as Go's `crypto/x509` encodes them: one RDN for each type with all its values, text
//! as PrintableString where it fits and as UTF8String elsewhere.

use der::Tag;
use der::asn1::{Any, PrintableStringRef, SetOfVec};
use spki::ObjectIdentifier;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};

use super::PkiError;

/// commonName, X.520.
pub(super) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// serialNumber, X.520.
pub(super) const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");

/// The types that stand before the common name, in Go's order: country, organization, organizational unit, locality,
/// province, street address, postal code.
pub(super) const BEFORE_COMMON_NAME: [ObjectIdentifier; 7] = [
    ObjectIdentifier::new_unwrap("2.5.4.6"),
    ObjectIdentifier::new_unwrap("2.5.4.10"),
    ObjectIdentifier::new_unwrap("2.5.4.11"),
    ObjectIdentifier::new_unwrap("2.5.4.7"),
    ObjectIdentifier::new_unwrap("2.5.4.8"),
    ObjectIdentifier::new_unwrap("2.5.4.9"),
    ObjectIdentifier::new_unwrap("2.5.4.17"),
];

/// One RDN: a type and its values.
pub(super) type Entry = (ObjectIdentifier, Vec<String>);

/// Entries as the manifest's template has them, with dotted types.
pub(super) fn from_template(subject: &[(String, Vec<String>)]) -> Result<Vec<Entry>, PkiError> {
    subject.iter().map(|(oid, values)| Ok((parse_oid("Subject", oid)?, values.clone()))).collect()
}

/// A dotted object identifier of the template's field `field`.
pub(super) fn parse_oid(field: &str, oid: &str) -> Result<ObjectIdentifier, PkiError> {
    ObjectIdentifier::new(oid)
        .map_err(|why| PkiError::Template(format!("{field}: {oid:?} is no object identifier: {why}")))
}

pub(super) fn has_common_name(entries: &[Entry]) -> bool {
    entries.iter().any(|(oid, _)| *oid == COMMON_NAME)
}

/// The entries with this common name as their only one, at its place in Go's order.
pub(super) fn with_common_name(entries: &[Entry], common_name: &str) -> Vec<Entry> {
    let mut all: Vec<Entry> = entries.iter().filter(|(oid, _)| *oid != COMMON_NAME).cloned().collect();
    let place = all.iter().take_while(|(oid, _)| BEFORE_COMMON_NAME.contains(oid)).count();
    all.insert(place, (COMMON_NAME, vec![common_name.to_owned()]));
    all
}

/// The name of these entries, each with a value one RDN.
pub(super) fn encode(entries: &[Entry]) -> der::Result<Name> {
    let rdns = entries
        .iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(oid, values)| rdn(*oid, values))
        .collect::<der::Result<Vec<_>>>()?;
    // X.509 type constraints are kept by construction: only the two string types that RFC 5280 section 4.1.2.4 wants.
    Ok(Name::hazmat_from_rdn_sequence(RdnSequence::from(rdns)))
}

/// A value that is given twice stands once: a set has no element twice (X.690 section 8.12).
fn rdn(oid: ObjectIdentifier, values: &[String]) -> der::Result<RelativeDistinguishedName> {
    let values = std::collections::BTreeSet::from_iter(values)
        .into_iter()
        .map(|value| Ok(AttributeTypeAndValue { oid, value: directory_string(value)? }))
        .collect::<der::Result<Vec<_>>>()?;
    Ok(RelativeDistinguishedName::from(SetOfVec::try_from(values)?))
}

fn directory_string(text: &str) -> der::Result<Any> {
    let tag = if PrintableStringRef::new(text).is_ok() { Tag::PrintableString } else { Tag::Utf8String };
    Any::new(tag, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &[(&str, &[&str])], expected: &str) {
        let given: Vec<(String, Vec<String>)> = given
            .iter()
            .map(|(oid, values)| ((*oid).to_owned(), values.iter().map(ToString::to_string).collect()))
            .collect();
        let entries = with_common_name(&from_template(&given).unwrap(), "x");
        // As written, which `Display` turns around.
        let written: Vec<_> = encode(&entries).unwrap().iter_rdn().map(ToString::to_string).collect();
        assert_eq!(written.join(","), expected);
    }

    #[test]
    fn the_common_name_has_one_place() {
        check(&[], "CN=x");
        check(&[("2.5.4.3", &["a"]), ("2.5.4.3", &["b"])], "CN=x");
        check(
            &[("2.5.4.6", &["AT"]), ("2.5.4.17", &["8010"]), ("2.5.4.5", &["7"])],
            "C=AT,POSTALCODE=8010,CN=x,SERIALNUMBER=7",
        );
        check(&[("2.5.4.10", &[]), ("0.9.2342.19200300.100.1.25", &["example"])], "CN=x,DC=example");
    }

    #[test]
    fn text_is_printable_where_it_can_be() {
        for (text, tag) in [
            ("Orchard (Graz), '25'", Tag::PrintableString),
            ("*.example", Tag::Utf8String),
            ("a@b", Tag::Utf8String),
            ("K\u{fc}he", Tag::Utf8String),
        ] {
            assert_eq!(der::Tagged::tag(&directory_string(text).unwrap()), tag, "{text}");
        }
    }
}
