//! Tarball, Debian and RPM package of one tree, each by the tool of its own world.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Release;
use super::tree_of_files::Tree;
use crate::command::run;
use crate::packaging::account;
use crate::tree;

/// Compressed, all files owned by root and of the time of the release, sorted by name.
pub(super) fn archive(release: &Release, root: &Path, file: &Path, below: &str) -> Result<()> {
    run(tar(release)
        .arg(format!("--transform=s,^\\.,{below},"))
        .arg("--use-compress-program=gzip --best --no-name")
        .arg("--file")
        .arg(file)
        .arg("--directory")
        .arg(root)
        .arg("."))
}

/// tar(1), told to depend on nothing but the files.
pub(super) fn tar(release: &Release) -> Command {
    let mut tar = release.command("tar");
    tar.args(["--create", "--format=gnu", "--sort=name", "--numeric-owner"])
        .args(["--owner=0", "--group=0"])
        .arg(format!("--mtime=@{}", release.epoch));
    tar
}

pub(super) fn tarball(release: &Release, tree: &Tree) -> Result<()> {
    let below = format!("detector-{}", release.version);
    let name = format!("{below}-linux-{}.tar.gz", tree.processor.debian());
    archive(release, &tree.root, &release.folder.join(name), &below)
}

/// `dpkg-deb` needs its own folder in the tree; it is taken out again.
pub(super) fn deb(release: &Release, tree: &Tree) -> Result<()> {
    let control = tree.root.join("DEBIAN");
    fs::create_dir(&control).context("cannot make DEBIAN")?;
    let size = tree.kibibytes()?;
    for name in [
        "control",
        "conffiles",
        "preinst",
        "postinst",
        "prerm",
        "postrm",
    ] {
        let text = template(&format!("deb/{name}"), release)?
            .replace("@ARCH@", tree.processor.debian())
            .replace("@SIZE@", &size);
        let file = control.join(name);
        let mode = if name.starts_with("con") {
            0o644
        } else {
            0o755
        };
        fs::write(&file, text)
            .and_then(|()| fs::set_permissions(&file, fs::Permissions::from_mode(mode)))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    let name = format!(
        "detector_{}_{}.deb",
        release.version,
        tree.processor.debian()
    );
    let made = run(release
        .command("dpkg-deb")
        .args(["--root-owner-group", "-Zxz", "--build"])
        .arg(&tree.root)
        .arg(release.folder.join(name)));
    fs::remove_dir_all(&control).context("cannot remove DEBIAN")?;
    made
}

pub(super) fn rpm(release: &Release, tree: &Tree) -> Result<()> {
    let stage = format!("stage {}", tree.root.display());
    let spec = template("rpm/detector.spec", release)?;
    rpmbuild(release, &spec, tree.processor.rpm(), &[stage])
}

/// Stands for what a distribution of RPM packages has, where they are tried without one.
pub(super) fn distribution(release: &Release) -> Result<()> {
    rpmbuild(release, include_str!("distribution.spec"), "noarch", &[])
}

fn rpmbuild(release: &Release, text: &str, target: &str, definitions: &[String]) -> Result<()> {
    let scratch = release.folder.join("rpm");
    fs::create_dir_all(&scratch).context("cannot make a folder for rpmbuild")?;
    let spec = scratch.join("package.spec");
    fs::write(&spec, text).context("cannot write the spec")?;
    let define = |name: &str, value: &str| format!("--define={name} {value}");
    let mut rpmbuild = release.command("rpmbuild");
    rpmbuild
        .args(["-bb", "--quiet", "--target", target])
        .arg(define("_topdir", &scratch.display().to_string()))
        .arg(define("_rpmdir", &release.folder.display().to_string()))
        .arg(define(
            "_rpmfilename",
            "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm",
        ))
        .arg(define("_buildhost", "localhost"))
        .arg(define("use_source_date_epoch_as_buildtime", "1"))
        .arg(define("clamp_mtime_to_source_date_epoch", "1"))
        // Where rpmbuild worked, and for how long, is nobody's business.
        .arg(define("_build_name_fmt", "%{NAME}"));
    for definition in definitions {
        rpmbuild.arg(format!("--define={definition}"));
    }
    run(rpmbuild.arg(&spec))?;
    fs::remove_dir_all(&scratch).context("cannot remove the folder of rpmbuild")
}

fn template(name: &str, release: &Release) -> Result<String> {
    let file = tree::root().join("packaging").join(name);
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(account::put_into(&text)?
        .replace("@VERSION@", &release.version)
        .replace("@EPOCH@", &release.epoch))
}
