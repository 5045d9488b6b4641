//! Relations between what was saved.

use anyhow::{Context as _, Result, bail, ensure};

use super::super::json::Json;
use super::super::{Run, x509};

impl Run {
    /// The relations of a `check` step that do not hold.
    pub(super) fn check(&self, step: &Json) -> Vec<String> {
        let relations = step.fields().iter().filter(|(name, _)| name != "do" && name != "say");
        let wrong = relations.filter_map(|(name, arguments)| {
            let outcome = check_relation(name, arguments, &|expression| self.evaluate(expression));
            outcome.err().map(|why| format!("{name} {}: {why:#}", arguments.compact()))
        });
        wrong.collect()
    }
}

type Evaluate<'a> = &'a dyn Fn(&Json) -> Result<Vec<u8>>;

fn check_relation(name: &str, arguments: &Json, evaluate: Evaluate<'_>) -> Result<()> {
    let all = || arguments.items().iter().map(evaluate).collect::<Result<Vec<_>>>();
    match name {
        "equal" => check_equal(&all()?),
        "different" => check_different(&all()?),
        "length" => arguments.items().iter().try_for_each(|pair| check_length(pair, evaluate)),
        "issued" => check_issued(&all()?),
        "signed" => check_signed(arguments, evaluate),
        other => bail!("no relation {other}"),
    }
}

fn check_equal(values: &[Vec<u8>]) -> Result<()> {
    ensure!(values.len() > 1 && values.windows(2).all(|pair| pair[0] == pair[1]), "they differ");
    Ok(())
}

fn check_different(values: &[Vec<u8>]) -> Result<()> {
    let mut distinct = values.to_vec();
    distinct.sort();
    distinct.dedup();
    ensure!(values.len() > 1 && distinct.len() == values.len(), "two are the same");
    Ok(())
}

fn check_length(pair: &Json, evaluate: Evaluate<'_>) -> Result<()> {
    let [expression, Json::Number(length)] = pair.items() else { bail!("a length is of an expression") };
    let seen = evaluate(expression)?.len();
    ensure!(*length == seen.to_string(), "{} is {seen} bytes long", expression.compact());
    Ok(())
}

fn check_issued(certificates: &[Vec<u8>]) -> Result<()> {
    ensure!(certificates.len() > 1, "nothing to compare");
    certificates.windows(2).enumerate().try_for_each(|(index, pair)| {
        x509::check_issued(&pair[0], &pair[1]).with_context(|| format!("number {} by the next", index + 1))
    })
}

fn check_signed(arguments: &Json, evaluate: Evaluate<'_>) -> Result<()> {
    let part = |name| evaluate(arguments.field(name).with_context(|| format!("{name} is missing"))?);
    x509::check_ecdsa_sha256(&part("by")?, &part("data")?, &part("signature")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expressions are texts that mean themselves.
    fn holds(name: &str, arguments: &str) -> bool {
        let evaluate = |expression: &Json| Ok(expression.as_text().context("a text")?.as_bytes().to_vec());
        check_relation(name, &Json::parse(arguments).expect("JSON"), &evaluate).is_ok()
    }

    #[test]
    fn relations() {
        assert!(holds("equal", r#"["a","a","a"]"#));
        assert!(!holds("equal", r#"["a","a","b"]"#));
        assert!(!holds("equal", r#"["a"]"#));
        assert!(holds("different", r#"["a","b","c"]"#));
        assert!(!holds("different", r#"["a","b","a"]"#));
        assert!(!holds("different", r#"["a"]"#));
        assert!(holds("length", r#"[["ab",2],["",0]]"#));
        assert!(!holds("length", r#"[["ab",2],["c",0]]"#));
        assert!(!holds("issued", r#"["a","b"]"#));
        assert!(!holds("signed", r#"{"by":"a","data":"b","signature":"c"}"#));
        assert!(!holds("other", "[]"));
    }
}
