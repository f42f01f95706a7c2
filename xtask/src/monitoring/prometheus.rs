//! Prometheus with the shipped rules, in which most alerts wait for seconds instead of minutes.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::network::within;
use crate::background::Background;
use crate::command::output;
use crate::tree;

pub(super) const PORT: u16 = 9090;
/// Alerts that are played at the length at which they are shipped: two for their own sake, and the last as there is
/// nothing before the first scrape.
pub(super) const UNHURRIED: [&str; 3] = ["DetectorAttack", "DetectorHoard", "DetectorAbsent"];
/// What the others wait for instead of minutes.
const HURRIED: Duration = Duration::from_secs(2);

/// A running Prometheus.
pub(super) struct Prometheus {
    _process: Background,
    place: Place,
    log: PathBuf,
}

/// Where one runs.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// A network namespace that was made for it; without, that of this chore.
    namespace: Option<String>,
    /// It listens on loopback.
    port: u16,
}

/// A sample: its labels and its value.
type Sample = (Value, String);

/// One that fires.
#[derive(Debug)]
pub(super) struct Alert {
    pub(super) name: String,
    pub(super) labels: Value,
}

impl Place {
    pub(super) fn in_namespace(name: &str) -> Self {
        Self {
            namespace: Some(name.to_owned()),
            port: PORT,
        }
    }

    /// Beside whatever else listens in this namespace.
    pub(super) fn here() -> Result<Self> {
        let free = TcpListener::bind("127.0.0.1:0").context("no port is free")?;
        Ok(Self {
            namespace: None,
            port: free.local_addr()?.port(),
        })
    }

    fn command(&self, program: &str) -> Command {
        match &self.namespace {
            Some(namespace) => within(namespace, Path::new(program)),
            None => Command::new(program),
        }
    }
}

impl Prometheus {
    /// Starts it with the shipped configuration, to scrape these agents each second.
    pub(super) fn start(place: Place, agents: &[String], folder: &Path) -> Result<Self> {
        let agents: Vec<String> = agents.iter().map(|agent| format!("{agent:?}")).collect();
        let config = shipped("prometheus.yml")?
            .replace("15s", "1s")
            .replace("\"127.0.0.1:10062\"", &agents.join(", "));
        Self::run(place, &config, hurried, folder)
    }

    /// Starts it with this configuration and the shipped rules, as `change` leaves them.
    pub(super) fn run(
        place: Place,
        config: &str,
        change: fn(&str) -> String,
        folder: &Path,
    ) -> Result<Self> {
        for name in ["detector-rules.yml", "detector-alerts.yml"] {
            fs::write(folder.join(name), change(&shipped(name)?))?;
        }
        let file = folder.join("prometheus.yml");
        fs::write(&file, config)?;
        let log = folder.join("prometheus.log");
        let mut command = place.command("prometheus");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("tsdb").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{}", place.port))
            .arg("--log.level=warn");
        let process = Background::start(&mut command, &log)?;
        Ok(Self {
            _process: process,
            place,
            log,
        })
    }

    /// Samples of an instant query.
    pub(super) fn query(&self, query: &str) -> Result<Vec<Sample>> {
        let answer = self.get("query", Some(query))?;
        let result = answer["data"]["result"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        Ok(result
            .into_iter()
            .map(|sample| {
                (
                    sample["metric"].clone(),
                    sample["value"][1].as_str().unwrap_or_default().to_owned(),
                )
            })
            .collect())
    }

    /// Alerts that fire.
    pub(super) fn firing(&self) -> Result<Vec<Alert>> {
        let answer = self.get("alerts", None)?;
        let alerts = answer["data"]["alerts"].as_array();
        let firing = alerts
            .into_iter()
            .flatten()
            .filter(|alert| alert["state"] == "firing");
        Ok(firing.map(Alert::of).collect())
    }

    /// Until a query gives this number.
    pub(super) fn wait_for(&self, query: &str, number: usize, patience: Duration) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < patience {
            let found = self.query(query).unwrap_or_default();
            if found
                .first()
                .is_some_and(|(_, value)| *value == number.to_string())
            {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        bail!(
            "{query} is not {number} after {} s; Prometheus says: {log}",
            patience.as_secs()
        );
    }

    fn get(&self, what: &str, query: Option<&str>) -> Result<Value> {
        let mut curl = self.place.command("curl");
        curl.args(["--silent", "--show-error", "--max-time", "20", "--get"]);
        if let Some(query) = query {
            curl.arg("--data-urlencode").arg(format!("query={query}"));
        }
        let port = self.place.port;
        let answer = output(curl.arg(format!("http://127.0.0.1:{port}/api/v1/{what}")))?;
        let answer: Value =
            serde_json::from_str(&answer).with_context(|| format!("{answer:?} is not JSON"))?;
        ensure!(
            answer["status"] == "success",
            "{query:?}: {}",
            answer["error"]
        );
        Ok(answer)
    }
}

fn shipped(name: &str) -> Result<String> {
    let file = tree::root().join("packaging/prometheus").join(name);
    fs::read_to_string(file).with_context(|| format!("cannot read {name}"))
}

impl Alert {
    fn of(answer: &Value) -> Self {
        let labels = answer["labels"].clone();
        let name = labels["alertname"].as_str().unwrap_or_default().to_owned();
        Self { name, labels }
    }
}

/// Names of alerts, each once.
pub(super) fn names(alerts: &[Alert]) -> String {
    let names: BTreeSet<&str> = alerts.iter().map(|alert| &*alert.name).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// How long the condition of an alert has to stand, in the rules that are played.
pub(super) fn time_of(alert: &str) -> Result<Duration> {
    waits(&hurried(&shipped("detector-alerts.yml")?), alert)
        .with_context(|| format!("no alert {alert} waits"))
}

fn waits(rules: &str, alert: &str) -> Option<Duration> {
    let (_, rule) = rules.split_once(&format!("- alert: {alert}\n"))?;
    let (_, rest) = rule.split_once(" for: ")?;
    let time = rest.lines().next()?;
    let (number, seconds) = match time.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (time.strip_suffix('s')?, 1),
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()? * seconds))
}

/// What waits for minutes waits for two seconds, a few alerts aside.
fn hurried(rules: &str) -> String {
    let mut is_hurried = true;
    let mut changed = String::new();
    for line in rules.lines() {
        if let Some(alert) = line.trim_start().strip_prefix("- alert: ") {
            is_hurried = !UNHURRIED.contains(&alert);
        }
        match line.split_once("for: ") {
            Some((indent, _)) if is_hurried && indent.trim().is_empty() => {
                changed.push_str(&format!("{indent}for: {}s", HURRIED.as_secs()));
            }
            _ => changed.push_str(line),
        }
        changed.push('\n');
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::{hurried, waits};
    use std::time::Duration;

    #[test]
    fn only_the_wait_is_shortened() {
        let rules = "  - alert: A\n    expr: rate(x[5m]) > 0\n    for: 10m\n    # not for: 5m\n";
        assert_eq!(
            hurried(rules),
            "  - alert: A\n    expr: rate(x[5m]) > 0\n    for: 2s\n    # not for: 5m\n"
        );
    }

    #[test]
    fn some_wait_as_long_as_they_do_where_they_are_shipped() {
        let rules = "- alert: DetectorHoard\n  for: 1m\n- alert: B\n  for: 5m\n";
        let played = hurried(rules);
        assert_eq!(
            waits(&played, "DetectorHoard"),
            Some(Duration::from_secs(60))
        );
        assert_eq!(waits(&played, "B"), Some(Duration::from_secs(2)));
        assert_eq!(waits(&played, "C"), None);
    }
}
