//! Clusters that can not work are refused before anything is made, and those that can stay as they
//! are.

use std::{sync::Arc, time::Duration};

use formwork_aws::Aws;
use formwork_core::{DeclareError, Engine, Plan, PlanError, Problem, Stack, testing::MemoryStore};
use formwork_sandbox::Sandbox;
use serde_json::json;

use super::*;
use crate::{
    instance_type::StorageRequirement,
    interfaces::Goal,
    node::{Nodes, provider},
    os::Os,
    simulated::SimulatedHosts,
    steps::{FileSystem, Layout, PackageSource},
};

const REGION: &str = "us-west-2";

/// The smallest cluster that has everything: two nodes of p5, with software and scratch.
fn cluster() -> GpuCluster {
    let os = Os::Ubuntu2404;
    let mut software = Software::new(os, "6.8.0-1069-aws", "580.178.04".parse().unwrap());
    software.cuda = Some("13.0".parse().unwrap());
    software.nccl = Some("2.27.7-1+cuda13.0".parse().unwrap());
    software.power_limit_w = Some(700);
    let training = NodeGroup {
        name: "training".to_owned(),
        instance_type: "p5.48xlarge".to_owned(),
        count: 2,
        capacity: Capacity::OnDemand { placement_group: true },
        subnet_cidr: None,
        ebs_optimized: true,
        stop_to_change: false,
        efa: Some(Goal::EfaFewestIps),
        bandwidth_gbps: Some(3200),
        root_volume: RootVolume::new(200),
        scratch: Some(ScratchSpace {
            mount_point: "/scratch".to_owned(),
            required: StorageRequirement { capacity_gb: 1000, iops: None, throughput_mb_s: None },
            layout: Layout::Raid0,
            file_system: FileSystem::Xfs,
        }),
        software: Some(software),
    };
    GpuCluster {
        region: REGION.to_owned(),
        zone: None,
        network: ClusterNetwork::default(),
        image: NodeImage::ubuntu_2404(),
        os,
        groups: vec![training],
        tags: [].into(),
    }
}

fn with(change: impl FnOnce(&mut GpuCluster)) -> GpuCluster {
    let mut cluster = cluster();
    change(&mut cluster);
    cluster
}

/// The same, changing the software of its group.
fn with_software(change: impl FnOnce(&mut Software)) -> GpuCluster {
    with(|cluster| change(cluster.groups[0].software.as_mut().unwrap()))
}

fn stack(cluster: &GpuCluster) -> Result<Stack<()>, DeclareError> {
    Stack::new("gpu", |scope| {
        let handle = scope.add("cluster", cluster.clone());
        scope.export("zone", &handle.zone);
    })
}

/// What a declaration is refused for: fields and messages.
fn refused(cluster: &GpuCluster) -> Vec<(String, String)> {
    let Err(DeclareError::Invalid { problems, .. }) = stack(cluster) else {
        panic!("the declaration was not refused");
    };
    told(problems)
}

/// Every problem is the cluster's, on a field of it, and names the line that declared it.
fn told(problems: Vec<Problem>) -> Vec<(String, String)> {
    let problems = problems.into_iter().map(|problem| {
        assert!(problem.address.as_str() == "cluster", "{problem}");
        assert!(problem.declared_at.starts_with(file!()), "{problem}");
        assert!(!problem.declared_at.contains("(in "), "a line of the library: {problem}");
        (problem.field.unwrap_or_default(), problem.message)
    });
    problems.collect()
}

fn only(problems: Vec<(String, String)>) -> (String, String) {
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems.into_iter().next().unwrap()
}

/// A cloud, its machines, and what is remembered of both.
struct World {
    sandbox: Sandbox,
    hosts: Arc<SimulatedHosts>,
    store: MemoryStore,
}

impl World {
    fn new() -> Self {
        let sandbox = Sandbox::in_memory();
        sandbox.knobs().state_duration(Duration::ZERO);
        let (hosts, store) = (Arc::new(SimulatedHosts::in_memory()), MemoryStore::new());
        Self { sandbox, hosts, store }
    }

    async fn engine(&self) -> Engine {
        let aws = Aws::builder()
            .region(REGION)
            .credentials("test", "test", None)
            .http_client(self.sandbox.http_client())
            .consistency_window(Duration::ZERO)
            .connect()
            .await
            .unwrap();
        Engine::builder()
            .provider(aws)
            .provider(provider(Nodes::new(self.hosts.clone())))
            .state(self.store.clone())
            .try_build()
            .unwrap()
    }

    async fn plan(&self, cluster: &GpuCluster) -> Result<Plan, PlanError> {
        self.engine().await.plan(&stack(cluster).unwrap()).await
    }

