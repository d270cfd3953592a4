//! Rust types for the contract, generated from `plugins/wit/v1`.

wasmtime::component::bindgen!({
    path: "../wit/v1",
    world: "connector",
    imports: {
        "concord:connector/host.send": async | trappable,
        default: trappable,
    },
    exports: { default: async },
});

pub use concord::connector::host as imports;
pub use concord::connector::types;

/// What a connector with webhooks exports besides.
pub mod webhooks {
    wasmtime::component::bindgen!({
        path: "../wit/v1",
        world: "connector-with-webhooks",
        exports: { default: async },
        with: {
            "concord:connector/types": super::types,
            "concord:connector/host": super::imports,
        },
    });
}
