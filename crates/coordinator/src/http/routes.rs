//! The table of routes: everything that the client API knows.

use http::Method;

/// Which version's shapes an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Paths without prefix.
    V1,
    /// Paths under `/api/v2` and whatever came later: what is new there has one shape only.
    V2,
}

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// Phase and its sentence.
    Status,
    /// The manifest and its signature.
    Manifest,
    /// Set the manifest.
    SetManifest,
    /// Certificates and evidence.
    Quote,
    /// Send a recovery secret.
    Recover,
    /// Key for recovery secrets on their way.
    RecoverPublicKey,
    /// The update log.
    UpdateLog,
    /// Certificates, and evidence that covers the log, too.
    QuoteOfLog,
    /// The log as a tree: checkpoints, entries and proofs.
    Log(LogEndpoint),
    /// The update that waits for acknowledgements.
    PendingUpdate,
    /// Verify and sign a quote.
    SignQuote,
    /// This table for programs.
    OpenApi,
    /// For users of the manifest alone: the handler receives the user who is logged in.
    User(UserEndpoint),
    /// For activated marbles alone, behind the feature gate for it: the handler receives the marble.
    Marble(MarbleEndpoint),
}

/// What anybody may ask about the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogEndpoint {
    /// What it is now, signed.
    Checkpoint,
    /// The key that signs it, signed by the root.
    Key,
    /// Its entries.
    Entries,
    /// Proof that an entry is in it.
    Inclusion,
    /// Proof that it begins with what it was.
    Consistency,
}

/// What users may call; everybody else is answered 401, whatever the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UserEndpoint {
    /// Read secrets.
    Secrets,
    /// Upload secrets.
    SetSecrets,
    /// Update packages or the whole manifest.
    Update,
    /// Acknowledge the pending update.
    Acknowledge,
    /// Cancel it.
    Cancel,
    /// Read who used which secret, and which marbles came.
    Audit,
}

/// What activated marbles may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MarbleEndpoint {
    /// Raise a counter.
    MonotonicCounter,
}

/// One route.
#[derive(Debug)]
pub(super) struct Route {
    /// Method, upper case.
    pub method: &'static str,
    /// Path, exact.
    pub path: &'static str,
    /// Shapes.
    pub version: Version,
    /// What it does.
    pub endpoint: Endpoint,
}

const fn route(method: &'static str, path: &'static str, version: Version, endpoint: Endpoint) -> Route {
    Route { method, path, version, endpoint }
}

use Endpoint as E;
use LogEndpoint as L;
use MarbleEndpoint as M;
use UserEndpoint as U;
use Version::{V1, V2};

pub(super) static ROUTES: [Route; 35] = [
    route("GET", "/status", V1, E::Status),
    route("GET", "/manifest", V1, E::Manifest),
    route("POST", "/manifest", V1, E::SetManifest),
    route("GET", "/quote", V1, E::Quote),
    route("POST", "/recover", V1, E::Recover),
    route("GET", "/secrets", V1, E::User(U::Secrets)),
    route("POST", "/secrets", V1, E::User(U::SetSecrets)),
    route("GET", "/update", V1, E::UpdateLog),
    route("POST", "/update", V1, E::User(U::Update)),
    route("GET", "/update-manifest", V1, E::PendingUpdate),
    route("POST", "/update-manifest", V1, E::User(U::Acknowledge)),
    route("POST", "/update-cancel", V1, E::User(U::Cancel)),
    route("GET", "/api/v2/status", V2, E::Status),
    route("GET", "/api/v2/manifest", V2, E::Manifest),
    route("POST", "/api/v2/manifest", V2, E::SetManifest),
    route("GET", "/api/v2/quote", V2, E::Quote),
    route("POST", "/api/v2/recover", V2, E::Recover),
    route("GET", "/api/v2/recover/public-key", V2, E::RecoverPublicKey),
    route("GET", "/api/v2/secrets", V2, E::User(U::Secrets)),
    route("POST", "/api/v2/secrets", V2, E::User(U::SetSecrets)),
    route("GET", "/api/v2/update", V2, E::UpdateLog),
    route("POST", "/api/v2/update", V2, E::User(U::Update)),
    route("GET", "/api/v2/update-manifest", V2, E::PendingUpdate),
    route("POST", "/api/v2/update-manifest", V2, E::User(U::Acknowledge)),
    route("POST", "/api/v2/update-cancel", V2, E::User(U::Cancel)),
    route("POST", "/api/v2/sign-quote", V2, E::SignQuote),
    route("POST", "/api/v2/monotonic-counter", V2, E::Marble(M::MonotonicCounter)),
    route("GET", "/api/v3/quote", V2, E::QuoteOfLog),
    route("GET", "/api/v3/log/checkpoint", V2, E::Log(L::Checkpoint)),
    route("GET", "/api/v3/log/key", V2, E::Log(L::Key)),
    route("GET", "/api/v3/log/entries", V2, E::Log(L::Entries)),
    route("GET", "/api/v3/log/inclusion", V2, E::Log(L::Inclusion)),
    route("GET", "/api/v3/log/consistency", V2, E::Log(L::Consistency)),
    route("GET", "/api/v3/audit", V2, E::User(U::Audit)),
    route("GET", "/api/openapi.json", V2, E::OpenApi),
];

/// The route of a request, if there is one.
pub(super) fn find(method: &Method, path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.path == path && route.method == method.as_str())
}

/// Method and path of all routes.
pub(crate) fn names() -> Vec<(&'static str, &'static str)> {
    ROUTES.iter().map(|route| (route.method, route.path)).collect()
}
