//! `detector config`: what is configured, and where.

use super::run::config_failure;
use crate::cli::ConfigShowArgs;
use detector_agent::config::{Config, Loaded, Origin};
use detector_api::failure::Failure;
use detector_client::layout::Align;
use detector_client::table::Table;
use detector_client::terminal::Capabilities;
use serde::Serialize;

/// One key, as it is shown.
#[derive(Serialize)]
struct Setting<'a> {
    key: &'static str,
    value: serde_json::Value,
    default: serde_json::Value,
    origin: &'a Origin,
}

pub(super) fn show(args: &ConfigShowArgs) -> Result<(), Failure> {
    let file = args.config.config.as_deref();
    let loaded = Loaded::of(file, &args.config.overrides()).map_err(config_failure)?;
    if args.json {
        return super::print(&json(&loaded)?);
    }
    let rows = loaded.keys().map(|(key, origin)| {
        let value = (key.value)(&loaded.config);
        [key.path.to_owned(), value, origin.to_string()]
    });
    let headings = ["KEY", "VALUE", "FROM"].map(|heading| (heading, Align::Left));
    let table = Table::of_text(headings, rows.collect());
    super::print(&table.text(Capabilities::PIPE))
}

fn json(loaded: &Loaded) -> Result<String, Failure> {
    let defaults = Config::default();
    let settings: Vec<_> = loaded
        .keys()
        .map(|(key, origin)| Setting {
            key: key.path,
            value: key.json(&loaded.config),
            default: key.json(&defaults),
            origin,
        })
        .collect();
    let text = serde_json::to_string_pretty(&settings)
        .map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?;
    Ok(text + "\n")
}
