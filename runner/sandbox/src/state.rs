//! The data of a store: one guest's view of the host.

use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::random::WasiRandomCtx;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::cpu::CpuMeter;
use super::limiter::Limiter;
use super::output::GuestOutput;
use canary_net::Client;
use canary_record::quota::Quota;

/// Resources that a guest may hold at once, besides the sockets, which have their own quota.
const TABLE_CAPACITY: usize = 1_024;
/// HTTP exchanges that a guest may hold at once, finished ones included.
pub(super) const MAX_EXCHANGES: usize = 64;
/// Random bytes of one call: a language runtime needs a seed.
const RANDOM_BYTES: u64 = 64 << 10;

/// One guest's view of the host.
pub(crate) struct State {
    pub(super) client: Client,
    pub(super) table: ResourceTable,
    /// Permits for HTTP exchanges.
    pub(super) exchanges: Arc<Semaphore>,
    pub(super) limiter: Limiter,
    pub(super) meter: Arc<CpuMeter>,
    pub(super) stdout: GuestOutput,
    pub(super) stderr: GuestOutput,
    wasi: WasiCtx,
}

impl State {
    pub(super) fn new(client: Client, meter: Arc<CpuMeter>, quota: &Quota) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(TABLE_CAPACITY);
        let stdout = GuestOutput::new("stdout", Arc::clone(client.page()));
        let stderr = GuestOutput::new("stderr", Arc::clone(client.page()));
        let wasi = WasiCtx::builder()
            .stdout(stdout.clone())
            .stderr(stderr.clone())
            .max_random_size(RANDOM_BYTES)
            .build();
        let limiter = Limiter::new(quota.memory);
        Self {
            client,
            table,
            exchanges: Arc::new(Semaphore::new(MAX_EXCHANGES)),
            limiter,
            meter,
            stdout,
            stderr,
            wasi,
        }
    }
}

impl State {
    pub(super) fn random(&mut self) -> &mut WasiRandomCtx {
        self.wasi.random()
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}
