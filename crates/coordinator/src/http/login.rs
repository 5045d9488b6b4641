//! Who is calling. Only what this file gives out is a proof, and a handler that acts for somebody takes one as an
//! argument: a route without the check cannot be written.

use http::StatusCode;
use marblerun_core::{ActiveMarble, Deployment, State, User};

use super::answer::Refused;
use crate::service::Coordinator;
use crate::tls::PeerCertificate;

/// A user who is logged in, and the deployment that says so.
pub(super) fn user<'a>(
    state: &'a State,
    peer: Option<&PeerCertificate>,
) -> Result<(User, &'a Deployment), Refused> {
    let login = |deployment: &'a Deployment| Some((User::login(deployment, &peer?.0)?, deployment));
    state
        .deployment()
        .and_then(login)
        .ok_or_else(|| unauthorised("log in with the client certificate of a user of the manifest"))
}

/// A marble that is logged in.
pub(super) fn marble(
    coordinator: &Coordinator,
    deployment: &Deployment,
    peer: Option<&PeerCertificate>,
) -> Result<ActiveMarble, Refused> {
    let login = |peer: &PeerCertificate| ActiveMarble::login(deployment, &peer.0, coordinator.now());
    peer.and_then(login).ok_or_else(|| {
        unauthorised(
            "connect with the certificate that the marble was activated with; an update of the manifest ends its time, \
             then activate again",
        )
    })
}

fn unauthorised(hint: &str) -> Refused {
    Refused::new(StatusCode::UNAUTHORIZED, &format!("not authorised: {hint}"))
}
