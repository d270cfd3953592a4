//! Why a component could not be loaded, and what can be done about it.

use std::path::PathBuf;

use concord_core::manifest::ManifestError;

#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("the plugin {} cannot be read: {source}; check the path and its permissions", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "{origin} is not a WASM component ({problem}); build it again with `cargo xtask plugins` \
         or fetch it again"
    )]
    NotAComponent { origin: String, problem: String },
    #[error(
        "{origin} carries {found} manifests where it must carry one; embed manifest.toml once, as \
         the SDK does"
    )]
    Manifests { origin: String, found: usize },
    #[error("{origin}: {source}")]
    Manifest {
        origin: String,
        source: ManifestError,
    },
    #[error(
        "plugin {id} {version} ({origin}) imports '{import}', which the hub does not give; \
         connectors may import concord:connector/host and nothing else"
    )]
    Import {
        origin: String,
        id: String,
        version: String,
        import: String,
    },
    #[error(
        "plugin {id} {version} ({origin}) does not fit the contract: {problem}; build it against \
         the contract that this hub speaks"
    )]
    Unfit {
        origin: String,
        id: String,
        version: String,
        problem: String,
    },
    #[error("the WASM engine cannot start on this machine: {0}")]
    Engine(String),
}
