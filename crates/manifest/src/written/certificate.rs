//! `Secrets.*.Cert`: the field names of Go's `x509.Certificate`, as its `encoding/json` reads them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{Bytes, written};
use crate::json::{Decode, Kind, Parser, Stop, object, wrong_kind};

written! {
    /// How a certificate secret is made.
    pub struct Certificate {
        /// Name of the holder.
        "Subject" => subject: Name,
        /// Until when it is valid, RFC 3339; not together with ValidFor.
        #[schemars(extend("format" = "date-time"))]
        "NotAfter" => not_after: String,
        /// Host names; default localhost.
        "DNSNames" => dns_names: Vec<String>,
        /// Addresses; default 127.0.0.1 and ::1.
        "IPAddresses" => ip_addresses: Vec<String>,
        /// E-mail addresses.
        "EmailAddresses" => email_addresses: Vec<String>,
        /// URIs.
        "URIs" => uris: Vec<Uri>,
        /// Sum of 1 digitalSignature, 2 contentCommitment, 4 keyEncipherment, 8 dataEncipherment, 16 keyAgreement,
        /// 32 certSign, 64 cRLSign, 128 encipherOnly, 256 decipherOnly; default 33.
        "KeyUsage" => key_usage: u32,
        /// 0 any, 1 server, 2 client, 3 code signing, 4 e-mail, 5 to 7 IPsec, 8 time stamping, 9 OCSP signing, 10 to
        /// 13 vendors'; default 1 and 2.
        "ExtKeyUsage" => ext_key_usage: Vec<ExtendedKeyUsage>,
        /// Further extended key usages.
        "UnknownExtKeyUsage" => unknown_ext_key_usage: Vec<ObjectId>,
        /// OCSP servers.
        "OCSPServer" => ocsp_server: Vec<String>,
        /// Where the issuer's certificate can be fetched.
        "IssuingCertificateURL" => issuing_certificate_url: Vec<String>,
        /// Where revocation lists can be fetched.
        "CRLDistributionPoints" => crl_distribution_points: Vec<String>,
        /// Certificate policies.
        "PolicyIdentifiers" => policy_identifiers: Vec<ObjectId>,
        /// Certificate policies, dotted.
        "Policies" => policies: Vec<ObjectId>,
        /// Whether name constraints are critical.
        "PermittedDNSDomainsCritical" => permitted_dns_domains_critical: bool,
        /// Name constraints.
        "PermittedDNSDomains" => permitted_dns_domains: Vec<String>,
        /// Name constraints.
        "ExcludedDNSDomains" => excluded_dns_domains: Vec<String>,
        /// Name constraints.
        "PermittedIPRanges" => permitted_ip_ranges: Vec<IpNet>,
        /// Name constraints.
        "ExcludedIPRanges" => excluded_ip_ranges: Vec<IpNet>,
        /// Name constraints.
        "PermittedEmailAddresses" => permitted_email_addresses: Vec<String>,
        /// Name constraints.
        "ExcludedEmailAddresses" => excluded_email_addresses: Vec<String>,
        /// Name constraints.
        "PermittedURIDomains" => permitted_uri_domains: Vec<String>,
        /// Name constraints.
        "ExcludedURIDomains" => excluded_uri_domains: Vec<String>,
        /// Extensions to add as they are.
        "ExtraExtensions" => extra_extensions: Vec<Extension>,
        /// Kind of key; must fit the secret's type.
        "PublicKeyAlgorithm" => public_key_algorithm: u32,
        /// Refused: its holder could issue identities of any marble.
        #[schemars(extend("enum" = [false, null]))]
        "IsCA" => is_ca: bool,
    }
    without_effect [
        "Raw", "RawTBSCertificate", "RawSubjectPublicKeyInfo", "RawSubject", "RawIssuer", "Signature",
        "SignatureAlgorithm", "PublicKey", "Version", "SerialNumber", "Issuer", "NotBefore", "Extensions",
        "UnhandledCriticalExtensions", "BasicConstraintsValid", "MaxPathLen", "MaxPathLenZero", "SubjectKeyId",
        "AuthorityKeyId", "InhibitAnyPolicy", "InhibitAnyPolicyZero", "InhibitPolicyMapping",
        "InhibitPolicyMappingZero", "RequireExplicitPolicy", "RequireExplicitPolicyZero", "PolicyMappings",
    ]
}

