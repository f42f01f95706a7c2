use super::{Finding, Outcome, Row, Summary, delay};
use detector_api::snapshot::{FlagKind, Severity, Source, Verdict};
use detector_lab::cases::{Case, of_selftest};
use detector_lab::network::Family;
use std::time::Duration;

fn case(name: &str) -> &'static Case {
    let named = |case: &&Case| case.selftest == Some(name);
    of_selftest().find(named).unwrap()
}

fn row(name: &str, v4: Finding, v6: Finding) -> Row {
    let case = case(name);
    let outcome = |family, finding| Outcome {
        case,
        family,
        finding,
    };
    // The order in which they come is anybody's.
    Row::new(case, vec![outcome(Family::V6, v6), outcome(Family::V4, v4)])
}

fn seen(delay_seconds: f64) -> Finding {
    Finding::Seen {
        kind: FlagKind::ZeroWindowStall,
        source: Source::Hook,
        delay_seconds,
    }
}

fn missed() -> Finding {
    Finding::Missed {
        kind: "zero-window-stall",
        waited: Duration::from_secs(15),
        instead: vec![FlagKind::Unanswered],
    }
}

#[test]
fn a_case_that_was_seen_is_one_line() {
    assert_eq!(
        row("zero-window", seen(0.004), seen(0.123)).text(),
        "seen     zero-window          IPv4 hook +4.0 ms    IPv6 hook +123 ms    \
         asks for a long answer and stops reading\n"
    );
}

#[test]
fn one_family_that_fails_makes_the_line_fail_and_is_explained() {
    let row = row("zero-window", seen(0.004), missed());
    assert!(row.has_failed());
    let text = row.text();
    assert!(text.starts_with("MISSED   zero-window "), "{text}");
    assert!(
        text.ends_with(
            "         IPv6: not flagged as zero-window-stall within 15 s of the condition, but as \
             unanswered\n"
        ),
        "{text}"
    );
}

#[test]
fn an_accusation_names_severity_verdict_and_source() {
    let accused = Finding::Accused {
        kind: FlagKind::WindowShrink,
        source: Source::Sweep,
        severity: Severity::Warning,
        verdict: Some(Verdict::ShrinkingPeer),
    };
    let text = row("granularity", accused.clone(), accused).text();
    assert!(text.starts_with("ACCUSED  granularity "), "{text}");
    assert_eq!(
        text.matches("flagged as window-shrink (warning, shrinking-peer, sweep)")
            .count(),
        1,
        "said once for both: {text}"
    );
}

#[test]
fn what_a_kernel_cannot_play_is_said_and_neither_passed_nor_failed() {
    let absent = Finding::NotHere { why: "too old" };
    let rows = [
        row("zero-window", seen(0.0), seen(0.0)),
        row("treason", seen(0.0), missed()),
        row("shrinking-kernel", absent.clone(), absent),
    ];
    assert!(
        rows[2]
            .text()
            .contains("not played on this kernel: too old")
    );
    let summary = Summary::of(&rows);
    assert_eq!(summary.failed(), ["treason"]);
    assert_eq!(
        summary.text(),
        "1 not played on this kernel\n1 passed, 1 failed\n"
    );
}

#[test]
fn json_has_one_entry_for_each_family() {
    let rows = [row("zero-window", seen(0.25), missed())];
    let text = Summary::of(&rows).json("6.18.5").unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["kernel"], "6.18.5");
    assert_eq!((&value["passed"], &value["failed"]), (&0.into(), &1.into()));
    let first = &value["cases"][0];
    assert_eq!(first["case"], "zero-window");
    assert_eq!(first["ip_version"], 4);
    assert_eq!(first["result"], "seen");
    assert_eq!(first["flag"], "zero-window-stall");
    assert_eq!(first["source"], "hook");
    assert_eq!(first["delay_seconds"], 0.25);
    assert_eq!(value["cases"][1]["passed"], false);
}

#[test]
fn delays_have_few_digits_and_a_sign() {
    assert_eq!(delay(0.000_4), "+0.4 ms");
    assert_eq!(delay(0.012), "+12 ms");
    assert_eq!(delay(1.25), "+1.2 s");
    assert_eq!(delay(-0.03), "-30 ms");
}
