//! Examples of the documentation and of the connectors are read here, so that
//! they stay true.

use super::*;

const GUIDE: &str = include_str!("../../../../../docs/mapping.md");
const FORMAT: &str = include_str!("../../../../../schemas/mapping.schema.json");

/// The fenced YAML blocks of the guide.
fn blocks() -> Vec<&'static str> {
    GUIDE
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

/// A block is a whole mapping, or the lenses of one stream of a kind that its
/// first line names.
fn whole(block: &str) -> String {
    if block.contains("streams:") {
        return block.to_owned();
    }
    let kind = block
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("# of a stream of kind "))
        .unwrap_or("person");
    let mut text = format!(
        "version: 1\nstreams:\n  companies:\n    entity: organization\n    fields:\n      \
         name: {{ path: name }}\n  records:\n    entity: {kind}\n    fields:\n"
    );
    for line in block.lines() {
        text.push_str(&format!("      {line}\n"));
    }
    text
}

fn format() -> jsonschema::Validator {
    let format: Value = serde_json::from_str(FORMAT).unwrap();
    jsonschema::draft202012::meta::validate(&format).unwrap();
    jsonschema::draft202012::new(&format).unwrap()
}

fn complaints(text: &str) -> Vec<String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    let document: Value = serde_saphyr::from_str_with_options(text, options).unwrap();
    format()
        .iter_errors(&document)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect()
}

#[test]
fn every_example_of_the_guide_is_a_lawful_mapping() {
    let blocks = blocks();
    assert!(blocks.len() >= 15, "{}", blocks.len());
    let mut base: Option<Mapping> = None;
    for block in blocks {
        let text = whole(block);
        if block.starts_with("# override") {
            let base = base.as_ref().unwrap();
            base.overridden_by(&text, &schemas::builtin()).unwrap();
            continue;
        }
        let mapping =
            Mapping::parse(&text, &schemas::builtin()).unwrap_or_else(|e| panic!("{text}\n{e}"));
        mapping.check_laws().unwrap();
        assert_eq!(complaints(&text), Vec::<String>::new(), "{text}");
        base.get_or_insert(mapping);
    }
}

#[test]
fn every_connectors_mapping_is_lawful() {
    let connectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../../connectors");
    let mut seen = 0;
    for entry in std::fs::read_dir(connectors).unwrap() {
        let path = entry.unwrap().path().join("mapping.yaml");
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let mapping = Mapping::parse(&text, &schemas::builtin())
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        mapping
            .check_laws()
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(
            complaints(&text),
            Vec::<String>::new(),
            "{}",
            path.display()
        );
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn the_format_refuses_what_the_reader_refuses() {
    for lens in [
        "email: { path: email, rewrite: [lower] }",
        "email: { path: email, rewrites: [lowr] }",
        "email: { path: email, direction: sideways }",
        "phone: { path: p, phone: { country: US } }",
        "given_name: { path: n, split: { part: middle, with: family_name } }",
        "employer: { path: e, reference: {} }",
        "address: { group: { city: 7 } }",
    ] {
        let text = text_of(lens);
        assert!(parse(lens).is_err(), "{lens}");
        assert_ne!(complaints(&text), Vec::<String>::new(), "{lens}");
    }
}
