//! Every word of the closed lists has all that a new one needs: a page, a filter word, a completion,
//! a case of selftest, a recorded stream, words. What the compiler cannot ask for is asked for here.

use super::candidates::{filter, flag_kinds};
use clap_complete::engine::CompletionCandidate;
use detector_api::bounds;
use detector_api::fixtures::event;
use detector_api::row::PeerRow;
use detector_api::snapshot::Connection;
use detector_api::snapshot::{
    Advice, BenignCause, Change, Condition, Confidence, Considered, Direction, Event, EventType,
    Evidence, FlagKind, Incident, IncidentEnd, IncidentKind, Outcome, Severity, Source, StallCause,
    Verdict,
};
use detector_api::text;
use detector_client::columns::Row;
use detector_client::filter::Filter;
use detector_lab::cases;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page(name: &str) -> String {
    let file = root().join("docs").join(name);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Everything that the recorded streams of the core came to.
fn recorded() -> String {
    let folder = root().join("detector-core/tests/golden");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let outcomes = files.filter(|file| file.extension() == Some(OsStr::new("expected")));
    outcomes
        .map(|file| fs::read_to_string(file).unwrap())
        .collect()
}

fn words(candidates: &[CompletionCandidate]) -> BTreeSet<String> {
    let values = candidates.iter().map(|each| each.get_value());
    values
        .map(|value| value.to_str().unwrap().to_owned())
        .collect()
}

/// Each of `words` can be filtered by under `key`, and is completed there.
fn are_filtered_and_completed<R: Row>(key: &str, wanted: &[&str]) {
    let completed = words(&filter::<R>(OsStr::new(&format!("{key}="))));
    for word in wanted {
        let term = format!("{key}={word}");
        assert!(Filter::<R>::parse(&term).is_ok(), "no filter word: {term}");
        assert!(completed.contains(&term), "not completed: {term}");
    }
}

#[test]
fn every_word_is_filtered_and_completed() {
    are_filtered_and_completed::<Event>("kind", &FlagKind::LABELS);
    are_filtered_and_completed::<Event>("event", &EventType::LABELS);
    are_filtered_and_completed::<Event>("verdict", &Verdict::LABELS);
    are_filtered_and_completed::<Event>("source", &Source::LABELS);
    are_filtered_and_completed::<Event>("direction", &Direction::LABELS);
    are_filtered_and_completed::<PeerRow>("verdict", &Verdict::LABELS);
    are_filtered_and_completed::<PeerRow>("severity", &Severity::LABELS);
    are_filtered_and_completed::<PeerRow>("direction", &Direction::LABELS);
    are_filtered_and_completed::<Connection>("stall", &StallCause::LABELS);
    are_filtered_and_completed::<Connection>("direction", &Direction::LABELS);
    are_filtered_and_completed::<Incident>("kinds", &IncidentKind::LABELS);
    are_filtered_and_completed::<Incident>("end", &IncidentEnd::LABELS);
    let completed = words(&flag_kinds(OsStr::new("")));
    assert_eq!(completed, FlagKind::LABELS.map(str::to_owned).into());
}

#[test]
fn every_kind_of_flag_has_its_page_that_names_its_settings() {
    for kind in FlagKind::ALL {
        let label = kind.label();
        let page = page(&format!("detections/{label}.md"));
        for setting in kind.facts().settings {
            assert!(page.contains(setting), "{label}: {setting}");
        }
    }
}

/// What every flag on a connection carries, as the index says.
const COMMON: [&str; 4] = [
    "window_bytes",
    "queued_bytes",
    "in_flight_bytes",
    "pinned_bytes",
];

/// All numbers that the schema knows of a kind, those that are not always there included.
fn numbers(kind: FlagKind) -> BTreeSet<String> {
    let schema: serde_json::Value = serde_json::from_str(&page("schema/event.json")).unwrap();
    let mut kinds = schema["anyOf"].as_array().unwrap().iter();
    let of_kind = kinds.find(|each| each["properties"]["kind"]["const"] == kind.label());
    let of_kind = of_kind.unwrap_or_else(|| panic!("{kind:?}: run `cargo xtask docs`"));
    let evidence = &of_kind["properties"]["evidence"]["$ref"];
    let place = evidence.as_str().unwrap().trim_start_matches('#');
    let evidence = schema.pointer(place).unwrap();
    let alternatives = evidence["anyOf"].as_array().into_iter().flatten();
    let parts = alternatives.chain(std::iter::once(evidence));
    let named = parts.filter_map(|part| part["properties"].as_object());
    named
        .flat_map(|properties| properties.keys().cloned())
        .collect()
}

/// What stands in the page `name` under the line `heading`.
fn section<'a>(name: &str, page: &'a str, heading: &str) -> &'a str {
    let begin = format!("\n{heading}\n");
    let (_, section) = page
        .split_once(&begin)
        .unwrap_or_else(|| panic!("docs/{name} has no heading `{heading}`"));
    section.split("\n## ").next().unwrap_or_default()
}

#[test]
#[should_panic(expected = "docs/detections/dribble.md has no heading `## Evidence`")]
fn a_page_without_a_heading_is_named_with_it() {
    section(
        "detections/dribble.md",
        "# Dribble\n\n## Rule\n",
        "## Evidence",
    );
}

