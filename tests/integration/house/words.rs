//! What no file may say: where it was written, which mirror its dependencies
//! came from, or a vendor's address outside of the vendor's folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use concord_core::Manifest;

/// Folders of somebody's machine.  Split, so that this file may be read too.
const MACHINE: &[&str] = &[
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/wo", "rk/"),
    concat!("/tm", "p/"),
    concat!("/Use", "rs/"),
];

/// Settings that send a package manager to another registry than its own.
const MIRRORS: &[&str] = &[
    concat!("index", "-url"),
    concat!("replace", "-with"),
    concat!("--reg", "istry"),
    concat!("registry=", "http"),
];

/// The registries that a lockfile may name.
const REGISTRIES: &[&str] = &[
    "registry+https://github.com/rust-lang/crates.io-index",
    "https://registry.npmjs.org/",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Text files that are committed or would be, with their content.
fn files() -> Vec<(String, String)> {
    let listing = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(listing.status.success(), "the tests run in a git checkout");
    String::from_utf8(listing.stdout)
        .unwrap()
        .split_terminator('\0')
        .filter_map(|name| {
            // A file that is deleted but not yet committed, or is not text.
            let text = std::fs::read_to_string(root().join(name)).ok()?;
            Some((name.to_owned(), text))
        })
        .collect()
}

/// A machine's folder at the beginning of a path; the same letters inside of a
/// URL's path are none.
fn names_machine(line: &str) -> bool {
    MACHINE.iter().any(|folder| {
        line.match_indices(folder).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || "._-~}*".contains(c))
        })
    })
}

fn names_mirror(line: &str) -> bool {
    let line = line.trim();
    let source = line
        .strip_prefix("source = \"")
        .or_else(|| line.strip_prefix("\"resolved\": \""));
    match source {
        Some(source) => !REGISTRIES.iter().any(|known| source.starts_with(known)),
        None => MIRRORS.iter().any(|setting| line.contains(setting)),
    }
}

/// A vendor's host outside of the vendor's connector, twins, docs and tests.
fn strays<'a>(file: &str, line: &str, hosts: &'a [(String, String)]) -> Option<&'a str> {
    hosts.iter().find_map(|(folder, host)| {
        let home = ["hub/twins/", "docs/", "tests/"]
            .iter()
            .any(|h| file.starts_with(h))
            || file.starts_with(folder.as_str());
        (!home && line.contains(host.as_str())).then_some(host.as_str())
    })
}

/// Each connector's folder and the hosts that its manifest names.
fn vendor_hosts(files: &[(String, String)]) -> Vec<(String, String)> {
    files
        .iter()
        .filter(|(name, _)| name.starts_with("connectors/") && name.ends_with("/manifest.toml"))
        .flat_map(|(name, text)| {
            let folder = name.trim_end_matches("manifest.toml").to_owned();
            let manifest = Manifest::parse(text).unwrap_or_else(|e| panic!("{name}: {e}"));
            manifest
                .egress
                .hosts
                .into_iter()
                .map(move |host| (folder.clone(), host.trim_start_matches("*.").to_owned()))
        })
        .collect()
}

fn complaints(problem: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in files() {
        for (number, line) in text.lines().enumerate() {
            if problem(&name, line) {
                found.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    found
}

#[test]
fn no_file_names_a_machine_or_a_mirror() {
    let found = complaints(|_, line| names_machine(line) || names_mirror(line));
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_vendors_address_stays_in_the_vendors_folder() {
    let hosts = vendor_hosts(&files());
    assert!(!hosts.is_empty(), "no connector names a host");
    let found = complaints(|name, line| strays(name, line, &hosts).is_some());
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn planted_words_are_seen() {
    for (line, expect) in [
        (format!("see {}main", MACHINE[2]), true),
        (format!("'{}x'", MACHINE[3]), true),
        (format!("https://example.com{}x", MACHINE[2]), false),
        ("a plain line".to_owned(), false),
    ] {
        assert_eq!(names_machine(&line), expect, "{line}");
    }
    for (line, expect) in [
        (
            format!("pip install --{} https://mirror.example", MIRRORS[0]),
            true,
        ),
        (
            "source = \"registry+https://mirror.example/index\"".to_owned(),
            true,
        ),
        (format!("source = \"{}\"", REGISTRIES[0]), false),
        (
            format!("  \"resolved\": \"{}a/-/a-1.tgz\",", REGISTRIES[1]),
            false,
        ),
        (
            "  \"resolved\": \"https://mirror.example/a-1.tgz\",".to_owned(),
            true,
        ),
    ] {
        assert_eq!(names_mirror(&line), expect, "{line}");
    }
    let hosts = [("connectors/acme/".to_owned(), "api.acme.example".to_owned())];
    let line = "url = https://api.acme.example/v1";
    for (file, expect) in [
        ("hub/engine/src/lib.rs", true),
        ("connectors/other/src/lib.rs", true),
        ("connectors/acme/src/lib.rs", false),
        ("hub/twins/src/acme.rs", false),
    ] {
        assert_eq!(strays(file, line, &hosts).is_some(), expect, "{file}");
    }
}
