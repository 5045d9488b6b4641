//! Monotonic counters that the Coordinator keeps for a marble: values that never go down, over restarts of the marble and
//! of the Coordinator. With one, a marble notices that the host gave it an older copy of its own data.

use marblerun_api::client::{Address, ChainError, Client, ClientError, Identity, Trust, pem_certificates};

use crate::tls::{Credentials, TlsError};

/// PEM of the Coordinator's root certificate.
pub const COORDINATOR_ROOT_CA: &str = "MARBLE_PREDEFINED_COORDINATOR_ROOT_CA";

/// The counters of this marble, told apart by its type, its UUID and the counter's name. The manifest must open the
/// feature gate `MonotonicCounter`.
#[derive(Clone)]
pub struct Counters {
    client: Client,
}

impl Counters {
    /// Those that the Coordinator with its client API at `address` (`HOST:PORT`) keeps; what proves both sides comes from
    /// the predefined variables of an activated marble: `Counters::from_variables(address, |name|
    /// std::env::var(name).ok())`.
    ///
    /// # Errors
    /// Which variable is missing or not what it should be, or what is wrong with the address.
    pub fn from_variables(
        address: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, CounterError> {
        let root = variable(COORDINATOR_ROOT_CA).ok_or(TlsError::Missing { name: COORDINATOR_ROOT_CA })?;
        let trust = Trust::Pinned(pem_certificates(root.as_bytes())?);
        let (certificates, key) = Credentials::from_variables(variable)?.into_parts();
        let client = Client::new(Address::parse(address)?, trust, Some(Identity::new(certificates, key)))?;
        Ok(Self { client })
    }

    /// Raises the counter of this name (at most 256 bytes) to `value` if that is higher, and gives the value before; one
    /// that was never raised is 0. When this returns, the new value is durable.
    ///
    /// # Errors
    /// [`ClientError::Unauthorised`] once an update of the manifest ended this marble's certificate: activate again.
    pub async fn raise(&self, name: &str, value: u64) -> Result<u64, CounterError> {
        Ok(self.client.raise_counter(name, value).await?)
    }
}

/// Why a counter could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CounterError {
    /// The marble's own credentials.
    #[error(transparent)]
    Credentials(#[from] TlsError),
    /// The Coordinator's certificate.
    #[error("{COORDINATOR_ROOT_CA}: {0}")]
    Root(#[from] ChainError),
    /// The call.
    #[error(transparent)]
    Call(#[from] ClientError),
}
