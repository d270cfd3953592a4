//! The conflict rules of a configuration: checked all at once, and put in the
//! form that the hub decides by.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use concord_core::schema::MergeRule;
use concord_core::{ConnectionId, FieldName, Kind, StreamName};
use concord_engine::config::Config;
use concord_engine::hub::Stream;
use concord_sync::mapping::expected;
use concord_sync::rules::check::{contradiction, fits};
use concord_sync::rules::{Reach, Rules};
use concord_sync::schemas::Schemas;

use super::problem::Problems;

/// What each stream of the connections carries, as far as that is known: a
/// connection whose connector is missing is none of them.
#[derive(Default)]
pub struct Carried(BTreeMap<String, BTreeMap<StreamName, (Kind, BTreeSet<FieldName>)>>);

impl Carried {
    pub fn add(&mut self, connection: &str, streams: &[Stream]) {
        let read = |stream: &Stream| -> BTreeSet<FieldName> {
            let lenses = stream.mapping.lenses.iter();
            let reads = stream.caps.read;
            lenses
                .filter(|lens| reads && lens.reads())
                .map(|lens| lens.field.clone())
                .collect()
        };
        let streams = streams
            .iter()
            .map(|stream| (stream.name.clone(), (stream.kind().clone(), read(stream))));
        self.0.insert(connection.to_owned(), streams.collect());
    }

    fn kind(&self, connection: &str, stream: &StreamName) -> Option<&Kind> {
        self.0.get(connection)?.get(stream).map(|(kind, _)| kind)
    }

    /// Whether a connection ever says a value of this field; unknown ones may.
    fn says(&self, connection: &str, kind: &Kind, field: &FieldName) -> bool {
        let Some(streams) = self.0.get(connection) else {
            return true;
        };
        let mut of_kind = streams.values().filter(|(known, _)| known == kind);
        of_kind.any(|(_, fields)| fields.contains(field))
    }
}

/// One rule of a configuration, and where it stands.
struct Written<'a> {
    place: String,
    connection: Option<&'a str>,
    stream: Option<&'a StreamName>,
    kind: &'a Kind,
    field: &'a FieldName,
    rule: &'a MergeRule,
}

/// All rules of a configuration.  Those of a stream that nothing is known of are
/// left out: that the stream cannot run is said elsewhere.
fn all<'a>(config: &'a Config, carried: &'a Carried) -> Vec<Written<'a>> {
    let mut all = Vec::new();
    let mut add = |place: &str, connection, rules: &'a BTreeMap<Kind, BTreeMap<_, _>>| {
        for (kind, fields) in rules {
            all.extend(fields.iter().map(|(field, rule)| Written {
                place: format!("{place}.{kind}.{field}"),
                connection,
                stream: None,
                kind,
                field,
                rule,
            }));
        }
    };
    add("rules", None, &config.rules);
    for (name, connection) in &config.connections {
        let place = format!("connections.{name}.rules");
        add(&place, Some(name.as_str()), &connection.rules);
    }
    for (name, connection) in &config.connections {
        for (stream, wish) in &connection.streams {
            let Some(kind) = carried.kind(name, stream) else {
                continue;
            };
            all.extend(wish.rules.iter().map(|(field, rule)| Written {
                place: format!("connections.{name}.streams.{stream}.rules.{field}"),
                connection: Some(name),
                stream: Some(stream),
                kind,
                field,
                rule,
            }));
        }
    }
    all
}

/// Names every rule that cannot be, with its place and what to do.
pub fn check(config: &Config, schemas: &Schemas, carried: &Carried, problems: &mut Problems) {
    let written = all(config, carried);
    // A kind that is misspelt is said once, also where it has no field.
    let rules = std::iter::once(("rules".to_owned(), &config.rules));
    let own = config
        .connections
        .iter()
        .map(|(name, connection)| (format!("connections.{name}.rules"), &connection.rules));
    for (place, rules) in rules.chain(own) {
        for kind in rules
            .keys()
            .filter(|kind| schemas.get(kind.as_str()).is_none())
        {
            let kinds: Vec<&str> = schemas.iter().map(|schema| schema.kind.as_str()).collect();
            let hint = expected(kind.as_str(), &kinds);
            problems.add(
                format!("{place}.{kind}"),
                format!("there is no such kind; {hint}"),
            );
        }
    }
    let connections: Vec<&str> = config.connections.keys().map(String::as_str).collect();
    for rule in &written {
        check_one(rule, schemas, carried, &connections, problems);
    }
    for (at, one) in written.iter().enumerate() {
        for other in &written[at + 1..] {
            let same = one.kind == other.kind && one.field == other.field;
            if same && let Some((first, second)) = contradiction(one.rule, other.rule) {
                problems.add(
                    &other.place,
                    format!(
                        "it contradicts {}: there '{first}' owns the field before '{second}', here \
                         it is the other way round; put them in the same order",
                        one.place
                    ),
                );
            }
        }
    }
}

