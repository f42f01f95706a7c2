//! Arguments of `detector docs`.

use clap::ValueEnum;

/// A chapter of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Chapter {
    /// Every metric
    Metrics,
    /// Every command and flag
    Cli,
    /// Every key of the configuration file
    Configuration,
    /// Every column, and how to filter by it
    Columns,
    /// JSON Schema of `/v1/peers`
    SchemaPeers,
    /// JSON Schema of `detector peers --group … --json`
    SchemaPeerGroups,
    /// JSON Schema of `/v1/peers/{peer}`
    SchemaPeer,
    /// JSON Schema of `/v1/connections`
    SchemaConnections,
    /// JSON Schema of a line of `/v1/events`
    SchemaEvent,
    /// JSON Schema of `/v1/incidents`
    SchemaIncidents,
    /// JSON Schema of `/v1/incidents/{id}`
    SchemaIncident,
    /// JSON Schema of what `/v1/reset` takes
    SchemaResetRequest,
    /// JSON Schema of what `/v1/reset` answers
    SchemaReset,
    /// JSON Schema of what `/v1/block` takes
    SchemaBlockRequest,
    /// JSON Schema of what `/v1/block` answers
    SchemaBlock,
    /// JSON Schema of what `/v1/unblock` takes
    SchemaUnblockRequest,
    /// JSON Schema of what `/v1/unblock` answers
    SchemaUnblock,
    /// JSON Schema of `/v1/blocked`
    SchemaBlocked,
    /// JSON Schema of `detector dmesg --json`
    SchemaDmesg,
    /// JSON Schema of `json` of a recorded OOM kill
    SchemaOomKill,
    /// JSON Schema of `detector top --json`
    SchemaTop,
    SchemaReport,
    /// JSON Schema of `/v1/host`
    SchemaHost,
    /// JSON Schema of `/v1/status`
    SchemaStatus,
}
