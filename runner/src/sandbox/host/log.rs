//! `canary:check/log`.

use crate::outcome::LogLevel;
use crate::sandbox::bindings::log;
use crate::sandbox::polls::HostFunction;
use crate::sandbox::state::State;

impl log::Host for State {
    async fn log(
        &mut self,
        level: log::Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        let _host = self.meter.host_call(HostFunction::Log);
        let level = match level {
            log::Level::Trace => LogLevel::Trace,
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        self.client.page().log(level, message, fields);
        Ok(())
    }
}
