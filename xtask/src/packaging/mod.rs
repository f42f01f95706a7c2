//! `cargo xtask packaging`: what is shipped beside the program says nothing that the program does not: unit,
//! rules, alerts, dashboards and manifests; and its packages take nobody's account.

pub(crate) mod account;
mod alerts;
pub(crate) mod copied;
mod dashboards;
mod language;
pub(crate) mod limits;
pub(crate) mod pages;
mod told;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::background::Scratch;
use crate::command::{output, run};
use crate::links;
use crate::packages;
use crate::tree;

/// Programs that check, and the Debian packages that bring them.
pub(crate) const PROGRAMS: [(&str, &str); 2] =
    [("systemd-analyze", "systemd"), ("promtool", "prometheus")];

/// The unit as it is installed may not be more exposed than this, of 10.
pub(crate) const MOST_EXPOSED: f64 = 2.0;
/// What each page of an alert says.
const CHAPTERS: [&str; 3] = ["## Look at", "## Do", "## When it is nothing"];
/// Validator of Kubernetes' published schemas, reader of YAML, and Helm's engine.
const PYTHON_PACKAGES: [&str; 2] = ["kubernetes-validate==1.37.0", "helm-python-sdk==0.2.2"];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Also render the chart and hold all manifests against Kubernetes' schemas (gets Python packages)
    #[arg(long)]
    kubernetes: bool,
    /// Install missing packages (as root, on Debian)
    #[arg(long)]
    install: bool,
}

impl Arguments {
    /// What takes seconds.
    pub(crate) fn short(install: bool) -> Self {
        Self {
            kubernetes: false,
            install,
        }
    }
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    packages::need(&PROGRAMS, "checking what is shipped", arguments.install)?;
    unit()?;
    limits::check()?;
    account::check()?;
    rules()?;
    dashboards::check()?;
    links::check()?;
    pages::check()?;
    told::check()?;
    if arguments.kubernetes {
        manifests()?;
    }
    println!("packaging: ok");
    Ok(())
}

fn folder(name: &str) -> PathBuf {
    tree::root().join("packaging").join(name)
}

/// Files in a folder with this ending, sorted.
fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let listed =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files: Vec<PathBuf> = listed
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .filter(|file| file.to_string_lossy().ends_with(ending))
        .collect();
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// systemd understands the unit and its drop-ins, and rates it as hardly exposed.
fn unit() -> Result<()> {
    let scratch = Scratch::create("unit")?;
    let unit = scratch.path.join("detector.service");
    // It need not be installed to be looked at.
    let text = read(&folder("systemd/detector.service"))?.replace("/usr/bin/detector", "/bin/true");
    fs::write(&unit, text)?;
    let exposure = exposure(&unit)?;
    println!("detector.service: exposure {exposure} of 10");
    ensure!(
        exposure <= MOST_EXPOSED,
        "the unit is rated {exposure}, and {MOST_EXPOSED} is allowed\nhint: systemd-analyze security \
         --offline=true packaging/systemd/detector.service"
    );
    let drop_ins = scratch.path.join("detector.service.d");
    fs::create_dir(&drop_ins)?;
    for file in files(&folder("systemd"), ".conf")? {
        let name = file.file_name().unwrap_or_default();
        fs::copy(&file, drop_ins.join(name))?;
        println!(
            "with {}: {}",
            name.to_string_lossy(),
            self::exposure(&unit)?
        );
        fs::remove_file(drop_ins.join(name))?;
    }
    Ok(())
}

/// What `systemd-analyze` makes of a unit; warnings about its lines are errors.
fn exposure(unit: &Path) -> Result<f64> {
    let checked = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(unit)
        .output()
        .context("cannot start systemd-analyze")?;
    let warnings = String::from_utf8_lossy(&checked.stderr);
    ensure!(
        warnings.trim().is_empty(),
        "systemd does not understand the unit: {warnings}"
    );
    let said = String::from_utf8_lossy(&checked.stdout);
    exposure_in(&said).context("systemd-analyze gives no exposure level")
}

