//! `marblerun log verify`: is this the history that was there the last time, and more?

use clap::Args;
use marblerun_api::client::{CertificateDer, Client, printable, public_key};
use marblerun_api::rest::Base64;
use marblerun_attest::log::{Checkpoint, Frontier, Hash, LogError, VerifierKey, verify_consistency};
use serde_json::{Value, json};

use super::alarm::{Alarm, Standing};
use super::remembered::Remembered;
use crate::args::Format;
use crate::trust::{self, Context};
use crate::{Failure, console};

/// Arguments of `marblerun log verify`.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT")]
    addr: String,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A history that holds.
struct Verified {
    now: Checkpoint,
    before: Option<Checkpoint>,
    entries: Vec<String>,
}

impl Verify {
    pub(super) async fn execute(self, context: &Context) -> Result<(), Failure> {
        let (client, root) = trust::known_root(&self.addr, context).await?;
        let key = log_key(&client, &root).await?;
        let remembered = Remembered::of(&key, context)?;
        let before = remembered.load(&key)?;
        let note = client.log_checkpoint().await?;
        let now = Checkpoint::open(&note, &key)?;
        if let Some(before) = &before
            && let Some(alarm) = contradiction(&client, before, &now).await?
        {
            remembered.save_contradiction(&note)?;
            return self.report(alarm, before, &now, &remembered);
        }
        let entries = entries(&client, &now).await?;
        remembered.save(&note)?;
        self.print(&Verified { now, before, entries })
    }

    fn report(
        &self,
        alarm: Alarm,
        before: &Checkpoint,
        now: &Checkpoint,
        remembered: &Remembered,
    ) -> Result<(), Failure> {
        if self.format == Format::Json {
            let (before, now) = (described(before), described(now));
            console::print(
                &json!({ "outcome": alarm.name(), "remembered": before, "now": now }).to_string(),
            )?;
        }
        let text = alarm.explain(before, now, remembered.path(), &remembered.contradiction());
        Err(Failure::LogAlarm(text))
    }

    fn print(&self, verified: &Verified) -> Result<(), Failure> {
        let Verified { now, before, entries } = verified;
        if self.format == Format::Json {
            let (before, now) = (before.as_ref().map(described), described(now));
            let all = json!({ "outcome": "ok", "remembered": before, "now": now, "entries": entries });
            return console::print(&all.to_string());
        }
        for entry in entries {
            console::print(&in_words(entry))?;
        }
        console::note(&format!("Verified: {}, {}", Standing(now), since(before.as_ref())));
        Ok(())
    }
}

/// The key of the log, if the Coordinator's root vouches for it.
async fn log_key(client: &Client, root: &CertificateDer<'_>) -> Result<VerifierKey, Failure> {
    let answer = client.log_key().await?;
    let key = VerifierKey::parse(&answer.key)?;
    key.check_root(root, &public_key(root)?, &answer.signature.0)?;
    Ok(key)
}

/// Whether the history goes on from the remembered one; the Coordinator has to prove it.
async fn contradiction(
    client: &Client,
    before: &Checkpoint,
    now: &Checkpoint,
) -> Result<Option<Alarm>, Failure> {
    if let Some(alarm) = Alarm::between(before, now) {
        return Ok(Some(alarm));
    }
    if before.size == now.size {
        return Ok(None);
    }
    let proof = hashes(client.log_consistency(before.size, now.size).await?.proof)?;
    let held = verify_consistency((before.size, &before.root), (now.size, &now.root), &proof);
    Ok(held.is_err().then_some(Alarm::Forked))
}

fn hashes(proof: Vec<Base64>) -> Result<Vec<Hash>, Failure> {
    let hashes = proof.into_iter().map(|hash| hash.0.try_into());
    hashes.collect::<Result<_, _>>().map_err(|_| LogError::Proof("a hash in it has not 32 bytes").into())
}

/// All entries; they are those of the checkpoint, since its root follows from them.
async fn entries(client: &Client, now: &Checkpoint) -> Result<Vec<String>, Failure> {
    let (mut all, mut tree) = (Vec::new(), Frontier::default());
    while tree.size() < now.size {
        let page = client.log_entries(tree.size(), now.size).await?.entries;
        if page.is_empty() {
            let missing = format!("a log of {} entries of which number {} is missing", now.size, tree.size());
            return Err(Failure::Contradiction(missing));
        }
        page.iter().for_each(|entry| tree.push(entry.as_bytes()));
        all.extend(page);
    }
    if tree.size() == now.size && tree.root() == now.root {
        return Ok(all);
    }
    Err(Failure::Contradiction("its entries are not those of the checkpoint that it signed".into()))
}

/// `TIME  UPDATE  field=value ...`; whatever is not of that form as it stands.
fn in_words(entry: &str) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(entry) else { return printable(entry) };
    let mut take = |name: &str| fields.remove(name).as_ref().map(plain).unwrap_or_default();
    let (time, update) = (take("time"), take("update"));
    let rest: Vec<String> = fields.iter().map(|(name, value)| format!("  {name}={}", plain(value))).collect();
    printable(&format!("{time}  {update}{}", rest.concat()))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn since(before: Option<&Checkpoint>) -> String {
    match before {
        Some(before) => format!("goes on from {} of the last time", Standing(before)),
        None => "seen for the first time; from now on a roll-back or a fork is noticed".into(),
    }
}

fn described(checkpoint: &Checkpoint) -> Value {
    let journal =
        checkpoint.journal.map(|head| json!({ "sequence": head.sequence, "hash": hex::encode(head.hash) }));
    json!({
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": hex::encode(checkpoint.root),
        "journal": journal,
    })
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn entries_in_words_cannot_steer_the_terminal() {
        let line = r#"{"secret":"a\u001b[2J","time":"T","update":"Secret set","n":1}"#;
        assert_eq!(in_words(line), "T  Secret set  n=1  secret=a\u{fffd}[2J");
        assert_eq!(in_words("no json\x07"), "no json\u{fffd}");
    }
}
