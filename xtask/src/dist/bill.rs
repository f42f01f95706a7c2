//! The bill of materials: each crate that is in the program, as CycloneDX has it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Release;
use super::build::Processor;
use crate::command::{cargo, output};
use crate::tree;

/// The workspaces whose code is in the program, and the package of each that brings it.
const PARTS: [(&str, &str); 2] = [(".", "detector"), ("detector-ebpf", "detector-ebpf")];

pub(super) fn of(release: &Release, processor: Processor) -> Result<String> {
    let mut components = BTreeMap::new();
    for (folder, package) in PARTS {
        let target = processor.target();
        let mut command = cargo();
        command.current_dir(tree::root().join(folder)).args([
            "metadata",
            "--locked",
            "--format-version",
            "1",
        ]);
        // The kernel side has a target of its own, and nothing that depends on it.
        if folder == "." {
            command.args(["--filter-platform", &target]);
        }
        let metadata: Value = serde_json::from_str(&output(&mut command)?)?;
        let sums = sums(folder)?;
        for (name, version, licence) in linked(&metadata, package)? {
            let component = component(
                &name,
                &version,
                &licence,
                sums.get(&(name.clone(), version.clone())),
            );
            components.insert((name, version), component);
        }
    }
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": "detector",
                "version": release.version,
                "licenses": [{ "expression": "MIT OR Apache-2.0" }],
            },
        },
        "components": components.into_values().collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&bill)? + "\n")
}

fn component(name: &str, version: &str, licence: &str, sum: Option<&String>) -> Value {
    let mut component = json!({
        "type": "library",
        "name": name,
        "version": version,
        "purl": format!("pkg:cargo/{name}@{version}"),
        // Older manifests write `/` for OR.
        "licenses": [{ "expression": licence.replace(" / ", " OR ").replace('/', " OR ") }],
    });
    if let Some(sum) = sum {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    component
}

/// Name, version and licence of all that `package` links: what is only built or tested with is left out.
fn linked(metadata: &Value, package: &str) -> Result<Vec<(String, String, String)>> {
    let text = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let list = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let packages: BTreeMap<String, Value> = list(metadata, "packages")
        .into_iter()
        .map(|each| (text(&each, "id"), each))
        .collect();
    let nodes: BTreeMap<String, Value> = list(&metadata["resolve"], "nodes")
        .into_iter()
        .map(|each| (text(&each, "id"), each))
        .collect();
    let first = packages
        .iter()
        .find(|(_, each)| text(each, "name") == package)
        .map(|(id, _)| id.clone())
        .with_context(|| format!("cargo knows no package {package}"))?;
    let mut seen = BTreeSet::from([first.clone()]);
    let mut waiting = vec![first];
    while let Some(id) = waiting.pop() {
        for dependency in nodes
            .get(&id)
            .map(|node| list(node, "deps"))
            .unwrap_or_default()
        {
            let is_linked = list(&dependency, "dep_kinds")
                .iter()
                .any(|kind| kind.get("kind").is_some_and(Value::is_null));
            let other = text(&dependency, "pkg");
            if is_linked && seen.insert(other.clone()) {
                waiting.push(other);
            }
        }
    }
    let found = seen.iter().filter_map(|id| packages.get(id));
    Ok(found
        .map(|each| {
            (
                text(each, "name"),
                text(each, "version"),
                text(each, "license"),
            )
        })
        .collect())
}

/// What the lock file says each crate's archive hashes to.
fn sums(folder: &str) -> Result<BTreeMap<(String, String), String>> {
    let file = tree::root().join(folder).join("Cargo.lock");
    let lock =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let lock: toml::Table = lock.parse().context("a Cargo.lock is not TOML")?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let text = |value: &toml::Value, key: &str| Some(value.get(key)?.as_str()?.to_owned());
    Ok(packages
        .into_iter()
        .flatten()
        .filter_map(|each| {
            Some((
                (text(each, "name")?, text(each, "version")?),
                text(each, "checksum")?,
            ))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_built_with_is_left_out() {
        let metadata = json!({
            "packages": [
                { "id": "a", "name": "detector", "version": "1.0.0", "license": "MIT" },
                { "id": "b", "name": "linked", "version": "2.0.0", "license": "MIT/Apache-2.0" },
                { "id": "c", "name": "builder", "version": "3.0.0", "license": "MIT" },
            ],
            "resolve": { "nodes": [
                { "id": "a", "deps": [
                    { "pkg": "b", "dep_kinds": [{ "kind": null }] },
                    { "pkg": "c", "dep_kinds": [{ "kind": "build" }, { "kind": "dev" }] },
                ] },
                { "id": "b", "deps": [] },
                { "id": "c", "deps": [] },
            ] },
        });
        let found = linked(&metadata, "detector").unwrap();
        let names: Vec<_> = found.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["detector", "linked"]);
        let component = component("linked", "2.0.0", "MIT/Apache-2.0", None);
        assert_eq!(component["licenses"][0]["expression"], "MIT OR Apache-2.0");
    }
}
