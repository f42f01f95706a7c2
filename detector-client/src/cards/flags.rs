//! The flags of a card: the rule with its numbers, the standard, the kernel, and who saw it.

use super::connections::example;
use super::page::{Block, Item};
use super::phrases::moment;
use super::subject::Subject;
use crate::layout::width_of;
use crate::terminal::Tone;
use detector_api::snapshot::{Bearer, FlagKind, Source, StandingFlag};
use detector_api::text::{self, Seen, counted};

/// Column of `rule`, `RFC`, `kernel`, `seen by`.
const FIELD: usize = 9;

/// The flags that stand.
pub(super) fn flags(subject: &Subject) -> Vec<Block> {
    let standing = &subject.page.detail.peer.flags;
    let heading = if standing.is_empty() {
        "FLAGS: none stands now"
    } else {
        "FLAGS"
    };
    let mut blocks = vec![Block::Heading(heading.to_owned())];
    let mut told = Vec::new();
    for flag in standing {
        blocks.extend(flag_card(subject, flag, &mut told));
    }
    blocks
}

/// One flag. What a source means is explained once; `told` are those explained already.
fn flag_card(subject: &Subject, flag: &StandingFlag, told: &mut Vec<&'static str>) -> Vec<Block> {
    let place = match flag.kind.facts().bearer {
        Bearer::Peer => "on the peer".to_owned(),
        Bearer::Connection => format!(
            "on {}",
            counted(flag.connections, "connection", "connections")
        ),
    };
    let since = moment(&flag.since, subject.now_unix_ns);
    let title = format!("{place}, since {since}");
    let known = Known::of(subject, flag.kind);
    let rule = text::rule(flag.kind, &known.seen);
    let field = |label: &str, text: String| {
        Block::Item(Item {
            indent: 4,
            label: label.to_owned(),
            column: FIELD,
            tone: Tone::Quiet,
            text,
        })
    };
    let at = known.remote;
    let at = at.map_or(String::new(), |remote| format!(" ({remote})"));
    let kind = flag.kind.label();
    let mut blocks = vec![
        Block::item(kind, width_of(kind) + 1, Tone::Caution, title),
        field("rule", format!("{}{at}.", rule.numbers)),
    ];
    for quote in rule.quotes {
        let text = quote.text.trim_end_matches('.');
        blocks.push(field("RFC", format!("\"{text}\" ({})", quote.section)));
    }
    blocks.push(field("kernel", rule.kernel.to_owned()));
    let (who, meaning) = text::source(flag.kind, known.source);
    blocks.push(if told.contains(&who) {
        field("seen by", format!("{who}, see above"))
    } else {
        told.push(who);
        field("seen by", format!("{who}: {meaning}"))
    });
    blocks
}

/// What is known of a flag.
struct Known<'a> {
    seen: Seen<'a>,
    source: Source,
    /// The connection that shows it.
    remote: Option<&'a str>,
}

impl<'a> Known<'a> {
    fn of(subject: &'a Subject, kind: FlagKind) -> Self {
        let mut events = subject.page.events.iter().rev();
        let last = events.find(|event| event.kind() == kind);
        let connection = example(subject, kind);
        let source = match (last, connection) {
            (Some(event), Some(connection)) => event.source.join(connection.source),
            (Some(event), None) => event.source,
            (None, Some(connection)) => connection.source,
            (None, None) => Source::Both,
        };
        let remote = connection.map(|connection| connection.remote.as_str());
        Self {
            seen: Seen {
                event: last.map(|event| &event.flag),
                connection,
                peer: &subject.page.detail.peer,
                thresholds: subject.status.thresholds,
            },
            source,
            remote: remote.or_else(|| last?.remote.as_deref()),
        }
    }
}
