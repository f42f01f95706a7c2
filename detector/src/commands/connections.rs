//! `detector connections`: the misbehaving connections of the running agent.

use super::listing::Query;
use crate::cli::ConnectionsArgs;
use detector_api::failure::Failure;

pub(super) fn run(args: &ConnectionsArgs) -> Result<(), Failure> {
    let query = Query {
        path: "/v1/connections",
        filter: &args.filter,
        sort: args.sort,
        columns: args.columns.as_ref(),
        list: &args.list,
    };
    query.print()
}
