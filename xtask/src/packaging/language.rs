//! What rules, alerts and dashboards ask of a Prometheus: nothing that old servers do not know.

use anyhow::{Result, bail};

/// What stands before a parenthesis in our expressions: Prometheus has had all of it since 2.0, and so have those
/// that speak its language.
const OF_PROMETHEUS_2: [&str; 15] = [
    "absent",
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
/// Each function in an expression is known to old servers, too.
pub(super) fn check_expression(expression: &str) -> Result<()> {
    let newer = functions(expression).find(|word| !OF_PROMETHEUS_2.contains(word));
    if let Some(word) = newer {
        bail!("{word}() may be newer than Prometheus 2.0, in {expression:?}");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_of_newer_servers_is_found() {
        check_expression("sum by (a) (rate(up{b=~\"new(x)\"}[5m])) > (1)").unwrap();
        check_expression("sum(present_over_time(up[5m]))").unwrap_err();
    }
}
