//! A scenario as it stands in its file, with the keys and manifests that it uses.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use super::json::Json;
use crate::client::tls::Identity;

/// One recorded scenario.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// What happens, in order.
    pub(crate) steps: Vec<Json>,
    env: Json,
    manifests: Json,
    keys: PathBuf,
    /// Holds manifests that the Coordinator reads from a file.
    folder: TempDir,
}

impl Scenario {
    /// Reads the scenario in `path`; its keys lie in `keys` beside it.
    ///
    /// # Errors
    /// If it cannot be read or is no scenario.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let json = Json::parse(&text).with_context(|| path.display().to_string())?;
        let steps = json.field("steps").map(|steps| steps.items().to_vec()).unwrap_or_default();
        ensure!(!steps.is_empty(), "{} has no steps", path.display());
        Ok(Self {
            steps,
            env: json.field("env").cloned().unwrap_or(Json::Null),
            manifests: json.field("manifests").cloned().unwrap_or(Json::Null),
            keys: path.with_file_name("keys"),
            folder: tempfile::tempdir().context("temporary folder")?,
        })
    }

    /// The environment that it asks for; `None` unsets.
    ///
    /// # Errors
    /// If a text in it stands for nothing.
    pub(crate) fn environment(&self) -> Result<Vec<(String, Option<String>)>> {
        let variables = self.env.fields().iter();
        variables
            .map(|(name, value)| Ok((name.clone(), value.as_text().map(|t| self.expand(t)).transpose()?)))
            .collect()
    }

    /// The bytes that are uploaded for a manifest: one of the scenario's by name, or one that stands in the step.
    ///
    /// # Errors
    /// If there is none of that name.
    pub(crate) fn manifest(&self, manifest: &Json) -> Result<Vec<u8>> {
        let json = self.manifest_json(manifest)?;
        if let Some(text) = json.field_text("$text") {
            return self.expand(text).map(String::into_bytes);
        }
        Ok(json.map_texts(&mut |text| self.expand(text))?.compact().into_bytes())
    }

    fn manifest_json(&self, manifest: &Json) -> Result<Json> {
        if let Some(name) = manifest.as_text() {
            let named = self.manifests.field(name).with_context(|| format!("no manifest {name}"))?;
            return self.manifest_json(named);
        }
        let Some(base) = manifest.field("$like") else { return Ok(manifest.clone()) };
        let base = self.manifest_json(base)?;
        Ok(manifest.field("$merge").map_or_else(|| base.clone(), |patch| base.clone().merge(patch)))
    }

    /// The names of its manifests.
    #[cfg(test)]
    pub(crate) fn manifest_names(&self) -> impl Iterator<Item = &str> {
        self.manifests.fields().iter().map(|(name, _)| name.as_str())
    }

    /// A text with what its `${...}` stand for.
    ///
    /// # Errors
    /// If one stands for nothing.
    pub(crate) fn expand(&self, text: &str) -> Result<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (reference, after) =
                after.split_once('}').with_context(|| format!("${{ does not end in {text:?}"))?;
            out.push_str(before);
            out.push_str(&self.refer(reference)?);
            rest = after;
        }
        Ok(out + rest)
    }

    fn refer(&self, reference: &str) -> Result<String> {
        let (kind, name) = reference.split_once(':').unwrap_or((reference, ""));
        match kind {
            "cert" | "key" | "public" => self.key_file(name, kind),
            "certDer" => Ok(STANDARD.encode(self.der(name, "cert")?)),
            "keyDer" => Ok(STANDARD.encode(self.der(name, "key")?)),
            "manifestFile" => self.manifest_file(name),
            _ => bail!("${{{reference}}} stands for nothing"),
        }
    }

    /// Text of the PEM file `NAME.KIND.pem`.
    ///
    /// # Errors
    /// If it is not there.
    pub(crate) fn key_file(&self, name: &str, kind: &str) -> Result<String> {
        let path = self.keys.join(format!("{name}.{kind}.pem"));
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    /// Content of the PEM file `NAME.KIND.pem`.
    ///
    /// # Errors
    /// If it is not there or no PEM.
    pub(crate) fn der(&self, name: &str, kind: &str) -> Result<Vec<u8>> {
        let blocks = super::pem::blocks(&self.key_file(name, kind)?)?;
        Ok(blocks.into_iter().next().context("an empty PEM file")?.1)
    }

    /// The user `name`, to log in.
    ///
    /// # Errors
    /// If its files are missing.
    pub(crate) fn user(&self, name: &str) -> Result<Identity> {
        Identity::from_pem(self.key_file(name, "cert")?.as_bytes(), self.key_file(name, "key")?.as_bytes())
    }

    fn manifest_file(&self, name: &str) -> Result<String> {
        let path = self.folder.path().join(format!("{name}.json"));
        std::fs::write(&path, self.manifest(&Json::text(name))?).context("manifest file")?;
        Ok(path.display().to_string())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A scenario with these `manifests`, and a key pair `ann`.
    pub(in crate::scenario) fn scenario(manifests: &str) -> (TempDir, Scenario) {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::create_dir(folder.path().join("keys")).expect("keys");
        for (file, label) in [("ann.cert.pem", "CERTIFICATE"), ("ann.key.pem", "PRIVATE KEY")] {
            let pem = crate::scenario::pem::encode(label, b"AB");
            std::fs::write(folder.path().join("keys").join(file), pem).expect("write");
        }
        let path = folder.path().join("demo.json");
        let text = format!(
            r#"{{"name":"demo","env":{{"A":"x${{manifestFile:plain}}","B":null}},"manifests":{manifests},"steps":[{{"do":"wipe"}}]}}"#
        );
        std::fs::write(&path, text).expect("write");
        let scenario = Scenario::load(&path).expect("loads");
        (folder, scenario)
    }

    #[test]
    fn manifests_are_what_would_be_uploaded() {
        let (_folder, scenario) = scenario(
            r#"{"plain":{"b":"${certDer:ann}","a":[1, 2]}, "text":{"$text":" {${keyDer:ann}"},
                "child":{"$like":"plain","$merge":{"a":null,"c":{"d":"/é\n"}}},"grandchild":{"$like":"child"}}"#,
        );
        for (manifest, bytes) in [
            (r#""plain""#, r#"{"b":"QUI=","a":[1,2]}"#),
            (r#""text""#, " {QUI="),
            (r#""child""#, r#"{"b":"QUI=","c":{"d":"/é\n"}}"#),
            (r#""grandchild""#, r#"{"b":"QUI=","c":{"d":"/é\n"}}"#),
            (r#"{"$like":"plain","$merge":{"b":1}}"#, r#"{"b":1,"a":[1,2]}"#),
            (
                r#"{"own":"${cert:ann}"}"#,
                r#"{"own":"-----BEGIN CERTIFICATE-----\nQUI=\n-----END CERTIFICATE-----\n"}"#,
            ),
        ] {
            let made = scenario.manifest(&Json::parse(manifest).expect("JSON")).expect("manifest");
            assert_eq!(String::from_utf8(made).expect("text"), bytes);
        }
        assert!(scenario.manifest(&Json::text("other")).is_err());
    }

    #[test]
    fn the_environment_names_files() {
        let (_folder, scenario) = scenario(r#"{"plain":{"b": 1}}"#);
        let environment = scenario.environment().expect("environment");
        let path = environment[0].1.as_ref().and_then(|text| text.strip_prefix('x')).expect("a path");
        assert_eq!(std::fs::read_to_string(path).expect("file"), r#"{"b":1}"#);
        assert_eq!(environment[1], ("B".to_owned(), None));
    }

    #[test]
    fn unknown_references_are_errors() {
        let (_folder, scenario) = scenario("{}");
        for text in ["${cert:nobody}", "${what:ann}", "${cert:ann", "${manifestFile:none}"] {
            assert!(scenario.expand(text).is_err(), "{text}");
        }
        assert_eq!(scenario.expand("$ {} $x").expect("nothing to expand"), "$ {} $x");
    }
}
