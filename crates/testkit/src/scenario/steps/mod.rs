//! One file per kind of step that asks the Coordinator something; the short ones are here.

mod activate;
mod check;
mod http;

use anyhow::{Context as _, Result, bail};

use super::facts::{self, Own};
use super::json::Json;
use super::matcher::Rules;
use super::{Outcome, Run, metrics, pem, x509};
use crate::client::http::{Request, Transport};
use crate::client::tls::{self, Identity};
use activate::Marble;

impl Run {
    /// Does one step.
    pub(super) fn step(&mut self, step: &Json) -> Result<Outcome> {
        match step.field_text("do").context("a step says what to do")? {
            "http" => return self.http(step),
            "activate" => return self.activate(step),
            "tls" => return self.tls(step),
            "metrics" => return self.metrics(step),
            "restart" => self.coordinator.restart()?,
            "stop" => self.coordinator.kill()?,
            "start" => self.coordinator.start_again()?,
            "wipe" => self.coordinator.wipe()?,
            "remove_file" => self.coordinator.remove_file(step.field_text("file").context("file")?)?,
            "let" => self.assign(step)?,
            "check" => return Ok(Outcome { reasons: self.check(step), not_built: false }),
            other => bail!("no step {other}"),
        }
        Ok(Outcome::default())
    }

    fn assign(&mut self, step: &Json) -> Result<()> {
        let name = step.field_text("name").context("name")?;
        let value = self.evaluate(step.field("is").context("is")?)?;
        self.saved.insert(name.to_owned(), value);
        Ok(())
    }

    fn evaluate(&self, expression: &Json) -> Result<Vec<u8>> {
        super::expression::evaluate(expression, &self.saved, &self.scenario)
    }

    fn tls(&mut self, step: &Json) -> Result<Outcome> {
        let chain = match step.field_text("listener") {
            Some("mesh") => self.mesh_certificates()?,
            _ => self
                .runtime
                .block_on(tls::presented(self.coordinator.client_addr, None, &[b"http/1.1"]))?
                .iter()
                .map(|c| c.to_vec())
                .collect(),
        };
        let text: String = chain.iter().map(|der| pem::encode(x509::CERTIFICATE, der)).collect();
        let answer = Json::Object(vec![("presents".into(), Json::Text(text))]);
        self.save(step, &answer)?;
        Ok(Outcome { reasons: self.compare(step, &answer), not_built: false })
    }

    fn metrics(&mut self, step: &Json) -> Result<Outcome> {
        let request = Request { method: "GET".into(), path: "/metrics".into(), ..Request::default() };
        let answer = crate::client::http::send(self.coordinator.prometheus_addr, Transport::Plain, request);
        let answer = self.runtime.block_on(answer)?;
        let answer = metrics::answer(std::str::from_utf8(&answer.body).context("metrics")?, step)?;
        Ok(Outcome { reasons: self.compare(step, &answer), not_built: false })
    }

    /// Saves what the step names by pointers into the answer as it came.
    fn save(&mut self, step: &Json, answer: &Json) -> Result<()> {
        for (name, pointer) in step.field("save").map(Json::fields).unwrap_or_default() {
            let pointer = pointer.as_text().context("a pointer")?;
            let bytes = match answer
                .at(pointer)
                .with_context(|| format!("{pointer} is not in the answer to save"))?
            {
                Json::Text(text) => text.clone().into_bytes(),
                Json::Bytes(bytes) => bytes.clone(),
                other => other.compact().into_bytes(),
            };
            self.saved.insert(name.clone(), bytes);
        }
        Ok(())
    }

    /// Where `answer` is not the recorded one, or its certificates and keys are not as stated.
    fn compare(&self, step: &Json, answer: &Json) -> Vec<String> {
        let nothing = Json::Object(Vec::new());
        let recorded = step.field("answer").unwrap_or(&nothing);
        let without_facts = recorded.fields().iter().filter(|(name, _)| name != "facts").cloned().collect();
        let expected = Json::Object(without_facts);
        let manifest = |name: &str| self.scenario.manifest(&Json::text(name));
        let mut reasons = Rules::of(step, &manifest).differences(&expected, answer);
        if let Some(facts) = recorded.field("facts") {
            reasons.extend(facts::differences(facts, &expected, answer, &self.own()));
        }
        reasons
    }

    /// The Coordinator's own certificates now; what it does not show is missing, and a fact about it fails.
    fn own(&self) -> Own {
        let mut own = Own { now: seconds_now(), ..Own::default() };
        let shown = self.shown_chain().unwrap_or_default();
        for (name, (_, der)) in ["intermediate", "root"].into_iter().zip(shown) {
            own.certificates.insert(name.to_owned(), der);
        }
        if let Some(der) = self.mesh_certificates().unwrap_or_default().into_iter().next() {
            own.certificates.insert("marble root".to_owned(), der);
        }
        own
    }

    fn shown_chain(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let request = Request { method: "GET".into(), path: "/api/v2/quote".into(), ..Request::default() };
        let answer = crate::client::http::send(self.coordinator.client_addr, Transport::Tls(None), request);
        let answer = Json::parse(&String::from_utf8(self.runtime.block_on(answer)?.body)?)?;
        pem::blocks(answer.at("/data/cert").and_then(Json::as_text).context("no certificate")?)
    }

    fn mesh_certificates(&self) -> Result<Vec<Vec<u8>>> {
        let marble = Marble::new()?;
        let chain = tls::presented(self.coordinator.mesh_addr, Some(&marble.identity), &[b"h2"]);
        Ok(self.runtime.block_on(chain)?.iter().map(|certificate| certificate.to_vec()).collect())
    }

    /// Who the step logs in as: a user of `keys`, or a saved certificate and key.
    fn login(&self, step: &Json) -> Result<Option<Identity>> {
        let Some(who) = step.field("as") else { return Ok(None) };
        if let Some(user) = who.as_text() {
            return self.scenario.user(user).map(Some);
        }
        let part = |name| self.evaluate(who.field(name).context("a saved certificate and key")?);
        Identity::from_pem(&part("cert")?, &part("key")?).map(Some)
    }
}

#[allow(clippy::disallowed_methods, reason = "a test compares fresh certificates with its own clock")]
fn seconds_now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map(|since| since.as_secs()).unwrap_or_default()
}
