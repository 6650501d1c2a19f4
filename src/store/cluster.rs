//! Questions on a cluster: the same plans, computed by Ballista's scheduler and executors (feature `ballista`).
//!
//! ```text
//! obit store ballista://HOST:PORT scheduler        one
//! obit store ballista://HOST:PORT executor         as many as wanted, each with the bucket's credentials
//! obit store URL query --engine ballista://HOST:PORT …
//! ```
//!
//! What asks reads inbox and table's log, and sends the plan with the list of files; executors read those from the bucket.
//! The nodes are obit's own, as plans have functions of obit's. Whoever reaches them may have any file read that they
//! can read: they belong on a network of their own, and listen on the address that they are told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ballista_core::extension::{
    SessionConfigExt, SessionStateExt, ballista_aggregate_functions, ballista_scalar_functions,
    ballista_window_functions,
};
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_core::serde::{BallistaLogicalExtensionCodec, BallistaPhysicalExtensionCodec};
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::start_server;
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use deltalake::arrow::datatypes::SchemaRef;
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::common::{TableReference, exec_datafusion_err};
use deltalake::datafusion::error::{DataFusionError, Result};
use deltalake::datafusion::execution::object_store::ObjectStoreRegistry;
use deltalake::datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use deltalake::datafusion::execution::{SessionState, SessionStateBuilder, TaskContext};
use deltalake::datafusion::logical_expr::{AggregateUDF, Extension, LogicalPlan};
use deltalake::datafusion::physical_plan::ExecutionPlan;
use deltalake::datafusion::prelude::{SessionConfig, SessionContext};
use object_store::ObjectStore;
use url::Url;

use super::query::{distinct, functions, summaries};
use super::scan::Crashes;
use super::{StoreError, bucket};

/// Where Ballista's scheduler listens, where nothing says where.
const PORT: u16 = 50050;
/// Bytes of a message between the nodes: a plan has the inbox's rows and the table's files with it.
const LARGEST_MESSAGE: u32 = 256 << 20;

/// A scheduler's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Name or address of the machine.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Address {
    /// Reads `ballista://host:port`.
    pub fn parse(text: &str) -> std::result::Result<Address, StoreError> {
        let wrong = || StoreError::Usage(format!("{text}: write ballista://HOST:PORT"));
        let url = Url::parse(text).map_err(|_| wrong())?;
        match url.host_str() {
            Some(host) if url.scheme() == "ballista" && matches!(url.path(), "" | "/") => {
                Ok(Address { host: host.to_owned(), port: url.port().unwrap_or(PORT) })
            }
            _ => Err(wrong()),
        }
    }
}

/// A context whose questions the cluster answers.
pub fn context(config: SessionConfig, scheduler: &Address) -> std::result::Result<SessionContext, StoreError> {
    let state = state(configured(config))?;
    let state = state.upgrade_for_ballista(format!("http://{}:{}", scheduler.host, scheduler.port))?;
    Ok(SessionContext::new_with_state(state))
}

/// Schedules until it is interrupted.
pub async fn schedule(listen: &Address) -> std::result::Result<(), StoreError> {
    let config = SchedulerConfig {
        bind_host: listen.host.clone(),
        bind_port: listen.port,
        external_host: listen.host.clone(),
        override_session_builder: Some(Arc::new(|config| state(configured(config)))),
        override_config_producer: Some(Arc::new(|| configured(SessionConfig::new_with_ballista()))),
        override_logical_codec: Some(Arc::new(LogicalCodec::default())),
        override_physical_codec: Some(Arc::new(PhysicalCodec::default())),
        grpc_server_max_decoding_message_size: LARGEST_MESSAGE,
        grpc_server_max_encoding_message_size: LARGEST_MESSAGE,
        grpc_client_max_message_size: LARGEST_MESSAGE,
        ..SchedulerConfig::default()
    };
    let failed = |error: &dyn std::fmt::Display| StoreError::Usage(format!("{}:{}: {error}", listen.host, listen.port));
    let address = tokio::net::lookup_host((listen.host.as_str(), listen.port)).await.map_err(|error| failed(&error))?;
    let address = address.into_iter().next().ok_or_else(|| failed(&"has no address"))?;
    let cluster = BallistaCluster::new_from_config(&config).await.map_err(|error| failed(&error))?;
    start_server(cluster, address, Arc::new(config)).await.map_err(|error| failed(&error))
}

/// How an executor is.
#[derive(Clone, Debug)]
pub struct Executor {
    /// Whom it serves.
    pub scheduler: Address,
    /// Where the scheduler and other executors reach it.
    pub host: String,
    /// Its two ports: for results, and for tasks.
    pub ports: (u16, u16),
    /// Tasks at once; 0: as many as there are cores.
    pub cores: usize,
    /// Where results between stages are kept.
    pub directory: std::path::PathBuf,
}

/// Executes until it is interrupted.
pub async fn execute(executor: &Executor) -> std::result::Result<(), StoreError> {
    let scheduler = &executor.scheduler;
    let config = ExecutorProcessConfig {
        bind_host: executor.host.clone(),
        external_host: Some(executor.host.clone()),
        port: executor.ports.0,
        grpc_port: executor.ports.1,
        scheduler_host: scheduler.host.clone(),
        scheduler_port: scheduler.port,
        scheduler_connect_timeout_seconds: 30,
        vcores: executor.cores,
        work_dir: Some(executor.directory.to_string_lossy().into_owned()),
        grpc_max_decoding_message_size: LARGEST_MESSAGE,
        grpc_max_encoding_message_size: LARGEST_MESSAGE,
        override_config_producer: Some(Arc::new(|| configured(SessionConfig::new_with_ballista()))),
        override_runtime_producer: Some(Arc::new(|_| runtime())),
        override_function_registry: Some(Arc::new(functions_of_nodes()?)),
        override_logical_codec: Some(Arc::new(LogicalCodec::default())),
        override_physical_codec: Some(Arc::new(PhysicalCodec::default())),
        ..ExecutorProcessConfig::default()
    };
    let place = format!("ballista://{}:{}", scheduler.host, scheduler.port);
    start_executor_process(Arc::new(config)).await.map_err(|error| StoreError::Usage(format!("{place}: {error}")))
}

