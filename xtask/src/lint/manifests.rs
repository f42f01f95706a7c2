//! Arrows in manifests: which crate may name which, and that lints are inherited.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::tree::OTHER_WORKSPACES;

/// A crate of ours and the crates of ours, or others kept in one place, it may depend on.
struct Allowed {
    folder: &'static str,
    ours: &'static [&'static str],
    may_use_aya: bool,
}

const CRATES: [Allowed; 13] = [
    Allowed {
        folder: "detector-common",
        ours: &[],
        may_use_aya: false,
    },
    Allowed {
        folder: "detector-api",
        ours: &[],
        may_use_aya: false,
    },
    Allowed {
        folder: "detector-core",
        ours: &["detector-api", "detector-common"],
        may_use_aya: false,
    },
    Allowed {
        folder: "detector-agent",
        ours: &[
            "detector-api",
            "detector-common",
            "detector-core",
            "detector-kmsg",
            "detector-recorder",
        ],
        may_use_aya: true,
    },
    Allowed {
        folder: "detector-recorder",
        ours: &["detector-api"],
        may_use_aya: false,
    },
    Allowed {
        folder: "detector-kmsg",
        ours: &["detector-api"],
        may_use_aya: false,
    },
    Allowed {
        folder: "detector-client",
        ours: &["detector-api", "detector-kmsg", "detector-recorder"],
        may_use_aya: false,
    },
    Allowed {
        folder: "detector-lab",
        ours: &[],
        may_use_aya: false,
    },
    Allowed {
        folder: "detector",
        ours: &[
            "detector-agent",
            "detector-api",
            "detector-client",
            "detector-kmsg",
            "detector-lab",
        ],
        may_use_aya: false,
    },
    Allowed {
        folder: "tests",
        ours: &["detector-lab", "detector-recorder"],
        may_use_aya: false,
    },
    Allowed {
        folder: "xtask",
        ours: &[],
        may_use_aya: false,
    },
    Allowed {
        folder: "detector-ebpf",
        ours: &["detector-common"],
        may_use_aya: false,
    },
    Allowed {
        folder: "fuzz",
        ours: &["detector-common", "detector-core", "detector-kmsg"],
        may_use_aya: false,
    },
];

/// Loading programs is `detector-agent`'s alone; `aya-ebpf` is another matter.
const LOADERS: [&str; 2] = ["aya", "aya-obj"];

pub(super) fn violations(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let workspace = manifest(root)?;
    let shared = workspace
        .get("workspace")
        .and_then(|workspace| workspace.get("lints"))
        .and_then(toml::Value::as_table)
        .context("the root's Cargo.toml has no [workspace.lints]")?;
    for allowed in &CRATES {
        let manifest = manifest(&root.join(allowed.folder))?;
        found.extend(violations_in(allowed, &manifest));
        if OTHER_WORKSPACES.contains(&allowed.folder) {
            found.extend(lints_missing(allowed.folder, shared, &manifest));
        }
    }
    Ok(found)
}

fn manifest(folder: &Path) -> Result<toml::Table> {
    let file = folder.join("Cargo.toml");
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    text.parse()
        .with_context(|| format!("{} is not TOML", file.display()))
}

/// Lints of the root that `manifest` lacks or sets otherwise; it may have more.
fn lints_missing(folder: &str, shared: &toml::Table, manifest: &toml::Table) -> Vec<String> {
    let own = manifest.get("lints");
    let mut found = Vec::new();
    for (tool, lints) in shared {
        let own = own.and_then(|own| own.get(tool));
        for (lint, level) in lints.as_table().into_iter().flatten() {
            if own.and_then(|own| own.get(lint)) != Some(level) {
                found.push(format!(
                    "{folder}/Cargo.toml: [lints.{tool}] {lint} = {level} is missing"
                ));
            }
        }
    }
    found
}

