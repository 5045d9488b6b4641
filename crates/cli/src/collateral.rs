//! Where this program has collateral from: the bundle that the user names, what earlier runs kept, services, and, if
//! none of them has any, the Coordinator that is to be verified.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use marblerun_api::client::Client;
use marblerun_attest::{Collateral, Needs, Roots, needs};
use marblerun_collateral::{Bundle, Choice, Chosen, Entry, Options, Refused, Service, Sources};
use serde_json::{Map, Value};

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

/// What vendors publish about the platform that evidence names: from them, and only if they cannot be reached, from the
/// Coordinator. It is signed either way; but whoever hands it out can hold back what was published since.
pub(crate) async fn published(
    evidence: &[u8],
    service: &Service,
    stranger: &Client,
    now: SystemTime,
) -> Result<Arc<Collateral>, String> {
    let needs = needs(evidence).map_err(|failure| failure.to_string())?;
    let error = match service.latest(&needs, now).await {
        Ok(collateral) => return Ok(collateral),
        Err(error) => error,
    };
    match stapled(&needs, service, stranger, now).await {
        Ok(collateral) => {
            console::note(&format!("Note: {error}. The Coordinator sent collateral that is still valid"));
            Ok(collateral)
        }
        Err(why) => Err(format!("{error}; and the Coordinator sent {why}")),
    }
}

/// What the Coordinator sends along with its quote, if it counts; what is wrong with it, if not.
async fn stapled(
    needs: &Needs,
    service: &Service,
    stranger: &Client,
    now: SystemTime,
) -> Result<Arc<Collateral>, String> {
    match stranger.stapled_collateral().await {
        Ok(Some(sent)) => counting(sent, needs, service, now),
        Ok(None) => Err("no collateral either".to_owned()),
        Err(error) => Err(format!("no answer about its own: {error}")),
    }
}

/// It counts as an entry of a bundle does: for what was asked, signed by who is trusted, valid now.
fn counting(
    sent: Map<String, Value>,
    needs: &Needs,
    service: &Service,
    now: SystemTime,
) -> Result<Arc<Collateral>, String> {
    let collateral = serde_json::from_value(sent.into());
    let collateral = collateral.map_err(|_| "something else in place of collateral".to_owned())?;
    let bundle = Bundle::new(vec![Entry::new(needs.clone(), collateral)]);
    match service.import(&bundle, now).pop() {
        None => service.cached(needs, now).ok_or_else(|| "collateral that is not valid now".to_owned()),
        Some(refused) => Err(format!("collateral that does not count: {}", refused.error)),
    }
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
        let pem = file::read(path, MOST_SETTINGS, "certificates")?;
        let unusable = |error| Failure::Argument(format!("{}: {error}", path.display()));
        chosen.sources = chosen.sources.trusting(&pem).map_err(unusable)?;
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::json;

    use super::*;

    /// A recorded SGX quote with its collateral.
    const CASE: &str = "../../testdata/vectors/sgx/v3-icx-eval17-swhardening";
    const NOW: Duration = Duration::from_secs(1_750_416_900);

    fn recorded() -> (Needs, Value) {
        let read = |file: &str| std::fs::read(PathBuf::from(CASE).join(file)).unwrap();
        let intel: Value = serde_json::from_slice(&read("collateral/collateral.json")).unwrap();
        (needs(&read("quote.bin")).unwrap(), json!({ "intel": intel }))
    }

    /// What becomes of it in a program that has nothing yet.
    fn counts(sent: &Value, needs: &Needs, after: Duration) -> Result<Arc<Collateral>, String> {
        let options = Options::new(Roots::of_hardware_vendors().unwrap());
        let service = Service::new(Sources::of_vendors().unwrap(), options).unwrap();
        counting(sent.as_object().unwrap().clone(), needs, &service, UNIX_EPOCH + NOW + after)
    }

    #[test]
    fn what_the_coordinator_sends_counts_by_its_signatures_alone() {
        let (needs, sent) = recorded();
        assert!(counts(&sent, &needs, Duration::ZERO).unwrap().intel.is_some());
        let refused = |sent: &Value, needs: &Needs, after: Duration, words: &str| {
            let why = counts(sent, needs, after).map(drop).unwrap_err();
            assert!(why.contains(words), "{why}");
        };
        let year = Duration::from_secs(365 * 86_400);
        refused(&sent, &needs, year, "does not count");
        refused(&json!({}), &needs, Duration::ZERO, "does not count");
        refused(&json!({ "intel": 7 }), &needs, Duration::ZERO, "something else");
        let mut changed = sent.clone();
        let info = changed["intel"]["tcb_info"].as_str().unwrap().replace("OutOfDate", "UpToDate");
        changed["intel"]["tcb_info"] = info.into();
        refused(&changed, &needs, Duration::ZERO, "does not count");
        let Needs::Intel { tdx, ca, .. } = needs else { panic!("an SGX quote") };
        let other = Needs::Intel { tdx, ca, fmspc: marblerun_attest::Hex([7; 6]) };
        refused(&sent, &other, Duration::ZERO, "does not count");
    }
}
