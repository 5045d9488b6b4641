//! Where this program has collateral from: the bundle that the user names, what earlier runs kept, and services.

use std::fs;
use std::path::PathBuf;

use marblerun_attest::Roots;
use marblerun_collateral::{Bundle, Choice, Chosen, Options, Refused, Service, Sources};

use crate::trust::Context;
use crate::{Failure, Surroundings, console};

/// Intel's configuration file, below the root of the file system.
pub(crate) const QCNL: &str = "etc/sgx_default_qcnl.conf";

/// A service for whoever trusts `roots`, with what earlier runs kept and what the user's bundle has.
pub(crate) fn service(context: &Context, roots: Roots) -> Result<Service, Failure> {
    // What was kept and does not count any more is fetched again, and not worth a word.
    let (service, _) = service_and_refused(context, roots)?;
    Ok(service)
}

/// The same, and what was kept and does not count any more.
pub(crate) fn service_and_refused(
    context: &Context,
    roots: Roots,
) -> Result<(Service, Vec<Refused>), Failure> {
    let folder = folder(&context.surroundings);
    let service = Service::new(chosen(context)?.sources, Options { folder, ..Options::new(roots) })?;
    let now = context.surroundings.now;
    // What is kept is a convenience. A clock that goes backwards is said by whoever asks for collateral.
    let refused = service.load(now).unwrap_or_else(|error| {
        console::note(&format!("Note: {error}"));
        Vec::new()
    });
    if let Some(path) = &context.global.collateral {
        service.import(&read_bundle(path)?, now).iter().for_each(warn_refused);
    }
    Ok((service, refused))
}

/// The services that flags, environment and Intel's file name.
pub(crate) fn chosen(context: &Context) -> Result<Chosen, Failure> {
    let surroundings = &context.surroundings;
    let qcnl = fs::read_to_string(surroundings.root.join(QCNL)).ok();
    Ok(Sources::choose(&Choice {
        pccs_flag: context.global.pccs_url.as_deref(),
        pccs_environment: surroundings.pccs_url.as_deref(),
        qcnl: qcnl.as_deref(),
        kds_flag: context.global.kds_url.as_deref(),
        kds_environment: surroundings.kds_url.as_deref(),
    })?)
}

/// Where collateral is kept from run to run; nowhere, if the environment does not say where caches live.
pub(crate) fn folder(surroundings: &Surroundings) -> Option<PathBuf> {
    let cache = surroundings.cache_home.clone().filter(|path| path.is_absolute());
    let home = surroundings.home.as_ref().filter(|path| path.is_absolute()).map(|home| home.join(".cache"));
    Some(cache.or(home)?.join("marblerun").join("collateral"))
}

pub(crate) fn read_bundle(path: &std::path::Path) -> Result<Bundle, Failure> {
    let text = fs::read(path)
        .map_err(|source| Failure::Io { doing: format!("reading {}", path.display()), source })?;
    Bundle::from_json(&text).map_err(|error| Failure::Argument(format!("{}: {error}", path.display())))
}

pub(crate) fn warn_refused(refused: &Refused) {
    console::warn(&format!("an entry of the bundle is not taken: {}", refused.error));
}
