//! A container image as the OCI's image layout has it, for all processors: made of files, no engine needed.
//!
//! The layout names one image, whose index has one manifest for each processor: engines that are asked to load
//! a layout of several images ask back which one.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::packages::{archive, tar};
use super::tree_of_files::Tree;
use super::{Release, digest};
use crate::command::run;

const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Writes `detector-VERSION-oci.tar`, which skopeo, podman, nerdctl and docker load.
pub(super) fn write(release: &Release, trees: &[Tree]) -> Result<()> {
    let layout = release.folder.join("image");
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).context("cannot make the folder of the image")?;
    let manifests = trees
        .iter()
        .map(|tree| manifest(release, tree, &blobs))
        .collect::<Result<Vec<_>>>()?;
    let of_processors = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
    let image = named(store(&of_processors, &blobs, INDEX)?, &release.version);
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [image] });
    fs::write(layout.join("oci-layout"), LAYOUT)?;
    fs::write(layout.join("index.json"), index.to_string())?;
    let file = release
        .folder
        .join(format!("detector-{}-oci.tar", release.version));
    run(tar(release)
        .arg("--mode=u=rwX,go=rX")
        .arg("--transform=s,^\\./,,")
        .arg("--file")
        .arg(file)
        .arg("--directory")
        .arg(&layout)
        .args(["blobs", "index.json", "oci-layout"]))?;
    fs::remove_dir_all(&layout).context("cannot remove the folder of the image")
}

/// One layer, its configuration and the manifest that names both; returns what the index says of it.
fn manifest(release: &Release, tree: &Tree, blobs: &Path) -> Result<Value> {
    let packed = blobs.join("layer");
    archive(release, &tree.root, &packed, ".")?;
    let unpacked = blobs.join("unpacked");
    fs::copy(&packed, unpacked.with_extension("gz"))?;
    run(release
        .command("gzip")
        .args(["--decompress", "--force"])
        .arg(unpacked.with_extension("gz")))?;
    let diff = digest(&unpacked)?;
    fs::remove_file(&unpacked)?;
    let layer = stored(&packed, blobs, LAYER)?;
    let config = json!({
        "architecture": tree.processor.debian(),
        "os": "linux",
        "config": {
            "Entrypoint": ["/usr/bin/detector"],
            "Cmd": ["run", "--config", "/etc/detector/detector.toml"],
            "Env": ["PATH=/usr/bin"],
            "Labels": {
                "org.opencontainers.image.title": "detector",
                "org.opencontainers.image.version": release.version,
                "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
            },
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{diff}")] },
    });
    let config = store(&config, blobs, CONFIG)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": [layer],
    });
    let mut manifest = store(&manifest, blobs, MANIFEST)?;
    manifest["platform"] = json!({ "architecture": tree.processor.debian(), "os": "linux" });
    Ok(manifest)
}

/// Under the name that manifests of Kubernetes use, as podman reads it and as containerd does.
fn named(mut descriptor: Value, version: &str) -> Value {
    descriptor["annotations"] = json!({
        "org.opencontainers.image.ref.name": format!("detector:{version}"),
        "io.containerd.image.name": format!("docker.io/library/detector:{version}"),
    });
    descriptor
}

fn store(document: &Value, blobs: &Path, media_type: &str) -> Result<Value> {
    let file = blobs.join("document");
    fs::write(&file, document.to_string())?;
    stored(&file, blobs, media_type)
}

/// Gives a blob its name and returns its descriptor.
fn stored(file: &Path, blobs: &Path, media_type: &str) -> Result<Value> {
    let digest = digest(file)?;
    let size = file.metadata()?.len();
    fs::rename(file, blobs.join(&digest))?;
    Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size }))
}
