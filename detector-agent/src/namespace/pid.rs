//! Whether the agent sees the processes of the whole kernel.

use std::path::Path;

/// The kernel's first PID namespace, `PID_NS_INIT_INO`.
const FIRST: &str = "pid:[4026531836]";

/// Whether this process is in the kernel's first PID namespace: from any other, processes of
/// neighbours are out of sight while their sockets are not. What cannot be read counts as the first.
pub(crate) fn is_first() -> bool {
    is_first_at(Path::new("/proc/self/ns/pid"))
}

fn is_first_at(link: &Path) -> bool {
    std::fs::read_link(link).map_or(true, |target| target == Path::new(FIRST))
}

#[cfg(test)]
mod tests {
    use super::is_first_at;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_another_namespace_is_not_the_first() {
        let scratch = tempfile::tempdir().unwrap();
        for (name, target, expected) in [
            ("host", "pid:[4026531836]", true),
            ("container", "pid:[4026532712]", false),
        ] {
            let link = scratch.path().join(name);
            symlink(target, &link).unwrap();
            assert_eq!(is_first_at(&link), expected, "{name}");
        }
        assert!(is_first_at(&scratch.path().join("nothing")));
    }
}
