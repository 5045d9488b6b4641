//! `TLS`: what a tag listens on and connects to.

use std::collections::BTreeMap;

use super::{Check, Place, Secrets, section};
use crate::finding::shown;
use crate::model::{Incoming, Outgoing, TlsTag};
use crate::written::{self, Map, TlsEntry};

impl Check {
    pub(super) fn tls(
        &mut self,
        written: Map<written::TlsTag>,
        secrets: &Secrets,
    ) -> BTreeMap<String, TlsTag> {
        let tags = section("TLS");
        let mut checked = BTreeMap::new();
        for (name, tag) in written {
            let tag = self.tag(&tags.key(&name), tag, secrets);
            checked.insert(name, tag);
        }
        checked
    }

    fn tag(&mut self, place: &Place<'_>, written: written::TlsTag, secrets: &Secrets) -> TlsTag {
        let (incoming, outgoing) = (place.key("Incoming"), place.key("Outgoing"));
        let entries = |list: Option<Vec<TlsEntry>>| list.unwrap_or_default().into_iter().enumerate();
        TlsTag {
            incoming: entries(written.incoming)
                .map(|(i, e)| self.incoming(&incoming.item(i), e, secrets))
                .collect(),
            outgoing: entries(written.outgoing).map(|(i, e)| self.outgoing(&outgoing.item(i), e)).collect(),
        }
    }

    fn incoming(&mut self, place: &Place<'_>, written: TlsEntry, secrets: &Secrets) -> Incoming {
        let port = self.port(place, written.port);
        if written.addr.is_some_and(|addr| !addr.is_empty()) {
            self.warn(&place.key("Addr"), "has no effect: incoming connections are taken on every address");
        }
        let cert = written.cert.filter(|cert| !cert.is_empty());
        let disable_client_auth = written.disable_client_auth.unwrap_or_default();
        match (&cert, disable_client_auth) {
            (Some(_), false) => self.error(
                place,
                "Cert needs DisableClientAuth: true, as clients from outside have no certificate of the mesh",
            ),
            (None, true) => {
                self.error(place, "DisableClientAuth needs Cert: name the certificate that clients see")
            }
            _ => {}
        }
        if let Some(name) = &cert {
            self.certificate_secret(&place.key("Cert"), name, secrets);
        }
        Incoming { port, cert, disable_client_auth }
    }

    fn certificate_secret(&mut self, place: &Place<'_>, name: &str, secrets: &Secrets) {
        match secrets.get(name) {
            None => self.error(place, format!("there is no secret `{}`", shown(name))),
            Some(Some(secret)) if !secret.kind.is_certificate() => {
                let kind = secret.kind.type_name();
                self.error(place, format!("the secret `{}` is no certificate but {kind}", shown(name)));
            }
            Some(_) => {}
        }
    }

    fn outgoing(&mut self, place: &Place<'_>, written: TlsEntry) -> Outgoing {
        let port = self.port(place, written.port);
        let addr = written.addr.unwrap_or_default();
        if addr.is_empty() {
            self.error(&place.key("Addr"), "required: the host to connect to");
        }
        let ignored = [
            ("Cert", written.cert.is_some_and(|cert| !cert.is_empty())),
            ("DisableClientAuth", written.disable_client_auth.unwrap_or_default()),
        ];
        for (key, _) in ignored.iter().filter(|(_, given)| *given) {
            self.warn(
                &place.key(key),
                "has no effect on outgoing connections: they use the marble's certificate",
            );
        }
        Outgoing { addr, port }
    }

    fn port(&mut self, place: &Place<'_>, written: Option<String>) -> String {
        let place = place.key("Port");
        let port = written.unwrap_or_default();
        if port.is_empty() {
            self.error(&place, "required: the port, as a string");
        } else if !port.parse::<u16>().is_ok_and(|number| number > 0) {
            self.warn(&place, format!("`{}` is no port number: no connection matches", shown(&port)));
        }
        port
    }
}