#[test]
fn every_number_of_a_flag_is_on_its_page() {
    for kind in FlagKind::ALL {
        let name = format!("detections/{}.md", kind.label());
        let page = page(&name);
        let section = section(&name, &page, "## Evidence");
        let told: BTreeSet<&str> = section.split('`').skip(1).step_by(2).collect();
        let known = numbers(kind);
        assert!(known.len() >= 4, "{known:?}");
        let is_told = |name: &&String| {
            told.contains(name.as_str())
                || (COMMON.contains(&name.as_str()) && section.contains("common four"))
        };
        let untold: Vec<_> = known.iter().filter(|name| !is_told(name)).collect();
        assert!(untold.is_empty(), "{} lacks {untold:?}", kind.label());
    }
    let index = page("detections/README.md");
    assert!(
        COMMON
            .iter()
            .all(|name| index.contains(&format!("`{name}`")))
    );
}

#[test]
fn pages_name_the_bounds_that_the_rules_hold() {
    let tiny = page("detections/tiny-window.md");
    let (segments, mss) = (bounds::TINY_WINDOW_SEGMENTS, bounds::DEFAULT_MSS_BYTES);
    assert!(tiny.contains(&format!("0 < max_window_bytes < {segments} * {mss} ")));
    assert!(tiny.contains(&format!("0 < mss < {}\n", bounds::TINY_MSS_BYTES)));
    let silence = page("detections/unanswered.md");
    let (probes, timeouts) = (bounds::SILENT_PROBES, bounds::SILENT_TIMEOUTS);
    let fruitless = bounds::FRUITLESS_RETRANSMITS;
    for condition in [
        format!(" probes_unanswered >= {probes} "),
        format!(" retransmits_unanswered >= {probes}, and the window takes no segment "),
        format!(" retransmits_unanswered >= {timeouts} and timeouts >= {timeouts} "),
        format!(" timeouts >= {fruitless}, and the window takes a segment "),
        format!(" head_retransmits >= {fruitless}, and the window takes a segment "),
    ] {
        assert!(silence.contains(&condition), "{condition}");
    }
}

/// One that waits for a flag of this kind: the first that is due tells a case from others.
#[test]
fn every_kind_of_flag_has_a_case_of_selftest() {
    for kind in FlagKind::ALL {
        let shows = |case: &cases::Case| {
            let first = case.flags().first();
            first.is_some_and(|flag| flag.kind == kind.label())
        };
        assert!(cases::of_selftest().any(shows), "no case: {}", kind.label());
    }
    for case in cases::all() {
        let flags = case.flags().iter().map(|flag| &flag.kind);
        for kind in flags.chain(case.notes()) {
            assert!(kind.parse::<FlagKind>().is_ok(), "{}: {kind}", case.name);
        }
    }
}

#[test]
fn every_kind_code_and_verdict_is_in_a_recorded_stream() {
    let recorded = recorded();
    let shows = |key: &str, word: &str| {
        let text = format!("\"{key}\":\"{word}\"");
        assert!(recorded.contains(&text), "in no golden stream: {text}");
    };
    for label in FlagKind::LABELS {
        shows("event\":\"flag\",\"kind", label);
    }
    for (key, words) in [
        ("verdict", &Verdict::LABELS[..]),
        ("confidence", &Confidence::LABELS),
        ("cause", &BenignCause::CODES),
        ("outcome", &Outcome::LABELS),
        ("code", &Evidence::CODES),
        ("code", &Condition::CODES),
        ("code", &Advice::CODES),
    ] {
        words.iter().for_each(|word| shows(key, word));
    }
}

#[test]
fn every_verdict_and_benign_cause_is_on_the_page_of_detections() {
    let index = page("detections/README.md");
    for word in Verdict::LABELS.into_iter().chain(BenignCause::CODES) {
        assert!(index.contains(&format!("`{word}`")), "{word}");
    }
    for severity in Severity::LABELS {
        assert!(index.contains(&format!("| `{severity}` |")), "{severity}");
    }
    let card = page("explain.md");
    let codes = Evidence::CODES.into_iter().chain(BenignCause::CODES);
    for code in codes.chain(Condition::CODES).chain(Advice::CODES) {
        assert!(card.contains(&format!("| `{code}` |")), "{code}");
    }
}

/// Words are matches that the compiler wants whole; here they differ from each other.
#[test]
fn words_are_each_their_own() {
    fn differ(words: impl IntoIterator<Item = String>, count: usize) {
        let words: BTreeSet<String> = words.into_iter().collect();
        assert_eq!(words.len(), count, "{words:#?}");
        assert!(words.iter().all(|word| word.len() > 3), "{words:#?}");
    }
    // Without the label in brackets at the end.
    let lines = FlagKind::ALL.map(|kind| {
        let line = text::event_line(&event(1, kind, &[]));
        line.split(" (").next().unwrap_or_default().to_owned()
    });
    differ(lines, FlagKind::COUNT);
    let verdicts = Verdict::ALL.map(|verdict| text::verdict_meaning(Some(verdict)).to_owned());
    differ(verdicts, Verdict::COUNT);
    let evidence = Evidence::samples();
    differ(evidence.iter().map(text::evidence), Evidence::CODES.len());
    let causes = BenignCause::samples().into_iter().map(|cause| {
        let outcome = Outcome::Possible;
        text::considered(&Considered { cause, outcome })
    });
    differ(causes, BenignCause::CODES.len());
    let conditions = Condition::samples().into_iter().map(|condition| {
        let verdict = None;
        text::change(&Change { condition, verdict })
    });
    differ(conditions, Condition::CODES.len());
    let advice = Advice::samples().into_iter();
    let steps = advice.map(|advice| text::advice(&advice, &text::Circumstances::default()).what);
    differ(steps, Advice::CODES.len());
}
