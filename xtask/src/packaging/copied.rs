//! What the packages take from the repository as it is, and where they have it.

use std::path::Path;

use anyhow::{Result, bail};

use crate::tree;

/// Files of the repository, and where they go.
const COPIED: [(&str, &str); 10] = [
    ("packaging/detector.toml", "etc/detector/detector.toml"),
    (
        "packaging/systemd/detector.service",
        "usr/lib/systemd/system/detector.service",
    ),
    (
        "packaging/after-install",
        "usr/share/detector/after-install",
    ),
    (
        "packaging/deb/copyright",
        "usr/share/doc/detector/copyright",
    ),
    ("README.md", "usr/share/doc/detector/README.md"),
    ("CHANGELOG.md", "usr/share/doc/detector/CHANGELOG.md"),
    ("BENCHMARKS.md", "usr/share/doc/detector/BENCHMARKS.md"),
    ("SECURITY.md", "usr/share/doc/detector/SECURITY.md"),
    ("LICENSE-MIT", "usr/share/doc/detector/LICENSE-MIT"),
    ("LICENSE-APACHE", "usr/share/doc/detector/LICENSE-APACHE"),
];

/// Folders of the repository, and where their files go.
const COPIED_FOLDERS: [(&str, &str); 6] = [
    ("docs/", "usr/share/doc/detector/docs/"),
    (
        "packaging/prometheus/",
        "usr/share/doc/detector/prometheus/",
    ),
    ("packaging/grafana/", "usr/share/doc/detector/grafana/"),
    (
        "packaging/kubernetes/",
        "usr/share/doc/detector/kubernetes/",
    ),
    ("packaging/systemd/", "usr/share/doc/detector/examples/"),
    // What docs/recorder.md is about.
    (
        "detector-recorder/src/schema/",
        "usr/share/doc/detector/recorder/",
    ),
];

/// Where the packages have a file or a folder of the repository.
pub(super) fn place(name: &str) -> Option<String> {
    let of_file = COPIED.iter().find(|(from, _)| *from == name);
    let in_folder = |(from, to): &(&str, &str)| {
        let rest = name.strip_prefix(from);
        let itself = (from.trim_end_matches('/') == name).then_some("");
        Some(format!("{to}{}", rest.or(itself)?))
    };
    of_file
        .map(|(_, to)| (*to).to_owned())
        .or_else(|| COPIED_FOLDERS.iter().find_map(in_folder))
}

/// All files of the repository that the packages have, and where.
pub(crate) fn copied() -> Result<Vec<(String, String)>> {
    let files = tree::files(&tree::root())?;
    let placed = files.iter().filter_map(|file| {
        let name = file.to_string_lossy().into_owned();
        let place = place(&name)?;
        Some((name, place))
    });
    let copied: Vec<_> = placed.collect();
    let lacking = COPIED
        .iter()
        .find(|(from, _)| copied.iter().all(|(name, _)| name != from));
    if let Some((from, _)) = lacking {
        bail!("there is no {from}");
    }
    Ok(copied)
}

/// Whether it is a page, with links.
pub(crate) fn is_page(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "md")
}
