//! What rules, alerts and dashboards ask of a Prometheus: nothing that old servers do not know.

use anyhow::{Result, bail};

/// What stands before a parenthesis in our expressions: Prometheus has had all of it since 2.0, and so have those
/// that speak its language.
const OF_PROMETHEUS_2: [&str; 14] = [
    "and",
    "by",
    "count",
    "increase",
    "label_replace",
    "max",
    "on",
    "or",
    "rate",
    "sum",
    "topk",
    "unless",
    "vector",
    "without",
];
/// What texts of alerts are made with. `humanizePercentage` is the newest, of Prometheus 2.11.
const OF_PROMETHEUS_2_11: [&str; 3] = ["humanize", "humanizeDuration", "humanizePercentage"];

/// Each function in an expression is known to old servers, too.
pub(super) fn check_expression(expression: &str) -> Result<()> {
    let newer = functions(expression).find(|word| !OF_PROMETHEUS_2.contains(word));
    if let Some(word) = newer {
        bail!("{word}() may be newer than Prometheus 2.0, in {expression:?}");
    }
    Ok(())
}

/// Each function in the texts of alerts is known to servers from 2.11 on.
pub(super) fn check_templates(alerts: &str) -> Result<()> {
    let newer = template_functions(alerts).find(|word| !OF_PROMETHEUS_2_11.contains(word));
    if let Some(word) = newer {
        bail!("{word} may be newer than Prometheus 2.11, in the text of an alert");
    }
    Ok(())
}

/// Words right before a parenthesis, outside of quotes.
fn functions(expression: &str) -> impl Iterator<Item = &str> {
    let unquoted = expression.split('"').step_by(2);
    unquoted.flat_map(|part| {
        part.split('(').rev().skip(1).filter_map(|before| {
            let before = before.trim_end();
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let word = before.rsplit(|c| !is_part(c)).next()?;
            (!word.is_empty()).then_some(word)
        })
    })
}

/// Words that values are piped through between double braces.
fn template_functions(text: &str) -> impl Iterator<Item = &str> {
    let templates = text.split("{{").skip(1);
    templates.flat_map(|rest| {
        let (template, _) = rest.split_once("}}").unwrap_or_default();
        let calls = template.split('|').skip(1);
        calls.filter_map(|call| call.split_whitespace().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_of_newer_servers_is_found() {
        check_expression("sum by (a) (rate(up{b=~\"new(x)\"}[5m])) > (1)").unwrap();
        check_expression("sum(present_over_time(up[5m]))").unwrap_err();
    }

    #[test]
    fn a_template_of_newer_servers_is_found() {
        check_templates("a {{ $value | humanize }} of {{ $labels.instance }} | b").unwrap();
        check_templates("a {{ $value | toDuration }}").unwrap_err();
    }
}