fn check_one(
    written: &Written<'_>,
    schemas: &Schemas,
    carried: &Carried,
    connections: &[&str],
    problems: &mut Problems,
) {
    let Written {
        place,
        kind,
        field,
        rule,
        ..
    } = written;
    let Some(schema) = schemas.get(kind.as_str()) else {
        return;
    };
    let Some(spec) = schema.field(field.as_str()) else {
        let fields: Vec<&str> = schema.fields.keys().map(FieldName::as_str).collect();
        let hint = expected(field.as_str(), &fields);
        return problems.add(place, format!("no such field of {kind}; {hint}"));
    };
    if let Err(misfit) = fits(rule, spec) {
        problems.add(place, misfit);
    }
    let MergeRule::Owner(owners) = rule else {
        return;
    };
    for owner in owners {
        if !connections.contains(&owner.as_str()) {
            let hint = expected(owner, connections);
            problems.add(place, format!("there is no connection '{owner}'; {hint}"));
        } else if !carried.says(owner, kind, field) {
            problems.add(
                place,
                format!(
                    "'{owner}' never says a {field} of a {kind}, so it cannot own it: take it out, \
                     or let one of its streams read the field"
                ),
            );
        }
    }
}

/// The rules in the form that the hub decides by.
pub fn build(
    config: &Config,
    carried: &Carried,
    connections: &BTreeMap<String, ConnectionId>,
) -> Rules {
    let names = connections.iter().map(|(name, id)| (*id, name.clone()));
    let mut rules = Rules::new(names);
    for written in all(config, carried) {
        let id = written
            .connection
            .map(|name| connections.get(name).copied());
        let reach = match (id, written.stream) {
            (None, _) => Reach::Everywhere,
            (Some(Some(id)), None) => Reach::Connection(id),
            (Some(Some(id)), Some(stream)) => Reach::Stream(id, stream.clone()),
            (Some(None), _) => continue,
        };
        let (kind, field) = (written.kind.clone(), written.field.clone());
        rules.set_for(reach, kind, field, written.rule.clone());
    }
    for (name, connection) in &config.connections {
        if let (Some(id), Some(rest)) = (connections.get(name), connection.debounce) {
            rules.set_debounce(*id, Duration::from_secs(rest.into()));
        }
        if let (Some(id), Some(skew)) = (connections.get(name), connection.clock_skew) {
            rules.set_skew(*id, Duration::from_secs(skew.into()));
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use concord_sync::schemas;

    fn problems(text: &str) -> String {
        let config: Config = serde_saphyr::from_str(text).unwrap();
        let mut problems = Problems::default();
        check(
            &config,
            &schemas::builtin(),
            &Carried::default(),
            &mut problems,
        );
        problems.to_string()
    }

    const TWO: &str = "connections: { crm: { connector: x }, mail: { connector: y } }";

    #[test]
    fn a_rule_that_cannot_be_is_named_with_its_place() {
        let check = |rules: &str, expect: &[&str]| {
            let found = problems(&format!("rules: {{ {rules} }}\n{TWO}"));
            for part in expect {
                assert!(found.contains(part), "{rules}: {found}");
            }
            assert_eq!(expect.is_empty(), found.is_empty(), "{rules}: {found}");
        };
        check(
            "person: { email: { owner: [crm, mail] }, job_title: longest }",
            &[],
        );
        check("persn: {}", &["rules.persn", "did you mean 'person'"]);
        check(
            "person: { emial: hold }",
            &["rules.person.emial", "'email'"],
        );
        check(
            "person: { email: { owner: [crn] } }",
            &["no connection 'crn'", "'crm'"],
        );
        check(
            "person: { email: { owner: [crm, crm] } }",
            &["rules.person.email", "twice"],
        );
        check(
            "person: { email: { owner: [] } }",
            &["rules.person.email", "nobody"],
        );
        check("person: { tags: hold }", &["rules.person.tags", "a set"]);
        check(
            "person: { email: most-complete }",
            &["rules.person.email", "groups"],
        );
    }

    #[test]
    fn owners_that_contradict_each_other_are_refused_with_both_places() {
        let found = problems(
            "rules: { person: { email: { owner: [crm, mail] } } }
connections:
  crm: { connector: x }
  mail: { connector: y, rules: { person: { email: { owner: [mail, crm] } } } }",
        );
        for part in [
            "connections.mail.rules.person.email",
            "contradicts rules.person.email",
        ] {
            assert!(found.contains(part), "{found}");
        }
    }
}
