//! What clap refuses, reported like every failure: one line with the reason, one with a hint.

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use detector_api::failure::Failure;
use detector_api::sanitize;
use std::error::Error as _;

/// The failure of a command line that was refused; help and version are printed, and end it.
pub(crate) fn refused(error: &Error) -> Failure {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
        _ => {
            let reason = sanitize::text(&reason(error));
            Failure::usage(format!("cannot read the command line: {reason}"))
                .hint(sanitize::text(&hint(error)))
        }
    }
}

fn reason(error: &Error) -> String {
    let given = |kind| texts(error, kind).join(" ");
    let argument = given(ContextKind::InvalidArg);
    let value = given(ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::UnknownArgument => format!("unexpected argument '{argument}'"),
        ErrorKind::InvalidSubcommand => {
            format!(
                "unknown command '{}'",
                given(ContextKind::InvalidSubcommand)
            )
        }
        ErrorKind::MissingSubcommand => "a command is missing".to_owned(),
        ErrorKind::MissingRequiredArgument => format!("missing: {argument}"),
        ErrorKind::ArgumentConflict => {
            let other = given(ContextKind::PriorArg);
            match other.as_str() {
                "" => format!("'{argument}' does not go with the other arguments"),
                other => format!("'{argument}' does not go with '{other}'"),
            }
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("'{argument}' needs a value"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let why = error.source().map(|why| format!(": {why}"));
            format!(
                "invalid value '{value}' for '{argument}'{}",
                why.unwrap_or_default()
            )
        }
        kind => match argument.as_str() {
            "" => kind.to_string(),
            argument => format!("'{argument}': {kind}"),
        },
    }
}

/// What was meant, what can be given, or how the command is used.
fn hint(error: &Error) -> String {
    let mut hints = Vec::new();
    let suggested = [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedValue,
    ];
    let suggested: Vec<_> = suggested
        .iter()
        .flat_map(|kind| texts(error, *kind))
        .collect();
    if !suggested.is_empty() {
        hints.push(format!("did you mean '{}'?", suggested.join("' or '")));
    }
    hints.extend(texts(error, ContextKind::Suggested));
    let possible = texts(error, ContextKind::ValidValue);
    if !possible.is_empty() {
        hints.push(format!("possible values: {}", possible.join(", ")));
    }
    if !hints.is_empty() {
        return hints.join("; ");
    }
    let usage = texts(error, ContextKind::Usage).join("\n");
    let usage = usage.strip_prefix("Usage:").unwrap_or(&usage);
    let usage: Vec<_> = usage.lines().map(str::trim).collect();
    match usage.join("` or `") {
        usage if usage.is_empty() => "--help shows what can be given".to_owned(),
        usage => format!("`{usage}`; --help shows more"),
    }
}

/// What clap knows of this kind.
fn texts(error: &Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        Some(ContextValue::StyledStr(text)) => vec![text.to_string()],
        Some(ContextValue::StyledStrs(texts)) => texts.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
#[cfg(feature = "agent")]
mod tests {
    use super::refused;
    use crate::cli::Cli;
    use clap::Parser;
    use detector_api::failure::Code;

    #[test]
    fn a_refused_line_is_told_in_one_line_with_one_hint() {
        for (line, reason, hint) in [
            (
                &["run", "--log-levle=info"][..],
                "unexpected argument '--log-levle'",
                "did you mean '--log-level'?",
            ),
            (&["chek"], "unknown command 'chek'", "did you mean 'check'?"),
            (
                &["run", "--zzz"],
                "unexpected argument '--zzz'",
                "`detector run [OPTIONS]`; --help shows more",
            ),
            (
                &["incidents", "zzz"],
                "unknown command 'zzz'",
                "`detector incidents [OPTIONS]` or `detector incidents <COMMAND>`; --help shows more",
            ),
            (
                &["run", "--log-format=jsno"],
                "invalid value 'jsno' for '--log-format <FORMAT>'",
                "did you mean 'json'?; possible values: text, json",
            ),
            (
                &["block"],
                "missing: --for <DURATION> <ADDR[/LEN]>",
                "`detector block --for <DURATION> <ADDR[/LEN]>`; --help shows more",
            ),
            (
                &["run", "--config"],
                "'--config <FILE>' needs a value",
                "--help shows what can be given",
            ),
            (
                &["top", "--once", "--batch"],
                "'--once' does not go with '--batch'",
                "`detector top --once`; --help shows more",
            ),
            (
                &["run", "--web.listen-address=nowhere"],
                "invalid value 'nowhere' for '--web.listen-address <ADDR:PORT>': invalid socket \
                 address syntax",
                "--help shows what can be given",
            ),
            (
                &["run", "--a\nb\u{202e}"],
                "unexpected argument '--a\u{fffd}b\u{fffd}'",
                "`detector run [OPTIONS]`; --help shows more",
            ),
        ] {
            let line = [&["detector"], line].concat();
            let failure = refused(&Cli::try_parse_from(&line).expect_err("must be refused"));
            assert_eq!(failure.code(), Code::Usage);
            assert_eq!(
                failure.to_string(),
                format!("error: cannot read the command line: {reason}\nhint: {hint}\n")
            );
        }
    }
}
