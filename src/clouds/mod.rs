//! The places a stack can be put on, as the command line wants them.

mod aws;
mod nodes;
mod pricing;
#[cfg(feature = "sandbox")]
mod sandbox;
#[cfg(feature = "sandbox")]
mod serve;

pub use aws::AwsCloud;
#[cfg(feature = "sandbox")]
pub use sandbox::SandboxCloud;
#[cfg(feature = "sandbox")]
pub use serve::SandboxCommand;

use formwork_cli::{CloudContext, clap::Arg};

/// The region of the command line, of the program's settings, or of the environment.
fn region(cx: &CloudContext<'_>) -> Option<String> {
    let flag = cx.matches.try_get_one::<String>("region").ok().flatten().cloned();
    let setting = || cx.settings.get("region")?.as_str().map(str::to_owned);
    let set = |name: &str| cx.env.get(name).filter(|value| !value.is_empty()).cloned();
    let environment = || set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION"));
    flag.or_else(setting).or_else(environment)
}

/// Nothing yet: programs set the region in their settings.
fn args() -> Vec<Arg> {
    Vec::new()
}

/// An error with everything that led to it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
