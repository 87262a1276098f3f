//! Roles, and what they may do.

use formwork_aws::iam::*;
use formwork_core::Known;
use serde_json::json;

use crate::conformance::world::{World, of};

fn trust(service: &str) -> PolicyDocument {
    of(json!({"statements": [{"actions": ["sts:AssumeRole"],
        "principals": {"services": [service]}}]}))
}

fn allow(action: &str) -> PolicyDocument {
    of(json!({"statements": [{"actions": [action], "resources": ["*"]}]}))
}

async fn has_role(world: &World) -> Known<Role> {
    world.has(of::<Role>(json!({"assume_role_policy": trust("ec2.amazonaws.com")}))).await
}

pub(super) async fn role(world: &World) {
    let boundary = aws_managed_policy("ReadOnlyAccess");
    let versions = [
        json!({"path": "/team/", "assume_role_policy": trust("ec2.amazonaws.com"),
            "tags": {"a": "1"}}),
        json!({"path": "/team/", "assume_role_policy": trust("lambda.amazonaws.com"),
            "description": "What it is for", "max_session_duration": 7200,
            "permissions_boundary": boundary, "tags": {"a": "2", "team": "mine"}}),
        json!({"path": "/team/", "assume_role_policy": trust("ec2.amazonaws.com")}),
    ];
    world.lives_and_dies(versions.map(of::<Role>)).await;
}

pub(super) async fn role_policy(world: &World) {
    let role = has_role(world).await.outputs.name;
    let versions = ["s3:GetObject", "s3:PutObject"]
        .map(|action| of::<RolePolicy>(json!({"role": role, "policy": allow(action)})));
    world.lives_and_dies(versions).await;
}

pub(super) async fn policy(world: &World) {
    // More versions than IAM keeps.
    let versions = (0..7).map(|i| {
        let policy = allow(&format!("s3:Get{i}"));
        of::<Policy>(json!({"description": "d", "policy": policy, "tags": {"i": i.to_string()}}))
    });
    world.lives_and_dies(versions).await;
}

pub(super) async fn role_policy_attachment(world: &World) {
    let role = has_role(world).await.outputs.name;
    let policy_arn = aws_managed_policy("AmazonSSMManagedInstanceCore");
    let versions = [RolePolicyAttachment { role: role.clone(), policy_arn }];
    world.lives_and_dies(versions).await;
    let own = world.has(of::<Policy>(json!({"policy": allow("s3:*")}))).await.outputs.arn;
    world.lives_and_dies([RolePolicyAttachment { role, policy_arn: own }]).await;
}

pub(super) async fn instance_profile(world: &World) {
    let (one, other) = (has_role(world).await.outputs.name, has_role(world).await.outputs.name);
    let versions = [
        json!({"role": one, "tags": {"a": "b"}}),
        json!({"role": other}),
        json!({}),
        json!({"role": one}),
    ];
    world.lives_and_dies(versions.map(of::<InstanceProfile>)).await;
}
