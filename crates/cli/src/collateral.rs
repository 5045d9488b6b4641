//! Where this program has collateral from: the bundle that the user names, what earlier runs kept, and services.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use marblerun_attest::Roots;
use marblerun_collateral::{Bundle, Choice, Chosen, Options, Refused, Service, Sources};

use crate::trust::Context;
use crate::{Failure, Surroundings, console, file};

/// Intel's configuration file, below the root of the file system.
pub(crate) const QCNL: &str = "etc/sgx_default_qcnl.conf";

/// Longer files with settings or certificates of services are not read, in bytes.
const MOST_SETTINGS: usize = 1 << 20;
/// Longer bundles are not read, in bytes: an entry has some 100 KiB, and a cache 1,024 entries.
const MOST_BUNDLE: usize = 128 << 20;

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
    let qcnl = qcnl(&surroundings.root.join(QCNL));
    let mut chosen = Sources::choose(&Choice {
        pccs_flag: context.global.pccs_url.as_deref(),
        pccs_environment: surroundings.pccs_url.as_deref(),
        qcnl: qcnl.as_ref().map(|text| text.as_deref().map_err(String::as_str)),
        kds_flag: context.global.kds_url.as_deref(),
        kds_environment: surroundings.kds_url.as_deref(),
    })?;
    if let Some(path) = context.global.collateral_ca.as_ref().or(surroundings.collateral_ca.as_ref()) {
        chosen.sources = chosen.sources.trusting(&file::read(path, MOST_SETTINGS, "certificates")?)?;
    }
    Ok(chosen)
}

/// Its text, or why it cannot be read; nothing if it is not there.
fn qcnl(path: &Path) -> Option<Result<String, String>> {
    match file::within(path, MOST_SETTINGS, "configuration") {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        read => Some(read.and_then(text).map_err(|error| error.to_string())),
    }
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

/// Where collateral is kept from run to run; nowhere, if the environment does not say where caches live.
pub(crate) fn folder(surroundings: &Surroundings) -> Option<PathBuf> {
    let cache = surroundings.cache_home.clone().filter(|path| path.is_absolute());
    let home = surroundings.home.as_ref().filter(|path| path.is_absolute()).map(|home| home.join(".cache"));
    Some(cache.or(home)?.join("marblerun").join("collateral"))
}

pub(crate) fn read_bundle(path: &Path) -> Result<Bundle, Failure> {
    let text = file::read(path, MOST_BUNDLE, "a bundle")?;
    Bundle::from_json(&text).map_err(|error| Failure::Argument(format!("{}: {error}", path.display())))
}

pub(crate) fn warn_refused(refused: &Refused) {
    console::warn(&format!("an entry of the bundle is not taken: {}", refused.error));
}
