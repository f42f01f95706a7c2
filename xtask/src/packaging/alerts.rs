//! Alerts: each is tested for the moment at which it fires, and its text is made by what the Prometheus that the pages
//! ask for knows.

use anyhow::{Context as _, Result, ensure};

use super::values;

/// What our texts may be made with, and the version of Prometheus that brought it (its change log).
const FUNCTIONS: [(&str, [u32; 2]); 3] = [
    ("humanize", [2, 0]),
    ("humanizeDuration", [2, 0]),
    ("humanizePercentage", [2, 11]),
];

/// The tests ask for an alert when it fires, and one evaluation earlier, when it does not yet: so a condition that
/// has to stand for longer, or for less, fails one of them.
pub(super) fn check_time(tests: &str, alert: &str) -> Result<()> {
    let evaluation = values(tests, "evaluation_interval");
    let evaluation = evaluation.first().and_then(|text| seconds(text));
    let evaluation = evaluation.context("the tests do not say how often rules are evaluated")?;
    let asked = questions(tests, alert);
    let is_due = |fires: bool, at: u64| asked.contains(&(at, fires));
    let on_time = asked
        .iter()
        .any(|&(at, fires)| fires && is_due(false, at.saturating_sub(evaluation)));
    ensure!(
        on_time,
        "alert {alert} is not asked for when it fires, and not yet {evaluation} s before"
    );
    Ok(())
}

/// The moments at which a test asks for an alert, in seconds, and whether it is to fire then.
fn questions(tests: &str, alert: &str) -> Vec<(u64, bool)> {
    let mut rest = tests.lines().map(str::trim);
    let mut asked = Vec::new();
    while rest.any(|line| line.strip_prefix("- alertname: ") == Some(alert)) {
        let at = rest
            .next()
            .and_then(|line| line.strip_prefix("eval_time: "));
        let fires = rest.next().map(|line| line == "exp_alerts:");
        asked.extend(at.and_then(seconds).zip(fires));
    }
    asked
}

/// Seconds of `1h`, `14m45s` and their like.
fn seconds(text: &str) -> Option<u64> {
    let mut parts = text.split_inclusive(['h', 'm', 's']);
    parts.try_fold(0, |sum, part| {
        let (number, unit) = part.split_at(part.len() - 1);
        let factor = match unit {
            "h" => 3_600,
            "m" => 60,
            "s" => 1,
            _ => return None,
        };
        Some(sum + factor * number.parse::<u64>().ok()?)
    })
}

/// What makes the texts is known to the version that the page asks for.
pub(super) fn check_texts(alerts: &str, page: &str) -> Result<()> {
    let mut needed = [2, 0];
    for text in alerts.split("{{").skip(1) {
        let (text, _) = text.split_once("}}").context("a template without end")?;
        let mut parts = text.split('|').map(str::trim);
        let value = parts.next().unwrap_or_default();
        ensure!(
            value == "$value" || value.starts_with("$labels."),
            "{value} in an alert's text is neither its value nor a label"
        );
        for function in parts {
            let known = FUNCTIONS.iter().find(|(name, _)| *name == function);
            let (_, since) = known.with_context(|| {
                format!("nobody has looked up since when Prometheus knows {function}")
            })?;
            needed = needed.max(*since);
        }
    }
    let [major, minor] = needed;
    ensure!(
        page.contains(&format!("alerts need {major}.{minor} ")),
        "the alerts need Prometheus {major}.{minor}, and the page does not say so"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{check_texts, check_time, questions, seconds};

    #[test]
    fn times_are_read() {
        assert_eq!(seconds("14m45s"), Some(885));
        assert_eq!(seconds("1h"), Some(3_600));
        assert_eq!(seconds("4d"), None);
    }

    #[test]
    fn an_alert_that_may_come_sooner_is_found() {
        let asked = |quiet: &str| {
            format!(
                "evaluation_interval: 15s\n- alertname: A\n  eval_time: {quiet}\n  exp_alerts: []\n\
                 - alertname: B\n  eval_time: 5m45s\n  exp_alerts: []\n\
                 - alertname: A\n  eval_time: 6m\n  exp_alerts:\n    - exp_labels:\n"
            )
        };
        assert_eq!(questions(&asked("5m45s"), "A"), [(345, false), (360, true)]);
        check_time(&asked("5m45s"), "A").unwrap();
        check_time(&asked("5m"), "A").unwrap_err();
        check_time(&asked("5m45s"), "B").unwrap_err();
    }

    #[test]
    fn what_the_page_does_not_ask_for_is_found() {
        let with = |text: &str| format!("summary: 'of {{{{ $labels.peer }}}} {{{{ {text} }}}}'");
        let (old, newer) = ("alerts need 2.0 or", "alerts need 2.11 or");
        check_texts(&with("$value | humanize"), old).unwrap();
        check_texts(&with("$value | humanizePercentage"), newer).unwrap();
        check_texts(&with("$value | humanizePercentage"), old).unwrap_err();
        check_texts(&with("$value | humanizeTimestamp"), newer).unwrap_err();
        check_texts(&with("query \"up\""), newer).unwrap_err();
    }
}
