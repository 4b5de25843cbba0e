//! The options of what a command prints.

use clap::{Args, ValueEnum};

use canary_run::report::Detail;

/// Output options of `canary check` and `canary probe`.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct RunOutput {
    /// Output format; `json` and `junit` have all details of every run.
    #[arg(long, value_enum, default_value_t = RunFormat::Human)]
    pub(super) format: RunFormat,
    /// Print all assertions, measurements, attributes and log lines.
    #[arg(long)]
    verbose: bool,
}

impl RunOutput {
    pub(super) fn is_human(self) -> bool {
        matches!(self.format, RunFormat::Human)
    }

    /// With every detail.
    pub(super) fn with_details(self) -> Self {
        Self {
            verbose: true,
            ..self
        }
    }

    pub(super) fn detail(self) -> Detail {
        if self.verbose {
            Detail::Everything
        } else {
            Detail::Problems
        }
    }
}

/// Output formats of runs.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum RunFormat {
    Human,
    Json,
    Junit,
}

/// Output options of the clients of the admin API.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ResponseOutput {
    /// Output format; `json` is the response of the admin API.
    #[arg(long, value_enum, default_value_t = ResponseFormat::Human)]
    format: ResponseFormat,
    /// What `--format json` was called before.
    #[arg(long, hide = true, conflicts_with = "format")]
    json: bool,
}

impl ResponseOutput {
    pub(super) fn format(self) -> ResponseFormat {
        if self.json {
            ResponseFormat::Json
        } else {
            self.format
        }
    }
}

/// Output formats of a response of the admin API.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ResponseFormat {
    Human,
    Json,
}
