//! What the DaemonSet gives its container, read from the manifest itself, so that the image is tried with no
//! more than that.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use crate::tree;

const BASE: &str = "packaging/kubernetes/base";

/// A folder in the container.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Of its volume.
    pub(super) name: String,
    pub(super) path: String,
    pub(super) is_read_only: bool,
    /// Whether what the host mounts below it later comes in.
    pub(super) follows_host: bool,
}

/// What a container of the DaemonSet is given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DaemonSet {
    pub(super) arguments: Vec<String>,
    pub(super) capabilities: Vec<String>,
    pub(super) mounts: Vec<Mount>,
    pub(super) cpus: String,
    pub(super) memory: String,
    /// What its ConfigMap is made of.
    pub(super) configuration: String,
}

impl DaemonSet {
    /// As it is in the tree.
    pub(super) fn read() -> Result<Self> {
        let read = |name: &str| {
            let file = tree::root().join(BASE).join(name);
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
        };
        Self::parse(&read("daemonset.yaml")?, read("detector.toml")?)
    }

    fn parse(manifest: &str, configuration: String) -> Result<Self> {
        for line in [
            "hostPID: true",
            "hostNetwork: true",
            "privileged: false",
            "allowPrivilegeEscalation: false",
            "readOnlyRootFilesystem: true",
            "runAsUser: 0",
            "drop: [ALL]",
        ] {
            ensure!(
                manifest.lines().any(|found| found.trim() == line),
                "the DaemonSet does not say {line:?} any more, which the container is started with"
            );
        }
        let limits = after(manifest, "limits: ")?;
        let mounts = manifest.lines().filter(|line| line.contains("mountPath: "));
        Ok(Self {
            arguments: list(after(manifest, "args: ")?),
            capabilities: list(after(manifest, "add: ")?),
            mounts: mounts.map(mount).collect::<Result<Vec<_>>>()?,
            cpus: millicores(&field(limits, "cpu")?)?,
            // Kubernetes' Mi is what engines call m.
            memory: field(limits, "memory")?.replace("Mi", "m"),
            configuration,
        })
    }
}

/// The rest of the one line that begins with `key`.
fn after<'a>(text: &'a str, key: &str) -> Result<&'a str> {
    text.lines()
        .find_map(|line| line.trim().strip_prefix(key))
        .with_context(|| format!("the DaemonSet has no {key:?}"))
}

/// `[a, b]`
fn list(text: &str) -> Vec<String> {
    let inner = text.trim_matches(['[', ']']);
    inner
        .split(',')
        .map(|each| each.trim().to_owned())
        .collect()
}

/// A value of `{key: value, …}`.
fn field(text: &str, key: &str) -> Result<String> {
    let (_, inner) = text.split_once('{').context("no {")?;
    inner
        .trim_end_matches('}')
        .split(',')
        .find_map(|pair| pair.trim().strip_prefix(key)?.strip_prefix(": "))
        .map(str::to_owned)
        .with_context(|| format!("no {key} in {text:?}"))
}

fn mount(line: &str) -> Result<Mount> {
    Ok(Mount {
        name: field(line, "name")?,
        path: field(line, "mountPath")?,
        is_read_only: line.contains("readOnly: true"),
        follows_host: line.contains("mountPropagation: HostToContainer"),
    })
}

/// `500m` as engines say it.
fn millicores(text: &str) -> Result<String> {
    let thousandths: u32 = text
        .strip_suffix('m')
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("{text} is no thousandths of a processor"))?;
    Ok(format!("{}.{:03}", thousandths / 1000, thousandths % 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_in_the_tree_is_read() {
        let set = DaemonSet::read().unwrap();
        assert_eq!(set.arguments[0], "run");
        assert!(set.capabilities.contains(&"SYS_PTRACE".to_owned()));
        assert!(!set.capabilities.contains(&"NET_ADMIN".to_owned()));
        assert_eq!((set.cpus.as_str(), set.memory.as_str()), ("0.500", "288m"));
        let paths: Vec<_> = set.mounts.iter().map(|mount| mount.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/etc/detector",
                "/run",
                "/var/lib/detector",
                "/var/log/containers",
                "/host/sys/fs/cgroup",
                "/run/netns"
            ]
        );
        assert!(set.mounts[0].is_read_only && !set.mounts[1].is_read_only);
        assert!(set.mounts[5].follows_host && !set.mounts[4].follows_host);
        assert!(
            set.configuration.contains("[web]\n"),
            "{}",
            set.configuration
        );
    }

    /// What the namespace must say to admit the manifest, with `hostPID` or without.
    #[test]
    fn the_pages_say_how_a_namespace_admits_it() {
        let read = |name: &str| fs::read_to_string(tree::root().join(name)).unwrap();
        let namespace = read("packaging/kubernetes/base/namespace.yaml");
        let (key, level) = after(&namespace, "pod-security")
            .map_or(("", ""), |label| label.split_once(": ").unwrap_or_default());
        assert_eq!((key, level), (".kubernetes.io/enforce", "privileged"));
        let command = format!("kubectl label namespace detector pod-security{key}={level}");
        for page in ["docs/kubernetes.md", "docs/install.md"] {
            assert!(read(page).contains(&command), "{page}");
        }
    }

    #[test]
    fn a_manifest_that_asks_for_more_is_refused() {
        let read = |name: &str| fs::read_to_string(tree::root().join(BASE).join(name)).unwrap();
        let (manifest, config) = (read("daemonset.yaml"), read("detector.toml"));
        let privileged = manifest.replace("privileged: false", "privileged: true");
        let error = DaemonSet::parse(&privileged, config).unwrap_err();
        assert!(error.to_string().contains("privileged"), "{error}");
    }
}
