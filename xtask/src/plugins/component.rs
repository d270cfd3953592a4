//! One core module into one component, and a look at what came out.

use std::path::Path;

use anyhow::{Context, Result, bail};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// Where a component carries its manifest; the host refuses one without.
const MANIFEST_SECTION: &str = "concord:manifest";

/// The only package whose interfaces a component may import.
const CONTRACT: &str = "concord:connector/";

pub(super) struct Made {
    pub bytes: usize,
    pub changed: bool,
}

/// Writes the component unless it was already made from these very bytes.
pub(super) fn make(module: &Path, component: &Path) -> Result<Made> {
    let core = read(module)?;
    let digest = blake3::hash(&core).to_hex();
    let note = module.with_extension("made-from");
    let known = std::fs::read_to_string(&note).is_ok_and(|text| text == digest.as_str());
    if known && component.exists() {
        let bytes = read(component)?;
        check(&bytes)?;
        return Ok(Made {
            bytes: bytes.len(),
            changed: false,
        });
    }
    let bytes = ComponentEncoder::default()
        .validate(true)
        .module(&core)
        .and_then(|mut encoder| encoder.encode())
        .context("cannot be made a component")?;
    check(&bytes)?;
    write(component, &bytes)?;
    write(&note, digest.as_bytes())?;
    Ok(Made {
        bytes: bytes.len(),
        changed: true,
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes beside and renames, so that a hub never reads half a component.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let part = path.with_extension("part");
    std::fs::write(&part, bytes)
        .and_then(|()| std::fs::rename(&part, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// A component must carry exactly one manifest and ask for nothing but the
/// contract.
fn check(component: &[u8]) -> Result<()> {
    let mut manifests = 0;
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload.context("is not a component")? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::CustomSection(section) if section.name() == MANIFEST_SECTION => {
                manifests += 1;
            }
            Payload::ComponentImportSection(imports) if depth == 1 => {
                for import in imports {
                    let name = import
                        .context("has an import that cannot be read")?
                        .name
                        .name;
                    if !name.starts_with(CONTRACT) {
                        bail!(
                            "imports '{name}'; a connector may import {CONTRACT}… only. Look for a \
                             dependency that wants a clock, randomness or files"
                        );
                    }
                }
            }
            _ => {}
        }
    }
    if manifests != 1 {
        bail!(
            "carries {manifests} manifests instead of one; `concord_sdk::export!` embeds it, and \
             it must be called exactly once"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Magic, version 13, layer 1: the smallest component there is.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn with_section(times: usize) -> Vec<u8> {
        let mut bytes = EMPTY.to_vec();
        for _ in 0..times {
            let name = MANIFEST_SECTION.as_bytes();
            let length = u8::try_from(name.len()).unwrap();
            // Section 0: its size, the length of its name, the name, no data.
            bytes.extend([0, length + 1, length]);
            bytes.extend(name);
        }
        bytes
    }

    /// An empty instance type and an import of that type.
    fn importing(name: &str) -> Vec<u8> {
        let mut bytes = with_section(1);
        bytes.extend([7, 3, 1, 0x42, 0]);
        let length = u8::try_from(name.len()).unwrap();
        bytes.extend([10, length + 5, 1, 0, length]);
        bytes.extend(name.as_bytes());
        bytes.extend([5, 0]);
        bytes
    }

    #[test]
    fn one_manifest_and_no_foreign_import_pass() {
        check(&with_section(1)).unwrap();
        check(&importing("concord:connector/host@1.0.0")).unwrap();
    }

    #[test]
    fn anything_else_is_refused() {
        for (component, expect) in [
            (with_section(0), "0 manifests"),
            (with_section(2), "2 manifests"),
            (importing("wasi:clocks/wall-clock@0.2.0"), "wasi:clocks"),
            (b"\x7fELF".to_vec(), "not a component"),
        ] {
            let error = check(&component).unwrap_err();
            assert!(format!("{error:#}").contains(expect), "{error:#}");
        }
    }
}
