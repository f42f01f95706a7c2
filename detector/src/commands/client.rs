//! The commands that ask the agent, or have it do something.

use crate::cli::{
    BlockArgs, BlockedArgs, ConnectionsArgs, DmesgArgs, EventsArgs, ExplainArgs, IncidentsArgs,
    IncidentsVerb, PeersArgs, ResetArgs, UnblockArgs,
};
use detector_api::failure::Failure;
use detector_client::commands::{self, EventsQuery, ListQuery};

pub(super) fn peers(args: &PeersArgs) -> Result<(), Failure> {
    let query = ListQuery {
        filter: &args.filter,
        sort: args.sort,
        columns: args.columns.as_ref(),
        limit: args.list.limit,
        since: args.list.since.as_deref(),
        json: args.list.json,
        place: args.list.place.place(),
    };
    match &args.prometheus {
        Some(prometheus) => commands::fleet_peers(&query, args.group, prometheus),
        None => commands::peers(&query, args.group),
    }
}

pub(super) fn connections(args: &ConnectionsArgs) -> Result<(), Failure> {
    commands::connections(&ListQuery {
        filter: &args.filter,
        sort: args.sort,
        columns: args.columns.as_ref(),
        limit: args.list.limit,
        since: args.list.since.as_deref(),
        json: args.list.json,
        place: args.list.place.place(),
    })
}

pub(super) fn incidents(args: &IncidentsArgs) -> Result<(), Failure> {
    if let Some(IncidentsVerb::Show(show)) = &args.verb {
        return commands::incident(show.place.place(), &show.id, show.json);
    }
    commands::incidents(&ListQuery {
        filter: &args.filter,
        sort: args.sort.unwrap_or_default(),
        columns: args.columns.as_ref(),
        limit: 0,
        since: args.since.as_deref(),
        json: args.json,
        place: args.place.place(),
    })
}

pub(super) fn events(args: &EventsArgs) -> Result<(), Failure> {
    commands::events(&EventsQuery {
        follow: args.follow,
        since: args.since.as_deref(),
        until: args.until.as_deref(),
        peer: args.peer.as_deref(),
        kind: args.kind,
        filter: &args.filter,
        json: args.json,
        place: args.place.place(),
    })
}

pub(super) fn explain(args: &ExplainArgs) -> Result<(), Failure> {
    commands::explain(args.place.place(), args.peer, args.json)
}

pub(super) fn dmesg(args: &DmesgArgs) -> Result<(), Failure> {
    commands::dmesg(args.file.as_deref(), args.json)
}

pub(super) fn reset(args: &ResetArgs) -> Result<(), Failure> {
    let action = &args.action;
    let socket = &action.control_socket;
    let (dry_run, json) = (action.dry_run, action.json);
    commands::reset(socket, args.peer, args.stalled_for, dry_run, json)
}

pub(super) fn block(args: &BlockArgs) -> Result<(), Failure> {
    let action = &args.action;
    let socket = &action.control_socket;
    let (dry_run, json) = (action.dry_run, action.json);
    commands::block(socket, args.network, args.span, dry_run, json)
}

pub(super) fn unblock(args: &UnblockArgs) -> Result<(), Failure> {
    let action = &args.action;
    let socket = &action.control_socket;
    commands::unblock(socket, args.network, action.dry_run, action.json)
}

pub(super) fn blocked(args: &BlockedArgs) -> Result<(), Failure> {
    commands::blocked(&args.control_socket, args.json)
}