    /// What a plan is refused for, although the declaration was not.
    async fn refused(&self, cluster: &GpuCluster) -> Vec<(String, String)> {
        match self.plan(cluster).await {
            Err(PlanError::Invalid { problems, .. }) => told(problems),
            Err(error) => panic!("refused otherwise: {error}"),
            Ok(plan) => panic!("not refused: {plan}"),
        }
    }

    async fn up(&self, cluster: &GpuCluster) {
        let engine = self.engine().await;
        let plan = engine.plan(&stack(cluster).unwrap()).await.unwrap();
        engine.apply(plan).await.unwrap();
    }
}

#[test]
fn a_power_limit_outside_of_the_gpus_range_is_refused_with_the_range() {
    for watts in [5, 99_999] {
        let (field, message) =
            only(refused(&with_software(|software| software.power_limit_w = Some(watts))));
        assert_eq!(field, "groups[0].software.power_limit_w");
        let expected = format!("H100 takes power limits from 200 to 700 W, not {watts} W");
        assert!(message.starts_with(&expected), "{message}");
    }
}

#[test]
fn versions_that_no_repository_offers_are_refused_all_at_once_with_some_that_work() {
    let problems = refused(&with_software(|software| {
        software.driver = "580.178".parse().unwrap();
        software.cuda = Some("13.9".parse().unwrap());
        software.nccl = Some("2.27.7-1+cuda11.0".parse().unwrap());
        software.power_limit_w = Some(5);
        software.kernel = String::new();
    }));
    let fields: Vec<&str> = problems.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "groups[0].software.driver",
            "groups[0].software.cuda",
            "groups[0].software.nccl",
            "groups[0].software.power_limit_w",
            "groups[0].software.kernel",
        ]
    );
    assert!(problems[0].1.contains("580.178.04"), "{problems:#?}");
    assert!(problems[1].1.contains("13.0"), "{problems:#?}");
    assert!(problems[2].1.contains("2.27.7-1+cuda13.0"), "{problems:#?}");
}

#[test]
fn a_driver_that_its_source_does_not_offer_is_refused_and_the_other_source_may_have_it() {
    let driver = |source| {
        with_software(|software| {
            software.driver = "580.95.05".parse().unwrap();
            software.source = source;
        })
    };
    let (field, message) = only(refused(&driver(PackageSource::Distribution)));
    assert_eq!(field, "groups[0].software.driver");
    assert!(message.contains("expected one of 595.91.07, 580.178.04"), "{message}");
    assert!(stack(&driver(PackageSource::Nvidia)).is_ok());
}

#[test]
fn an_nccl_that_was_built_for_another_cuda_is_refused() {
    let nccl = "2.27.7-1+cuda12.9".parse().unwrap();
    let (field, message) = only(refused(&with_software(|software| software.nccl = Some(nccl))));
    assert_eq!(field, "groups[0].software.nccl");
    assert!(message.contains("was built for CUDA 12.9, and the toolkit is 13.0"), "{message}");
}

#[tokio::test]
async fn a_version_that_is_newer_than_the_tables_is_taken_when_the_program_says_so() {
    let cluster = with_software(|software| {
        software.driver = "580.999.01".parse().unwrap();
        software.unlisted_versions = true;
    });
    let plan = World::new().plan(&cluster).await.unwrap();
    let text = plan.to_string();
    assert!(
        text.contains("warning: cluster.groups[0].software.driver: driver 580.999.01"),
        "{text}"
    );
}

#[test]
fn what_is_no_id_of_an_image_is_refused() {
    for id in ["ami-zzz", "ami-", "ami-0123456789ABCDEF0", "ami-0123456789abcdef012"] {
        let (field, message) = only(refused(&with(|c| c.image = NodeImage::Id(id.into()))));
        assert_eq!(field, "image");
        assert!(message.contains("expected `ami-` and 8 to 17 hexadecimal digits"), "{message}");
    }
}

#[tokio::test]
async fn an_image_that_is_not_there_is_refused_by_the_plan() {
    let cluster = with(|c| c.image = NodeImage::Id("ami-0123456789abcdef0".into()));
    let plan = World::new().plan(&cluster).await;
    let Some(PlanError::Lookup { address, declared_at, source }) = plan.err() else {
        panic!("the plan was not refused");
    };
    assert_eq!(address.as_str(), "cluster/image");
    assert!(declared_at.starts_with(file!()), "{declared_at}");
    assert!(source.message.contains("ami-0123456789abcdef0"), "{source}");
}

#[tokio::test]
async fn a_root_volume_that_is_smaller_than_the_images_is_refused_by_the_plan() {
    let cluster = with(|c| c.groups[0].root_volume.size_gib = 1);
    let (field, message) = only(World::new().refused(&cluster).await);
    assert_eq!(field, "groups[0].root_volume.size_gib");
    assert!(message.starts_with("1 GiB are less than the root volume of ami-"), "{message}");
    assert!(message.ends_with(": expected at least 8"), "{message}");
}

