//! Certificate signing requests (PKCS#10, RFC 2986): what a marble asks for, read with suspicion.
//!
//! Of a request count the subject (but never its common name), the DNS names and the addresses. Everything else that
//! it may carry is passed over. Sizes and counts are bounded before anything is kept.

use std::net::IpAddr;

use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode as _, Encode as _, Reader, SliceReader, Tag, Tagged as _};
use spki::{AlgorithmIdentifierRef, ObjectIdentifier, SubjectPublicKeyInfoRef};

use super::certificate::Signed;
use super::name::{self, Entry};
use super::{PkiError, signature};

/// Largest request that is read, in bytes. One with an RSA-8192 key and two hundred names has a fifth of it.
pub const MAX_REQUEST_BYTES: usize = 64 << 10;

/// How many attributes, extensions, parts of the subject or alternative names are read, each.
const MAX_ITEMS: usize = 512;
/// Longest DNS name, RFC 1035 section 2.3.4.
const MAX_DNS_NAME: usize = 253;
/// Longest value in a subject.
const MAX_TEXT: usize = 1024;

/// extensionRequest, RFC 2985 section 5.4.2.
const EXTENSION_REQUEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.14");
const ALTERNATIVES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
/// Tags of the choices of GeneralName, RFC 5280 section 4.2.1.6.
const DNS_NAME: u32 = 2;
const IP_ADDRESS: u32 = 7;

type Parsed<T> = Result<T, PkiError>;

/// A PKCS#10 request (RFC 2986) whose signature was checked.
#[derive(Debug, Clone)]
pub struct CertificateRequest {
    subject: Vec<Entry>,
    /// DNS names asked for: ASCII without control characters, at most 253 bytes each.
    pub dns_names: Vec<String>,
    /// Addresses asked for.
    pub ip_addresses: Vec<IpAddr>,
}

impl CertificateRequest {
    /// Parses DER and checks the signature with the key in the request; any key kind, unknown extensions ignored.
    ///
    /// # Errors
    /// [`PkiError::Request`] with what is wrong.
    pub fn parse(der: &[u8]) -> Result<Self, PkiError> {
        let (signed, info) = open(der)?;
        // Before anything else is read: what nobody signed is not worth a look.
        check_signature(&signed, &info.public)?;
        Self::read(&info)
    }

    fn read(info: &Info<'_>) -> Parsed<Self> {
        let mut request = Self { subject: subject(info.subject)?, dns_names: vec![], ip_addresses: vec![] };
        request.read_attributes(info.attributes)?;
        Ok(request)
    }

    /// The subject of the marble's certificate: the one asked for, but the common name is `uuid` alone.
    pub(super) fn subject_of(&self, uuid: &str) -> Vec<Entry> {
        name::with_common_name(&self.subject, uuid)
    }

    fn read_attributes(&mut self, attributes: &[u8]) -> Parsed<()> {
        let mut requests = Vec::new();
        for attribute in items(attributes, "attributes")? {
            let (oid, values) = attribute
                .sequence(|reader| Ok((ObjectIdentifier::decode(reader)?, AnyRef::decode(reader)?)))
                .map_err(|why| malformed("an attribute", why))?;
            if oid == EXTENSION_REQUEST {
                requests.push(contents(values, Tag::Set).map_err(|why| malformed("an attribute", why))?);
            }
        }
        match requests.as_slice() {
            [] => Ok(()),
            [one] => self.read_extensions(one),
            _ => refuse("it has several lists of extensions; send one".into()),
        }
    }

    fn read_extensions(&mut self, values: &[u8]) -> Parsed<()> {
        let [list] = items(values, "lists of extensions")?[..] else {
            return refuse("its list of extensions is not one value".into());
        };
        let list = contents(list, Tag::Sequence).map_err(|why| malformed("its list of extensions", why))?;
        let mut alternatives = None;
        for extension in items(list, "extensions")? {
            let (oid, value) = read_extension(extension).map_err(|why| malformed("an extension", why))?;
            if oid == ALTERNATIVES && alternatives.replace(value).is_some() {
                return refuse("it has subject alternative names twice".into());
            }
        }
        alternatives.map_or(Ok(()), |value| self.read_alternatives(value))
    }

    fn read_alternatives(&mut self, value: &[u8]) -> Parsed<()> {
        let list = AnyRef::from_der(value)
            .and_then(|list| contents(list, Tag::Sequence))
            .map_err(|why| malformed("its alternative names", why))?;
        for name in items(list, "alternative names")? {
            let Tag::ContextSpecific { number, .. } = name.tag() else {
                return refuse("an alternative name is no GeneralName".into());
            };
            match number.value() {
                DNS_NAME => self.dns_names.push(dns_name(name.value())?),
                IP_ADDRESS => self.ip_addresses.push(address(name.value())?),
                // Mail addresses, URIs and the rest are not for marbles.
                _ => {}
            }
        }
        Ok(())
    }
}

/// `CertificationRequestInfo`, RFC 2986 section 4.1, as far as the encoding says.
struct Info<'a> {
    subject: &'a [u8],
    public: SubjectPublicKeyInfoRef<'a>,
    attributes: &'a [u8],
}

impl<'a> Info<'a> {
    fn read(body: AnyRef<'a>) -> der::Result<Self> {
        body.sequence(|reader| {
            // RFC 2986 knows version 0 alone, and no program ever wrote another that meant something else.
            u8::decode(reader)?;
            let subject = contents(AnyRef::decode(reader)?, Tag::Sequence)?;
            let public = SubjectPublicKeyInfoRef::decode(reader)?;
            // The attributes are not optional, but OpenSSL and Go accept requests without.
            let attributes = if reader.is_finished() { &[] } else { AnyRef::decode(reader)?.value() };
            Ok(Self { subject, public, attributes })
        })
    }
}

