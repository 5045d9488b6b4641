//! `Secrets`: kinds, sizes and how values come about.

use super::{Check, Place, Secrets, section};
use crate::finding::{choices, shown};
use crate::model::{Curve, Secret, SecretKind, Validity};
use crate::written::{self, Map};

/// HKDF-SHA256 (RFC 5869) cannot make more than 255 blocks.
const MAX_DERIVED_BITS: u32 = 255 * 32 * 8;
/// Largest symmetric key that is stored.
const MAX_STORED_BITS: u32 = 1 << 20;
/// Most bytes of shared symmetric keys together. Anyone may send the first manifest; what the Coordinator makes of it,
/// and then holds and stores, must not be a thousand times what was sent.
const MAX_SHARED_BYTES: usize = 16 << 20;
/// Days in 2^63 nanoseconds, the longest validity of any certificate of the Coordinator.
const MAX_DAYS: u32 = 106_751;
const DEFAULT_DAYS: u32 = 365;
const KINDS: [&str; 5] = ["symmetric-key", "cert-rsa", "cert-ecdsa", "cert-ed25519", "plain"];

impl Check {
    pub(super) fn secrets(&mut self, written: Map<written::Secret>) -> Secrets {
        let secrets = section("Secrets");
        let mut checked = Secrets::new();
        let mut shared = 0;
        for (name, secret) in written {
            let place = secrets.key(&name);
            self.name(&place, "secret", &name);
            let secret = self.secret(&place, secret);
            self.shared_bytes(&place, secret.as_ref(), &mut shared);
            checked.insert(name, secret);
        }
        checked
    }

    /// Adds a generated shared key to the sum of all, and says which one is too much: one error is enough.
    fn shared_bytes(&mut self, place: &Place<'_>, secret: Option<&Secret>, sum: &mut usize) {
        let Some(Secret { kind: SecretKind::Symmetric { bytes }, shared: true, user_defined: false, .. }) =
            secret
        else {
            return;
        };
        let before = *sum;
        *sum = before.saturating_add(usize::try_from(*bytes).unwrap_or(usize::MAX));
        if before <= MAX_SHARED_BYTES && *sum > MAX_SHARED_BYTES {
            let message = format!(
                "with this one the shared keys have {sum} bytes, but all together have at most {MAX_SHARED_BYTES}"
            );
            self.error(place, message);
        }
    }

    fn secret(&mut self, place: &Place<'_>, written: written::Secret) -> Option<Secret> {
        if written.private.as_ref().is_some_and(|private| private.0) {
            self.error(
                &place.key("Private"),
                "everybody can read a manifest: remove the key and upload it as a secret",
            );
        }
        let kind = self.kind(place, &written)?;
        let validity = self.validity(place, &written, kind);
        let user_defined = written.user_defined.unwrap_or_default();
        if kind == SecretKind::Plain && !user_defined {
            self.error(&place.key("UserDefined"), "a plain secret is never generated: set UserDefined");
        }
        if let Some(cert) = &written.cert {
            self.fits(&place.key("Cert"), cert, kind);
        }
        let cert = written.cert.unwrap_or_default();
        let certificate = self.certificate(&place.key("Cert"), cert, validity);
        Some(Secret { kind, shared: written.shared.unwrap_or_default(), user_defined, certificate })
    }

