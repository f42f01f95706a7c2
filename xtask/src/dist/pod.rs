//! A pod as the agent gets to see one: a control group, as containerd makes it for a container of a pod, and the link
//! to its log that a kubelet keeps. No runtime is behind it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// What the agent is to call it.
pub(super) const NAME: &str = "pod:shop/web-7d4f9/server";
const LINK: &str = "web-7d4f9_shop_server";
const UID: &str = "2f1c3d4e_5a6b_7c8d_9e0f_a1b2c3d4e5f6";
const ID: &str = "3f2ab9c07d5e4f10a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718";
/// Where cgroup v2 is mounted: beside controllers of v1, or alone.
const HIERARCHIES: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

/// Its control groups, removed with it: whatever runs in them must have ended.
pub(super) struct Pod {
    /// From the inside to the outside.
    groups: [PathBuf; 3],
}

impl Pod {
    pub(super) fn make() -> Result<Self> {
        let root = HIERARCHIES
            .map(Path::new)
            .into_iter()
            .find(|root| root.join("cgroup.procs").exists())
            .context("cgroup v2 is not mounted")?;
        let outer = root.join(format!("kubepods-detector{}.slice", std::process::id()));
        let pod = outer.join(format!("kubepods-pod{UID}.slice"));
        let container = pod.join(format!("cri-containerd-{ID}.scope"));
        fs::create_dir_all(&container)
            .with_context(|| format!("cannot make {}", container.display()))?;
        Ok(Self {
            groups: [container, pod, outer],
        })
    }

    /// The same program, in the container.
    pub(super) fn command(&self, program: &Command) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $$ >\"$0\"/cgroup.procs && exec \"$@\""])
            .arg(&self.groups[0])
            .arg(program.get_program())
            .args(program.get_args());
        command
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        for group in &self.groups {
            drop(fs::remove_dir(group));
        }
    }
}

/// Makes the link to the container's log in this folder.
pub(super) fn link_log(folder: &Path) -> Result<()> {
    let link = folder.join(format!("{LINK}-{ID}.log"));
    if link.symlink_metadata().is_ok() {
        return Ok(());
    }
    std::os::unix::fs::symlink("/var/log/pods/none", link).context("cannot link a log")
}
