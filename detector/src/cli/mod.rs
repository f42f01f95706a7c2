//! The command line, declared once: help, man page, completions and reference come from here.

mod action;
#[cfg(feature = "agent")]
mod agent;
mod candidates;
mod dmesg;
#[cfg(feature = "agent")]
mod docs;
mod events;
mod explain;
mod incidents;
#[cfg(test)]
#[cfg(feature = "agent")]
mod kind_tables;
mod list;
#[cfg(test)]
#[cfg(feature = "agent")]
mod lists;
#[cfg(test)]
#[cfg(feature = "agent")]
mod pages;
mod place;
mod refusal;
mod report;
mod top;

pub(crate) use action::{BlockArgs, BlockedArgs, ResetArgs, UnblockArgs};
#[cfg(feature = "agent")]
pub(crate) use agent::{CheckArgs, ConfigShowArgs, ConfigVerb, RunArgs, SelftestArgs};
pub(crate) use dmesg::DmesgArgs;
#[cfg(feature = "agent")]
pub(crate) use docs::Chapter;
pub(crate) use events::EventsArgs;
pub(crate) use explain::ExplainArgs;
pub(crate) use incidents::{IncidentsArgs, IncidentsVerb};
pub(crate) use list::{ConnectionsArgs, PeersArgs};
pub(crate) use place::AgentOrRecorderArgs;
pub(crate) use refusal::refused;
pub(crate) use report::ReportArgs;
pub(crate) use top::TopArgs;

use clap::{Parser, Subcommand, ValueEnum};

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
    #[cfg(feature = "agent")]
    Run(RunArgs),
    /// Check whether this host can run the agent, and what to do if it cannot
    #[cfg(feature = "agent")]
    Check(CheckArgs),
    /// Look at the configuration
    #[cfg(feature = "agent")]
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Watch live who holds what, since when, and why
    Top(TopArgs),
    /// List the peers the agent knows, the most costly first
    Peers(PeersArgs),
    /// List the misbehaving connections the agent knows
    Connections(ConnectionsArgs),
    /// List flags and episodes, newest last
    Events(EventsArgs),
    /// List the incidents, newest last
    Incidents(IncidentsArgs),
    /// Explain one peer: verdict, evidence for and against, rules, owner, and what to do
    Explain(ExplainArgs),
    /// Explain a kernel log: TCP peers that closed their window, OOM kills; needs no agent
    Dmesg(DmesgArgs),
    /// Report what happened, from the recorder's files: as text, as a page, as JSON, over several hosts
    Report(ReportArgs),
    /// Close a peer's stalled sockets and free what they hold
    Reset(ResetArgs),
    /// Drop everything an address or a network sends, for a while
    Block(BlockArgs),
    /// Lift a block before it expires
    Unblock(UnblockArgs),
    /// List what is blocked, and until when
    Blocked(BlockedArgs),
    /// Play bad and good peers in a private network namespace and say which are detected
    #[cfg(feature = "agent")]
    Selftest(SelftestArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
    /// Print a chapter of the reference as Markdown
    #[cfg(feature = "agent")]
    #[command(hide = true)]
    Docs {
        /// The chapter
        chapter: Chapter,
    },
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

#[cfg(test)]
#[cfg(feature = "agent")]
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
        assert_eq!(args.config.web_listen_addresses.len(), 2);
    }

    #[test]
    fn wrong_usage_ends_with_code_2() {
        for line in [
            &["detector", "run", "--nonsense"][..],
            &["detector", "run", "--web.listen-address=nowhere"],
            &["detector", "events", "--kind=unheard-of"],
            &["detector", "events", "--follow", "--until=1m"],
            &["detector", "events", "--follow", "--state-dir=x"],
            &["detector", "peers", "--control-socket=x", "--state-dir=x"],
            &["detector", "peers", "--filter=pined>10M"],
            &["detector", "peers", "--sort=beauty"],
            &["detector", "peers", "--columns=peer,beauty"],
            &["detector", "peers", "--group=planet"],
            &["detector", "connections", "--group=net"],
            &["detector", "incidents", "--filter=kinks=hoard"],
            &["detector", "incidents", "show"],
            &["detector", "incidents", "--json", "show", "x"],
            &["detector", "report", "--incident=last", "--since=1h"],
            &["detector", "report", "--abuse=nobody"],
            &["detector", "report", "--abuse=192.0.2.1", "--json"],
            &["detector", "report", "a.db", "--state-dir=b"],
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
