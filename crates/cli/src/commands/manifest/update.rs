//! `marblerun manifest update`: send an update, look at the one that waits, agree to it, withdraw it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use marblerun_api::client::{Client, ClientError, UpdateTaken, printable};
use marblerun_api::rest::UpdateOutcome;
use marblerun_manifest::Update as ManifestUpdate;
use marblerun_manifest::diff::updaters;

use super::difference::names;
use super::recovery_file::RecoveryFile;
use super::{deliver, parsed};
use crate::commands::help;
use crate::commands::user::Login;
use crate::document::Document;
use crate::trust::{self, Context};
use crate::{Failure, console};

/// Arguments of `marblerun manifest update`.
#[derive(Debug, Args)]
pub(super) struct Update {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send an update manifest as a user
    ///
    /// A file that holds nothing but Packages raises their SecurityVersions at once. A whole manifest replaces the one
    /// that is set as soon as enough of the users who may update it agree. `marblerun manifest plan` says beforehand
    /// what an update would change.
    #[command(after_help = "Examples:
  marblerun manifest update apply manifest.json localhost:4433 --cert alice.pem --key alice.key
  marblerun manifest update apply manifest.json localhost:4433 -c alice.pem -k alice.key -r recovery.json")]
    Apply(Send),
    /// Agree as a user to the pending update
    ///
    /// The file must be the very manifest that waits. Whoever agrees last receives the new recovery secrets, if the
    /// update makes some.
    #[command(after_help = "Examples:
  marblerun manifest update get localhost:4433 -o pending.json
  marblerun manifest update acknowledge pending.json localhost:4433 --cert bob.pem --key bob.key")]
    Acknowledge(Send),
    /// Cancel the pending update as a user
    #[command(after_help = "Example:
  marblerun manifest update cancel localhost:4433 --cert bob.pem --key bob.key")]
    Cancel(Cancel),
    /// Print or save the pending update manifest
    #[command(after_help = "Examples:
  marblerun manifest update get localhost:4433 -o pending.json
  marblerun manifest update get localhost:4433 --missing")]
    Get(Get),
}

#[derive(Debug, Args)]
struct Send {
    /// Manifest, JSON or YAML
    #[arg(value_name = "manifest.json")]
    file: PathBuf,
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT")]
    addr: String,
    /// Write recovery secrets to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    recoverydata: Option<PathBuf>,
    /// Send it even if nobody could ever update the manifest again, or if it does not pass the checks of this program
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    login: Login,
}

#[derive(Debug, Args)]
struct Cancel {
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT")]
    addr: String,
    #[command(flatten)]
    login: Login,
}

#[derive(Debug, Args)]
struct Get {
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT")]
    addr: String,
    /// Show which users still have to agree instead of the manifest
    #[arg(long)]
    missing: bool,
    /// Write to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Update {
    pub(super) async fn execute(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            None => help(&["manifest", "update"]),
            Some(Command::Apply(send)) => send.apply(context).await,
            Some(Command::Acknowledge(send)) => send.acknowledge(context).await,
            Some(Command::Cancel(cancel)) => cancel.execute(context).await,
            Some(Command::Get(get)) => get.execute(context).await,
        }
    }
}

impl Send {
    async fn apply(self, context: &Context) -> Result<(), Failure> {
        let (client, document, recovery_file) = self.prepare(context)?;
        let taken = client.update(document.json()).await.inspect_err(explain_lost_answer)?;
        report(&taken)?;
        finish(taken.outcome, recovery_file)
    }

    async fn acknowledge(self, context: &Context) -> Result<(), Failure> {
        let (client, document, recovery_file) = self.prepare(context)?;
        let taken = client.acknowledge(document.json()).await.inspect_err(explain_lost_answer)?;
        if let Some(remark) = &taken.remark {
            console::warn(remark);
        }
        console::note("Acknowledgement successful:");
        console::print(&printable(taken.outcome.message.as_deref().unwrap_or_default()))?;
        finish(taken.outcome, recovery_file)
    }

