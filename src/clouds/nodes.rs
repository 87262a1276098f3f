//! How the nodes of a stack are reached.

use std::{path::Path, sync::Arc};

use formwork_cli::{CliError, CloudContext};
use formwork_core::Provider;

/// The provider of node software, as the setting `nodes` asks: `simulated`, or `none`.
///
/// Simulated nodes only pretend. On a real cloud that would report drivers on machines that have
/// none, so there it is an error.
pub(super) fn provider(
    cloud: &str,
    cx: &CloudContext<'_>,
    folder: &Path,
    pretends: bool,
) -> Result<Option<Arc<dyn Provider>>, CliError> {
    let wanted = cx.settings.get("nodes").and_then(|nodes| nodes.as_str().map(str::to_owned));
    match wanted.as_deref() {
        None | Some("none") => Ok(None),
        Some("simulated") if pretends => simulated(cloud, folder).map(Some),
        Some("simulated") => Err(CliError::cloud(
            cloud,
            "simulated nodes are for the sandbox and for endpoints on this machine: on real \
             machines they would only pretend that anything is installed",
        )
        .with_help("leave the machines as the image is: --nodes none")),
        Some(other) => Err(CliError::cloud(
            cloud,
            format!("`{other}` is no way to reach nodes: expected simulated or none"),
        )),
    }
}

#[cfg(feature = "gpu")]
fn simulated(cloud: &str, folder: &Path) -> Result<Arc<dyn Provider>, CliError> {
    use formwork_gpu::{
        node::{Nodes, provider},
        simulated::SimulatedHosts,
    };
    let hosts = SimulatedHosts::open(folder).map_err(|error| {
        CliError::cloud(cloud, format!("the simulated nodes in {}: {error}", folder.display()))
    })?;
    Ok(Arc::new(provider(Nodes::new(Arc::new(hosts)))))
}

#[cfg(not(feature = "gpu"))]
fn simulated(cloud: &str, _: &Path) -> Result<Arc<dyn Provider>, CliError> {
    Err(CliError::cloud(cloud, "this program was built without the feature `gpu`"))
}