fn violations_in(allowed: &Allowed, manifest: &toml::Table) -> Vec<String> {
    let mut found = Vec::new();
    let folder = allowed.folder;
    for (name, package) in dependencies(manifest) {
        let is_ours = package == "detector" || package.starts_with("detector-");
        if is_ours && !allowed.ours.contains(&package.as_str()) {
            found.push(format!(
                "{folder}/Cargo.toml: {folder} must not depend on {name}"
            ));
        }
        if LOADERS.contains(&package.as_str()) && !allowed.may_use_aya {
            found.push(format!(
                "{folder}/Cargo.toml: only detector-agent depends on {name}"
            ));
        }
    }
    let inherits = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"))
        .and_then(toml::Value::as_bool);
    if inherits != Some(true) && !OTHER_WORKSPACES.contains(&folder) {
        found.push(format!(
            "{folder}/Cargo.toml: [lints] workspace = true is missing"
        ));
    }
    found
}

/// Names and package names in every dependency table, target-specific ones included.
fn dependencies(manifest: &toml::Table) -> Vec<(String, String)> {
    const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let mut places = vec![manifest];
    places.extend(
        targets
            .into_iter()
            .flat_map(|t| t.values().filter_map(toml::Value::as_table)),
    );
    let tables = places.iter().flat_map(|place| {
        TABLES
            .iter()
            .filter_map(|name| place.get(*name)?.as_table())
    });
    tables
        .flatten()
        .map(|(name, value)| {
            let package = value
                .get("package")
                .and_then(toml::Value::as_str)
                .unwrap_or(name);
            (name.clone(), package.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(folder: &str, manifest: &str) -> Vec<String> {
        let allowed = CRATES
            .iter()
            .find(|allowed| allowed.folder == folder)
            .unwrap();
        violations_in(allowed, &manifest.parse().unwrap())
    }

    const LINTS: &str = "[lints]\nworkspace = true\n";

    #[test]
    fn the_core_may_use_api_and_common_alone() {
        let good =
            format!("[dependencies]\ndetector-common.workspace = true\nserde = \"1\"\n{LINTS}");
        assert_eq!(found("detector-core", &good), Vec::<String>::new());
        for bad in [
            "[dependencies]\ndetector.path = \"../detector\"\n",
            "[dependencies]\naya = \"0.14\"\n",
            "[dev-dependencies]\ndetector-tests.path = \"../tests\"\n",
            "[target.'cfg(unix)'.dependencies]\nloader = { package = \"aya\", version = \"0.14\" }\n",
        ] {
            assert_eq!(
                found("detector-core", &format!("{bad}{LINTS}")).len(),
                1,
                "{bad}"
            );
        }
    }

    #[test]
    fn tests_see_the_binary_only() {
        let bad = format!("[dependencies]\ndetector-core.workspace = true\n{LINTS}");
        assert_eq!(found("tests", &bad).len(), 1);
    }

    #[test]
    fn a_crate_that_inherits_no_lints_is_found() {
        assert_eq!(found("detector", "").len(), 1);
        assert_eq!(found("detector", "[lints]\nworkspace = false\n").len(), 1);
        assert_eq!(found("detector", LINTS), Vec::<String>::new());
    }

    #[test]
    fn a_workspace_of_its_own_repeats_every_lint() {
        let shared = "[rust]\nmissing_docs = \"warn\"\n[clippy]\npanic = \"deny\"\n";
        let missing = |own: &str| {
            let manifest = own.parse().unwrap();
            lints_missing("fuzz", &shared.parse().unwrap(), &manifest).len()
        };
        let rust = "[lints.rust]\nmissing_docs = \"warn\"\nunsafe_code = \"deny\"\n";
        assert_eq!(missing(""), 2);
        assert_eq!(missing(rust), 1);
        assert_eq!(
            missing(&format!("{rust}[lints.clippy]\npanic = \"warn\"\n")),
            1
        );
        assert_eq!(
            missing(&format!("{rust}[lints.clippy]\npanic = \"deny\"\n")),
            0
        );
    }
}
