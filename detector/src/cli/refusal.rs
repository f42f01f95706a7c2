//! What clap refuses, told as every failure is: one line with the reason, one with a hint.

use clap::Error;
use clap::error::ErrorKind;
use detector_api::failure::Failure;
use detector_api::sanitize;

/// The failure of a command line that was refused; help and version are printed, and end it.
pub(crate) fn refused(error: &Error) -> Failure {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
        _ => failure(&error.render().to_string()),
    }
}

/// Clap's text: a paragraph with the reason and perhaps the possible values in brackets, then tips,
/// usage and a word about help.
fn failure(text: &str) -> Failure {
    let mut paragraphs = text.split("\n\n");
    let reason = paragraphs.next().unwrap_or_default();
    let reason = reason.strip_prefix("error: ").unwrap_or(reason);
    let (reason, values) = match reason.split_once("\n  [") {
        Some((reason, values)) => (reason, Some(values.trim_end_matches(']'))),
        None => (reason, None),
    };
    let mut hints = Vec::new();
    let mut usage = None;
    for paragraph in paragraphs {
        let tips = paragraph.lines().map(str::trim);
        hints.extend(tips.filter_map(|line| line.strip_prefix("tip: ")));
        usage = usage.or(paragraph.strip_prefix("Usage: "));
    }
    hints.extend(values);
    let hint = match usage {
        _ if !hints.is_empty() => hints.join("; "),
        Some(usage) => format!("`{}`; --help tells more", in_one_line(usage, "` or `")),
        None => "--help tells what can be given".to_owned(),
    };
    let reason = in_one_line(reason, " ");
    Failure::usage(format!("cannot read the command line: {reason}")).hint(sanitize::text(&hint))
}

fn in_one_line(text: &str, separator: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    sanitize::text(&lines.join(separator))
}

#[cfg(all(test, feature = "agent"))]
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
                "unexpected argument '--log-levle' found",
                "a similar argument exists: '--log-level'",
            ),
            (
                &["chek"],
                "unrecognized subcommand 'chek'",
                "a similar subcommand exists: 'check'",
            ),
            (
                &["run", "--zzz"],
                "unexpected argument '--zzz' found",
                "`detector run [OPTIONS]`; --help tells more",
            ),
            (
                &["incidents", "zzz"],
                "unrecognized subcommand 'zzz'",
                "`detector incidents [OPTIONS]` or `detector incidents <COMMAND>`; --help tells more",
            ),
            (
                &["run", "--log-format=jsno"],
                "invalid value 'jsno' for '--log-format <FORMAT>'",
                "a similar value exists: 'json'; possible values: text, json",
            ),
            (
                &["block"],
                "the following required arguments were not provided: --for <DURATION> <ADDR[/LEN]>",
                "`detector block --for <DURATION> <ADDR[/LEN]>`; --help tells more",
            ),
            (
                &["run", "--web.listen-address=nowhere"],
                "invalid value 'nowhere' for '--web.listen-address <ADDR:PORT>': invalid socket \
                 address syntax",
                "--help tells what can be given",
            ),
            (
                &["run", "--a\nb\u{202e}"],
                "unexpected argument '--a b\u{fffd}' found",
                "`detector run [OPTIONS]`; --help tells more",
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