fn configured(config: SessionConfig) -> SessionConfig {
    config
        .with_ballista_logical_extension_codec(Arc::new(LogicalCodec::default()))
        .with_ballista_physical_extension_codec(Arc::new(PhysicalCodec::default()))
        .with_ballista_grpc_client_max_message_size(LARGEST_MESSAGE as usize)
}

fn state(config: SessionConfig) -> Result<SessionState> {
    let mut state = SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .with_runtime_env(runtime()?)
        .with_scalar_functions(ballista_scalar_functions())
        .with_aggregate_functions(ballista_aggregate_functions())
        .with_window_functions(ballista_window_functions())
        .build();
    use deltalake::datafusion::execution::FunctionRegistry;
    for function in functions::all() {
        state.register_udf(Arc::new(function))?;
    }
    state.register_udaf(Arc::new(distinct::function()))?;
    Ok(state)
}

fn functions_of_nodes() -> Result<BallistaFunctionRegistry> {
    Ok((&state(SessionConfig::new_with_ballista())?).into())
}

fn runtime() -> Result<Arc<RuntimeEnv>> {
    let stores = Arc::new(Stores::default());
    Ok(Arc::new(RuntimeEnvBuilder::new().with_object_store_registry(stores).build()?))
}

/// Stores by their URL, with the credentials of this machine.
#[derive(Debug, Default)]
struct Stores {
    opened: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
}

impl ObjectStoreRegistry for Stores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).insert(whole_store(url), store)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let name = whole_store(url);
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = opened.get(&name) {
            return Ok(store.clone());
        }
        let store = bucket::whole_store(&name).map_err(|error| DataFusionError::External(Box::new(error)))?;
        opened.insert(name, store.clone());
        Ok(store)
    }
}

/// `s3://bucket/`
fn whole_store(url: &Url) -> String {
    format!("{}://{}/", url.scheme(), url.host_str().unwrap_or_default())
}

#[derive(Debug, Default)]
struct LogicalCodec(BallistaLogicalExtensionCodec);

impl LogicalExtensionCodec for LogicalCodec {
    fn try_decode(&self, bytes: &[u8], inputs: &[LogicalPlan], context: &TaskContext) -> Result<Extension> {
        self.0.try_decode(bytes, inputs, context)
    }

    fn try_encode(&self, node: &Extension, bytes: &mut Vec<u8>) -> Result<()> {
        self.0.try_encode(node, bytes)
    }

    fn try_decode_table_provider(
        &self,
        bytes: &[u8],
        _: &TableReference,
        _: SchemaRef,
        _: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        Ok(Arc::new(Crashes::unpack(bytes)?))
    }

    fn try_encode_table_provider(
        &self,
        name: &TableReference,
        table: Arc<dyn TableProvider>,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        let table: &dyn std::any::Any = table.as_ref();
        let crashes =
            table.downcast_ref::<Crashes>().ok_or_else(|| exec_datafusion_err!("{name}: is no table of crashes"))?;
        crashes.pack(bytes)
    }

    fn try_decode_udaf(&self, name: &str, bytes: &[u8]) -> Result<Arc<AggregateUDF>> {
        decode_summary(name, bytes)
    }

    fn try_encode_udaf(&self, function: &AggregateUDF, bytes: &mut Vec<u8>) -> Result<()> {
        encode_summary(function, bytes)
    }
}

#[derive(Debug, Default)]
struct PhysicalCodec(BallistaPhysicalExtensionCodec);

impl PhysicalExtensionCodec for PhysicalCodec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.0.try_decode(bytes, inputs, context, converter)
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        self.0.try_encode(node, bytes, converter)
    }

    fn try_decode_udaf(&self, name: &str, bytes: &[u8]) -> Result<Arc<AggregateUDF>> {
        decode_summary(name, bytes)
    }

    fn try_encode_udaf(&self, function: &AggregateUDF, bytes: &mut Vec<u8>) -> Result<()> {
        encode_summary(function, bytes)
    }
}

fn encode_summary(function: &AggregateUDF, bytes: &mut Vec<u8>) -> Result<()> {
    if let Some(kind) = summaries::kind(function) {
        serde_json::to_writer(bytes, &kind).map_err(|error| DataFusionError::External(Box::new(error)))?;
    }
    Ok(())
}

fn decode_summary(name: &str, bytes: &[u8]) -> Result<Arc<AggregateUDF>> {
    let kind = serde_json::from_slice(bytes).map_err(|_| exec_datafusion_err!("{name}: this node does not know it"))?;
    Ok(Arc::new(summaries::udaf(kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let address = Address::parse("ballista://db1:1234").unwrap();
        assert_eq!((address.host.as_str(), address.port), ("db1", 1234));
        assert_eq!(Address::parse("ballista://127.0.0.1").unwrap().port, PORT);
        for wrong in ["db1:1234", "http://db1:1", "ballista://", "ballista://db1/x"] {
            let error = Address::parse(wrong).unwrap_err().to_string();
            assert!(error.contains("ballista://HOST:PORT"), "{error}");
        }
    }
}
