//! Arguments of the log.

use clap::{Args, ValueEnum};

use crate::console::logging::{Filter, Format};

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct LogArgs {
    /// Log level, or levels of modules (`warn,canary::alert=debug`) [default: info]
    #[arg(long, global = true, env = "CANARY_LOG", value_name = "FILTER")]
    log_level: Option<Filter>,
    /// Log format on standard error [default: text for `run` and `demo`]
    #[arg(
        long,
        global = true,
        env = "CANARY_LOG_FORMAT",
        value_name = "FORMAT",
        value_enum
    )]
    log_format: Option<LogFormat>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl LogArgs {
    /// The format that was asked for. A one-shot command logs without time and level.
    pub(super) fn format(&self, is_service: bool) -> Format {
        match self.log_format {
            Some(LogFormat::Json) => Format::Json,
            Some(LogFormat::Text) => Format::Text,
            None if is_service => Format::Text,
            None => Format::Brief,
        }
    }

    pub(super) fn filter(&self) -> Filter {
        self.log_level.clone().unwrap_or_default()
    }
}
