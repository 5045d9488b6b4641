//! The one writer: takes commands, decides them in order, makes a batch durable in one step, publishes, answers.
//!
//! It runs on a thread of its own, because making something durable blocks. Readers never wait for it: they look at
//! the last published state.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use arc_swap::ArcSwap;
use marblerun_core::journal::Dek;
use marblerun_core::recovery::{Given, Proven, RecoveryError};
use marblerun_core::update::Rekey;
use marblerun_core::{Command, Deployment, Event, Prepared, Refusal, State, apply, decide, recover};
use tokio::sync::oneshot;

use crate::ledger::{Ledger, LedgerError};

/// Commands that wait at most; more are refused at once.
const QUEUE: usize = 1024;
/// Commands that share one durable step at most.
const BATCH: usize = 256;

/// The state that readers see.
pub type Published = ArcSwap<State>;

/// The handle by which commands reach the writer. Dropping all of them ends it.
#[derive(Clone)]
pub struct Writer {
    queue: SyncSender<Job>,
}

struct Job {
    command: Command,
    reply: Answer,
}

/// Who waits for an outcome: the state that the command was decided on.
type Answer = oneshot::Sender<Result<State, CommitError>>;

/// A command that was decided and waits for its batch.
struct Decided {
    reply: Answer,
    before: State,
}

/// Why a command did not take effect.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// It was refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be made durable; nothing changed.
    #[error("the state could not be made durable: {0}")]
    NotDurable(Arc<LedgerError>),
    /// More commands wait than can be served.
    #[error("too many changes wait to be made durable; try again")]
    Busy,
    /// The Coordinator is shutting down.
    #[error("the Coordinator is shutting down")]
    Closed,
}

impl Writer {
    /// Starts the writer's thread.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(
        ledger: Ledger,
        published: Arc<Published>,
    ) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (queue, jobs) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || Loop { ledger, published }.run(&jobs))?;
        Ok((Self { queue }, thread))
    }

    /// Carries out a command; returns when its outcome is durable and visible. Gives the state that the command was
    /// decided on, which is the only one that can say what it changed.
    ///
    /// # Errors
    /// Why nothing changed.
    pub async fn submit(&self, command: Command) -> Result<State, CommitError> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Job { command, reply }).map_err(|error| match error {
            TrySendError::Full(_) => CommitError::Busy,
            TrySendError::Disconnected(_) => CommitError::Closed,
        })?;
        answer.await.unwrap_or(Err(CommitError::Closed))
    }
}

struct Loop {
    ledger: Ledger,
    published: Arc<Published>,
}

