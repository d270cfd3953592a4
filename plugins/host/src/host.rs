//! Compiles components, or finds them compiled.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use concord_core::Manifest;
use tokio::sync::Semaphore;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::bindings::ConnectorPre;
use crate::bindings::webhooks::ConnectorWithWebhooksPre;
use crate::cache::Cache;
use crate::call::{self, Call, TABLE_ELEMENTS, TICK};
use crate::inspect::{self, Inspected};
use crate::{HostError, Runtime, WasmConnector};

#[derive(Clone, Debug)]
pub struct HostOptions {
    /// Where compiled components are kept; without it each start compiles.
    pub cache_dir: Option<PathBuf>,
    /// Instances at once, over all connections.  Further calls wait.
    pub concurrent_calls: u32,
    /// The most memory that any connection's limits can allow an instance.
    pub max_memory_bytes: usize,
}

impl Default for HostOptions {
    fn default() -> Self {
        Self {
            cache_dir: None,
            concurrent_calls: 64,
            max_memory_bytes: 256 << 20,
        }
    }
}

/// The WASM engine, shared by all plugins.
pub struct Host {
    engine: Engine,
    linker: Linker<Call>,
    cache: Option<Cache>,
    permits: Arc<Semaphore>,
    max_memory_bytes: usize,
}

/// One loaded component.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) manifest: Arc<Manifest>,
    mapping: Option<Arc<str>>,
    pub(crate) pre: ConnectorPre<Call>,
    /// Where the manifest says that it takes webhooks.
    pub(crate) webhooks: Option<ConnectorWithWebhooksPre<Call>>,
    pub(crate) permits: Arc<Semaphore>,
    max_memory_bytes: usize,
    hash: Arc<str>,
    cached: bool,
}

impl Host {
    pub fn new(options: HostOptions) -> Result<Self, HostError> {
        let failed = |error: wasmtime::Error| HostError::Engine(format!("{error:#}"));
        let engine = Engine::new(&config(&options)).map_err(failed)?;
        start_ticking(&engine).map_err(|error| HostError::Engine(error.to_string()))?;
        let mut linker = Linker::new(&engine);
        call::link(&mut linker).map_err(failed)?;
        let cache = options.cache_dir.and_then(|dir| Cache::open(&dir, &engine));
        Ok(Self {
            engine,
            linker,
            cache,
            permits: Arc::new(Semaphore::new(options.concurrent_calls as usize)),
            max_memory_bytes: options.max_memory_bytes,
        })
    }

    /// Loads a component.  Compiling one that is not in the cache takes up to a
    /// few hundred milliseconds of every core: call this off the async threads
    /// where others wait.
    pub fn load(&self, path: &Path) -> Result<Plugin, HostError> {
        self.load_bytes(&path.display().to_string(), &inspect::read(path)?)
    }

    /// Loads a component from memory; `origin` names it in errors.
    pub fn load_bytes(&self, origin: &str, wasm: &[u8]) -> Result<Plugin, HostError> {
        let Inspected { manifest, mapping } = inspect::inspect(origin, wasm)?;
        let unfit = |error: wasmtime::Error| HostError::Unfit {
            origin: origin.to_owned(),
            id: manifest.id.clone(),
            version: manifest.version.clone(),
            problem: format!("{error:#}"),
        };
        let hash = blake3::hash(wasm).to_hex();
        let kept = self
            .cache
            .as_ref()
            .and_then(|cache| cache.get(&self.engine, &hash));
        let cached = kept.is_some();
        let component = match kept {
            Some(component) => component,
            None => {
                let component = Component::from_binary(&self.engine, wasm).map_err(unfit)?;
                if let Some(cache) = &self.cache {
                    cache.put(&hash, &component);
                }
                component
            }
        };
        let linked = self.linker.instantiate_pre(&component).map_err(unfit)?;
        let takes_webhooks = manifest.webhooks.is_some();
        let webhooks = takes_webhooks.then(|| ConnectorWithWebhooksPre::new(linked.clone()));
        let webhooks = webhooks.transpose().map_err(unfit)?;
        let pre = ConnectorPre::new(linked).map_err(unfit)?;
        Ok(Plugin {
            manifest: Arc::new(manifest),
            mapping: mapping.map(Arc::from),
            pre,
            webhooks,
            permits: Arc::clone(&self.permits),
            max_memory_bytes: self.max_memory_bytes,
            hash: Arc::from(hash.as_str()),
            cached,
        })
    }
}

impl Plugin {
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The text of its default lenses, as `mapping.yaml` has them.
    pub fn mapping(&self) -> Option<&str> {
        self.mapping.as_deref()
    }

    /// BLAKE3 of the component, in hex.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// It was found compiled.
    pub fn cached(&self) -> bool {
        self.cached
    }

    /// Ties the plugin to one connection.
    pub fn connect(&self, mut runtime: Runtime) -> WasmConnector {
        let limits = &mut runtime.limits;
        limits.memory_bytes = limits.memory_bytes.min(self.max_memory_bytes);
        WasmConnector::new(self.clone(), runtime)
    }
}

fn config(options: &HostOptions) -> Config {
    let instances = options.concurrent_calls;
    let mut pool = PoolingAllocationConfig::new();
    // A component is made of a few core modules: the connector and small shims
    // around it.  What componentize-py makes has dozens.
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(32))
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(8))
        .total_stacks(instances)
        .max_memory_size(options.max_memory_bytes)
        .table_elements(TABLE_ELEMENTS);
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Moves the engine's epoch on for as long as the engine lives.  This is the
/// guard of the CPU, not the hub's time: it has to run while a guest holds every
/// thread of the async runtime, so it is a thread of its own.
fn start_ticking(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("wasm-epoch".into())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })
        .map(drop)
}
