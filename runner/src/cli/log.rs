//! Arguments of the log.

use clap::{Args, ValueEnum};

use canary_console::logging::{Filter, Format};

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

#[cfg(test)]
mod tests {
    use canary_console::logging::module_name;

    /// The path of each crate or module that this crate exports, with its name here.
    fn exported() -> Vec<(String, String)> {
        let items = include_str!("../lib.rs").split(';');
        let paths = items.filter_map(|item| Some(item.split_once("pub use ")?.1));
        paths.flat_map(names).collect()
    }

    /// Reads `canary_net as net` or `canary_net::{ledger, pool}`.
    fn names(path: &str) -> Vec<(String, String)> {
        if let Some((part, name)) = path.split_once(" as ") {
            return vec![(part.to_owned(), name.to_owned())];
        }
        let (part, modules) = path.split_once("::").unwrap();
        let modules = modules.split(|char: char| !(char.is_alphanumeric() || char == '_'));
        modules
            .filter(|module| !module.is_empty())
            .map(|module| (format!("{part}::{module}"), module.to_owned()))
            .collect()
    }

    #[test]
    fn the_log_has_the_names_under_which_this_crate_exports_modules() {
        let exported = exported();
        assert!(exported.len() > 20, "{exported:?}");
        for (path, name) in exported {
            assert_eq!(module_name(&path), format!("canary::{name}"), "{path}");
            let inner = format!("{path}::inner");
            assert_eq!(module_name(&inner), format!("canary::{name}::inner"), "{path}");
        }
    }
}
