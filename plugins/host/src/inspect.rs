//! Reads what a component says about itself, before any of it is compiled.

use std::path::Path;

use concord_core::Manifest;
use concord_core::manifest::{MAPPING_SECTION, SECTION};
use wasmparser::{Encoding, Parser, Payload};

use crate::HostError;

/// Interfaces of the contract, without their minor version.  `types` carries no
/// functions and is imported where `host` or an export names its types.
const ALLOWED_IMPORTS: [&str; 2] = ["concord:connector/host@1.", "concord:connector/types@1."];

/// What a component says about itself.
#[derive(Clone, Debug)]
pub struct Inspected {
    pub manifest: Manifest,
    /// The text of its default lenses; a component without records has none.
    pub mapping: Option<String>,
}

/// Reads the file of a component and what it says about itself.  Nothing of it
/// is compiled, so this is quick even where the cache is cold.
pub fn inspect_file(path: &Path) -> Result<Inspected, HostError> {
    inspect(&path.display().to_string(), &read(path)?)
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, HostError> {
    std::fs::read(path).map_err(|source| HostError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Looks at a component whose imports the host can give.  `origin` names the
/// component in errors.
pub(crate) fn inspect(origin: &str, wasm: &[u8]) -> Result<Inspected, HostError> {
    let not_a_component = |problem: String| HostError::NotAComponent {
        origin: origin.to_owned(),
        problem,
    };
    let mut manifests = Vec::new();
    let mut mappings = Vec::new();
    let mut imports = Vec::new();
    // Custom sections of a connector end up in the core module that the
    // component carries, so nested modules are searched too.  Imports matter
    // only where the component itself asks for them: `parse_all` goes inwards
    // after the `Version` of each nested part and comes back at its `End`.
    let mut depth = 0usize;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(|error| not_a_component(error.to_string()))? {
            Payload::Version { encoding, .. } => {
                if depth == 0 && encoding != Encoding::Component {
                    return Err(not_a_component("it is a core module".into()));
                }
                depth += 1;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if section.name() == SECTION => {
                manifests.push(section.data());
            }
            Payload::CustomSection(section) if section.name() == MAPPING_SECTION => {
                mappings.push(section.data());
            }
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let import = import.map_err(|error| not_a_component(error.to_string()))?;
                    imports.push(import.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    let &[section] = manifests.as_slice() else {
        return Err(HostError::Manifests {
            origin: origin.to_owned(),
            found: manifests.len(),
        });
    };
    let text = |what: &str, section: &'_ [u8]| {
        std::str::from_utf8(section)
            .map(str::to_owned)
            .map_err(|error| not_a_component(format!("its {what} is not UTF-8: {error}")))
    };
    let mapping = match mappings.as_slice() {
        [] => None,
        [section] => Some(text("mapping", section)?),
        several => {
            let found = several.len();
            return Err(not_a_component(format!("it carries {found} mappings")));
        }
    };
    let manifest =
        Manifest::parse(&text("manifest", section)?).map_err(|source| HostError::Manifest {
            origin: origin.to_owned(),
            source,
        })?;
    let foreign = |name: &String| !ALLOWED_IMPORTS.iter().any(|ours| name.starts_with(ours));
    if let Some(import) = imports.into_iter().find(foreign) {
        return Err(HostError::Import {
            origin: origin.to_owned(),
            id: manifest.id,
            version: manifest.version,
            import,
        });
    }
    Ok(Inspected { manifest, mapping })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const MANIFEST: &str = r#"
        id = "toy"
        name = "Toy"
        version = "1.2.3"
        contract = "1.0.0"
        family = "crm"
        auth = { kind = "bearer" }
        egress = { hosts = ["api.example.com"] }
        streams = []
    "#;

    /// The smallest component: magic, version 13, layer 1.
    pub(crate) const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    fn leb128(mut number: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let byte = (number & 0x7f) as u8;
            number >>= 7;
            if number == 0 {
                bytes.push(byte);
                return bytes;
            }
            bytes.push(byte | 0x80);
        }
    }

    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        [&[id], leb128(content.len()).as_slice(), content].concat()
    }

    pub(crate) fn custom(name: &str, data: &str) -> Vec<u8> {
        let name_length = leb128(name.len());
        section(
            0,
            &[&name_length, name.as_bytes(), data.as_bytes()].concat(),
        )
    }

    fn component(sections: &[Vec<u8>]) -> Vec<u8> {
        [EMPTY_COMPONENT, &sections.concat()].concat()
    }

    /// Type section with an empty instance type, then an import of that type.
    fn importing(name: &str) -> Vec<u8> {
        let types = section(7, &[1, 0x42, 0]);
        let mut import = vec![1, 0];
        import.extend(leb128(name.len()));
        import.extend(name.as_bytes());
        import.extend([5, 0]);
        [types, section(10, &import)].concat()
    }

    fn check(sections: &[Vec<u8>]) -> Result<String, String> {
        inspect("x.wasm", &component(sections))
            .map(|inspected| inspected.manifest.id)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_manifest_is_found_at_the_top_and_in_a_nested_module() {
        let manifest = custom(SECTION, MANIFEST);
        assert_eq!(check(std::slice::from_ref(&manifest)), Ok("toy".into()));
        let module = [b"\0asm\x01\0\0\0".as_slice(), &manifest].concat();
        assert_eq!(check(&[section(1, &module)]), Ok("toy".into()));
    }

    #[test]
    fn a_component_carries_exactly_one_manifest() {
        let manifest = custom(SECTION, MANIFEST);
        assert!(check(&[]).unwrap_err().contains("carries 0 manifests"));
        assert!(
            check(&[manifest.clone(), manifest])
                .unwrap_err()
                .contains("carries 2 manifests")
        );
        let other = MANIFEST.replace("contract = \"1.0.0\"", "contract = \"2.0.0\"");
        let error = check(&[custom(SECTION, &other)]).unwrap_err();
        assert!(error.contains("contract 2.0.0"), "{error}");
    }

    #[test]
    fn the_mapping_is_found_where_there_is_one_and_only_once() {
        let manifest = custom(SECTION, MANIFEST);
        let found = |sections: &[Vec<u8>]| inspect("x.wasm", &component(sections));
        assert_eq!(
            found(std::slice::from_ref(&manifest)).unwrap().mapping,
            None
        );
        let mapping = custom(MAPPING_SECTION, "version: 1");
        let one = found(&[manifest.clone(), mapping.clone()]).unwrap();
        assert_eq!(one.mapping.as_deref(), Some("version: 1"));
        let error = found(&[manifest, mapping.clone(), mapping]).unwrap_err();
        assert!(error.to_string().contains("2 mappings"), "{error}");
    }

    #[test]
    fn imports_outside_the_contract_are_refused_by_name() {
        let manifest = custom(SECTION, MANIFEST);
        for fine in [
            "concord:connector/host@1.0.0",
            "concord:connector/types@1.0.0",
        ] {
            assert_eq!(
                check(&[manifest.clone(), importing(fine)]),
                Ok("toy".into())
            );
        }
        for foreign in [
            "wasi:sockets/tcp@0.2.0",
            "concord:connector/host@2.0.0",
            "concord:connector/secrets@1.0.0",
        ] {
            let error = check(&[manifest.clone(), importing(foreign)]).unwrap_err();
            assert!(
                error.contains(foreign) && error.contains("toy 1.2.3"),
                "{error}"
            );
        }
    }

    #[test]
    fn bytes_that_are_no_component_are_an_error() {
        for (bytes, expected) in [
            (&b""[..], "x.wasm is not a WASM component"),
            (b"hello, world", "x.wasm is not a WASM component"),
            (b"\0asm\x01\0\0\0", "it is a core module"),
        ] {
            let error = inspect("x.wasm", bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
