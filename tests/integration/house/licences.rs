//! Every dependency's licence is one that we may pass on.

use cargo_metadata::MetadataCommand;
use spdx::{Expression, ParseMode};

const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Exceptions only widen what a licence permits; this one is in use.
const EXCEPTIONS: &[&str] = &["LLVM-exception"];

/// Why a licence cannot be accepted, if it cannot.
fn refusal(license: Option<&str>) -> Option<String> {
    let Some(text) = license else {
        return Some("names no licence".into());
    };
    // Old crates write MIT/Apache-2.0, which the lax mode reads as OR.
    let expression = match Expression::parse_mode(text, ParseMode::LAX) {
        Ok(expression) => expression,
        Err(error) => return Some(format!("has a licence that cannot be read: {error}")),
    };
    let accepted = expression.evaluate(|wanted| {
        wanted
            .license
            .id()
            .is_some_and(|id| ALLOWED.contains(&id.name))
            && wanted
                .exception
                .is_none_or(|e| EXCEPTIONS.contains(&e.name))
    });
    (!accepted).then(|| format!("is under '{text}'"))
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let metadata = MetadataCommand::new().exec().unwrap();
    assert!(
        metadata.packages.len() > 100,
        "the dependencies were not read"
    );
    let refused: Vec<String> = metadata
        .packages
        .iter()
        .filter_map(|package| {
            let problem = refusal(package.license.as_deref())?;
            Some(format!("{} {} {problem}", package.name, package.version))
        })
        .collect();
    assert_eq!(refused, Vec::<String>::new());
}

#[test]
fn expressions_are_evaluated() {
    for accepted in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-2.0-only OR MIT",
        "Apache-2.0 WITH LLVM-exception",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "CDLA-Permissive-2.0",
    ] {
        assert_eq!(refusal(Some(accepted)), None, "{accepted}");
    }
    for refused in [
        "GPL-3.0-only",
        "AGPL-3.0-or-later",
        "MIT AND GPL-2.0-only",
        "GPL-2.0-only WITH Classpath-exception-2.0",
        "BUSL-1.1",
        "LicenseRef-ours",
        "free for all",
    ] {
        assert!(refusal(Some(refused)).is_some(), "{refused}");
    }
    assert!(refusal(None).is_some());
}
