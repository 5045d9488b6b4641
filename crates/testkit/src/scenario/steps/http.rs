//! A request to the client API, or to the plain listener of metrics and events.

use anyhow::{Context as _, Result, bail};

use super::super::json::Json;
use super::super::{Outcome, Run};
use crate::client::http::{Request, Response, Transport, send};

impl Run {
    pub(super) fn http(&mut self, step: &Json) -> Result<Outcome> {
        let request = self.request(step)?;
        let plain = step.field_text("listener") == Some("prometheus");
        let response = if plain {
            self.runtime.block_on(send(self.coordinator.prometheus_addr, Transport::Plain, request))?
        } else {
            let login = self.login(step)?;
            self.runtime.block_on(send(
                self.coordinator.client_addr,
                Transport::Tls(login.as_ref()),
                request,
            ))?
        };
        let raw = if plain { plain_answer(step, &response) } else { jsend_answer(&response) };
        let mut reasons = if plain { Vec::new() } else { content_type(&response) };
        if is_refusal(step) {
            reasons.extend(check_refusal(&raw));
        } else {
            reasons.extend(self.compare(step, &readable(step, raw.clone())));
        }
        let not_built = response.status == 501;
        if let Err(why) = self.save(step, &raw) {
            reasons.push(format!("{why:#}"));
        }
        if !reasons.is_empty() {
            reasons.extend(raw.field_text("message").map(|message| format!("(its message: {message})")));
        }
        Ok(Outcome { reasons, not_built })
    }

    fn request(&self, step: &Json) -> Result<Request> {
        let text = |name| step.field_text(name).with_context(|| format!("a request has a {name}"));
        let mut headers = self.headers(step)?;
        let body = match step.field("body") {
            Some(body) => {
                headers.push(("Content-Type".into(), "application/json".into()));
                self.body(body)?
            }
            None => Vec::new(),
        };
        let query = step.field("query").map(Json::items).unwrap_or_default();
        let path = format!("{}{}", self.scenario.expand(text("path")?)?, self.query(query)?);
        Ok(Request { method: text("method")?.to_owned(), path, headers, body })
    }

    fn headers(&self, step: &Json) -> Result<Vec<(String, String)>> {
        let headers = step.field("headers").map(Json::fields).unwrap_or_default().iter();
        headers
            .map(|(name, value)| {
                Ok((name.clone(), self.scenario.expand(value.as_text().context("a header")?)?))
            })
            .collect()
    }

    fn query(&self, pairs: &[Json]) -> Result<String> {
        let mut query = String::new();
        for pair in pairs {
            let [Json::Text(name), Json::Text(value)] = pair.items() else {
                bail!("a query has pairs of texts")
            };
            query.push(if query.is_empty() { '?' } else { '&' });
            query += &format!("{}={}", percent_encode(name), percent_encode(&self.scenario.expand(value)?));
        }
        Ok(query)
    }

    fn body(&self, body: &Json) -> Result<Vec<u8>> {
        let [(kind, value)] = body.fields() else { bail!("a body is of one kind") };
        match kind.as_str() {
            "json" => Ok(self.fill(value)?.compact().into_bytes()),
            "text" => Ok(self.scenario.expand(value.as_text().context("a text")?)?.into_bytes()),
            "bytes" => self.evaluate(value),
            "manifest" => self.scenario.manifest(value),
            "manifest64" => {
                use base64::Engine as _;
                let manifest =
                    base64::engine::general_purpose::STANDARD.encode(self.scenario.manifest(value)?);
                Ok(format!("{{\"manifest\":\"{manifest}\"}}").into_bytes())
            }
            other => bail!("no body of kind {other}"),
        }
    }

    /// A JSON body with its `{"$": expression}` replaced by texts.
    fn fill(&self, body: &Json) -> Result<Json> {
        if let [(name, expression)] = body.fields()
            && name == "$"
        {
            return Ok(Json::Text(String::from_utf8(self.evaluate(expression)?).context("no text")?));
        }
        Ok(match body {
            Json::Text(text) => Json::Text(self.scenario.expand(text)?),
            Json::List(items) => Json::List(items.iter().map(|item| self.fill(item)).collect::<Result<_>>()?),
            Json::Object(fields) => {
                let filled = fields.iter().map(|(name, value)| Ok((name.clone(), self.fill(value)?)));
                Json::Object(filled.collect::<Result<_>>()?)
            }
            other => other.clone(),
        })
    }
}

