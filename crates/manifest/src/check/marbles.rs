//! `Marbles`: their software, parameters and connections, and which secrets they use.

use std::collections::{BTreeMap, BTreeSet};

use super::parameters::Target;
use super::trial::Trial;
use super::{Check, Place, Secrets, section};
use crate::finding::shown;
use crate::model::{Incoming, Marble, Package, Parameter, TlsTag, Uses};
use crate::written::{self, Argument, Content, Map};

/// Variables that the Coordinator sets for every marble.
const PREDEFINED: [&str; 4] = [
    "MARBLE_PREDEFINED_ROOT_CA",
    "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN",
    "MARBLE_PREDEFINED_PRIVATE_KEY",
    "MARBLE_PREDEFINED_COORDINATOR_ROOT_CA",
];
/// And for marbles with TLS tags.
const TTLS_CONFIG: &str = "MARBLE_TTLS_CONFIG";

/// Most incoming connections of all marbles together, each marble's tags counted: a hundred for ten thousand marbles.
const MAX_CONNECTIONS: usize = 1_000_000;

/// What marbles refer to.
struct Context<'a> {
    packages: &'a BTreeMap<String, Package>,
    tags: &'a BTreeMap<String, TlsTag>,
    trial: Trial<'a>,
    /// Incoming connections so far.
    connections: usize,
}

impl Check {
    pub(super) fn marbles(
        &mut self,
        written: Map<written::Marble>,
        packages: &BTreeMap<String, Package>,
        tags: &BTreeMap<String, TlsTag>,
        secrets: &Secrets,
    ) -> BTreeMap<String, Marble> {
        let marbles = section("Marbles");
        let mut context = Context { packages, tags, trial: Trial::new(secrets), connections: 0 };
        let mut checked = BTreeMap::new();
        for (name, marble) in written {
            let place = marbles.key(&name);
            self.name(&place, "marble", &name);
            let marble = self.marble(&place, marble, &mut context);
            checked.insert(name, marble);
        }
        if checked.is_empty() {
            self.error(&marbles, "a manifest needs at least one marble");
        }
        self.packages_in_use(&checked, packages);
        checked
    }

    fn packages_in_use(&mut self, marbles: &BTreeMap<String, Marble>, packages: &BTreeMap<String, Package>) {
        let used: BTreeSet<&String> = marbles.values().map(|marble| &marble.package).collect();
        for (name, package) in packages.iter().filter(|(name, _)| used.contains(name)) {
            self.package_in_use(name, package);
        }
    }

    fn marble(&mut self, place: &Place<'_>, written: written::Marble, context: &mut Context<'_>) -> Marble {
        let package = written.package.unwrap_or_default();
        self.package_of(&place.key("Package"), &package, context.packages);
        let (tls, tags) = self.tags_of(&place.key("TLS"), written.tls.unwrap_or_default(), context);
        let parameters = place.key("Parameters");
        let written_parameters = written.parameters.unwrap_or_default();
        let env = written_parameters.env.unwrap_or_default();
        self.overridden(&parameters.key("Env"), &env, !tls.is_empty());
        let files = written_parameters.files.unwrap_or_default();
        let files = self.contents(&parameters.key("Files"), files, Target::File, context);
        let env = self.contents(&parameters.key("Env"), env, Target::Variable, context);
        let argv =
            self.arguments(&parameters.key("Argv"), written_parameters.argv.unwrap_or_default(), context);
        Marble {
            package,
            max_activations: written.max_activations.unwrap_or_default(),
            uses: uses(files.values().chain(env.values()).chain(&argv), &tags),
            files,
            env,
            argv,
            tls,
            disable_secret_binding: written.disable_secret_binding.unwrap_or_default(),
        }
    }

    fn package_of(&mut self, place: &Place<'_>, name: &str, packages: &BTreeMap<String, Package>) {
        if name.is_empty() {
            self.error(place, "required: the name of the marble's package");
        } else if !packages.contains_key(name) {
            self.error(place, format!("there is no package `{}`", shown(name)));
        }
    }

