//! A real account, or whatever answers at the endpoint that the environment names.

use std::sync::Arc;

use formwork_aws::Aws;
use formwork_cli::{CliError, Cloud, CloudContext, OpenCloud, clap::Arg};
use formwork_core::{BoxFuture, Provider};

/// AWS, by the SDK's own chain of profiles, environment and instance roles.
///
/// `AWS_ENDPOINT_URL` points it elsewhere, as it does every AWS tool; an endpoint on this machine
/// is an emulator, and may have simulated nodes.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsCloud;

impl Cloud for AwsCloud {
    fn name(&self) -> &'static str {
        "aws"
    }

    fn args(&self) -> Vec<Arg> {
        super::args()
    }

    fn open<'a>(&'a self, cx: &'a CloudContext<'a>) -> BoxFuture<'a, Result<OpenCloud, CliError>> {
        Box::pin(async move {
            let mut aws = Aws::builder();
            if let Some(region) = super::region(cx) {
                aws = aws.region(region);
            }
            let endpoint = cx.env.get("AWS_ENDPOINT_URL").filter(|url| !url.is_empty()).cloned();
            if let Some(endpoint) = &endpoint {
                aws = aws.endpoint_url(endpoint.clone());
            }
            if let Some(profile) = cx.env.get("AWS_PROFILE").filter(|name| !name.is_empty()) {
                aws = aws.profile(profile.clone());
            }
            let local = endpoint.as_deref().is_some_and(is_loopback);
            if local {
                aws = aws.world("an emulator on this machine");
            }
            let nodes = super::nodes::provider("aws", cx, &cx.state_dir.join("nodes"), local)?;
            let aws = aws
                .connect()
                .await
                .map_err(|error| CliError::cloud("aws", super::with_causes(&error)))?;

            let target = aws.target();
            let account = target.get("account").and_then(|text| text.as_str()).unwrap_or("unknown");
            let account = account.to_owned();
            let region = aws.region().to_owned();
            let mut providers: Vec<Arc<dyn Provider>> = vec![Arc::new(aws)];
            providers.extend(nodes);
            let open =
                if local { OpenCloud::harmless(providers) } else { OpenCloud::real(providers) };
            let open = open
                .target("account", account)
                .target("region", region)
                .pricing(super::pricing::list_prices);
            Ok(match endpoint {
                Some(endpoint) => open.target("endpoint", endpoint),
                None => open,
            })
        })
    }
}

/// Whether a URL leads to this machine and nowhere else.
fn is_loopback(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    // A name before `@` is no host.
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_this_machine_is_loopback() {
        for local in
            ["http://127.0.0.1:5000", "http://localhost:4566/", "http://[::1]:80", "127.9.9.9"]
        {
            assert!(is_loopback(local), "{local}");
        }
        for other in [
            "https://ec2.us-west-2.amazonaws.com",
            "http://localhost.example.com",
            "http://127.0.0.1@example.com/",
            "http://10.0.0.1",
            "",
        ] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