fn percent_encode(text: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// `{http, status, data, message}`, or `{http, text}` of a body that is no object.
fn jsend_answer(response: &Response) -> Json {
    let http = ("http".to_owned(), Json::Number(response.status.to_string()));
    let body = std::str::from_utf8(&response.body).ok().and_then(|body| Json::parse(body).ok());
    match body {
        Some(Json::Object(fields)) => Json::Object([vec![http], fields].concat()),
        _ => Json::Object(vec![http, ("text".to_owned(), Json::from_bytes(response.body.clone()))]),
    }
}

/// `{http, json}` if JSON is recorded and comes, else `{http, text}`.
fn plain_answer(step: &Json, response: &Response) -> Json {
    let http = ("http".to_owned(), Json::Number(response.status.to_string()));
    let body = Json::from_bytes(response.body.clone());
    let json = body.as_text().and_then(|body| Json::parse(body).ok());
    let content = match json {
        Some(json) if step.at("/answer/json").is_some() => ("json".to_owned(), json),
        _ => ("text".to_owned(), body),
    };
    Json::Object(vec![http, content])
}

/// The answer in the form that recordings show: without the top-level message, lines of the update log parsed.
fn readable(step: &Json, answer: Json) -> Json {
    let shown = |name: &str| name != "message" || step.at("/answer/message").is_some();
    let mut answer = Json::Object(answer.fields().iter().filter(|(name, _)| shown(name)).cloned().collect());
    answer.replace_at("/data/updateLog", |log| {
        let lines = log.items().iter().map(|line| line.as_text().and_then(|line| Json::parse(line).ok()));
        Some(Json::List(lines.collect::<Option<_>>()?))
    });
    if step.at("/answer/data/jsonLines").is_some() {
        answer.replace_at("/data", |text| {
            let lines = text.as_text()?.strip_suffix('\n')?.split('\n').map(|line| Json::parse(line).ok());
            Some(Json::Object(vec![("jsonLines".to_owned(), Json::List(lines.collect::<Option<_>>()?))]))
        });
    }
    answer
}

/// Every answer of the client API is JSON and says so: stricter than the recorded Coordinator.
fn content_type(response: &Response) -> Vec<String> {
    let is_json = response.content_type.as_deref().is_some_and(|kind| kind.starts_with("application/json"));
    if is_json {
        Vec::new()
    } else {
        vec![format!("the content type is {:?}, not application/json", response.content_type)]
    }
}

fn is_refusal(step: &Json) -> bool {
    step.at("/answer/http").and_then(Json::as_text) == Some("<refused>")
}

/// Which error it is is open, but not a login, an unknown endpoint, or a fault of ours: what the recordings refuse is
/// the caller's doing throughout.
fn check_refusal(answer: &Json) -> Option<String> {
    let Some(Json::Number(http)) = answer.field("http") else { return Some("no answer".into()) };
    let fitting = http.starts_with('4') && http != "401" && http != "405";
    let status = answer.field_text("status").unwrap_or_default();
    let fine = fitting && ["fail", "error"].contains(&status);
    (!fine).then(|| {
        format!("expected a refusal (4xx but 401 and 405, status fail or error), seen {http} {status:?}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> Response {
        Response { status, content_type: Some("application/json; charset=utf-8".into()), body: body.into() }
    }

    fn json(text: &str) -> Json {
        Json::parse(text).expect("JSON")
    }

    #[test]
    fn refusals() {
        for (status, body, fine) in [
            (400, r#"{"status":"fail"}"#, true),
            (409, r#"{"status":"error","data":null,"message":"x"}"#, true),
            (400, r#"{"status":"success"}"#, false),
            (400, "oops", false),
            (401, r#"{"status":"error"}"#, false),
            (405, r#"{"status":"error"}"#, false),
            (500, r#"{"status":"error"}"#, false),
            (501, r#"{"status":"error"}"#, false),
            (200, r#"{"status":"success"}"#, false),
            (200, r#"{"status":"error"}"#, false),
        ] {
            assert_eq!(
                check_refusal(&jsend_answer(&response(status, body))).is_none(),
                fine,
                "{status} {body}"
            );
        }
    }

    #[test]
    fn content_types() {
        let mut answer = response(200, "{}");
        assert!(content_type(&answer).is_empty());
        answer.content_type = Some("text/plain".into());
        assert!(!content_type(&answer).is_empty());
        answer.content_type = None;
        assert!(!content_type(&answer).is_empty());
    }

    #[test]
    fn answers_in_the_form_of_the_recordings() {
        let plain = json("{}");
        let answer = jsend_answer(&response(
            200,
            r#"{"status":"success","data":{"updateLog":["{\"a\":1}"]},"message":"m"}"#,
        ));
        assert_eq!(
            readable(&plain, answer).compact(),
            r#"{"http":200,"status":"success","data":{"updateLog":[{"a":1}]}}"#
        );
        let lines = json(r#"{"answer":{"data":{"jsonLines":[]}}}"#);
        let v1 = |text: &str| {
            readable(&lines, json(&format!(r#"{{"data":{}}}"#, Json::text(text).compact()))).compact()
        };
        assert_eq!(v1("{\"a\":1}\n{\"b\":2}\n"), r#"{"data":{"jsonLines":[{"a":1},{"b":2}]}}"#);
        assert_eq!(v1("{\"a\":1}"), r#"{"data":"{\"a\":1}"}"#, "without the last newline it is no log");
        assert_eq!(jsend_answer(&response(404, "oops")).compact(), r#"{"http":404,"text":"oops"}"#);
        let events = json(r#"{"answer":{"json":[]}}"#);
        assert_eq!(plain_answer(&events, &response(200, "[1]")).compact(), r#"{"http":200,"json":[1]}"#);
        assert_eq!(plain_answer(&plain, &response(200, "[1]")).compact(), r#"{"http":200,"text":"[1]"}"#);
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(percent_encode("a-b._~ =&+/é!*"), "a-b._~%20%3D%26%2B%2F%C3%A9%21%2A");
    }
}