written! {
    /// A distinguished name.
    pub struct Name {
        /// C.
        "Country" => country: Vec<String>,
        /// O.
        "Organization" => organization: Vec<String>,
        /// OU.
        "OrganizationalUnit" => organizational_unit: Vec<String>,
        /// L.
        "Locality" => locality: Vec<String>,
        /// ST.
        "Province" => province: Vec<String>,
        /// STREET.
        "StreetAddress" => street_address: Vec<String>,
        /// Postal code.
        "PostalCode" => postal_code: Vec<String>,
        /// CN; default the single DNS name.
        "CommonName" => common_name: String,
        /// Serial number of the holder (not of the certificate).
        "SerialNumber" => serial_number: String,
        /// Further attributes, in this order.
        "ExtraNames" => extra_names: Vec<AttributeTypeAndValue>,
    }
    without_effect ["Names"]
}

written! {
    /// An attribute of a name.
    pub struct AttributeTypeAndValue {
        /// Object identifier.
        "Type" => kind: ObjectId,
        /// Value.
        "Value" => value: String,
    }
    without_effect []
}

written! {
    /// An extension.
    pub struct Extension {
        /// Object identifier.
        "Id" => id: ObjectId,
        /// Whether who does not know it must refuse the certificate.
        "Critical" => critical: bool,
        /// Raw value.
        "Value" => value: Bytes,
    }
    without_effect []
}

written! {
    /// A range of addresses.
    pub struct IpNet {
        /// First address.
        "IP" => ip: String,
        /// Mask, as many bytes as the address.
        "Mask" => mask: Bytes,
    }
    without_effect []
}

written! {
    /// A URI in parts.
    pub struct UriParts {
        /// `https`.
        "Scheme" => scheme: String,
        /// What follows the scheme if there is no host.
        "Opaque" => opaque: String,
        /// Host, with port if any.
        "Host" => host: String,
        /// Path.
        "Path" => path: String,
        /// Query, encoded, without `?`.
        "RawQuery" => raw_query: String,
        /// Fragment, without `#`.
        "Fragment" => fragment: String,
    }
    without_effect ["User", "RawPath", "OmitHost", "ForceQuery", "RawFragment"]
}

/// A URI: in parts as Go writes it, or as a string.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum Uri {
    /// As a string.
    Text(String),
    /// In parts.
    Parts(UriParts),
}

impl Decode for Uri {
    fn decode(p: &mut Parser<'_>) -> Result<Option<Self>, Stop> {
        match p.kind()? {
            Kind::String => Ok(String::decode(p)?.map(Self::Text)),
            Kind::Object => Ok(object(p)?.map(Self::Parts)),
            _ => wrong_kind(p, "a URI"),
        }
    }
}

/// Number of an extended key usage in Go's order.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub struct ExtendedKeyUsage(#[schemars(range(min = 0, max = 13))] pub u8);

impl Decode for ExtendedKeyUsage {
    fn decode(p: &mut Parser<'_>) -> Result<Option<Self>, Stop> {
        Ok(u8::decode(p)?.map(Self))
    }
}

/// An object identifier: a list of numbers, or dotted. Held dotted.
pub struct ObjectId(pub String);

impl Decode for ObjectId {
    fn decode(p: &mut Parser<'_>) -> Result<Option<Self>, Stop> {
        let dotted = match p.kind()? {
            Kind::String => Some(p.string()?.into_owned()),
            Kind::Array => Vec::<u32>::decode(p)?.map(dotted),
            _ => wrong_kind(p, "an object identifier: a list of numbers")?,
        };
        let Some(dotted) = dotted else { return Ok(None) };
        match der::asn1::ObjectIdentifier::new(&dotted) {
            // In one spelling only: 2.5.29.017 is 2.5.29.17, and must not pass for another one.
            Ok(id) => Ok(Some(Self(id.to_string()))),
            Err(_) => {
                p.error("not an object identifier: write it as [2, 5, 4, 3]");
                Ok(None)
            }
        }
    }
}

fn dotted(arcs: Vec<u32>) -> String {
    arcs.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
}

impl JsonSchema for ObjectId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ObjectId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "array", "items": { "type": "integer", "minimum": 0 } },
            { "type": "string" },
        ] })
    }
}
