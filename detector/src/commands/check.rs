//! `detector check`: can this host run the agent?

use crate::cli::CheckArgs;
use detector_agent::kernel::check::{Requirement, State, requirements};
use detector_api::failure::{Code, Failure};
use detector_client::layout::Align;
use detector_client::table::Table;
use detector_client::terminal::Capabilities;

pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let requirements = requirements();
    if args.json {
        super::print(&json(&requirements)?)?;
    } else {
        let row = |requirement: &Requirement| {
            let state = state_name(requirement.state).to_owned();
            [state, requirement.name.clone(), found(requirement)]
        };
        let headings = ["STATE", "REQUIREMENT", "FOUND"].map(|heading| (heading, Align::Left));
        let table = Table::of_text(headings, requirements.iter().map(row).collect());
        super::print(&table.text(Capabilities::PIPE))?;
    }
    let missing = requirements
        .iter()
        .find(|requirement| requirement.state == State::Missing);
    match missing {
        None => Ok(()),
        Some(missing) => Err(missing_failure(missing)),
    }
}

const fn state_name(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Degraded => "degraded",
        State::Missing => "missing",
    }
}

fn found(requirement: &Requirement) -> String {
    let detail = detector_api::sanitize::text(&requirement.detail);
    match &requirement.hint {
        Some(hint) => format!("{detail}: {hint}"),
        None => detail,
    }
}

fn json(requirements: &[Requirement]) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(requirements)
        .map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?;
    Ok(text + "\n")
}

fn missing_failure(missing: &Requirement) -> Failure {
    let failure = Failure::new(
        missing.code,
        anyhow::anyhow!(
            "{} cannot run the agent: {}: {}",
            match missing.code {
                Code::Privilege => "this user",
                _ => "this host",
            },
            missing.name,
            missing.detail
        ),
    );
    match &missing.hint {
        Some(hint) => failure.hint(hint.clone()),
        None => failure,
    }
}
