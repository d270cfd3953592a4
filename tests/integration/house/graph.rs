//! Arrows between our crates point one way (docs/ARCHITECTURE.md), and some
//! libraries live in one crate alone.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// One of our crates and what it depends on directly.
struct Crate {
    name: String,
    /// Relative to the workspace.
    folder: String,
    /// A crate's name, and whether only tests need it.
    needs: Vec<(String, bool)>,
}

/// What a crate may import of ours.  None: everything.
fn allowed(one: &Crate) -> Option<&'static [&'static str]> {
    Some(match one.folder.as_str() {
        "hub/core" | "plugins/sdk" | "tests/cluster" | "tests/floor" => &[],
        // It starts a PostgreSQL for the tests.
        "xtask" => &["concord-cluster"],
        "hub/sync"
        | "hub/store"
        | "hub/net"
        | "hub/twins"
        | "plugins/host"
        | "plugins/conformance" => &["concord-core"],
        "hub/engine" | "tests/linkage" => &["concord-core", "concord-sync"],
        "hub/server" => &["concord-core", "concord-engine"],
        "tests/sim" => &[
            "concord-cluster",
            "concord-core",
            "concord-sync",
            "concord-engine",
            "concord-store",
        ],
        "hub/cli" | "tests" => return None,
        folder if folder.starts_with("connectors/") || folder.starts_with("tests/guests") => {
            &["concord-sdk"]
        }
        // A crate that the plan does not know must be put into it first.
        _ => &[],
    })
}

/// Libraries that live in one place.
const CONFINED: &[(&str, &[&str])] = &[
    // The tests spoil databases behind the store's back.
    // The floor that the hub is measured against does without the hub.
    ("sqlx", &["hub/store", "tests", "tests/floor"]),
    ("wasmtime", &["plugins/host"]),
    ("reqwest", &["hub/net", "tests/floor"]),
    ("axum", &["hub/server", "hub/twins"]),
    ("wit-bindgen", &["plugins/sdk"]),
];

/// What any crate's tests may import.
const FOR_TESTS: &[&str] = &["concord-core", "concord-cluster", "concord-twins"];

fn violations(crates: &[Crate]) -> Vec<String> {
    let ours: BTreeMap<&str, &Crate> = crates.iter().map(|c| (c.name.as_str(), c)).collect();
    let mut found = Vec::new();
    for one in crates {
        for (need, tests_only) in &one.needs {
            let name = need.as_str();
            // Core is plain types: any crate's tests may read a manifest with it.
            // A cluster knows nothing of ours, and a twin nothing but core.
            let arrow = ours.contains_key(name)
                && allowed(one).is_some_and(|allowed| !allowed.contains(&name))
                && !(*tests_only && FOR_TESTS.contains(&name));
            let astray = CONFINED
                .iter()
                .any(|(library, homes)| *library == name && !homes.contains(&one.folder.as_str()));
            if arrow || astray {
                found.push(format!("{} must not depend on {name}", one.folder));
            }
        }
    }
    found
}

fn workspace() -> Vec<Crate> {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    metadata
        .workspace_packages()
        .into_iter()
        .map(|package| Crate {
            name: package.name.to_string(),
            folder: package
                .manifest_path
                .parent()
                .and_then(|folder| folder.strip_prefix(&metadata.workspace_root).ok())
                .map(ToString::to_string)
                .unwrap(),
            needs: package
                .dependencies
                .iter()
                .map(|d| (d.name.clone(), d.kind == DependencyKind::Development))
                .collect(),
        })
        .collect()
}

#[test]
fn arrows_between_crates_point_one_way() {
    let crates = workspace();
    assert!(crates.len() > 10, "the workspace was not read");
    assert_eq!(violations(&crates), Vec::<String>::new());
}

#[test]
fn a_planted_arrow_is_seen() {
    let graph = |folder: &str, need: &str, tests_only: bool| {
        let one = |name: &str, folder: &str, needs: &[&str]| Crate {
            name: name.to_owned(),
            folder: folder.to_owned(),
            needs: needs
                .iter()
                .map(|n| ((*n).to_owned(), tests_only))
                .collect(),
        };
        vec![
            one("concord-core", "hub/core", &[]),
            one("concord-sync", "hub/sync", &["concord-core"]),
            one("concord-store", "hub/store", &["concord-core", "sqlx"]),
            one("concord-sdk", "plugins/sdk", &["wit-bindgen"]),
            one("planted", folder, &[need]),
        ]
    };
    for (folder, need, tests_only) in [
        ("hub/core", "concord-sync", false),
        ("hub/sync", "concord-store", false),
        ("hub/sync", "concord-store", true),
        ("hub/engine", "concord-store", false),
        ("hub/twins", "concord-sdk", false),
        ("connectors/acme", "concord-core", false),
        ("hub/newcomer", "concord-core", false),
        ("hub/engine", "sqlx", false),
        ("hub/cli", "reqwest", false),
    ] {
        let found = violations(&graph(folder, need, tests_only));
        assert_eq!(found, [format!("{folder} must not depend on {need}")]);
    }
    for (folder, need, tests_only) in [
        ("hub/cli", "concord-store", false),
        ("tests", "concord-store", true),
        ("connectors/acme", "concord-sdk", false),
        ("connectors/acme", "concord-core", true),
        ("hub/engine", "concord-sync", false),
        ("hub/engine", "serde", false),
    ] {
        assert_eq!(
            violations(&graph(folder, need, tests_only)),
            Vec::<String>::new()
        );
    }
}
