//! What a store holds: one guest's view of the host.

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings as wasi;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::bindings::Check;
use super::cpu::CpuMeter;
use super::limiter::Limiter;
use crate::net::Client;
use crate::quota::{Quota, QuotaKind};

/// Resources that a guest may hold at once, sockets not counted by their own quota.
const TABLE_CAPACITY: usize = 1_024;
/// What is kept of a guest's standard output and error, each.
const OUTPUT_BYTES: usize = 4 << 10;

/// The packages behind [`linker`].
const SERVED: [&str; 6] = [
    "canary:check/",
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:io/",
    "wasi:random/",
];

/// One guest's view of the host.
pub(crate) struct State {
    pub(super) client: Client,
    pub(super) table: ResourceTable,
    pub(super) limiter: Limiter,
    pub(super) meter: Arc<CpuMeter>,
    pub(super) cpu_limit_ms: u64,
    pub(super) stderr: MemoryOutputPipe,
    wasi: WasiCtx,
}

impl State {
    pub(super) fn new(client: Client, meter: Arc<CpuMeter>, quota: &Quota) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(TABLE_CAPACITY);
        let stderr = MemoryOutputPipe::new(OUTPUT_BYTES);
        let wasi = WasiCtx::builder().stderr(stderr.clone()).build();
        let limiter = Limiter::new(quota.memory);
        let cpu_limit_ms = quota.limit(QuotaKind::Cpu);
        Self {
            client,
            table,
            limiter,
            meter,
            cpu_limit_ms,
            stderr,
            wasi,
        }
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

/// The interfaces that [`linker`] serves, in any version that is compatible.
pub(crate) const SERVED: [&str; 26] = [
    "canary:check/types",
    "canary:check/tls",
    "canary:check/tcp",
    "canary:check/http",
    "canary:check/dns",
    "canary:check/log",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// Everything that a guest may import: the contract, and of WASI what a Rust guest pulls in by itself. There are
/// no preopened folders, variables, arguments or sockets behind it.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    Check::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(&mut linker)?;
    let l = &mut linker;
    wasi::cli::environment::add_to_linker::<State, WasiCli>(l, State::cli)?;
    wasi::cli::exit::add_to_linker::<State, WasiCli>(l, State::cli)?;
    wasi::cli::terminal_input::add_to_linker::<State, WasiCli>(l, State::cli)?;
    wasi::cli::terminal_output::add_to_linker::<State, WasiCli>(l, State::cli)?;
    wasi::cli::terminal_stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    wasi::cli::terminal_stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    wasi::cli::terminal_stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;
    wasi::filesystem::preopens::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;
    wasi::filesystem::types::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;
    wasi::random::insecure::add_to_linker::<State, WasiRandom>(l, |state| state.wasi.random())?;
    wasi::random::insecure_seed::add_to_linker::<State, WasiRandom>(l, |state| state.wasi.random())?;
    Ok(linker)
}

/// Whether the host serves an interface; wasmtime finds the patch version that fits.
pub(crate) fn serves(interface: &str) -> bool {
    SERVED.iter().any(|package| interface.starts_with(package))
}
