//! Prometheus with the shipped rules, in which alerts wait for seconds instead of minutes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::network::{Network, within};
use crate::background::Background;
use crate::command::output;
use crate::tree;

pub(super) const PORT: u16 = 9090;

/// A running Prometheus.
pub(super) struct Prometheus {
    _process: Background,
    namespace: String,
    log: PathBuf,
}

/// A sample: its labels and its value.
type Sample = (Value, String);

impl Prometheus {
    /// Starts it in the middle of a network, to scrape so many hosts each second.
    pub(super) fn start(network: &Network, hosts: usize, folder: &Path) -> Result<Self> {
        let targets: Vec<String> = (0..hosts)
            .map(|host| format!("{:?}", network.address(host, 10_062)))
            .collect();
        let config = shipped("prometheus.yml")?
            .replace("15s", "1s")
            .replace("\"127.0.0.1:10062\"", &targets.join(", "));
        Self::run(&network.middle, &config, hurried, folder)
    }

    /// Starts it in a namespace with this configuration and the shipped rules, as `change` leaves them.
    pub(super) fn run(
        namespace: &str,
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
        let mut command = within(namespace, Path::new("prometheus"));
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("tsdb").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{PORT}"))
            .arg("--log.level=warn");
        let process = Background::start(&mut command, &log)?;
        Ok(Self {
            _process: process,
            namespace: namespace.to_owned(),
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

    /// Names of alerts that fire.
    pub(super) fn firing(&self) -> Result<Vec<String>> {
        let answer = self.get("alerts", None)?;
        let alerts = answer["data"]["alerts"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let mut names: Vec<String> = alerts
            .iter()
            .filter(|alert| alert["state"] == "firing")
            .filter_map(|alert| Some(alert["labels"]["alertname"].as_str()?.to_owned()))
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
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
        let mut curl = within(&self.namespace, Path::new("curl"));
        curl.args(["--silent", "--show-error", "--max-time", "20", "--get"]);
        if let Some(query) = query {
            curl.arg("--data-urlencode").arg(format!("query={query}"));
        }
        let answer = output(curl.arg(format!("http://127.0.0.1:{PORT}/api/v1/{what}")))?;
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

/// What waits for minutes waits for two seconds.
fn hurried(rules: &str) -> String {
    let hurried = |line: &str| match line.split_once("for: ") {
        Some((indent, _)) if indent.trim().is_empty() => format!("{indent}for: 2s\n"),
        _ => format!("{line}\n"),
    };
    rules.lines().map(hurried).collect()
}

#[cfg(test)]
mod tests {
    use super::hurried;

    #[test]
    fn only_the_wait_is_shortened() {
        let rules = "  - alert: A\n    expr: rate(x[5m]) > 0\n    for: 10m\n    # not for: 5m\n";
        assert_eq!(
            hurried(rules),
            "  - alert: A\n    expr: rate(x[5m]) > 0\n    for: 2s\n    # not for: 5m\n"
        );
    }
}