    fn kind(&mut self, place: &Place<'_>, written: &written::Secret) -> Option<SecretKind> {
        let size = written.size.unwrap_or_default();
        let stored = written.shared.unwrap_or_default() || written.user_defined.unwrap_or_default();
        let wrong = match written.kind.as_deref() {
            Some("symmetric-key") => return self.symmetric(&place.key("Size"), size, stored),
            Some("cert-rsa") if [2048, 3072, 4096].contains(&size) => {
                return Some(SecretKind::CertRsa { bits: size });
            }
            Some("cert-rsa") => "2048, 3072 or 4096 bits",
            Some("cert-ecdsa") => match curve(size) {
                Some(curve) => return Some(SecretKind::CertEcdsa(curve)),
                None => "224, 256, 384 or 521 bits",
            },
            Some("cert-ed25519") if size == 0 => return Some(SecretKind::CertEd25519),
            Some("cert-ed25519") => "no size: remove it",
            Some("plain") => return self.plain(place, size),
            other => return self.unknown_kind(place, other),
        };
        let kind = written.kind.as_deref().unwrap_or_default();
        let size = written.size.map_or("is missing".to_owned(), |size| format!("is {size}"));
        self.error(&place.key("Size"), format!("{size}, but {kind} has {wrong}"));
        None
    }

    fn symmetric(&mut self, place: &Place<'_>, bits: u32, stored: bool) -> Option<SecretKind> {
        let (max, whose) = match stored {
            true => (MAX_STORED_BITS, "a symmetric key"),
            false => (MAX_DERIVED_BITS, "a symmetric key of single marbles"),
        };
        if bits == 0 || !bits.is_multiple_of(8) || bits > max {
            self.error(place, format!("is {bits}, but {whose} has a multiple of 8 bits, at most {max}"));
            return None;
        }
        Some(SecretKind::Symmetric { bytes: bits / 8 })
    }

    fn plain(&mut self, place: &Place<'_>, size: u32) -> Option<SecretKind> {
        if size != 0 {
            self.warn(&place.key("Size"), "has no effect: plain data is as long as what is uploaded");
        }
        Some(SecretKind::Plain)
    }

    fn unknown_kind(&mut self, place: &Place<'_>, kind: Option<&str>) -> Option<SecretKind> {
        let known = choices(&KINDS);
        let message = match kind {
            None | Some("") => format!("required: {known}"),
            Some(kind) => format!("`{}` is no type of secret; write {known}", shown(kind)),
        };
        self.error(&place.key("Type"), message);
        None
    }

    /// `ValidFor` and `Cert.NotAfter`: one of them at most.
    fn validity(&mut self, place: &Place<'_>, written: &written::Secret, kind: SecretKind) -> Validity {
        let days = written.valid_for.filter(|days| *days != 0);
        let not_after = written.cert.as_ref().and_then(|cert| cert.not_after.as_deref());
        let cert = place.key("Cert");
        let until = not_after.and_then(|text| self.not_after(&cert.key("NotAfter"), text));
        let valid_for = place.key("ValidFor");
        match (days, until) {
            (Some(_), Some(_)) => self.error(&valid_for, "not together with Cert.NotAfter: remove one"),
            (Some(days), None) if days > MAX_DAYS => {
                self.error(
                    &valid_for,
                    format!("{days} days, but a certificate is valid for at most {MAX_DAYS}"),
                );
            }
            (Some(_), None) if !kind.is_certificate() => {
                self.warn(&valid_for, "has no effect: not a certificate")
            }
            _ => {}
        }
        until.map_or(Validity::Days(days.unwrap_or(DEFAULT_DAYS)), Validity::Until)
    }

    /// Whether `Cert` is what the secret's type says.
    fn fits(&mut self, place: &Place<'_>, cert: &written::Certificate, kind: SecretKind) {
        if !kind.is_certificate() {
            return self.error(
                place,
                format!("a secret of type {} has no certificate: remove this", kind.type_name()),
            );
        }
        let number = match kind {
            SecretKind::CertRsa { .. } => 1,
            SecretKind::CertEcdsa(_) => 3,
            _ => 4,
        };
        if cert.public_key_algorithm.is_some_and(|given| given != 0 && given != number) {
            let message =
                format!("not the algorithm of {}, which is {number}: remove this", kind.type_name());
            self.error(&place.key("PublicKeyAlgorithm"), message);
        }
    }
}

fn curve(bits: u32) -> Option<Curve> {
    [Curve::P224, Curve::P256, Curve::P384, Curve::P521].into_iter().find(|curve| curve.bits() == bits)
}