    /// The names of the tags, each once, and the tags. Of a name that stands twice the last one counts, as the
    /// connections of later tags replace those of earlier ones.
    fn tags_of<'a>(
        &mut self,
        place: &Place<'_>,
        names: Vec<String>,
        context: &mut Context<'a>,
    ) -> (Vec<String>, Vec<&'a TlsTag>) {
        let last: BTreeMap<String, usize> =
            names.iter().enumerate().map(|(i, name)| (name.clone(), i)).collect();
        let (mut kept, mut tags, mut ports) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (i, name) in names.into_iter().enumerate() {
            if last.get(&name) != Some(&i) {
                self.warn(
                    &place.item(i),
                    format!("names the TLS tag `{}` again: once is enough", shown(&name)),
                );
            } else if let Some(tag) = self.tag_of(&place.item(i), &name, context) {
                self.ports_of(&place.item(i), tag, &mut ports);
                kept.push(name);
                tags.push(tag);
            }
        }
        (kept, tags)
    }

    fn tag_of<'a>(&mut self, place: &Place<'_>, name: &str, context: &mut Context<'a>) -> Option<&'a TlsTag> {
        let Some(tag) = context.tags.get(name) else {
            self.error(place, format!("there is no TLS tag `{}`", shown(name)));
            return None;
        };
        context.connections = context.connections.saturating_add(tag.incoming.len());
        if context.connections > MAX_CONNECTIONS {
            self.error(
                place,
                format!("the tags of all marbles have more than {MAX_CONNECTIONS} incoming connections"),
            );
            return None;
        }
        Some(tag)
    }

    fn ports_of<'a>(
        &mut self,
        place: &Place<'_>,
        tag: &'a TlsTag,
        ports: &mut BTreeMap<&'a String, &'a Incoming>,
    ) {
        for incoming in &tag.incoming {
            let other = ports.insert(&incoming.port, incoming);
            if other.is_some_and(|other| other != incoming) {
                let port = shown(&incoming.port);
                self.warn(place, format!("an earlier tag treats port {port} differently: this one wins"));
            }
        }
    }

    /// Variables that lose against the Coordinator's.
    fn overridden(&mut self, place: &Place<'_>, env: &Map<Content>, has_tls: bool) {
        for (name, _) in env.iter() {
            if PREDEFINED.contains(&name) || (has_tls && name == TTLS_CONFIG) {
                self.warn(&place.key(name), "has no effect: the Coordinator sets this variable");
            }
        }
    }

    fn contents(
        &mut self,
        place: &Place<'_>,
        written: Map<Content>,
        target: Target,
        context: &mut Context<'_>,
    ) -> BTreeMap<String, Parameter> {
        let mut checked = BTreeMap::new();
        for (name, content) in written {
            let place = place.key(&name);
            self.parameter_name(&place, &name, target);
            if let Some(parameter) = self.content(&place, content, target) {
                context.trial.render(self, &place, &parameter, target);
                checked.insert(name, parameter);
            }
        }
        checked
    }

    fn parameter_name(&mut self, place: &Place<'_>, name: &str, target: Target) {
        self.name(place, if target == Target::File { "file" } else { "variable" }, name);
        if target == Target::Variable && name.contains('=') {
            self.error(place, "the name of a variable must not contain `=`");
        }
    }

    fn arguments(
        &mut self,
        place: &Place<'_>,
        written: Vec<Argument>,
        context: &mut Context<'_>,
    ) -> Vec<Parameter> {
        let mut checked = Vec::new();
        for (i, argument) in written.into_iter().enumerate() {
            let place = place.item(i);
            let parameter = match argument {
                Argument::Text(text) => self.literal(&place, text.into_bytes(), Target::Argument),
                Argument::Object(object) => self.argument_object(&place, object),
            };
            if let Some(parameter) = parameter {
                context.trial.render(self, &place, &parameter, Target::Argument);
                checked.push(parameter);
            }
        }
        checked
    }
}

/// Which secrets the parameters' templates and the tags' certificates need.
fn uses<'a>(parameters: impl Iterator<Item = &'a Parameter>, tags: &[&TlsTag]) -> Uses {
    let mut uses = Uses::default();
    for parameter in parameters {
        if let Parameter::Template(template) = parameter {
            let more = template.uses();
            uses.secrets.extend(more.secrets.iter().cloned());
            uses.previous.extend(more.previous.iter().cloned());
            uses.any |= more.any;
        }
    }
    let incoming = tags.iter().flat_map(|tag| &tag.incoming);
    uses.secrets.extend(incoming.filter_map(|incoming| incoming.cert.clone()));
    uses
}
