//! `detector peers`: the peers of the running agent.

use super::listing::Query;
use crate::cli::PeersArgs;
use detector_api::failure::Failure;
use detector_client::columns::Grouping;

pub(super) fn run(args: &PeersArgs) -> Result<(), Failure> {
    let query = Query {
        path: "/v1/peers",
        filter: &args.filter,
        sort: args.sort,
        columns: args.columns.as_ref(),
        list: &args.list,
    };
    match args.group {
        Grouping::Peer => query.print(),
        by => query.print_groups(by),
    }
}
