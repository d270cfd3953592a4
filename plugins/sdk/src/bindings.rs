//! The contract's types as Rust, generated from `plugins/wit/v1`.

#![allow(missing_docs, clippy::all)]

wit_bindgen::generate!({
    path: "../wit/v1",
    world: "connector",
    pub_export_macro: true,
    export_macro_name: "export_connector",
    default_bindings_module: "concord_sdk::bindings",
    runtime_path: "::concord_sdk::__runtime",
    additional_derives: [PartialEq, Eq],
    generate_all,
});

/// What `connector-with-webhooks` has beyond `connector`.  A component that
/// exports both worlds is of the world `connector-with-webhooks`: the encoder
/// joins what a module says of itself.
pub mod webhooks {
    wit_bindgen::generate!({
        path: "../wit/v1",
        inline: "
            package concord:sdk;
            world webhooks-alone {
                export concord:connector/webhooks@1.0.0;
            }
        ",
        world: "concord:sdk/webhooks-alone",
        pub_export_macro: true,
        export_macro_name: "export_webhooks",
        default_bindings_module: "concord_sdk::bindings::webhooks",
        runtime_path: "::concord_sdk::__runtime",
        additional_derives: [PartialEq, Eq],
        with: {
            "concord:connector/types@1.0.0": crate::bindings::concord::connector::types,
        },
    });
}
