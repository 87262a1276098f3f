//! A fault at each call in turn leaves a state from which the next run finishes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use formwork_aws::Aws;
use formwork_core::{Engine, Stack, testing::MemoryStore};
use formwork_gpu::{
    cluster::{Capacity, ClusterNetwork, GpuCluster, NodeGroup, NodeImage, RootVolume, Software},
    interfaces::Goal,
    node::{Nodes, provider},
    os::Os,
    simulated::SimulatedHosts,
};
use formwork_sandbox::{Fault, Sandbox};

use super::program::count;

struct World {
    sandbox: Sandbox,
    hosts: Arc<SimulatedHosts>,
    store: MemoryStore,
}

impl World {
    fn new() -> Self {
        let sandbox = Sandbox::in_memory();
        sandbox.knobs().state_duration(Duration::ZERO);
        sandbox.knobs().keep_deleted(Duration::ZERO);
        let (hosts, store) = (Arc::new(SimulatedHosts::in_memory()), MemoryStore::new());
        Self { sandbox, hosts, store }
    }

    async fn engine(&self) -> Engine {
        let aws = Aws::builder()
            .region("us-west-2")
            .credentials("test", "test", None)
            .http_client(self.sandbox.http_client())
            .consistency_window(Duration::ZERO)
            .attempts(1)
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

    async fn up(&self) -> Result<bool, String> {
        let engine = self.engine().await;
        let plan = engine.plan(&stack()).await.map_err(|e| e.to_string())?;
        let empty = plan.is_empty();
        engine.apply(plan).await.map_err(|e| e.to_string())?;
        Ok(empty)
    }

    async fn destroy(&self) -> Result<(), String> {
        let engine = self.engine().await;
        let plan = engine.plan(&stack()).destroy().await.map_err(|e| e.to_string())?;
        engine.apply(plan).await.map_err(|e| e.to_string())?;
        Ok(())
    }

    /// The calls that change something, by operation, and how often each was made.
    fn changes(&self) -> BTreeMap<String, usize> {
        let mut changes = BTreeMap::new();
        for call in self.sandbox.calls() {
            let reads = ["Describe", "Get", "List"].iter().any(|r| call.operation.starts_with(r));
            if !reads {
                *changes.entry(call.operation).or_default() += 1;
            }
        }
        changes
    }
}

fn stack() -> Stack<()> {
    Stack::new("faults", |scope| {
        let os = Os::Ubuntu2404;
        let driver = "580.178.04".parse().unwrap();
        let group = NodeGroup {
            name: "training".to_owned(),
            instance_type: "p4d.24xlarge".to_owned(),
            count: 1,
            capacity: Capacity::OnDemand { placement_group: true },
            subnet_cidr: None,
            ebs_optimized: true,
            stop_to_change: false,
            efa: Some(Goal::EfaFewestIps),
            bandwidth_gbps: Some(400),
            root_volume: RootVolume::new(200),
            scratch: None,
            software: Some(Software::new(os, "6.8.0-1069-aws", driver)),
        };
        scope.add(
            "cluster",
            GpuCluster {
                region: "us-west-2".to_owned(),
                zone: None,
                network: ClusterNetwork::default(),
                image: NodeImage::ubuntu_2404(),
                os,
                groups: vec![group],
                tags: [].into(),
            },
        );
    })
    .unwrap()
}

#[tokio::test]
async fn a_fault_before_or_after_the_effect_of_each_changing_call_is_survived() {
    let healthy = World::new();
    healthy.up().await.unwrap();
    let objects = count(&healthy.sandbox).await;
    let creating = healthy.changes();
    healthy.destroy().await.unwrap();
    assert_eq!(count(&healthy.sandbox).await, [].into());
    let mut deleting = healthy.changes();
    for (operation, n) in &creating {
        *deleting.get_mut(operation).unwrap() -= n;
    }
    assert!(creating.len() >= 20, "{creating:?}");
    let (mut injected, mut struck) = (0, 0);
    for (operation, times) in &creating {
        for nth in 1..=*times {
            for after in [true, false] {
                let world = World::new();
                let fault = Fault::on(operation.as_str()).nth(nth).drops_connection();
                let fault = if after { fault.after_effect() } else { fault.before_effect() };
                world.sandbox.knobs().inject(fault);
                let context = format!("{operation} number {nth}, after its effect: {after}");
                injected += 1;
                struck += usize::from(world.up().await.is_err());
                world.sandbox.knobs().clear_faults();
                world.up().await.unwrap_or_else(|error| panic!("{context}: {error}"));
                assert_eq!(count(&world.sandbox).await, objects, "{context}");
                assert_eq!(world.up().await, Ok(true), "{context}: not settled");
            }
        }
    }
    // A fault that strikes nothing shows nothing; some are retried within the run.
    assert!(struck * 10 > injected * 8, "{struck} of {injected} faults struck");
    for (operation, times) in deleting.iter().filter(|(_, n)| **n > 0) {
        for after in [true, false] {
            let world = World::new();
            world.up().await.unwrap();
            // Faults count from when they are injected.
            let fault = Fault::on(operation.as_str()).nth(times.div_ceil(2)).drops_connection();
            let fault = if after { fault.after_effect() } else { fault.before_effect() };
            world.sandbox.knobs().inject(fault);
            let context = format!("{operation}, after its effect: {after}");
            let _ = world.destroy().await;
            world.sandbox.knobs().clear_faults();
            world.destroy().await.unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(count(&world.sandbox).await, [].into(), "{context}");
        }
    }
}
