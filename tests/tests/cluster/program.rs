//! Runs the example's binary on a state folder of its own.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use formwork_sandbox::Sandbox;
use tempfile::TempDir;

/// A folder that the program is run in.
pub(crate) struct Program {
    pub(crate) folder: TempDir,
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

/// What a run printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The example's binary, which cargo builds beside the tests.
fn binary() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    let binary = path.join("examples/gpu_cluster");
    assert!(
        binary.exists(),
        "{} is not there: run `cargo build --example gpu_cluster` first",
        binary.display()
    );
    binary
}

impl Program {
    /// A program with these settings, on the sandbox.
    pub(crate) fn new(args: &[&str]) -> Self {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self { folder: TempDir::new().unwrap(), args, env: BTreeMap::new() }
    }

    pub(crate) fn env(mut self, key: &str, value: &str) -> Self {
        self.env.insert(key.to_owned(), value.to_owned());
        self
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(words)
            .args(&self.args)
            .current_dir(&self.folder)
            .env_clear()
            .env("HOME", self.folder.path())
            .envs(&self.env)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        let Output { status, stdout, stderr } = self.command(words).output().unwrap();
        Ran {
            code: status.code(),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Runs what must succeed.
    pub(crate) fn ok(&self, words: &[&str]) -> Ran {
        let ran = self.run(words);
        assert_eq!(ran.code, Some(0), "{words:?}: {}\n{}", ran.out, ran.err);
        ran
    }

    pub(crate) fn start(&self, words: &[&str]) -> Child {
        self.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The program's sandbox; no run may be under way.
    pub(crate) fn sandbox(&self) -> Sandbox {
        Sandbox::open(self.folder.path().join(".formwork/sandbox")).unwrap()
    }

    /// How many objects of each kind there are, as another client of the cloud counts them.
    pub(crate) async fn objects(&self) -> BTreeMap<&'static str, usize> {
        count(&self.sandbox()).await
    }
}

/// How many live objects of each kind a sandbox has.
pub(crate) async fn count(sandbox: &Sandbox) -> BTreeMap<&'static str, usize> {
    use aws_sdk_ec2::config::{BehaviorVersion, Credentials, Region};
    let credentials = || Credentials::new("test", "test", None, None, "test");
    let ec2 = aws_sdk_ec2::Client::from_conf(
        aws_sdk_ec2::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-west-2"))
            .credentials_provider(credentials())
            .http_client(sandbox.http_client())
            .build(),
    );
    let iam = aws_sdk_iam::Client::from_conf(
        aws_sdk_iam::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-west-2"))
            .credentials_provider(credentials())
            .http_client(sandbox.http_client())
            .build(),
    );
    macro_rules! all {
        ($client:ident . $call:ident -> $items:ident) => {
            $client.$call().send().await.unwrap().$items.unwrap_or_default()
        };
    }
    let over = |state: Option<&str>| {
        state.is_some_and(|s| matches!(s, "deleted" | "deleting" | "terminated" | "shutting-down"))
    };
    let mut nats = all!(ec2.describe_nat_gateways -> nat_gateways);
    nats.retain(|nat| !over(nat.state().map(|s| s.as_str())));
    let mut endpoints = all!(ec2.describe_vpc_endpoints -> vpc_endpoints);
    endpoints.retain(|endpoint| !over(endpoint.state().map(|s| s.as_str())));
    let reservations = all!(ec2.describe_instances -> reservations);
    let instances = reservations
        .iter()
        .flat_map(|r| r.instances())
        .filter(|i| !over(i.state().and_then(|s| s.name()).map(|n| n.as_str())));
    let mut count = BTreeMap::from([
        ("vpcs", all!(ec2.describe_vpcs -> vpcs).len()),
        ("subnets", all!(ec2.describe_subnets -> subnets).len()),
        ("internet gateways", all!(ec2.describe_internet_gateways -> internet_gateways).len()),
        ("addresses", all!(ec2.describe_addresses -> addresses).len()),
        ("route tables", all!(ec2.describe_route_tables -> route_tables).len()),
        ("security groups", all!(ec2.describe_security_groups -> security_groups).len()),
        ("rules", all!(ec2.describe_security_group_rules -> security_group_rules).len()),
        ("interfaces", all!(ec2.describe_network_interfaces -> network_interfaces).len()),
        ("templates", all!(ec2.describe_launch_templates -> launch_templates).len()),
        ("placement groups", all!(ec2.describe_placement_groups -> placement_groups).len()),
        ("volumes", all!(ec2.describe_volumes -> volumes).len()),
        ("roles", iam.list_roles().send().await.unwrap().roles.len()),
        ("profiles", iam.list_instance_profiles().send().await.unwrap().instance_profiles.len()),
        ("nat gateways", nats.len()),
        ("endpoints", endpoints.len()),
        ("instances", instances.count()),
    ]);
    count.retain(|_, n| *n > 0);
    count
}
