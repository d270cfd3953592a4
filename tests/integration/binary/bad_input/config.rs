//! Mistakes in the configuration.

use crate::binary::office;
use crate::binary::program::Program;

/// Nothing is asked of these before a sync.
const NOWHERE: &str = "http://127.0.0.1:1";

/// `more` stands under the connection to HubSpot.
fn check(more: &str, expect: &[&str]) {
    let program = Program::new();
    program.apply(&office::config(NOWHERE, NOWHERE, "")).fine();
    let before = program.run("export").fine();
    let refused = program.apply(&office::config(NOWHERE, NOWHERE, more));
    refused.refuses(1, expect);
    assert_eq!(program.run("export").fine(), before, "{more} changed it");
}

#[test]
fn an_unknown_field_in_a_mapping() {
    check(
        "    mapping: { streams: { contacts: { fields: { emial: { path: email } } } } }",
        &[
            "connections.hubspot.mapping",
            "emial",
            "did you mean 'email'",
        ],
    );
}

#[test]
fn an_unknown_stream() {
    check(
        "    streams: { contcts: { direction: read } }",
        &[
            "connections.hubspot.streams",
            "'contcts'",
            "did you mean 'contacts'",
        ],
    );
    check(
        "    mapping: { streams: { contcts: { entity: person, fields: { email: { path: e } } } } }",
        &["connections.hubspot", "contcts", "contacts"],
    );
}

#[test]
fn a_slip_in_the_document_is_shown_with_line_and_column() {
    // The twelfth line of the configuration is the one that is put in.  A bracket
    // that is closed by the wrong one is shown where it was opened.
    check(
        "    streams: { contacts: ]",
        &["concord.yaml", "line 12", "column 14"],
    );
    check(
        "    conector: hubspot",
        &["concord.yaml", "line 12", "column 5", "connector"],
    );
}

#[test]
fn a_file_that_is_not_there() {
    let program = Program::new();
    program
        .run("apply -f nowhere.yaml")
        .refuses(1, &["nowhere.yaml"]);
    program.run("apply").refuses(64, &["--file", "--help"]);
}
