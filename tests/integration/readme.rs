//! What the README tells a newcomer to type is what the program takes.  That
//! the tour leads where it says is shown by `cargo xtask demo`, which runs the
//! same commands.

use clap::Parser as _;
use concord::arguments::Arguments;

const README: &str = include_str!("../../README.md");

/// The lines of the README's shell blocks that call the program.
fn commands() -> Vec<&'static str> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in README.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside && line.starts_with("concord ") {
            found.push(line.trim_end_matches('&').trim());
        }
    }
    found
}

#[test]
fn every_command_is_one_that_the_program_takes() {
    let commands = commands();
    assert!(commands.len() > 10, "{commands:?}");
    for line in commands {
        // What a reader puts in themselves.
        let typed = line.replace("ENTITY", "person/12");
        let parsed = Arguments::try_parse_from(typed.split(' '));
        assert!(
            parsed.is_ok(),
            "{line}: {:?}",
            parsed.err().map(|e| e.to_string())
        );
    }
}

#[test]
fn every_file_that_is_named_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let links = README
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let local: Vec<&str> = links.filter(|link| !link.starts_with("http")).collect();
    assert!(local.len() > 3, "{local:?}");
    for link in local {
        assert!(
            root.join(link).exists(),
            "README.md names {link}, which is not there"
        );
    }
}
