//! Dashboards: each panel says what it shows, in which unit, from the data source that was chosen.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::language::check_expression;
use super::{check_names, files, folder, known_names, read, values};

/// How a dashboard names the data source that was chosen.
const CHOSEN: &str = "${datasource}";

pub(super) fn check() -> Result<()> {
    let mut known = known_names()?;
    known.extend(values(
        &read(&folder("prometheus/detector-rules.yml"))?,
        "record",
    ));
    let mut ids = BTreeSet::new();
    let mut panels = 0;
    for file in files(&folder("grafana"), ".json")? {
        let dashboard: Value = serde_json::from_str(&read(&file)?)
            .with_context(|| format!("{} is not JSON", file.display()))?;
        let id = dashboard["uid"]
            .as_str()
            .context("a dashboard without uid")?
            .to_owned();
        ensure!(ids.insert(id), "{}: its uid is another's", file.display());
        check_source(&dashboard).with_context(|| file.display().to_string())?;
        for panel in dashboard["panels"].as_array().into_iter().flatten() {
            check_panel(panel, &known)
                .with_context(|| format!("{}, panel {}", file.display(), panel["title"]))?;
            panels += 1;
        }
    }
    println!("dashboards: {}, {panels} panels", ids.len());
    Ok(())
}

/// Where a Grafana has no such data source, the list at the top of the dashboard is empty and says so: nothing
/// names one of its own.
fn check_source(dashboard: &Value) -> Result<()> {
    let variables = dashboard["templating"]["list"]
        .as_array()
        .context("no variables")?;
    let (first, rest) = variables.split_first().context("no variables")?;
    ensure!(
        first["type"] == "datasource" && first["query"] == "prometheus",
        "the first choice is not that of a Prometheus"
    );
    ensure!(
        first["label"]
            .as_str()
            .is_some_and(|label| !label.is_empty()),
        "the choice of a data source has no label"
    );
    let is_chosen = |of: &Value| of["datasource"]["uid"] == CHOSEN;
    ensure!(
        rest.iter().all(is_chosen),
        "a variable asks a data source of its own"
    );
    Ok(())
}

fn check_panel(panel: &Value, known: &BTreeSet<String>) -> Result<()> {
    let unit = panel
        .pointer("/fieldConfig/defaults/unit")
        .and_then(Value::as_str);
    ensure!(unit.is_some_and(|unit| !unit.is_empty()), "no unit");
    let targets = panel["targets"].as_array().context("no queries")?;
    ensure!(!targets.is_empty(), "no queries");
    for target in targets {
        ensure!(
            target["datasource"]["uid"] == CHOSEN,
            "a data source of its own"
        );
        let expression = target["expr"]
            .as_str()
            .context("a query without expression")?;
        ensure!(
            !expression.contains("[5m]"),
            "a window that does not follow the scrape interval"
        );
        check_expression(expression)?;
        check_names(expression, known)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_source;
    use serde_json::json;

    #[test]
    fn a_dashboard_with_a_data_source_of_its_own_is_found() {
        let choice = json!({ "type": "datasource", "query": "prometheus", "label": "Data source" });
        let with = |uid: &str| {
            let hosts = json!({ "type": "query", "datasource": { "uid": uid } });
            json!({ "templating": { "list": [choice, hosts] } })
        };
        check_source(&with("${datasource}")).unwrap();
        check_source(&with("P1809F7CD0C75ACF3")).unwrap_err();
        check_source(&json!({ "templating": { "list": [] } })).unwrap_err();
    }
}
