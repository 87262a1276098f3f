//! `sandbox serve`: the sandbox on loopback, for the aws CLI and for any SDK.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
};

use formwork_cli::{
    CliError, CommandContext, Exit, ExtraCommand,
    clap::{Arg, ArgMatches, Command, value_parser},
};
use formwork_core::BoxFuture;
use formwork_sandbox::Sandbox;

use super::{
    sandbox::{FOLDER, REGION},
    with_causes,
};

/// The command `sandbox serve`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SandboxCommand;

impl ExtraCommand for SandboxCommand {
    fn command(&self) -> Command {
        let port = Arg::new("port")
            .long("port")
            .value_name("PORT")
            .value_parser(value_parser!(u16))
            .default_value("4566")
            .help("The port on 127.0.0.1; 0 takes any free one");
        let serve = Command::new("serve")
            .about("Serve the sandbox on loopback, for the aws CLI and other clients")
            .arg(port);
        Command::new("sandbox")
            .about("The in-process AWS that stacks are tried on")
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommand(serve)
    }

    fn run<'a>(
        &'a self,
        matches: &'a ArgMatches,
        mut cx: CommandContext<'a>,
    ) -> BoxFuture<'a, Result<Exit, CliError>> {
        Box::pin(async move {
            let Some(("serve", matches)) = matches.subcommand() else {
                return Err(CliError::command("expected `sandbox serve`"));
            };
            let port = matches.get_one::<u16>("port").copied().unwrap_or(4566);
            let folder = cx.state_dir.join(FOLDER);
            let fail = |error: &dyn std::error::Error| CliError::command(with_causes(error));
            let sandbox = Sandbox::open(&folder).map_err(|error| fail(&error))?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let server = sandbox.serve(address).await.map_err(|error| fail(&error))?;
            let endpoint = server.endpoint();
            if cx.console.is_json() {
                let event = [("event", "serving"), ("endpoint", endpoint.as_str())];
                cx.console.json_line(&BTreeMap::from(event));
            } else {
                cx.console.line(&endpoint);
            }
            cx.console.note(&format!(
                "Serving {}. Other commands go through it while it runs. Try, with any credentials:\n  \
                 AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x aws --region {REGION} --endpoint-url \
                 {endpoint} ec2 describe-vpcs\nCtrl-C ends it.",
                folder.display()
            ));
            cx.interrupts.reach(1).await;
            server.shutdown().await;
            Ok(Exit::Done)
        })
    }
}
