//! Names of pods and containers, from the links that a kubelet keeps for readers of logs:
//! `/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log`. No API is asked, and no link is followed.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Where a kubelet keeps them.
const FOLDER: &str = "/var/log/containers";
/// Links looked at; a node runs some hundred containers.
const LINKS_MAX: usize = 16_384;
/// Longest name of a pod or namespace, as Kubernetes has it.
const NAME_BYTES_MAX: usize = 253;

/// What a container is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PodContainer {
    /// `NAMESPACE/POD`.
    pub(super) pod: String,
    /// The container's name in its pod.
    pub(super) container: String,
}

/// What the container with this number is called, where a kubelet runs.
pub(super) fn find(id: &str) -> Option<PodContainer> {
    find_in(Path::new(FOLDER), id)
}

fn find_in(folder: &Path, id: &str) -> Option<PodContainer> {
    let links = fs::read_dir(folder).ok()?.flatten().take(LINKS_MAX);
    links
        .filter_map(|link| parse(link.file_name().as_bytes(), id))
        .next()
}

fn parse(link: &[u8], id: &str) -> Option<PodContainer> {
    let names = std::str::from_utf8(link).ok()?;
    let names = names.strip_suffix(".log")?.strip_suffix(id)?;
    let mut names = names.strip_suffix('-')?.split('_');
    let (pod, namespace, container) = (names.next()?, names.next()?, names.next()?);
    let is_name = |name: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain)
    };
    let are_names = [pod, namespace, container].into_iter().all(is_name);
    (are_names && names.next().is_none()).then(|| PodContainer {
        pod: format!("{namespace}/{pod}"),
        container: container.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::{PodContainer, find_in, parse};

    const ID: &str = "3f2ab9c07d5e4f10a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718";

    #[test]
    fn the_link_of_a_container_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let other = ID.replace('3', "4");
        for (container, id) in [("sidecar", other.as_str()), ("nginx", ID)] {
            let link = folder
                .path()
                .join(format!("web-7d4f9_shop_{container}-{id}.log"));
            std::os::unix::fs::symlink("/nowhere", link).unwrap();
        }
        let expected = PodContainer {
            pod: "shop/web-7d4f9".to_owned(),
            container: "nginx".to_owned(),
        };
        assert_eq!(find_in(folder.path(), ID), Some(expected));
        assert_eq!(find_in(folder.path(), &ID.replace('3', "5")), None);
        assert_eq!(find_in(&folder.path().join("none"), ID), None);
    }

    #[test]
    fn what_is_no_such_link_names_nothing() {
        for link in [
            format!("{ID}.log"),
            format!("-{ID}.log"),
            format!("a_b-{ID}.log"),
            format!("a_b_c_d-{ID}.log"),
            format!("a_b_-{ID}.log"),
            format!("a_b_c\x1b[2J-{ID}.log"),
            format!("a_b_c-{ID}"),
            format!("{}_b_c-{ID}.log", "a".repeat(300)),
        ] {
            assert_eq!(parse(link.as_bytes(), ID), None, "{link}");
        }
        assert_eq!(parse(&[0xff; 90], ID), None);
    }
}