fn open(der: &[u8]) -> Parsed<(Signed<'_>, Info<'_>)> {
    if der.len() > MAX_REQUEST_BYTES {
        return refuse(format!("it has {} bytes; at most {MAX_REQUEST_BYTES} are read", der.len()));
    }
    let signed = Signed::from_der(der).map_err(|why| malformed("it is no PKCS#10 request", why))?;
    let info = Info::read(signed.body).map_err(|why| malformed("its contents", why))?;
    Ok((signed, info))
}

fn check_signature(signed: &Signed<'_>, public: &SubjectPublicKeyInfoRef<'_>) -> Parsed<()> {
    let body = signed.body.to_der().map_err(|why| malformed("its contents", why))?;
    let algorithm: &AlgorithmIdentifierRef<'_> = &signed.algorithm;
    signature::verify(public, algorithm, &body, signed.signature.raw_bytes()).map_err(PkiError::Request)
}

/// The parts of the subject that Go knows, in its order. A type that it does not know, and the common name, which is
/// the Coordinator's to give, are left out.
fn subject(rdns: &[u8]) -> Parsed<Vec<Entry>> {
    let mut given: Vec<(ObjectIdentifier, String)> = Vec::new();
    for rdn in items(rdns, "parts of its subject")? {
        let parts = contents(rdn, Tag::Set).map_err(|why| malformed("its subject", why))?;
        for part in items(parts, "parts of its subject")? {
            let (oid, value) = part
                .sequence(|reader| Ok((ObjectIdentifier::decode(reader)?, AnyRef::decode(reader)?)))
                .map_err(|why| malformed("its subject", why))?;
            if is_kept(oid) && given.len() < MAX_ITEMS {
                given.push((oid, text(value)?));
            }
        }
    }
    let types = name::BEFORE_COMMON_NAME.into_iter().chain([name::SERIAL_NUMBER]);
    Ok(types.map(|oid| (oid, values_of(oid, &given))).filter(|(_, values)| !values.is_empty()).collect())
}

fn is_kept(oid: ObjectIdentifier) -> bool {
    name::BEFORE_COMMON_NAME.contains(&oid) || oid == name::SERIAL_NUMBER
}

fn values_of(oid: ObjectIdentifier, given: &[(ObjectIdentifier, String)]) -> Vec<String> {
    given.iter().filter(|(other, _)| *other == oid).map(|(_, value)| value.clone()).collect()
}

/// A string of any type whose bytes are UTF-8, which leaves out the two- and four-byte encodings of old.
fn text(value: AnyRef<'_>) -> Parsed<String> {
    match value.tag() {
        Tag::PrintableString | Tag::Utf8String | Tag::Ia5String | Tag::NumericString | Tag::TeletexString => {
        }
        other => return refuse(format!("its subject has a {other}; write UTF8String")),
    }
    let text = std::str::from_utf8(value.value()).ok().filter(|text| text.len() <= MAX_TEXT);
    match text {
        Some(text) => Ok(text.to_owned()),
        None => refuse(format!("its subject has a text that is no UTF-8 or longer than {MAX_TEXT} bytes")),
    }
}

fn read_extension<'a>(extension: AnyRef<'a>) -> der::Result<(ObjectIdentifier, &'a [u8])> {
    extension.sequence(|reader| {
        let oid = ObjectIdentifier::decode(reader)?;
        if Tag::peek(reader)? == Tag::Boolean {
            bool::decode(reader)?;
        }
        let value: &'a OctetStringRef = reader.decode()?;
        Ok((oid, value.as_bytes()))
    })
}

/// A name as it will stand in the certificate. Whether it is a good name is for the one who checks it to say; here
/// only what could deceive a program that prints or compares it is kept out.
fn dns_name(bytes: &[u8]) -> Parsed<String> {
    let printable = bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if bytes.is_empty() || bytes.len() > MAX_DNS_NAME || !printable {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_DNS_NAME)]).into_owned();
        return refuse(format!(
            "the DNS name {shown:?} is empty, longer than {MAX_DNS_NAME} bytes or not ASCII"
        ));
    }
    Ok(bytes.iter().copied().map(char::from).collect())
}

fn address(bytes: &[u8]) -> Parsed<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Ok(four.into());
    }
    match <[u8; 16]>::try_from(bytes) {
        Ok(sixteen) => Ok(IpAddr::from(sixteen)),
        Err(_) => refuse(format!("an IP address has {} bytes; they have 4 or 16", bytes.len())),
    }
}

/// The elements of a SEQUENCE OF or SET OF, whose contents `bytes` are. In any order: some programs do not sort sets.
fn items<'a>(bytes: &'a [u8], what: &str) -> Parsed<Vec<AnyRef<'a>>> {
    let mut reader = SliceReader::new(bytes).map_err(|why| malformed(what, why))?;
    let mut all = Vec::new();
    while !reader.is_finished() {
        if all.len() == MAX_ITEMS {
            return refuse(format!("it has more than {MAX_ITEMS} {what}"));
        }
        all.push(reader.decode().map_err(|why: der::Error| malformed(what, why))?);
    }
    Ok(all)
}

fn contents<'a>(value: AnyRef<'a>, expected: Tag) -> der::Result<&'a [u8]> {
    value.tag().assert_eq(expected)?;
    Ok(value.value())
}

fn malformed(what: &str, why: der::Error) -> PkiError {
    PkiError::Request(format!("{what}: {why}"))
}

fn refuse<T>(why: String) -> Parsed<T> {
    Err(PkiError::Request(why))
}

#[cfg(test)]
mod tests;
