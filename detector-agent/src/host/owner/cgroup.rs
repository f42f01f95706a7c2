//! Reads which systemd unit or container a process belongs to from `/proc/PID/cgroup`.
//!
//! Pure. The text is hostile: whoever may make control groups chooses their names.

use super::name::bounded;
use std::fmt;

/// Characters kept of a name,
const NAME_CHARS_MAX: usize = 128;
/// and bytes of several together. What comes first is nobody else's.
const NAME_BYTES_MAX: usize = 512;
/// Containers in a container that are told apart; what is further down is one with what holds it.
const INNER_MAX: usize = 4;
/// Characters of a container's number that its tools show.
const SHORT_ID: usize = 12;
/// Services whose containers lie below them, and are told without: they make what is there, and nobody else.
const RUNTIMES: [&str; 3] = ["docker.service", "containerd.service", "crio.service"];

/// Where a process runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Placement {
    /// Kubernetes pod, by its UID.
    pub(super) pod: Option<String>,
    /// Number of the outermost container, in full.
    pub(super) id: Option<String>,
    /// Outermost container as `runtime:number` or `runtime:name`, numbers shortened as tools show them.
    pub(super) container: Option<String>,
    /// Containers in it, and units above those, outermost first: whoever may make groups in a
    /// container names what is below it as he likes.
    inner: Vec<String>,
    /// Innermost systemd service or scope; inside the container if there is one.
    pub(super) unit: Option<String>,
    /// The outermost unit above the container: the manager of a user, or a service to which its control group is
    /// delegated, names what is below it as it likes.
    above: Option<String>,
    /// The same between the innermost container and unit.
    between: Option<String>,
}

impl Placement {
    /// Reads the whole file: a hierarchy a line, `number:controllers:path`.
    ///
    /// systemd's own hierarchy counts first, then the unified one, then those of controllers: the
    /// latter may be grouped for other reasons. A container seen in any of them is a container.
    pub(super) fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let mut placements: Vec<(u8, Self)> = text
            .lines()
            .filter_map(|line| {
                let mut fields = line.splitn(3, ':');
                let (_, controllers) = (fields.next()?, fields.next()?);
                let rank = match controllers {
                    "name=systemd" => 0,
                    "" => 1,
                    _ => 2,
                };
                Some((rank, Self::of_path(fields.next()?)))
            })
            .collect();
        placements.sort_by_key(|(rank, placement)| {
            (
                placement.container.is_none(),
                placement.unit.is_none(),
                *rank,
            )
        });
        placements
            .into_iter()
            .next()
            .map(|(_, placement)| placement)
            .unwrap_or_default()
    }

    fn of_path(path: &str) -> Self {
        let path = path.strip_suffix(" (deleted)").unwrap_or(path);
        let mut placement = Self::default();
        let mut parent = "";
        let mut is_pod_below_unit = false;
        for component in path
            .split('/')
            .filter(|component| !matches!(*component, "" | "." | ".."))
        {
            if placement.container.is_none()
                && let Some(pod) = pod_uid(component)
            {
                is_pod_below_unit = placement.unit.is_some();
                placement.pod = Some(pod);
            }
            if let Some(container) = container(parent, component) {
                let unit = placement.unit.take();
                let outermost = placement.between.take().or(unit);
                let outermost = outermost.filter(|unit| !RUNTIMES.contains(&unit.as_str()));
                if placement.container.is_some() {
                    placement.inner.extend(outermost);
                    placement.inner.push(container);
                } else {
                    placement.id = id_in(component).map(str::to_owned);
                    placement.container = Some(container);
                    placement.above = outermost;
                }
            } else if is_unit(component) {
                placement.between = placement.between.or(placement.unit.take());
                placement.unit = Some(clean(component));
            }
            parent = component;
            if placement.inner.len() >= INNER_MAX {
                break;
            }
        }
        // A pod has containers: without any it is but what somebody calls a part of his unit.
        if placement.container.is_none() && is_pod_below_unit {
            placement.pod = None;
        }
        placement
    }

    /// Whether the placement is one for services: a login session holds whatever was typed into it.
    pub(super) fn is_service(&self) -> bool {
        let between = self.between.as_deref();
        // What a user's manager starts are units of their own; what is below another unit is a part of that.
        let outermost = between.filter(|unit| !is_user_manager(unit));
        let unit = outermost.or(self.unit.as_deref());
        self.container.is_some()
            || unit.is_some_and(|unit| {
                !unit.starts_with("session-") && !unit.starts_with("user@") && unit != "init.scope"
            })
    }

    /// The name shown: pod, container and unit, as far as there are, and as much of it as is kept.
    pub(super) fn name(&self) -> Option<String> {
        let name = bounded(&self.to_string(), NAME_BYTES_MAX);
        (!name.is_empty()).then_some(name)
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pod = self.pod.as_deref().map(|pod| format!("pod:{pod}"));
        let outer = [&self.above, &pod, &self.container];
        let inner = self.inner.iter().map(String::as_str);
        let below = [&self.between, &self.unit];
        let outer = outer.into_iter().filter_map(|part| part.as_deref());
        let below = below.into_iter().filter_map(|part| part.as_deref());
        let parts: Vec<&str> = outer.chain(inner).chain(below).collect();
        formatter.write_str(&parts.join("/"))
    }
}

