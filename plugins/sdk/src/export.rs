//! From the component's exports to the author's traits.

use std::marker::PhantomData;
use std::sync::Once;

use crate::bindings::exports::concord::connector::sync;
use crate::bindings::webhooks::exports::concord::connector::webhooks;
use crate::host::RealHost;
use crate::{
    Change, Connector, Description, Fault, Fields, Hint, Host, Level, Op, Outcome, Page,
    RawRequest, RemoteRecord, Selection, StreamInfo, Webhooks,
};

/// Stands between the generated exports and a connector.
#[doc(hidden)]
pub struct Exported<C>(PhantomData<C>);

/// A panic becomes a trap without a word; the hook says it to the host first.
fn host() -> RealHost {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            RealHost.log(Level::Error, &panic.to_string());
        }));
    });
    RealHost
}

impl<C: Connector> sync::Guest for Exported<C> {
    fn check() -> Result<Description, Fault> {
        C::check(&host())
    }

    fn discover() -> Result<Vec<StreamInfo>, Fault> {
        C::discover(&host())
    }

    fn pull(stream: String, selection: Selection, cursor: Option<String>) -> Result<Page, Fault> {
        C::pull(&host(), &stream, &selection, cursor.as_deref())
    }

    fn fetch(stream: String, ids: Vec<String>, fields: Vec<String>) -> Result<Vec<Change>, Fault> {
        C::fetch(&host(), &stream, &ids, &fields)
    }

    fn find(
        stream: String,
        values: String,
        fields: Vec<String>,
    ) -> Result<Vec<RemoteRecord>, Fault> {
        let values: Fields = serde_json::from_str(&values).map_err(|error| {
            Fault::Bug(format!("the values to find are not an object: {error}"))
        })?;
        C::find(&host(), &stream, &values, &fields)
    }

    fn push(stream: String, ops: Vec<Op>) -> Result<Vec<Outcome>, Fault> {
        C::push(&host(), &stream, &ops)
    }
}

impl<C: Webhooks> webhooks::Guest for Exported<C> {
    fn register(callback_url: String) -> Result<String, Fault> {
        C::register(&host(), &callback_url)
    }

    fn unregister(subscription: String) -> Result<(), Fault> {
        C::unregister(&host(), &subscription)
    }

    fn parse(request: RawRequest) -> Result<Vec<Hint>, Fault> {
        C::parse(&host(), &request)
    }
}

/// Makes the crate a component: exports the connector and embeds its manifest
/// as the custom section `concord:manifest`, which the host reads before it
/// instantiates anything.  Paths are relative to the file of the call.
///
/// `mapping = "../mapping.yaml"` after the manifest embeds the default lenses as
/// `concord:mapping`, and `webhooks` before it exports the `Webhooks`
/// implementation as well:
/// `export!(Toy, webhooks, manifest = "../manifest.toml", mapping = "../mapping.yaml")`.
#[macro_export]
macro_rules! export {
    ($connector:ident, manifest = $manifest:literal $(, mapping = $mapping:literal)?) => {
        $crate::__embed!($manifest $(, $mapping)?);

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Export = $crate::Exported<$connector>;
            $crate::bindings::export_connector!(Export with_types_in $crate::bindings);
        };
    };
    ($connector:ident, webhooks, manifest = $manifest:literal $(, mapping = $mapping:literal)?) => {
        $crate::__embed!($manifest $(, $mapping)?);

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Export = $crate::Exported<$connector>;
            $crate::bindings::export_connector!(Export with_types_in $crate::bindings);
            $crate::bindings::webhooks::export_webhooks!(
                Export with_types_in $crate::bindings::webhooks
            );
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __embed {
    ($manifest:literal $(, $mapping:literal)?) => {
        /// The text of `manifest.toml`.
        pub const MANIFEST: &str = include_str!($manifest);
        $crate::__embed_section!("concord:manifest", $manifest);
        $($crate::__embed_section!("concord:mapping", $mapping);)?
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __embed_section {
    ($name:literal, $path:literal) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[used]
            #[unsafe(link_section = $name)]
            static SECTION: [u8; include_bytes!($path).len()] = *include_bytes!($path);
        };
    };
}