#[test]
fn a_group_that_does_not_fit_is_refused_in_no_time_however_large_it_is() {
    for count in [100_000, u32::MAX] {
        let start = std::time::Instant::now();
        let (field, message) = only(refused(&with(|c| c.groups[0].count = count)));
        assert_eq!(field, "groups[0].subnet_cidr");
        assert!(message.ends_with(" nodes fit"), "{message}");
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
}

#[test]
fn a_zone_of_another_region_is_one_problem_and_so_is_an_empty_one() {
    for zone in ["us-east-1a", "", REGION] {
        let (field, message) = only(refused(&with(|c| c.zone = Some(zone.to_owned()))));
        assert_eq!(field, "zone");
        assert!(message.contains("expected one such as us-west-2a"), "{message}");
    }
}

#[tokio::test]
async fn a_zone_that_does_not_offer_the_type_is_one_problem_on_the_line_of_the_cluster() {
    let cluster = with(|c| c.zone = Some("us-west-2z".to_owned()));
    let (field, message) = only(World::new().refused(&cluster).await);
    assert_eq!(field, "zone");
    assert!(
        message.starts_with("p5.48xlarge is not offered in us-west-2z; it is in "),
        "{message}"
    );
}

#[test]
fn a_kernel_that_the_archive_does_not_have_is_refused_once() {
    let kernel = "6.8.0-9999-aws".to_owned();
    let (field, message) = only(refused(&with_software(|software| software.kernel = kernel)));
    assert_eq!(field, "groups[0].software.kernel");
    assert!(message.contains("expected one of 7.0.0-1017-aws, 6.8.0-1069-aws"), "{message}");
}

#[test]
fn what_is_wrong_with_the_software_is_said_once_and_not_for_each_node() {
    let (field, message) = only(refused(&with_software(|software| software.kernel.clear())));
    assert_eq!(field, "groups[0].software.kernel");
    assert_eq!(message, "`` is not a kernel release such as 6.8.0-1069-aws");
    let setting = ("NCCL_DEBUG".to_owned(), "IN\nFO".to_owned());
    let problems = refused(&with_software(|software| software.nccl_settings = [setting].into()));
    assert_eq!(only(problems).0, "groups[0].software.nccl_settings");
}

#[tokio::test]
async fn a_cluster_that_was_just_applied_has_nothing_left_to_do() {
    let (world, cluster) = (World::new(), cluster());
    world.up(&cluster).await;
    let plan = world.plan(&cluster).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(
        plan.data().unmanaged,
        Some(Vec::new()),
        "all that belongs to it is declared: {plan}"
    );
}

/// Applies a plan and answers the calls that changed something, in order.
async fn calls(world: &World, plan: Plan) -> Vec<String> {
    let before = world.sandbox.calls().len();
    world.engine().await.apply(plan).await.unwrap();
    let calls = world.sandbox.calls().split_off(before).into_iter().map(|call| call.operation);
    calls.filter(|call| !call.starts_with("Describe") && !call.starts_with("Get")).collect()
}

fn at(calls: &[String], operation: &str) -> usize {
    let found = calls.iter().position(|call| call == operation);
    found.unwrap_or_else(|| panic!("no {operation} in {calls:?}"))
}

#[tokio::test]
async fn a_node_whose_type_was_changed_by_hand_is_replaced_and_goes_first() {
    let (world, cluster) = (World::new(), cluster());
    world.up(&cluster).await;
    let node = world.sandbox.ids(REGION, "instance").remove(0);
    let patch = json!({"instance_type": "p5e.48xlarge"});
    world.sandbox.edit(REGION, "instance", &node, patch).await.unwrap();
    let plan = world.plan(&cluster).await.unwrap();
    assert!(plan.to_string().contains("(forces replacement) (drifted)"), "{plan}");
    let calls = calls(&world, plan).await;
    assert!(at(&calls, "TerminateInstances") < at(&calls, "RunInstances"), "{calls:?}");
    let plan = world.plan(&cluster).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
}

#[tokio::test]
async fn metadata_options_and_a_profile_that_were_changed_by_hand_are_put_back() {
    let (world, cluster) = (World::new(), cluster());
    world.up(&cluster).await;
    let node = world.sandbox.ids(REGION, "instance").remove(0);
    let other = "arn:aws:iam::123456789012:instance-profile/other";
    let patch = json!({"metadata": {"http_tokens": "optional"}, "profile": {"arn": other}});
    world.sandbox.edit(REGION, "instance", &node, patch).await.unwrap();
    let plan = world.plan(&cluster).await.unwrap();
    let text = plan.to_string();
    for field in ["metadata_options.http_tokens", "iam_instance_profile"] {
        assert!(text.contains(field), "{field} is missing in {text}");
    }
    let calls = calls(&world, plan).await;
    at(&calls, "ModifyInstanceMetadataOptions");
    at(&calls, "ReplaceIamInstanceProfileAssociation");
    let plan = world.plan(&cluster).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
}

#[tokio::test]
async fn nodes_that_a_new_launch_template_replaces_go_before_their_successors_come() {
    let (world, cluster) = (World::new(), cluster());
    world.up(&cluster).await;
    let larger = with(|c| c.groups[0].root_volume.size_gib = 300);
    let calls = calls(&world, world.plan(&larger).await.unwrap()).await;
    let order: Vec<&str> = calls.iter().map(String::as_str).collect();
    let order = order.into_iter().filter(|call| call.ends_with("Instances")).collect::<Vec<_>>();
    assert_eq!(
        order.iter().filter(|call| **call == "RunInstances").count(),
        2,
        "each node once: {order:?}"
    );
    assert_eq!(order.first(), Some(&"TerminateInstances"), "{order:?}");
}

#[tokio::test]
async fn the_nat_gateway_goes_before_the_internet_gateway_that_it_stands_on_and_comes_after_it() {
    let (world, cluster) = (World::new(), cluster());
    world.up(&cluster).await;
    let engine = world.engine().await;
    let plan = engine.plan(&stack(&cluster).unwrap()).replace("cluster/internet-gateway").await;
    let calls = calls(&world, plan.unwrap_or_else(|error| panic!("{error}"))).await;
    let order = [
        "DeleteNatGateway",
        "DetachInternetGateway",
        "DeleteInternetGateway",
        "CreateInternetGateway",
        "CreateNatGateway",
    ];
    let places = order.map(|operation| at(&calls, operation));
    assert!(places.is_sorted(), "{calls:?}");
    let plan = world.plan(&cluster).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
}

#[tokio::test]
async fn a_foreign_policy_on_the_way_to_s3_is_taken_away() {
    let (world, cluster) = (World::new(), cluster());
    world.up(&cluster).await;
    let endpoints = world.sandbox.ids(REGION, "vpc-endpoint");
    let gateway = endpoints.into_iter().find(|id| {
        let endpoint = world.sandbox.object(REGION, "vpc-endpoint", id).unwrap();
        endpoint.to_string().contains(".s3\"")
    });
    let gateway = gateway.unwrap();
    let deny = r#"{"Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}"#;
    let patch = json!({"policy": deny});
    world.sandbox.edit(REGION, "vpc-endpoint", &gateway, patch).await.unwrap();
    let plan = world.plan(&cluster).await.unwrap();
    assert!(plan.to_string().contains("~ cluster/endpoint-s3"), "{plan}");
    calls(&world, plan).await;
    let endpoint = world.sandbox.object(REGION, "vpc-endpoint", &gateway).unwrap();
    assert!(!endpoint["policy"].as_str().unwrap().contains("Deny"), "{endpoint}");
    let plan = world.plan(&cluster).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
}

#[tokio::test]
async fn what_a_new_driver_or_kernel_undoes_is_set_right_in_the_same_run() {
    let world = World::new();
    let at = |driver: &'static str, kernel: &'static str| {
        with_software(|software| {
            software.driver = driver.parse().unwrap();
            software.kernel = kernel.to_owned();
        })
    };
    let kernels = ["6.8.0-1069-aws", "7.0.0-1017-aws"];
    world.up(&at("580.178.04", kernels[0])).await;
    for (driver, kernel) in [
        ("595.91.07", kernels[0]),
        ("595.91.07", kernels[1]),
        ("580.178.04", kernels[0]),
        ("595.91.07", kernels[1]),
    ] {
        let cluster = at(driver, kernel);
        world.up(&cluster).await;
        let again = world.plan(&cluster).await.unwrap();
        assert!(again.is_empty() && again.data().drift.is_empty(), "{driver} {kernel}: {again}");
    }
    let engine = world.engine().await;
    let cluster = stack(&at("595.91.07", kernels[1])).unwrap();
    let rows = engine.state(cluster.name()).await.unwrap().records.into_values();
    let driver = rows.map(|record| record.address).find(|a| a.as_str().ends_with("/driver"));
    let replacing = engine.plan(&cluster).replace(driver.unwrap()).await.unwrap();
    engine.apply(replacing).await.unwrap();
    let again = engine.plan(&cluster).await.unwrap();
    assert!(again.is_empty() && again.data().drift.is_empty(), "{again}");
}
