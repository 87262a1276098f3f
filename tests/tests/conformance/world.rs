//! A cloud that a case runs on, and what cases need around the object that they are about.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use formwork_aws::{
    Aws, AwsBuilder, Clients,
    ec2::{ImageId, Subnet, Vpc},
    lookup::ImageByFilter,
    testing::{Lack, Laws},
};
use formwork_core::{Known, Lifecycle, Lookup};
use formwork_sandbox::Sandbox;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::profile;

/// Where the cases are: a region that offers large GPU machines on the sandbox.
const REGION: &str = "us-west-2";

/// Numbers objects, so that no two of a process have one identity.
static NEXT: AtomicU64 = AtomicU64::new(1);

pub(super) struct World {
    aws: Aws,
    lacks: Vec<Lack>,
    /// Whether this is the sandbox, for what no law is about.
    pub(super) is_sandbox: bool,
}

impl World {
    pub(super) async fn on_the_sandbox(sandbox: &Sandbox) -> Self {
        let aws = Aws::builder().http_client(sandbox.http_client());
        Self::of(aws, Vec::new(), true).await
    }

    /// On moto, with what it lacks but `without`.
    pub(super) async fn on_moto(url: &str, without: Option<&Lack>) -> Self {
        // moto answers what it lacks with an error that the SDK takes for a passing one.
        let aws = Aws::builder().endpoint_url(url).attempts(1);
        let is_not = |lack: &&Lack| {
            without.is_none_or(|without| (without.kind, without.what) != (lack.kind, lack.what))
        };
        let lacks = profile::MOTO_LACKS.iter().filter(is_not).copied().collect();
        Self::of(aws, lacks, false).await
    }

    async fn of(aws: AwsBuilder, lacks: Vec<Lack>, is_sandbox: bool) -> Self {
        let aws = aws
            .region(REGION)
            .credentials("test", "test", None)
            .consistency_window(Duration::ZERO)
            .default_tag("team", "platform")
            .connect()
            .await
            .expect("the cloud says who is calling");
        Self { aws, lacks, is_sandbox }
    }

    pub(super) fn aws(&self) -> &Aws {
        &self.aws
    }

    fn laws(&self) -> Laws<'_> {
        Laws::lenient(&self.aws, &self.lacks)
    }

    /// Takes an object through all versions, and removes it.
    pub(super) async fn lives_and_dies<R>(&self, versions: impl IntoIterator<Item = R>)
    where
        R: Lifecycle<Client = Clients>,
    {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let known = self.laws().lives(n, versions).await;
        self.laws().dies(n, known).await;
    }

    /// Makes an object that a case needs; it stays.
    pub(super) async fn has<R>(&self, inputs: R) -> Known<R>
    where
        R: Lifecycle<Client = Clients>,
    {
        self.laws().ready(NEXT.fetch_add(1, Ordering::Relaxed), inputs).await
    }

    /// Asks.
    pub(super) async fn asks<L: Lookup<Client = Clients>>(&self, query: L) -> L::Answer {
        match L::look_up(self.aws.clients(), &query).await {
            Ok(answer) => answer,
            Err(error) => panic!("{}: {error}", L::KIND),
        }
    }

    pub(super) fn zone(&self, letter: char) -> String {
        format!("{REGION}{letter}")
    }

    /// A VPC of its own.
    pub(super) async fn vpc(&self) -> Known<Vpc> {
        self.has(of::<Vpc>(json!({"cidr_block": "10.0.0.0/16"}))).await
    }

    /// A VPC with a subnet in the zone `a`.
    pub(super) async fn subnet(&self) -> (Known<Vpc>, Known<Subnet>) {
        let vpc = self.vpc().await;
        let subnet = self.subnet_in(&vpc, "10.0.1.0/24").await;
        (vpc, subnet)
    }

    pub(super) async fn subnet_in(&self, vpc: &Known<Vpc>, block: &str) -> Known<Subnet> {
        let zone = self.zone('a');
        let id = &vpc.outputs.id;
        let inputs = json!({"vpc_id": id, "cidr_block": block, "availability_zone": zone});
        self.has(of::<Subnet>(inputs)).await
    }

    /// An image that a small machine can be launched from.
    pub(super) async fn image(&self) -> ImageId {
        let query = of::<ImageByFilter>(json!({
            "owners": ["amazon"],
            "architecture": "x86_64",
            "filters": {"root-device-type": ["ebs"], "virtualization-type": ["hvm"]},
            "most_recent": true,
        }));
        self.asks(query).await.id
    }
}

/// A value of what is set of it.
pub(super) fn of<T: DeserializeOwned>(json: Value) -> T {
    match serde_json::from_value(json.clone()) {
        Ok(value) => value,
        Err(error) => panic!("{json}: {error}"),
    }
}
