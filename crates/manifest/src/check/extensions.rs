//! Extensions of generated certificates beyond names and key usages (RFC 5280 section 4.2), as Go writes them.

use der::Encode;
use der::asn1::{Ia5String, ObjectIdentifier, OctetString};
use x509_cert::ext::pkix::certpolicy::PolicyInformation;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, CertificatePolicies, CrlDistributionPoints, NameConstraints,
};

use super::{Check, Place};
use crate::finding::shown;
use crate::written::{Certificate, Extension, IpNet};

const AUTHORITY_INFO_ACCESS: &str = "1.3.6.1.5.5.7.1.1";
const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
const CA_ISSUERS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.2");
const CRL_DISTRIBUTION_POINTS: &str = "2.5.29.31";
const CERTIFICATE_POLICIES: &str = "2.5.29.32";
const NAME_CONSTRAINTS: &str = "2.5.29.30";

/// Extensions that `ExtraExtensions` must not bring in: the Coordinator writes them from other fields, or they
/// would turn a secret's certificate into a CA's, or (1.3.9903.2.1, the marble type) into a marble's.
const RESERVED: [(&str, &str); 7] = [
    ("2.5.29.14", "subject key identifier"),
    ("2.5.29.15", "KeyUsage"),
    ("2.5.29.17", "DNSNames, IPAddresses, EmailAddresses and URIs"),
    ("2.5.29.19", "basic constraints"),
    ("2.5.29.35", "authority key identifier"),
    ("2.5.29.37", "ExtKeyUsage"),
    ("1.3.9903.2.1", "marble type"),
];

/// `(dotted OID, critical, raw value)`.
type Raw = (String, bool, Vec<u8>);

impl Check {
    pub(super) fn extensions(&mut self, place: &Place<'_>, written: &Certificate) -> Vec<Raw> {
        let derived = [
            self.info_access(place, written),
            self.policies(place, written),
            self.name_constraints(place, written),
            self.crl_distribution_points(place, written),
        ];
        let mut extensions: Vec<Raw> = derived.into_iter().flatten().collect();
        let list = place.key("ExtraExtensions");
        for (i, extra) in written.extra_extensions.iter().flatten().enumerate() {
            extensions.extend(self.extra(&list.item(i), extra, &extensions));
        }
        extensions
    }

    fn extra(&mut self, place: &Place<'_>, extra: &Extension, others: &[Raw]) -> Option<Raw> {
        let Some(id) = extra.id.as_ref().map(|id| id.0.as_str()) else {
            self.error(&place.key("Id"), "required: an object identifier");
            return None;
        };
        if let Some((_, what)) = RESERVED.iter().find(|(reserved, _)| *reserved == id) {
            self.error(place, format!("{} ({what}) is the Coordinator's to write", shown(id)));
        } else if others.iter().any(|(other, ..)| other == id) {
            self.error(place, format!("the certificate has an extension {} already", shown(id)));
        }
        let value = extra.value.as_ref().map(|bytes| bytes.0.clone()).unwrap_or_default();
        Some((id.to_owned(), extra.critical.unwrap_or_default(), value))
    }

    fn info_access(&mut self, place: &Place<'_>, written: &Certificate) -> Option<Raw> {
        let mut entries = Vec::new();
        let sources = [
            ("OCSPServer", OCSP, &written.ocsp_server),
            ("IssuingCertificateURL", CA_ISSUERS, &written.issuing_certificate_url),
        ];
        for (key, access_method, uris) in sources {
            let names = self.general_names(&place.key(key), uris, GeneralName::UniformResourceIdentifier);
            entries.extend(names.map(|access_location| AccessDescription { access_method, access_location }));
        }
        raw(AUTHORITY_INFO_ACCESS, false, entries.is_empty(), &AuthorityInfoAccessSyntax(entries))
    }

    fn crl_distribution_points(&mut self, place: &Place<'_>, written: &Certificate) -> Option<Raw> {
        let place = place.key("CRLDistributionPoints");
        let uris = self.general_names(
            &place,
            &written.crl_distribution_points,
            GeneralName::UniformResourceIdentifier,
        );
        let point = |name| DistributionPoint {
            distribution_point: Some(DistributionPointName::FullName(vec![name])),
            reasons: None,
            crl_issuer: None,
        };
        let points: Vec<DistributionPoint> = uris.map(point).collect();
        raw(CRL_DISTRIBUTION_POINTS, false, points.is_empty(), &CrlDistributionPoints(points))
    }

