//! Whose network a peer is in: from a MaxMind-format file that the operator has.
//!
//! The file may be anybody's: it is bounded in size, the reader bounds what one entry may cost, a
//! broken entry is no entry, and names are sanitized.

use super::model::Registered;
use detector_api::address::network_of;
use detector_api::failure::Failure;
use detector_api::sanitize;
use maxminddb::Reader;
use serde::Deserialize;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The largest that are sold have half of it.
const BYTES_MOST: u64 = 1 << 30;
/// Longer names are cut.
const NAME_MOST: usize = 80;

/// An open file of networks.
pub(super) struct Networks(Reader<Vec<u8>>);

impl Networks {
    /// Reads a file.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let shown = sanitize::text(&path.display().to_string());
        let failed = |why: &dyn std::fmt::Display| {
            let why = sanitize::text(&why.to_string());
            Failure::failed(format!("cannot read the file of networks {shown}: {why}"))
                .hint("name a file in MaxMind's format (.mmdb), for instance GeoLite2-ASN.mmdb")
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| failed(&error))?;
        let read = file.take(BYTES_MOST + 1).read_to_end(&mut bytes);
        if read.map_err(|error| failed(&error))? as u64 > BYTES_MOST {
            return Err(failed(&"it is larger than a gibibyte"));
        }
        let reader = Reader::from_source(bytes).map_err(|error| failed(&error))?;
        Ok(Self(reader))
    }

    /// What is registered of the address, or of the first one of the network.
    pub(super) fn of_peer(&self, peer: &str) -> Option<Registered> {
        let address = network_of(peer)?.addr();
        let entry: Entry = self.0.lookup(address).ok()?.decode().ok()??;
        let registered = entry.registered();
        (registered != Registered::default()).then_some(registered)
    }
}

/// The fields of the files that are around: of MaxMind, DB-IP and IPinfo.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    autonomous_system_number: Option<u32>,
    autonomous_system_organization: Option<String>,
    organization: Option<String>,
    isp: Option<String>,
    asn: Option<String>,
    as_name: Option<String>,
    country: Option<Country>,
    registered_country: Option<Country>,
    country_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Country {
    Name(String),
    Record {
        #[serde(default)]
        iso_code: Option<String>,
        #[serde(default)]
        names: Option<Names>,
    },
}

#[derive(Debug, Default, Deserialize)]
struct Names {
    #[serde(default)]
    en: Option<String>,
}

impl Entry {
    fn registered(self) -> Registered {
        let name = self
            .autonomous_system_organization
            .or(self.as_name)
            .or(self.organization)
            .or(self.isp);
        let number = self.asn.as_deref().and_then(|asn| {
            let digits = asn.strip_prefix("AS").unwrap_or(asn);
            digits.parse().ok()
        });
        let country = self.country.or(self.registered_country);
        let country = country.and_then(|country| match country {
            Country::Name(name) => Some(name),
            Country::Record { iso_code, names } => names.and_then(|names| names.en).or(iso_code),
        });
        Registered {
            name: name.map(|name| shown(&name)),
            as_number: self.autonomous_system_number.or(number),
            country: self.country_name.or(country).map(|name| shown(&name)),
        }
    }
}

fn shown(name: &str) -> String {
    let cut: String = name.chars().take(NAME_MOST).collect();
    sanitize::text(&cut)
}

/// Puts together what several files say; the first that says something wins.
pub(super) fn of_peer(files: &[Networks], peer: &str) -> Option<Registered> {
    let all = files.iter().filter_map(|file| file.of_peer(peer));
    all.reduce(|known, more| Registered {
        name: known.name.or(more.name),
        as_number: known.as_number.or(more.as_number),
        country: known.country.or(more.country),
    })
}

impl Registered {
    /// `EXAMPLE-NET (AS64500), Utopia`
    pub(super) fn words(&self) -> String {
        let number = self.as_number.map(|number| format!("AS{number}"));
        let network = match (&self.name, number) {
            (Some(name), Some(number)) => format!("{name} ({number})"),
            (Some(name), None) => name.clone(),
            (None, number) => number.unwrap_or_default(),
        };
        let parts = [network, self.country.clone().unwrap_or_default()];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests;