    /// All that can fail is tried before anything is sent.
    fn prepare(self, context: &Context) -> Result<(Client, Document, RecoveryFile), Failure> {
        let identity = self.login.identity()?;
        let document = Document::read(&self.file)?;
        self.refuse_the_last(&document, context)?;
        let recovery_file = RecoveryFile::open(self.recoverydata)?;
        Ok((trust::known_as(&self.addr, Some(identity), context)?, document, recovery_file))
    }
}

impl Send {
    /// A manifest without a user who may update it is in force for good: nobody should bring that about by mistake.
    fn refuse_the_last(&self, document: &Document, context: &Context) -> Result<(), Failure> {
        if self.force {
            return Ok(());
        }
        let update = parsed::update(document, &self.file, context).inspect_err(|_| {
            console::note("Nothing was sent. With --force the Coordinator is asked all the same.")
        })?;
        match update {
            ManifestUpdate::Manifest(checked) if updaters(&checked.manifest).is_empty() => {
                let file = self.file.display();
                Err(Failure::Argument(format!(
                    "{file}: no user has a role with UpdateManifest, so nobody could ever update the manifest again. \
                     Nothing was sent; --force sends it if that is what you want"
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Says whether the update is in force or who has to agree first.
fn report(taken: &UpdateTaken) -> Result<(), Failure> {
    if let Some(remark) = &taken.remark {
        console::warn(remark);
    }
    let UpdateOutcome { missing_acknowledgments: missing, missing_users, .. } = &taken.outcome;
    if *missing == 0 {
        console::note("Update manifest set successfully");
        return Ok(());
    }
    console::note("Update manifest submitted successfully.");
    console::note("Changes are pending and have not been applied yet.");
    let need =
        if *missing == 1 { "1 user still needs".into() } else { format!("{missing} users still need") };
    console::print(&format!("{need} to acknowledge the update manifest."))?;
    let users = names(missing_users.as_deref().unwrap_or_default());
    console::print(&format!("The following users may acknowledge the update: {users}"))
}

/// New recovery secrets make the old ones useless, even if there are no new ones.
fn finish(outcome: UpdateOutcome, recovery_file: RecoveryFile) -> Result<(), Failure> {
    match outcome.recovery_secrets {
        None => Ok(()),
        Some(secrets) if secrets.is_empty() => {
            console::warn(
                "the manifest has no recovery keys any more: the recovery secrets of before open nothing",
            );
            Ok(())
        }
        Some(secrets) => {
            console::note("New recovery secrets; those of before, if there were any, open nothing any more");
            recovery_file.deliver(secrets)
        }
    }
}

/// Without an answer nobody knows whether it was taken, and recovery secrets are given only once.
fn explain_lost_answer(error: &ClientError) {
    if error.leaves_open() {
        console::warn(
            "it may have been taken all the same: look with `marblerun manifest update get` and `marblerun manifest \
             log`. If the update is in force and changed recovery keys, their secrets were in the answer that got lost: \
             another update that changes them makes new ones",
        );
    }
}

impl Cancel {
    async fn execute(self, context: &Context) -> Result<(), Failure> {
        let identity = self.login.identity()?;
        let message = trust::known_as(&self.addr, Some(identity), context)?.cancel_update().await?;
        console::note("Cancellation successful");
        console::print(&printable(&message))
    }
}

impl Get {
    async fn execute(self, context: &Context) -> Result<(), Failure> {
        let client = trust::known(&self.addr, context)?;
        let pending = client.pending_update().await?.ok_or(Failure::NoPendingUpdate)?;
        let shown = if self.missing {
            let users = names(&pending.missing_users);
            format!("The following users have not yet acknowledged the update: {users}\n").into_bytes()
        } else {
            pending.manifest.0
        };
        deliver(&shown, self.output.as_deref())
    }
}
