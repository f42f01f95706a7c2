//! What made the object in the tree: toolchain, source hash, object hashes.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use super::build::Object;
use super::linker::Linker;
use super::sources;
use super::toolchain::Toolchain;
use crate::command::output;

/// The toolchain at hand and the source as it is now.
pub(crate) struct Provenance {
    rustc: String,
    llvm: String,
    cargo: String,
    linker: String,
    pub(crate) source_sha256: String,
}

impl Provenance {
    pub(crate) fn describe(toolchain: &Toolchain, linker: &Linker, root: &Path) -> Result<Self> {
        Ok(Self {
            rustc: toolchain.version.line.clone(),
            llvm: toolchain.version.llvm.clone(),
            // Cargo chooses the crates' identities, which end up in symbol names.
            cargo: output(Command::new(&toolchain.cargo).arg("--version"))?
                .trim()
                .to_owned(),
            linker: linker.version.clone(),
            source_sha256: sources::hash(root)?,
        })
    }

    pub(crate) fn to_toml(&self, objects: &[Object]) -> String {
        let mut text = format!(
            "# Written by `cargo xtask ebpf`: what made the objects beside this file.\n\
             rustc = {:?}\nllvm = {:?}\ncargo = {:?}\nlinker = {:?}\nsource_sha256 = {:?}\n\n\
             [object_sha256]\n",
            self.rustc, self.llvm, self.cargo, self.linker, self.source_sha256
        );
        for object in objects {
            text.push_str(&format!("{} = {:?}\n", object.name, hash(&object.bytes)));
        }
        text
    }
}

/// What the tree says about the objects in it.
pub(crate) struct Recorded {
    values: toml::Table,
    pub(crate) source_sha256: String,
}

impl Recorded {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file)
            .with_context(|| format!("cannot read {}: {}", file.display(), super::REBUILD))?;
        Self::parse(&text).with_context(|| format!("{}: {}", file.display(), super::REBUILD))
    }

    fn parse(text: &str) -> Result<Self> {
        let values: toml::Table = text.parse().context("not TOML")?;
        let source = values.get("source_sha256").and_then(toml::Value::as_str);
        let source_sha256 = source.context("no source_sha256")?.to_owned();
        Ok(Self {
            values,
            source_sha256,
        })
    }

    fn value(&self, key: &str) -> &str {
        self.values
            .get(key)
            .and_then(toml::Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn object_hash(&self, name: &str) -> Option<&str> {
        self.values.get("object_sha256")?.get(name)?.as_str()
    }

    pub(crate) fn is_same_toolchain(&self, other: &Provenance) -> bool {
        self.value("rustc") == other.rustc
            && self.value("llvm") == other.llvm
            && self.value("cargo") == other.cargo
            && self.value("linker") == other.linker
    }

    pub(crate) fn toolchain_line(&self) -> String {
        ["rustc", "cargo", "linker"]
            .map(|key| self.value(key))
            .join(", ")
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_by(rustc: &str) -> Provenance {
        Provenance {
            rustc: rustc.to_owned(),
            llvm: "22.1.8".to_owned(),
            cargo: "cargo 1.95.0".to_owned(),
            linker: "bpf-linker 0.13.0".to_owned(),
            source_sha256: "ab".to_owned(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let object = Object {
            name: "detector-ebpf".to_owned(),
            bytes: b"abc".to_vec(),
        };
        let text = made_by("rustc 1.96.0 (\"x\")").to_toml(&[object]);
        let recorded = Recorded::parse(&text).unwrap();
        assert_eq!(recorded.source_sha256, "ab");
        assert_eq!(
            recorded.object_hash("detector-ebpf"),
            Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        );
        assert!(recorded.is_same_toolchain(&made_by("rustc 1.96.0 (\"x\")")));
        assert!(!recorded.is_same_toolchain(&made_by("rustc 1.97.0")));
    }

    #[test]
    fn a_record_without_source_hash_is_refused() {
        assert!(Recorded::parse("rustc = \"rustc 1.96.0\"").is_err());
    }
}