impl Loop {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut batch = vec![first];
            batch.extend(jobs.try_iter().take(BATCH - 1));
            self.carry_out(batch);
        }
    }

    /// Decides a batch in order, commits what was decided, then answers.
    fn carry_out(&mut self, batch: Vec<Job>) {
        let mut state = State::clone(&self.published.load());
        let mut events = Vec::new();
        let mut replies = Vec::new();
        for Job { command, reply } in batch {
            if stands_alone(&command) {
                // What came before must be durable before the phase or the keys change.
                self.finish(&mut events, &state, &mut replies);
                let before = State::clone(&self.published.load());
                let _ = reply.send(self.carry_out_alone(&command).map(|()| before));
                state = State::clone(&self.published.load());
                continue;
            }
            match next(&state, &command) {
                Ok((decided, after)) => {
                    events.extend(decided);
                    replies.push(Decided { reply, before: std::mem::replace(&mut state, after) });
                }
                Err(refusal) => drop(reply.send(Err(refusal.into()))),
            }
        }
        self.finish(&mut events, &state, &mut replies);
    }

    fn finish(&mut self, events: &mut Vec<Event>, state: &State, replies: &mut Vec<Decided>) {
        let events = std::mem::take(events);
        let outcome = self.commit(&events, state);
        for Decided { reply, before } in replies.drain(..) {
            let _ = reply.send(outcome.clone().map(|()| before));
        }
    }

    fn commit(&mut self, events: &[Event], state: &State) -> Result<(), CommitError> {
        let Some(deployment) = state.deployment().filter(|_| !events.is_empty()) else { return Ok(()) };
        self.ledger.commit(events, deployment).map_err(not_durable)?;
        self.publish(state.clone());
        Ok(())
    }

    /// Shows readers a state that is durable, with the record that made it so.
    fn publish(&self, mut state: State) {
        if let State::Serving(deployment) = &mut state {
            deployment.head = self.ledger.head();
        }
        self.published.store(Arc::new(state));
    }

    fn carry_out_alone(&mut self, command: &Command) -> Result<(), CommitError> {
        match command {
            Command::SetManifest(prepared) => self.begin(prepared, command),
            Command::Recover(proven) => self.recover(proven),
            Command::Update(update) => self.update(update.rekey.as_ref(), command),
            _ => Ok(()),
        }
    }

    /// An update; with a new data key, all data is written anew under it.
    fn update(&mut self, rekey: Option<&Rekey>, command: &Command) -> Result<(), CommitError> {
        let (events, after) = next(&self.published.load(), command)?;
        let Some(rekey) = rekey else { return self.commit(&events, &after) };
        let deployment = after.deployment().ok_or(CommitError::Closed)?;
        let hints = rekey.shares.hints.clone();
        self.ledger.rekey(deployment, &rekey.dek, hints).map_err(not_durable)?;
        self.publish(after);
        Ok(())
    }

    /// A recovery secret that does not bring the state back changes nothing but what is still missing. Reading and
    /// writing anew holds up nobody but those who want to change the phase, too.
    fn recover(&mut self, proven: &Proven) -> Result<(), CommitError> {
        let state = self.published.load_full();
        let after = match recover(&state, proven)? {
            Given::More(recovery) => State::Recovery(Arc::new(recovery)),
            Given::Enough(dek) => State::Serving(self.open(&state, &dek)?),
        };
        self.publish(after);
        Ok(())
    }

    fn open(&mut self, state: &State, dek: &Dek) -> Result<Deployment, CommitError> {
        let header = state.recovery().and_then(|recovery| recovery.header.as_ref());
        let header = header.ok_or(Refusal::Recovery(RecoveryError::NoHolders))?;
        self.ledger.recover(dek, header).map_err(|error| match error {
            LedgerError::Recovery(refusal) => Refusal::Recovery(refusal).into(),
            LedgerError::Journal(_) | LedgerError::Replay(_) => {
                tracing::error!(%error, "the recovery secrets do not open the sealed state");
                Refusal::Recovery(RecoveryError::Damaged).into()
            }
            error => not_durable(error),
        })
    }

    fn begin(&mut self, prepared: &Prepared, command: &Command) -> Result<(), CommitError> {
        let (_, after) = next(&self.published.load(), command)?;
        let deployment = after.deployment().ok_or(CommitError::Closed)?;
        let hints = prepared.shares.hints.clone();
        self.ledger.begin(deployment, &prepared.dek, hints).map_err(not_durable)?;
        self.publish(after);
        Ok(())
    }
}

/// Whether a command shares no batch: it changes the phase or the keys under which the state is kept.
fn stands_alone(command: &Command) -> bool {
    matches!(command, Command::SetManifest(_) | Command::Recover(_) | Command::Update(_))
}

/// What a command leads to, without any effect.
fn next(state: &State, command: &Command) -> Result<(Vec<Event>, State), Refusal> {
    let events = decide(state, command)?;
    let mut after = state.clone();
    for event in &events {
        after = apply(&after, event).map_err(|error| Refusal::Internal(error.to_string()))?;
    }
    Ok((events, after))
}

fn not_durable(error: LedgerError) -> CommitError {
    tracing::error!(%error, "a change could not be made durable; nothing changed");
    CommitError::NotDurable(Arc::new(error))
}
