//! `marblerun collateral`: what vendors publish about platforms, as a file. Neither a file nor a service is trusted: only
//! what leads to a vendor's root is taken.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use marblerun_attest::{Roots, needs};
use marblerun_collateral::Service;

use super::{evidence, help};
use crate::collateral::{folder, read_bundle, service, warn_refused};
use crate::era;
use crate::trust::Context;
use crate::{Failure, console, file};

/// Arguments of `marblerun collateral`.
#[derive(Debug, Args)]
pub struct Collateral {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write what was fetched so far into a bundle
    #[command(after_help = "Example, to verify a Coordinator where there is no network:
  marblerun collateral export bundle.json --for quote.bin
  marblerun manifest get 10.0.0.5:4433 --era-config era.json --collateral bundle.json")]
    Export {
        /// File for the bundle
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Evidence whose collateral is fetched first; may be given several times
        #[arg(long = "for", value_name = "EVIDENCE")]
        evidence: Vec<PathBuf>,
    },
    /// Keep the collateral of a bundle for later commands
    #[command(after_help = "Example:
  marblerun collateral import bundle.json")]
    Import {
        /// A bundle
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

impl Collateral {
    pub(crate) async fn execute(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            None => help(&["collateral"]),
            Some(Command::Export { file, evidence }) => export(&file, &evidence, context).await,
            Some(Command::Import { file }) => import(&file, context),
        }
    }
}

async fn export(target: &std::path::Path, evidence: &[PathBuf], context: &Context) -> Result<(), Failure> {
    let service = service(context, roots(context)?)?;
    for path in evidence {
        fetch(&service, path, context).await?;
    }
    let bundle = service.export();
    file::write(target, &bundle.to_json())
        .map_err(|source| Failure::Io { doing: format!("writing {}", target.display()), source })?;
    console::print(&format!("entries written to {}: {}", target.display(), bundle.entries.len()))
}

async fn fetch(service: &Service, path: &std::path::Path, context: &Context) -> Result<(), Failure> {
    let unreadable = |failure| Failure::Argument(format!("{}: {failure}", path.display()));
    let needs = needs(&evidence::read(path)?).map_err(unreadable)?;
    service.latest(&needs, context.surroundings.now).await?;
    Ok(())
}

fn import(path: &std::path::Path, context: &Context) -> Result<(), Failure> {
    if folder(&context.surroundings).is_none() {
        return Err(Failure::Argument(
            "neither XDG_CACHE_HOME nor HOME is set to an absolute path, so there is no place to keep it; name the \
             bundle with --collateral instead"
                .into(),
        ));
    }
    let (service, bundle) = (service(context, roots(context)?)?, read_bundle(path)?);
    let refused = service.import(&bundle, context.surroundings.now);
    refused.iter().for_each(warn_refused);
    service.save()?;
    console::print(&format!(
        "entries taken: {} of {}",
        bundle.entries.len() - refused.len(),
        bundle.entries.len()
    ))?;
    if refused.is_empty() { Ok(()) } else { Err(Failure::Said) }
}

/// The hardware vendors' roots, and those of the era-config if one is named.
pub(super) fn roots(context: &Context) -> Result<Roots, Failure> {
    match context.global.era_config.as_deref() {
        Some(path) => Ok(era::read(Some(path))?.expectation(&context.tolerance()?)?.roots),
        None => Roots::of_hardware_vendors().map_err(|error| Failure::Era(error.to_string())),
    }
}
