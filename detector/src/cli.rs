//! The command line, declared once: help, man page, completions and reference come from here.

mod action;
mod explain;
mod incidents;
mod list;
mod refusal;
mod selftest;
mod top;

pub(crate) use action::{BlockArgs, BlockedArgs, ResetArgs, UnblockArgs};
pub(crate) use explain::{ExplainArgs, Wanted};
pub(crate) use incidents::{IncidentsArgs, IncidentsVerb, ShowArgs};
pub(crate) use list::{ConnectionsArgs, ListArgs, PeersArgs};
pub(crate) use refusal::refused;
pub(crate) use selftest::SelftestArgs;
pub(crate) use top::TopArgs;

use crate::commands::completions;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::ArgValueCompleter;
use detector_agent::log::{LogFormat, LogLevel};
use detector_api::defaults::{CONTROL_SOCKET, STATE_DIR};
use detector_api::snapshot::{Event, FlagKind};
use detector_client::filter::Filter;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Watches TCP peers that take back window, stall, dribble or vanish, and says what they hold.
#[derive(Debug, Parser)]
#[command(
    name = "detector",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the agent: load, attach, judge, export
    Run(RunArgs),
    /// Say whether this host can run the agent, and what to do where it cannot
    Check(CheckArgs),
    /// Watch live who holds what, since when, and why
    Top(TopArgs),
    /// Show the peers known to the running agent, the most costly first
    Peers(PeersArgs),
    /// Show the misbehaving connections known to the running agent
    Connections(ConnectionsArgs),
    /// Show flags and episodes, newest last
    Events(EventsArgs),
    /// Show the incidents since the agent started, newest last
    Incidents(IncidentsArgs),
    /// Explain one peer: verdict, evidence for and against, rules, owner, and what to do
    Explain(ExplainArgs),
    /// Close the stalled sockets of a peer, and free what they hold
    Reset(ResetArgs),
    /// Drop what an address or a network sends, for a time
    Block(BlockArgs),
    /// Let a blocked network through again before its time
    Unblock(UnblockArgs),
    /// Show what is blocked, and until when
    Blocked(BlockedArgs),
    /// Play bad and good peers in a private network namespace and say which of them are seen
    Selftest(SelftestArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
    /// Print a chapter of the reference as Markdown
    #[command(hide = true)]
    Docs {
        /// The chapter
        chapter: Chapter,
    },
}

/// Arguments of `detector run`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RunArgs {
    /// Configuration file (TOML); what a flag says wins over it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Address and port for metrics; repeatable [default: 127.0.0.1:10062]
    #[arg(long = "web.listen-address", value_name = "ADDR:PORT")]
    pub(crate) web_listen_addresses: Vec<SocketAddr>,
    /// Path of the metrics [default: /metrics]
    #[arg(long = "web.telemetry-path", value_name = "PATH")]
    pub(crate) web_telemetry_path: Option<String>,
    /// Control socket [default: /run/detector/control.sock]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) control_socket: Option<PathBuf>,
    /// Folder for what the agent keeps
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

/// Arguments of `detector events`.
#[derive(Clone, Debug, Args)]
pub(crate) struct EventsArgs {
    /// Go on printing as they happen
    #[arg(long)]
    pub(crate) follow: bool,
    /// Only since this time: RFC 3339, or a duration ago (`10m`)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only until this time: RFC 3339, or a duration ago
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    pub(crate) until: Option<String>,
    /// Only of this peer
    #[arg(long, value_name = "PEER", add = ArgValueCompleter::new(completions::peers))]
    pub(crate) peer: Option<String>,
    /// Only of this kind
    #[arg(long, value_name = "KIND", add = ArgValueCompleter::new(completions::flag_kinds))]
    pub(crate) kind: Option<FlagKind>,
    /// Only those that fit, as in `severity>info net=203.0.113.0/24 local~:443`
    #[arg(long, value_name = "EXPR", value_parser = list::filter::<Event>, default_value = "", hide_default_value = true, add = ArgValueCompleter::new(completions::filter::<Event>))]
    pub(crate) filter: Filter<Event>,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Control socket of the agent
    #[arg(long, value_name = "PATH", default_value = CONTROL_SOCKET, value_hint = ValueHint::FilePath)]
    pub(crate) control_socket: PathBuf,
}

/// A shell that completes command lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Shell {
    /// The name by which its completions are asked for.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        }
    }
}

/// A chapter of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Chapter {
    /// Every metric
    Metrics,
    /// Every command and flag
    Cli,
    /// Every key of the configuration file
    Configuration,
    /// Every column, and how to filter by it
    Columns,
    /// JSON Schema of `/v1/peers`
    SchemaPeers,
    /// JSON Schema of `detector peers --group … --json`
    SchemaPeerGroups,
    /// JSON Schema of `/v1/peers/{peer}`
    SchemaPeer,
    /// JSON Schema of `/v1/connections`
    SchemaConnections,
    /// JSON Schema of a line of `/v1/events`
    SchemaEvent,
    /// JSON Schema of `/v1/incidents`
    SchemaIncidents,
    /// JSON Schema of `/v1/incidents/{id}`
    SchemaIncident,
    /// JSON Schema of what `/v1/reset` takes
    SchemaResetRequest,
    /// JSON Schema of what `/v1/reset` answers
    SchemaReset,
    /// JSON Schema of what `/v1/block` takes
    SchemaBlockRequest,
    /// JSON Schema of what `/v1/block` answers
    SchemaBlock,
    /// JSON Schema of what `/v1/unblock` takes
    SchemaUnblockRequest,
    /// JSON Schema of what `/v1/unblock` answers
    SchemaUnblock,
    /// JSON Schema of `/v1/blocked`
    SchemaBlocked,
    /// JSON Schema of `detector top --json`
    SchemaTop,
    /// JSON Schema of `/v1/host`
    SchemaHost,
    /// JSON Schema of `/v1/status`
    SchemaStatus,
}

#[cfg(test)]
mod tests {
    use super::{Cli, Command};
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_declaration_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_listen_address_is_repeatable_and_takes_ipv6() {
        let cli = Cli::try_parse_from([
            "detector",
            "run",
            "--web.listen-address=127.0.0.1:1",
            "--web.listen-address",
            "[::1]:2",
        ]);
        let Ok(Cli {
            command: Command::Run(args),
        }) = cli
        else {
            panic!("{cli:?}");
        };
        assert_eq!(args.web_listen_addresses.len(), 2);
    }

    #[test]
    fn wrong_usage_ends_with_code_2() {
        for line in [
            &["detector", "run", "--nonsense"][..],
            &["detector", "run", "--web.listen-address=nowhere"],
            &["detector", "events", "--kind=unheard-of"],
            &["detector", "events", "--follow", "--until=1m"],
            &["detector", "peers", "--filter=pined>10M"],
            &["detector", "peers", "--sort=beauty"],
            &["detector", "peers", "--columns=peer,beauty"],
            &["detector", "peers", "--group=planet"],
            &["detector", "connections", "--group=net"],
            &["detector", "incidents", "--filter=kinks=hoard"],
            &["detector", "incidents", "show"],
            &["detector", "incidents", "--json", "show", "x"],
            &["detector", "top", "--filter=pinned"],
            &["detector", "top", "--sort=beauty"],
            &["detector", "top", "--interval=1ms"],
            &["detector"],
        ] {
            let error = Cli::try_parse_from(line).expect_err("must be refused");
            assert_eq!(error.exit_code(), 2, "{line:?}");
        }
    }
}
