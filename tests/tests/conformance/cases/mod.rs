//! The cases: examples of every type, each version of an object reached by an update in place.

mod autoscaling;
mod compute;
mod iam;
mod lookups;
mod network;

use std::sync::Arc;

use formwork_core::BoxFuture;
use formwork_sandbox::Sandbox;

use super::world::World;

/// Examples of one type.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// The type; none for a case about lookups.
    pub(super) kind: Option<&'static str>,
    pub(super) run: fn(Arc<World>) -> BoxFuture<'static, ()>,
}

/// Lists the cases, and makes each a test on a sandbox of its own.
macro_rules! cases {
    ($($module:ident::$name:ident $(= $kind:literal)?;)*) => {
        pub(super) const CASES: &[Case] = &[$(Case {
            name: stringify!($name),
            kind: cases!(@kind $($kind)?),
            run: |world| Box::pin(async move { $module::$name(&world).await }),
        }),*];

        mod on_the_sandbox {
            $(
                #[tokio::test]
                async fn $name() {
                    super::on_the_sandbox(stringify!($name)).await;
                }
            )*
        }
    };
    (@kind $kind:literal) => { Some($kind) };
    (@kind) => { None };
}

cases! {
    network::vpc = "aws:ec2/vpc";
    network::subnet = "aws:ec2/subnet";
    network::internet_gateway = "aws:ec2/internet-gateway";
    network::egress_only_internet_gateway = "aws:ec2/egress-only-internet-gateway";
    network::elastic_ip = "aws:ec2/elastic-ip";
    network::nat_gateway = "aws:ec2/nat-gateway";
    network::route_table = "aws:ec2/route-table";
    network::route = "aws:ec2/route";
    network::route_table_association = "aws:ec2/route-table-association";
    network::security_group = "aws:ec2/security-group";
    network::ingress_rule = "aws:ec2/security-group-ingress-rule";
    network::egress_rule = "aws:ec2/security-group-egress-rule";
    network::vpc_endpoint = "aws:ec2/vpc-endpoint";
    compute::key_pair = "aws:ec2/key-pair";
    compute::placement_group = "aws:ec2/placement-group";
    compute::capacity_reservation = "aws:ec2/capacity-reservation";
    compute::launch_template = "aws:ec2/launch-template";
    compute::instance = "aws:ec2/instance";
    compute::volume = "aws:ec2/volume";
    compute::volume_attachment = "aws:ec2/volume-attachment";
    autoscaling::group = "aws:autoscaling/group";
    autoscaling::scheduled_action = "aws:autoscaling/scheduled-action";
    iam::role = "aws:iam/role";
    iam::role_policy = "aws:iam/role-policy";
    iam::policy = "aws:iam/policy";
    iam::role_policy_attachment = "aws:iam/role-policy-attachment";
    iam::instance_profile = "aws:iam/instance-profile";
    lookups::all;
}

async fn on_the_sandbox(name: &str) {
    let case = CASES.iter().find(|case| case.name == name).expect("the case is listed");
    let world = World::on_the_sandbox(&Sandbox::in_memory()).await;
    (case.run)(Arc::new(world)).await;
}