/// `user@1000.service`
fn is_user_manager(unit: &str) -> bool {
    unit.starts_with("user@") && unit.ends_with(".service")
}

/// The number in a component: the whole of it, or behind the last separator.
fn id_in(component: &str) -> Option<&str> {
    let name = component.strip_suffix(".scope").unwrap_or(component);
    let last = name.rsplit(['-', ':']).next().unwrap_or(name);
    is_id(last).then_some(last)
}

/// A container that the component stands for, below `parent`.
fn container(parent: &str, component: &str) -> Option<String> {
    let name = component.strip_suffix(".scope").unwrap_or(component);
    if is_id(name) {
        return Some(short(runtime_above(parent), name));
    }
    // `docker-ID`, `cri-containerd-ID`, `…slice:cri-containerd:ID`; `ID` is plain hexadecimal.
    if let Some((before, id)) = name.rsplit_once(['-', ':']).filter(|(_, id)| is_id(id)) {
        let prefix = before.rsplit(':').next().unwrap_or(before);
        // The monitor of a container is outside of it.
        return (!prefix.ends_with("conmon")).then(|| short(runtime(prefix), id));
    }
    let named = |runtime: &str, name: &str| Some(clean(&format!("{runtime}:{name}")));
    if let Some(name) = component.strip_prefix("lxc.payload.") {
        return named("lxc", name);
    }
    if matches!(parent, "lxc" | "lxc.payload") {
        return named("lxc", component);
    }
    if let Some(name) = component.strip_prefix("systemd-nspawn@") {
        return named("nspawn", name.strip_suffix(".service")?);
    }
    let machine = component.strip_prefix("machine-")?;
    named("machine", machine.strip_suffix(".scope")?)
}

fn runtime(prefix: &str) -> &str {
    match prefix {
        "cri-containerd" | "nerdctl" => "containerd",
        "crio" => "cri-o",
        "libpod" => "podman",
        "docker" => "docker",
        _ => "container",
    }
}

/// The runtime of a container whose component is the bare number.
fn runtime_above(parent: &str) -> &str {
    match parent {
        "docker" => "docker",
        "libpod_parent" => "podman",
        // containerd's own namespaces.
        "k8s.io" | "moby" => "containerd",
        _ => "container",
    }
}

fn short(runtime: &str, id: &str) -> String {
    format!("{runtime}:{}", id.get(..SHORT_ID).unwrap_or(id))
}

/// Docker, containerd, cri-o and podman all number containers by 256 bits.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_unit(component: &str) -> bool {
    [".service", ".scope"]
        .iter()
        .any(|suffix| component.len() > suffix.len() && component.ends_with(suffix))
}

/// `pod<uid>`, `kubepods-burstable-pod<uid>.slice`, `…pod<uid>.slice:cri-containerd:ID`; systemd
/// has `_` for `-`. Pods of files have a UID without either.
fn pod_uid(component: &str) -> Option<String> {
    let end = component.find(".slice").unwrap_or(component.len());
    let name = component.get(..end)?;
    let (before, uid) = name.rsplit_once("pod")?;
    let is_kubernetes = before.is_empty() || before.ends_with('-');
    let uid = uid.replace('_', "-");
    let is_digit = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    let is_uid = matches!(uid.len(), 32 | 36) && uid.bytes().all(is_digit);
    (is_kubernetes && is_uid).then_some(uid)
}

/// Bounded and harmless.
fn clean(name: &str) -> String {
    let bounded: String = name.chars().take(NAME_CHARS_MAX).collect();
    detector_api::sanitize::text(&bounded)
}

#[cfg(test)]
mod tests;
