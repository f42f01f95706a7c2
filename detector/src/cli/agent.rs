//! Arguments of the commands that need the kernel side.

use clap::{Args, Subcommand, ValueHint};
use detector_agent::config::Overrides;
use detector_agent::log::{LogFormat, LogLevel};
use detector_api::defaults::STATE_DIR;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ConfigArgs {
    /// Configuration file (TOML); files `conf.d/*.toml` beside it override it, flags override all
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Address and port for metrics; repeatable [default: 127.0.0.1:10062]
    #[arg(long = "web.listen-address", value_name = "ADDR:PORT")]
    pub(crate) web_listen_addresses: Vec<SocketAddr>,
    /// Path of the metrics [default: /metrics]
    #[arg(long = "web.telemetry-path", value_name = "PATH")]
    pub(crate) web_telemetry_path: Option<String>,
    /// File with certificate, key and users for the metrics, as Prometheus exporters have it
    #[arg(long = "web.config.file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) web_config_file: Option<PathBuf>,
    /// Control socket [default: /run/detector/control.sock]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) control_socket: Option<PathBuf>,
}

impl ConfigArgs {
    /// What the flags say.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            listen_addresses: self.web_listen_addresses.clone(),
            telemetry_path: self.web_telemetry_path.clone(),
            control_socket: self.control_socket.clone(),
            web_config_file: self.web_config_file.clone(),
        }
    }
}

/// What to do with the configuration.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Show every key with its value and where that comes from: default, file and line, or flag
    Show(ConfigShowArgs),
}

/// Arguments of `detector config show`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigShowArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Print one JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `detector run`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Folder for the agent's own files
    #[arg(long, value_name = "DIR", default_value = STATE_DIR, value_hint = ValueHint::DirPath)]
    pub(crate) state_dir: PathBuf,
    /// Format of the log on stderr
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) log_format: LogFormat,
    /// Least severe level to log
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t)]
    pub(crate) log_level: LogLevel,
    /// Check configuration and flags, say what is wrong, and exit
    #[arg(long)]
    pub(crate) check_config: bool,
    /// End when the process that started this one ends
    #[arg(long, hide = true)]
    pub(crate) die_with_parent: bool,
}

/// Arguments of `detector check`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    /// Print one JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `detector selftest`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SelftestArgs {
    /// Only this case; repeatable
    #[arg(long, value_name = "CASE")]
    pub(crate) only: Vec<String>,
    /// Play at most this many cases at a time, for a slow machine [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) at_once: Option<u16>,
    /// List the cases, with what is expected of each, and exit
    #[arg(long)]
    pub(crate) list: bool,
    /// Print one JSON object at the end
    #[arg(long, conflicts_with = "list")]
    pub(crate) json: bool,
}