    fn policies(&mut self, place: &Place<'_>, written: &Certificate) -> Option<Raw> {
        let mut policies: Vec<PolicyInformation> = Vec::new();
        for id in written.policy_identifiers.iter().chain(&written.policies).flatten() {
            // Checked when it was read.
            let Ok(policy_identifier) = ObjectIdentifier::new(&id.0) else { continue };
            if policies.iter().any(|p| p.policy_identifier == policy_identifier) {
                self.warn(&place.key("Policies"), format!("{} stands twice", shown(&id.0)));
            } else {
                policies.push(PolicyInformation { policy_identifier, policy_qualifiers: None });
            }
        }
        raw(CERTIFICATE_POLICIES, false, policies.is_empty(), &CertificatePolicies(policies))
    }

    fn name_constraints(&mut self, place: &Place<'_>, written: &Certificate) -> Option<Raw> {
        let permitted = self.subtrees(
            place,
            Side {
                dns: ("PermittedDNSDomains", &written.permitted_dns_domains),
                ip: ("PermittedIPRanges", &written.permitted_ip_ranges),
                email: ("PermittedEmailAddresses", &written.permitted_email_addresses),
                uri: ("PermittedURIDomains", &written.permitted_uri_domains),
            },
        );
        let excluded = self.subtrees(
            place,
            Side {
                dns: ("ExcludedDNSDomains", &written.excluded_dns_domains),
                ip: ("ExcludedIPRanges", &written.excluded_ip_ranges),
                email: ("ExcludedEmailAddresses", &written.excluded_email_addresses),
                uri: ("ExcludedURIDomains", &written.excluded_uri_domains),
            },
        );
        let none = permitted.is_none() && excluded.is_none();
        let constraints = NameConstraints { permitted_subtrees: permitted, excluded_subtrees: excluded };
        raw(NAME_CONSTRAINTS, written.permitted_dns_domains_critical.unwrap_or_default(), none, &constraints)
    }

    fn subtrees(&mut self, place: &Place<'_>, side: Side<'_>) -> Option<Vec<GeneralSubtree>> {
        let mut names: Vec<GeneralName> = Vec::new();
        names.extend(self.general_names(&place.key(side.dns.0), side.dns.1, GeneralName::DnsName));
        let ranges = place.key(side.ip.0);
        for (i, range) in side.ip.1.iter().flatten().enumerate() {
            names.extend(self.range(&ranges.item(i), range));
        }
        names.extend(self.general_names(&place.key(side.email.0), side.email.1, GeneralName::Rfc822Name));
        let uris =
            self.general_names(&place.key(side.uri.0), side.uri.1, GeneralName::UniformResourceIdentifier);
        names.extend(uris);
        let subtree = |base| GeneralSubtree { base, minimum: 0, maximum: None };
        (!names.is_empty()).then(|| names.into_iter().map(subtree).collect())
    }

    /// Address and mask, one after the other (RFC 5280 section 4.2.1.10).
    fn range(&mut self, place: &Place<'_>, range: &IpNet) -> Option<GeneralName> {
        let mask = range.mask.as_ref().map(|mask| mask.0.as_slice()).unwrap_or_default();
        let address = match range.ip.as_deref().unwrap_or_default().parse() {
            Ok(std::net::IpAddr::V4(ip)) => ip.octets().to_vec(),
            Ok(std::net::IpAddr::V6(ip)) => ip.octets().to_vec(),
            Err(_) => Vec::new(),
        };
        if address.is_empty() || address.len() != mask.len() {
            self.error(place, "needs IP, an address, and Mask, as many bytes");
            return None;
        }
        let octets: Vec<u8> =
            address.iter().zip(mask).map(|(a, m)| a & m).chain(mask.iter().copied()).collect();
        OctetString::new(octets).ok().map(GeneralName::IpAddress)
    }

    fn general_names<'w>(
        &mut self,
        place: &Place<'_>,
        written: &'w Option<Vec<String>>,
        name: impl Fn(Ia5String) -> GeneralName + 'w,
    ) -> impl Iterator<Item = GeneralName> + 'w {
        let written = written.as_deref().unwrap_or_default();
        self.ia5(place, written);
        written.iter().filter_map(move |text| Ia5String::new(text).ok().map(&name))
    }
}

/// One side of the name constraints, each with its key.
struct Side<'w> {
    dns: (&'static str, &'w Option<Vec<String>>),
    ip: (&'static str, &'w Option<Vec<IpNet>>),
    email: (&'static str, &'w Option<Vec<String>>),
    uri: (&'static str, &'w Option<Vec<String>>),
}

fn raw(id: &str, critical: bool, empty: bool, value: &impl Encode) -> Option<Raw> {
    let value = (!empty).then(|| value.to_der().ok()).flatten()?;
    Some((id.to_owned(), critical, value))
}
