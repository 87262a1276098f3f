//! The sandbox: no account, nothing to install, nothing that costs anything.

use std::{sync::Arc, time::Duration};

use formwork_aws::Aws;
use formwork_cli::{CliError, Cloud, CloudContext, OpenCloud, clap::Arg};
use formwork_core::{BoxFuture, Provider};
use formwork_sandbox::{Sandbox, find_endpoint};

/// The folder of the sandbox inside the state folder.
pub(super) const FOLDER: &str = "sandbox";

/// The region when nobody names one.
pub(super) const REGION: &str = "us-west-2";

/// An AWS in this process, kept in the folder `sandbox` of the state folder. While `sandbox serve`
/// runs, commands go through it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SandboxCloud;

impl Cloud for SandboxCloud {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn args(&self) -> Vec<Arg> {
        super::args()
    }

    fn open<'a>(&'a self, cx: &'a CloudContext<'a>) -> BoxFuture<'a, Result<OpenCloud, CliError>> {
        Box::pin(async move {
            let folder = cx.state_dir.join(FOLDER);
            let region = super::region(cx).unwrap_or_else(|| REGION.to_owned());
            let fail = |error: &dyn std::error::Error| {
                let why = format!("{}: {}", folder.display(), super::with_causes(error));
                CliError::cloud("sandbox", why)
            };
            let mut aws = Aws::builder()
                .region(region.clone())
                .world("sandbox")
                .credentials("sandbox", "sandbox", None)
                .consistency_window(Duration::ZERO);
            let served = find_endpoint(&folder).map_err(|error| fail(&error))?;
            let mut place = folder.display().to_string();
            let mut guard = None;
            match &served {
                Some(endpoint) => {
                    aws = aws.endpoint_url(endpoint.clone());
                    place = format!("{place}, served at {endpoint}");
                }
                None => {
                    // What only looks leaves no folder behind.
                    let sandbox = match cx.only_looks && !folder.exists() {
                        true => Sandbox::in_memory(),
                        false => Sandbox::open(&folder).map_err(|error| fail(&error))?,
                    };
                    aws = aws.http_client(sandbox.http_client());
                    guard = Some(sandbox);
                }
            }
            let aws = aws.connect().await.map_err(|error| fail(&error))?;
            let mut providers: Vec<Arc<dyn Provider>> = vec![Arc::new(aws)];
            let nodes = super::nodes::provider("sandbox", cx, &folder.join("nodes"), true)?;
            providers.extend(nodes);
            let mut open = OpenCloud::harmless(providers)
                .target("sandbox", place)
                .target("region", region)
                .pricing(super::pricing::list_prices);
            if let Some(sandbox) = guard {
                open = open.guard(sandbox);
            }
            Ok(open)
        })
    }
}
