//! Node software through the engine, on simulated hosts.

use std::sync::Arc;

use formwork_core::{Engine, Plan, Scope, Stack, testing::MemoryStore};

use super::{Host, Nodes, OnHost, provider};
use crate::{
    os::Os,
    simulated::SimulatedHosts,
    steps::{
        Driver, FabricManager, GpuSettings, KernelPin, NcclSettings, NvidiaRepository,
        PackageSource,
    },
};

const KERNEL: &str = "6.8.0-1069-aws";

fn declare(scope: &mut Scope<'_>, power: u32) {
    let host = || Host::builder().id("i-1").instance_type("p5.48xlarge").os(Os::Ubuntu2404).build();
    let os = Os::Ubuntu2404;
    let version: crate::compat::Version = "580.178.04".parse().unwrap();
    let pin = scope.add("kernel", OnHost::declare(host(), KernelPin::new(os, KERNEL)));
    let mut repository = NvidiaRepository::new(os);
    repository.multiverse = true;
    let repository = scope.add("repository", OnHost::declare(host(), repository));
    let driver = Driver::new(os, KERNEL, version.clone());
    let driver = OnHost::declare(host(), driver).after(&pin).after(&repository);
    let driver = scope.add("driver", driver);
    let fabric = FabricManager { os, version, source: PackageSource::Distribution, nvlsm: None };
    scope.add("fabric-manager", OnHost::declare(host(), fabric).after(&driver));
    let nccl = NcclSettings::new(os, [("NCCL_DEBUG", "INFO")]);
    scope.add("nccl", OnHost::declare(host(), nccl));
    let mut settings = GpuSettings::new(os, 8);
    settings.power_limit_w = Some(power);
    scope.add("gpus", OnHost::declare(host(), settings).after(&driver));
}

async fn plan(hosts: &Arc<SimulatedHosts>, store: &MemoryStore, power: u32) -> (Engine, Plan) {
    let engine = Engine::builder()
        .provider(provider(Nodes::new(hosts.clone())))
        .state(store.clone())
        .try_build()
        .unwrap();
    let stack = Stack::new("t", |scope| declare(scope, power)).unwrap();
    let plan = engine.plan(&stack).await.unwrap();
    (engine, plan)
}

#[tokio::test(start_paused = true)]
async fn a_node_is_configured_once_drift_is_named_and_put_back() {
    let (hosts, store) = (Arc::new(SimulatedHosts::in_memory()), MemoryStore::new());
    let (engine, first) = plan(&hosts, &store, 700).await;
    engine.apply(first).await.unwrap();
    let (_, second) = plan(&hosts, &store, 700).await;
    assert!(second.is_empty(), "{second}");
    hosts
        .edit("i-1", |machine| {
            machine.files.remove("/etc/nccl.conf");
        })
        .unwrap();
    let (engine, third) = plan(&hosts, &store, 700).await;
    let drift: Vec<_> = third.data().drift.iter().map(|d| d.address.to_string()).collect();
    assert_eq!(drift, ["nccl"], "{third}");
    engine.apply(third).await.unwrap();
    let (engine, fourth) = plan(&hosts, &store, 600).await;
    let changed: Vec<_> =
        fourth.steps().flat_map(|s| &s.changes).map(|c| c.path.to_string()).collect();
    assert_eq!(changed, ["settings.power_limit_w"], "{fourth}");
    engine.apply(fourth).await.unwrap();
    assert!(plan(&hosts, &store, 600).await.1.is_empty());
}
