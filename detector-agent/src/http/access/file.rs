//! The file of `--web.config.file`: the format of Prometheus' exporter-toolkit, as far as it is
//! supported. What is not is refused by name, so that nobody believes in what is not there.

use super::AccessError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

const MAX_BYTES: u64 = 1 << 20;
/// A hash that costs more keeps a processor busy for seconds, at each try.
const COST_MAX: u32 = 14;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebFile {
    pub(super) tls_server_config: Option<TlsFile>,
    #[serde(default)]
    pub(super) basic_auth_users: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsFile {
    /// From the folder of the file, unless absolute.
    pub(super) cert_file: PathBuf,
    pub(super) key_file: PathBuf,
    #[serde(default)]
    pub(super) min_version: Version,
    #[serde(default = "Version::newest")]
    pub(super) max_version: Version,
}

/// Versions of TLS; older ones are no longer safe, and not offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) enum Version {
    #[default]
    #[serde(rename = "TLS12")]
    Tls12,
    #[serde(rename = "TLS13")]
    Tls13,
}

impl Version {
    const fn newest() -> Self {
        Self::Tls13
    }
}

pub(super) fn read(path: &Path) -> Result<WebFile, AccessError> {
    let wrong = |message: String| AccessError::new(path, message);
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| wrong(error.to_string()))?;
    // A part of it would be another file: with fewer users, or without TLS.
    if text.len() as u64 > MAX_BYTES {
        return Err(wrong("larger than 1 MiB".to_owned()));
    }
    parse(&text).map_err(wrong)
}

pub(super) fn parse(text: &str) -> Result<WebFile, String> {
    // Nothing at all is a file that asks for nothing.
    let file: Option<WebFile> = serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?;
    let file = file.unwrap_or_default();
    if let Some(tls) = &file.tls_server_config
        && tls.min_version > tls.max_version
    {
        return Err("tls_server_config: min_version is above max_version".to_owned());
    }
    for (user, hash) in &file.basic_auth_users {
        let user = detector_api::sanitize::text(user);
        let parts = bcrypt::HashParts::from_str(hash)
            .map_err(|_| format!("basic_auth_users: the hash of {user} is not one of bcrypt"))?;
        if parts.get_cost() > COST_MAX {
            let cost = parts.get_cost();
            return Err(format!(
                "basic_auth_users: the hash of {user} has cost {cost}, above {COST_MAX}"
            ));
        }
    }
    Ok(file)
}
