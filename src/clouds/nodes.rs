//! How the nodes of a stack are reached.

use std::{path::Path, sync::Arc};

use formwork_cli::{CliError, CloudContext};
use formwork_core::Provider;

/// The provider of node software, as the setting `nodes` asks: `simulated`, or `none`.
///
/// Simulated nodes only pretend. On a real cloud that would report drivers on machines that have
/// none, so there it is an error. Where they were used before, they are there with `none` too: what
/// is recorded of their software can be removed by nobody else.
pub(super) fn provider(
    cloud: &str,
    cx: &CloudContext<'_>,
    folder: &Path,
    pretends: bool,
) -> Result<Option<Arc<dyn Provider>>, CliError> {
    let wanted = cx.settings.get("nodes").and_then(|nodes| nodes.as_str().map(str::to_owned));
    match wanted.as_deref() {
        None | Some("none") if pretends && cfg!(feature = "gpu") && folder.is_dir() => {
            simulated(cloud, cx, folder).map(Some)
        }
        None | Some("none") => Ok(None),
        Some("simulated") if pretends => simulated(cloud, cx, folder).map(Some),
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
fn simulated(
    cloud: &str,
    cx: &CloudContext<'_>,
    folder: &Path,
) -> Result<Arc<dyn Provider>, CliError> {
    use formwork_gpu::{
        node::{Nodes, provider},
        simulated::SimulatedHosts,
    };
    // What only looks leaves no folder behind.
    let hosts = match cx.only_looks && !folder.exists() {
        true => SimulatedHosts::in_memory(),
        false => SimulatedHosts::open(folder).map_err(|error| {
            CliError::cloud(cloud, format!("the simulated nodes in {}: {error}", folder.display()))
        })?,
    };
    Ok(Arc::new(provider(Nodes::new(Arc::new(hosts)))))
}

#[cfg(not(feature = "gpu"))]
fn simulated(cloud: &str, _: &CloudContext<'_>, _: &Path) -> Result<Arc<dyn Provider>, CliError> {
    Err(CliError::cloud(cloud, "this program was built without the feature `gpu`"))
}
