//! `import`: takes over one object that exists already, and changes nothing else.

use std::time::Instant;

use super::{Run, up};
use crate::{error::CliError, exit::Exit};

pub(super) async fn run(run: &Run<'_>, address: &str, id: &str) -> Result<Exit, CliError> {
    let started = Instant::now();
    let graph = run.declare()?.graph();
    let resources = || {
        let resources = graph.nodes.iter().filter(|node| node.group.is_some());
        resources.map(|node| node.address.as_str())
    };
    if !resources().any(|other| other == address) {
        return Err(CliError::not_found("declared resource", address, resources()));
    }
    let session = run.open(false).await?;
    let plan = session.plan_import(run, address, id).await?;
    let (changed, _) = up::wave(run, &session, plan, started).await?;
    if changed {
        run.hint("plan", "to compare all of it");
    }
    Ok(Exit::Done)
}
