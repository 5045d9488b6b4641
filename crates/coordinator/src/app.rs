//! Start-up as a list: state is opened, sockets are bound, and only then is anything served.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::SystemTime;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use marblerun_attest::Roots;
use marblerun_collateral::{self as collateral, Options, Sources};
use marblerun_core::keys::{FreshKeys, KeySource};
use marblerun_core::pki::Pki;
use marblerun_core::{Phase, Prepared, Recovery, State};
use marblerun_manifest::MAX_MANIFEST_BYTES;
use marblerun_store::FileStore;
use marblerun_tee::{OpenTpm, Tee, WithTpm};
use tokio::sync::{Mutex, Semaphore, watch};

use crate::admissions::Admissions;
use crate::attestation::{Attestation, Mode};
use crate::bounded;
use crate::config::{Config, SealTpm};
use crate::events::Events;
use crate::grpc::MarbleApi;
use crate::hsm;
use crate::http::{self, ClientApi};
use crate::invitation::Invitations;
use crate::key_pool::PooledKeys;
use crate::ledger::{Found, Ledger};
use crate::listen::{Listener, bind};
use crate::metrics::Metrics;
use crate::observe::Observers;
use crate::quote::Issuer;
use crate::recovery::Ephemeral;
use crate::renewal::Renewal;
use crate::sealing::Sealing;
use crate::service::{Coordinator, Parts};
use crate::tls::{self, Presented, Swappable};
use crate::update::Names;
use crate::writer::Writer;

/// Slow activations at once: enough to use the cores, few enough to leave room for everything else.
const SLOW_AT_ONCE: usize = 4;

/// Longer files with certificates of authorities are not read, in bytes.
const MOST_AUTHORITIES: usize = 1 << 20;

/// A Coordinator with open state and bound sockets, not serving yet.
pub struct App {
    coordinator: Coordinator,
    writer: JoinHandle<()>,
    renewal: Renewal,
    mesh: Listener<MarbleApi>,
    client: Listener<ClientApi>,
    observers: Option<Listener<Observers>>,
}

impl App {
    /// Opens the state and binds the sockets.
    ///
    /// # Errors
    /// What is wrong with the machine, the state, an address or the startup manifest, and what to do.
    pub async fn build(config: Config, clock: fn() -> SystemTime) -> anyhow::Result<Self> {
        let tee: Arc<dyn Tee> = tee(&config)?.into();
        let keys = Arc::new(PooledKeys::start(FreshKeys)?);
        let sealing = Sealing::new(Arc::clone(&tee), hsm::release_by(&config.hsm, &tee));
        let abilities = Arc::new(sealing.abilities());
        let (ledger, state) = open(&config, sealing, &keys, clock())?;
        let presented = Presented::new(state.pki())?;
        let (client_shows, mesh_shows) = (Arc::clone(&presented.client), Arc::clone(&presented.mesh));
        let published = Arc::new(ArcSwap::from_pointee(state));
        let (writer, thread) =
            Writer::start(ledger, Arc::clone(&published)).context("cannot start the writer")?;
        let invitations = Invitations::new(&*keys)?;
        let coordinator = Coordinator::new(Parts {
            published,
            writer,
            attestation: attestation(&config, &*tee)?,
            issuer: Issuer::new(tee),
            abilities,
            keys,
            presented,
            metrics: Metrics::new(&http::names())?,
            events: Events::default(),
            admissions: Admissions::default(),
            clock,
            slow: Arc::new(Semaphore::new(SLOW_AT_ONCE)),
            preparing: Arc::new(Mutex::new(())),
            ephemeral: Ephemeral::default(),
            invitations,
            names: Arc::new(Names { dns: config.dns_names.clone(), ip: config.ip_addresses.clone() }),
        });
        // Now that it is known whose collateral counts.
        coordinator.attestation().load(clock()).context("the collateral that was kept")?;
        coordinator.prepare_recovery();
        let app = Self::bind(coordinator, thread, &config, client_shows, mesh_shows).await?;
        // Last, because it cannot be taken back.
        apply_startup_manifest(&app.coordinator, &config).await?;
        Ok(app)
    }

    async fn bind(
        coordinator: Coordinator,
        writer: JoinHandle<()>,
        config: &Config,
        client_shows: Arc<Swappable>,
        mesh_shows: Arc<Swappable>,
    ) -> anyhow::Result<Self> {
        let error_level = config.log.http_errors;
        Ok(Self {
            renewal: Renewal::new(coordinator.clone(), config.collateral_refresh),
            mesh: Listener {
                socket: bind(config.mesh).await?,
                tls: Some(Arc::new(tls::server_config(mesh_shows, &[b"h2"])?)),
                service: MarbleApi::new(coordinator.clone()),
                name: "marble API",
                error_level,
            },
            client: Listener {
                socket: bind(config.client).await?,
                tls: Some(Arc::new(tls::server_config(client_shows, &[b"h2", b"http/1.1"])?)),
                service: ClientApi::new(coordinator.clone()),
                name: "client API",
                error_level,
            },
            observers: match config.prometheus {
                None => None,
                Some(address) => Some(Listener {
                    socket: bind(address).await?,
                    tls: None,
                    service: Observers::new(coordinator.clone()),
                    name: "metrics",
                    error_level,
                }),
            },
            writer,
            coordinator,
        })
    }

