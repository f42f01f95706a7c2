//! Commands that the pages tell people to give are taken by the command line as they stand there.

use super::Cli;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use std::fs;
use std::path::{Path, PathBuf};

/// Words of the pages that stand for something, and what they might stand for.
const PLACEHOLDERS: [(&str, &str); 9] = [
    ("PEER:PORT", "198.51.100.7:443"),
    ("PEER", "198.51.100.7"),
    ("ADDR[/LEN]", "198.51.100.0/24"),
    ("NETWORK", "198.51.100.0/24"),
    ("http://prometheus:9090", "http://127.0.0.1:9090"),
    ("URL", "http://127.0.0.1:9090"),
    ("ID", "last"),
    ("FILE", "file"),
    ("DIR", "folder"),
];

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// Commands of a page, in words: of its code between back-ticks, of its fenced and its indented code. What is
/// fenced as text was printed by something.
fn commands(page: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut fence = None;
    let mut begun = String::new();
    for line in page.lines() {
        if let Some(language) = line.strip_prefix("```") {
            fence = fence.is_none().then_some(language);
        } else if fence == Some("text") {
        } else if fence.is_some() || line.starts_with("    ") {
            // A comment, as the shell has it.
            let code = line.split(" #").next().unwrap_or(line).trim();
            begun.push_str(code.trim_end_matches('\\'));
            if !code.ends_with('\\') {
                found.extend(commands_of(&std::mem::take(&mut begun)));
            }
        } else {
            let spans = line.split('`').skip(1).step_by(2);
            found.extend(spans.flat_map(commands_of));
        }
    }
    found
}

/// Those of the program among the commands of a line.
fn commands_of(line: &str) -> Vec<Vec<String>> {
    let lines = line.split(['|', ';']).flat_map(|part| part.split(" && "));
    lines
        .filter_map(|command| {
            let command = command.trim();
            let command = command.strip_prefix("sudo ").unwrap_or(command);
            let mut words = command.split_whitespace();
            let program = words.next()?;
            let is_ours = program == "detector" || program.ends_with("/detector");
            is_ours.then(|| {
                let words = words.map(str::to_owned);
                std::iter::once("detector".to_owned())
                    .chain(words)
                    .collect()
            })
        })
        .collect()
}

fn filled_in(word: &str) -> String {
    let (key, value) = word.split_once('=').unwrap_or(("", word));
    let value = PLACEHOLDERS
        .iter()
        .find_map(|(name, stands_for)| (*name == value).then_some(*stands_for))
        .unwrap_or(value);
    let value = value.trim_matches('\'');
    if key.is_empty() {
        value.to_owned()
    } else {
        format!("{key}={value}")
    }
}

/// Whether these are names of commands alone, which is how a text speaks of one.
fn is_name(words: &[String]) -> bool {
    let mut command = Cli::command();
    words.iter().skip(1).all(|word| {
        let Some(found) = command.find_subcommand(word).cloned() else {
            return false;
        };
        command = found;
        true
    })
}

fn refusal(words: &[String]) -> Option<String> {
    let filled = words.iter().map(|word| filled_in(word));
    let error = Cli::try_parse_from(filled).err()?;
    let lacks = matches!(
        error.kind(),
        ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    let is_help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    let is_well = is_help || (lacks && is_name(words));
    (!is_well).then(|| format!("{}: {error}", words.join(" ")))
}

#[test]
fn every_command_of_the_pages_is_taken() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = vec![root.join("README.md"), root.join("SECURITY.md")];
    pages(&root.join("docs"), &mut files);
    let (mut told, mut refused) = (0, Vec::new());
    for file in &files {
        for words in commands(&fs::read_to_string(file).unwrap()) {
            told += 1;
            let said = refusal(&words);
            refused.extend(said.map(|said| format!("{}: {said}", file.display())));
        }
    }
    assert!(told > 150, "only {told} commands are found");
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn what_the_command_line_refuses_is_found() {
    let refused = |line: &str| commands(line).iter().any(|words| refusal(words).is_some());
    for wrong in [
        "take `detector peers --by net` for it",
        "    journalctl -k | detector dmesg --nonsense",
        "    detector block 198.51.100.7 \\\n        --until 10m",
        "```\nsudo detector unheard-of\n```",
        "`detector reset --dry-run`",
    ] {
        assert!(refused(wrong), "{wrong}");
    }
    for right in [
        "`detector reset` and `detector block PEER --for 10m`",
        "    detector peers --filter net=PEER     # not --by",
        "    kubectl exec POD -- detector --by",
    ] {
        assert!(!refused(right), "{right}");
    }
}