fn exposure_in(said: &str) -> Option<f64> {
    let (_, rest) = said.split_once("Overall exposure level for ")?;
    let (_, rest) = rest.split_once(": ")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// promtool accepts rules and their tests; each alert is tested and has a page; each metric exists.
fn rules() -> Result<()> {
    let folder = folder("prometheus");
    let promtool = |arguments: &[&str]| {
        output(
            Command::new("promtool")
                .current_dir(&folder)
                .args(arguments),
        )
    };
    promtool(&[
        "check",
        "rules",
        "detector-rules.yml",
        "detector-alerts.yml",
    ])?;
    promtool(&["check", "config", "--syntax-only", "prometheus.yml"])?;
    promtool(&["test", "rules", "detector-alerts-test.yml"])?;
    let golden = read(&tree::root().join("detector-agent/src/metrics/page/golden.txt"))?;
    run_with_input(Command::new("promtool").args(["check", "metrics"]), &golden)?;

    let recorded = read(&folder.join("detector-rules.yml"))?;
    let alerts = read(&folder.join("detector-alerts.yml"))?;
    let tests = read(&folder.join("detector-alerts-test.yml"))?;
    let mut known = known_names()?;
    known.extend(values(&recorded, "record"));
    for text in [&recorded, &alerts] {
        for rule in values(text, "expr") {
            language::check_expression(&rule)?;
            check_names(&rule, &known)?;
        }
    }
    check_names(&recorded, &known)?;
    alerts::check_texts(&alerts, &read(&tree::root().join("docs/install.md"))?)?;
    for alert in values(&alerts, "alert") {
        alerts::check_time(&tests, &alert)?;
        let page = tree::root().join(format!("docs/alerts/{alert}.md"));
        let text = read(&page)?;
        for chapter in CHAPTERS {
            ensure!(
                text.contains(chapter),
                "{} has no {chapter:?}",
                page.display()
            );
        }
        let link = format!("docs/alerts/{alert}.md\n");
        ensure!(
            alerts.contains(&link),
            "alert {alert} does not link its page"
        );
    }
    let pages = files(&tree::root().join("docs/alerts"), ".md")?.len();
    ensure!(
        pages == values(&alerts, "alert").len() + 1,
        "docs/alerts has a page of an alert that is not there"
    );
    println!("alerts: {} with pages and tests", pages - 1);
    Ok(())
}

fn run_with_input(command: &mut Command, input: &str) -> Result<()> {
    use std::io::Write as _;
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .spawn()
        .context("cannot start promtool")?;
    // Closed at the end of the statement, so that the program ends.
    child
        .stdin
        .take()
        .context("no way to write to promtool")?
        .write_all(input.as_bytes())?;
    let status = child.wait()?;
    // 3: style alone, of names that are a contract.
    ensure!(
        matches!(status.code(), Some(0 | 3)),
        "promtool check metrics: {status}"
    );
    Ok(())
}

/// What stands behind `key:` in lines of YAML; values of several lines are not needed here.
fn values(text: &str, key: &str) -> Vec<String> {
    let prefix = format!("{key}: ");
    text.lines()
        .filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix(&prefix))
        .map(str::to_owned)
        .collect()
}

/// Names that a scrape of the agent has, and `up`, which Prometheus adds.
fn known_names() -> Result<BTreeSet<String>> {
    let golden = read(&tree::root().join("detector-agent/src/metrics/page/golden.txt"))?;
    let types = golden
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    Ok(types.map(str::to_owned).collect())
}

/// Each name in an expression that looks like one of ours is known.
fn check_names(expression: &str, known: &BTreeSet<String>) -> Result<()> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let unknown = expression
        .split(|c| !is_part(c))
        .filter(|word| {
            word.starts_with("detector_")
                || word.starts_with("process_")
                || word.contains(":detector_")
        })
        .find(|word| !known.contains(*word));
    match unknown {
        Some(word) => bail!("no metric and no rule is called {word}, in {expression:?}"),
        None => Ok(()),
    }
}

/// Held against the published schemas, with the chart rendered by Helm's own engine.
fn manifests() -> Result<()> {
    let packages = tree::cache()?.join("tools/kubernetes-check");
    let is_there = |package: &str| {
        let name = package
            .replace("==", "-")
            .replacen("helm-python-sdk", "helm_python_sdk", 1);
        let name = name.replacen("kubernetes-validate", "kubernetes_validate", 1);
        packages.join(format!("{name}.dist-info")).exists()
    };
    if !PYTHON_PACKAGES.iter().all(|package| is_there(package)) {
        run(Command::new("python3")
            .args([
                "-m",
                "pip",
                "--quiet",
                "--disable-pip-version-check",
                "install",
            ])
            .args(["--only-binary=:all:", "--upgrade", "--target"])
            .arg(&packages)
            .args(PYTHON_PACKAGES))?;
    }
    run(Command::new("python3")
        .env("PYTHONPATH", &packages)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(folder("kubernetes/check.py")))
    .context("a manifest is not what Kubernetes takes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exposure_is_read() {
        let said =
            "✗ PrivateNetwork= 0.5\n\n→ Overall exposure level for detector.service: 2.1 OK 🙂\n";
        assert_eq!(exposure_in(said), Some(2.1));
        assert_eq!(exposure_in(""), None);
    }

    #[test]
    fn a_metric_that_nobody_exports_is_found() {
        let known = BTreeSet::from([
            "detector_peers_tracked".to_owned(),
            "peer:detector_hosts:count".to_owned(),
        ]);
        check_names(
            "sum(detector_peers_tracked) / peer:detector_hosts:count",
            &known,
        )
        .unwrap();
        check_names("rate(up{job=\"detector\"}[5m])", &known).unwrap();
        for wrong in [
            "detector_peers",
            "peer:detector_hosts:sum",
            "rate(process_cpu_seconds_total[5m])",
        ] {
            check_names(wrong, &known).unwrap_err();
        }
    }

    #[test]
    fn values_are_those_of_a_key_alone() {
        let text = "  - alert: One\n    expr: a == 1\n    # alert: no\n      - alertname: Two\n";
        assert_eq!(values(text, "alert"), ["One"]);
        assert_eq!(values(text, "expr"), ["a == 1"]);
    }
}