    /// Serves until `stop` changes, then lets requests and commits finish.
    ///
    /// # Errors
    /// If a socket has no address.
    pub async fn run(self, stop: watch::Receiver<()>) -> anyhow::Result<()> {
        let (phase, message) = self.coordinator.status();
        tracing::info!(
            marble_api = %self.mesh.socket.local_addr()?,
            client_api = %self.client.socket.local_addr()?,
            state = phase.code(),
            "{message}"
        );
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(self.mesh.serve(stop.clone()));
        tasks.spawn(self.client.serve(stop.clone()));
        tasks.spawn(self.renewal.run(stop.clone()));
        if let Some(observers) = self.observers {
            tasks.spawn(observers.serve(stop));
        }
        while tasks.join_next().await.is_some() {}
        let coordinator = self.coordinator.clone();
        let _ = tokio::task::spawn_blocking(move || coordinator.attestation().save()).await;
        // The last handle to the writer goes with the Coordinator; what it has is durable before it ends.
        drop(self.coordinator);
        let _ = tokio::task::spawn_blocking(move || self.writer.join()).await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// The TEE of this machine, with a TPM for what it cannot do where the operator wants that.
fn tee(config: &Config) -> anyhow::Result<Box<dyn Tee>> {
    let tee = marblerun_tee::detect_in(Path::new("/"), &config.tee)?;
    let Some(SealTpm { device, pcrs }) = &config.seal_tpm else { return Ok(tee) };
    tracing::warn!(device = %device.display(), ?pcrs, "a TPM seals the state: whoever controls the TPM can open it");
    let tpm = OpenTpm::at(device).context("EDG_COORDINATOR_SEAL_TPM")?;
    Ok(Box::new(WithTpm::new(tee, tpm, *pcrs)?))
}

/// Evidence is ignored in explicit simulation only. Collateral is kept beside the sealed state: all of it is signed, and
/// nothing that does not verify counts.
fn attestation(config: &Config, tee: &dyn Tee) -> anyhow::Result<Attestation> {
    let mode = match tee.origin() {
        "simulation" => Mode::Simulation,
        _ => Mode::Evidence,
    };
    let mut options = Options::new(Roots::of_hardware_vendors()?);
    options.folder = (mode == Mode::Evidence).then(|| config.seal_dir.join("collateral"));
    options.refresh = config.collateral_refresh;
    let collateral = collateral::Service::new(sources(config)?, options)?;
    Ok(Attestation::new(mode, collateral))
}

/// Where collateral is fetched, and who vouches for those places.
fn sources(config: &Config) -> anyhow::Result<Sources> {
    let sources = config.collateral.clone();
    let Some(path) = &config.collateral_ca else { return Ok(sources) };
    let pem = bounded::read(path, MOST_AUTHORITIES)
        .with_context(|| format!("EDG_COLLATERAL_CA: cannot read {}", path.display()))?;
    sources.trusting(&pem).with_context(|| path.display().to_string())
}

fn open(
    config: &Config,
    sealing: Sealing,
    keys: &Arc<PooledKeys>,
    now: SystemTime,
) -> anyhow::Result<(Ledger, State)> {
    let folder = &config.seal_dir;
    let store = FileStore::open(folder)?;
    let keys: Arc<dyn KeySource> = Arc::<PooledKeys>::clone(keys);
    let (ledger, found) = Ledger::open(Box::new(store), sealing, Arc::clone(&keys))
        .with_context(|| format!("the sealed state in {} cannot be used", folder.display()))?;
    let fresh = || Pki::generate(&config.dns_names, &config.ip_addresses, &*keys, now);
    let state = match found {
        Found::Nothing => State::Accepting(Arc::new(fresh()?)),
        Found::Deployment(deployment) => State::Serving(*deployment),
        Found::Locked { header, reason } => {
            tracing::warn!(reason, "the sealed state does not open by itself: recovery mode");
            State::Recovery(Arc::new(Recovery::new(fresh()?, Some(*header), reason)))
        }
    };
    Ok((ledger, state))
}

/// A startup manifest begins a first deployment; it never breaks a restart.
async fn apply_startup_manifest(coordinator: &Coordinator, config: &Config) -> anyhow::Result<()> {
    let Some(path) = &config.startup_manifest else { return Ok(()) };
    let phase = coordinator.state().phase();
    if phase != Phase::AcceptingManifest {
        tracing::warn!(state = phase.code(), "the startup manifest is ignored: {}", phase.message());
        return Ok(());
    }
    let raw = bounded::read(path, MAX_MANIFEST_BYTES)
        .with_context(|| format!("EDG_STARTUP_MANIFEST: cannot read {}", path.display()))?;
    let folder = config.seal_dir.clone();
    coordinator
        .set_manifest_after(raw, move |prepared| keep_recovery_secrets(&folder, prepared))
        .await
        .with_context(|| format!("EDG_STARTUP_MANIFEST: {} cannot be set", path.display()))?;
    Ok(())
}

/// Nobody asked for them over the wire, so they are left, encrypted as they are, where the operator finds them: before
/// the commit, since a crash after it would lose them for good.
fn keep_recovery_secrets(folder: &Path, prepared: &Prepared) -> std::io::Result<()> {
    let secrets = http::recovery_secrets(prepared);
    if secrets.recovery_secrets.is_empty() {
        return Ok(());
    }
    let path = folder.join("recovery_secrets.json");
    write_durably(&path, &serde_json::to_vec(&secrets)?)
        .map_err(|error| std::io::Error::new(error.kind(), format!("write {}: {error}", path.display())))?;
    tracing::warn!(path = %path.display(), "recovery secrets of the startup manifest are here; give each to its holder");
    Ok(())
}

/// A new file of mode 0600 under this name, or none.
fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let temporary = path.with_extension("json.new");
    let _left_by_a_crash = std::fs::remove_file(&temporary);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    std::fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
