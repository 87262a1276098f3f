//! IAM's types on the sandbox, through all verbs; and what is refused when a plan is made.

use std::collections::BTreeMap;

use formwork_core::{Context, ErrorKind, Known, Lifecycle};
use formwork_sandbox::Sandbox;

use super::*;
use crate::{
    Arn,
    testing::{aws, dies, identity, lives, ready},
};

fn document(json: &str) -> PolicyDocument {
    PolicyDocument::from_json(json).unwrap()
}

fn trust(service: &str) -> PolicyDocument {
    document(&format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole",
        "Principal":{{"Service":"{service}"}}}}]}}"#
    ))
}

fn allow(action: &str) -> PolicyDocument {
    document(&format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#
    ))
}

fn role() -> Role {
    Role {
        name: None,
        path: "/".into(),
        description: None,
        assume_role_policy: trust("ec2.amazonaws.com"),
        max_session_duration: 3600,
        permissions_boundary: None,
        force_detach: false,
        tags: BTreeMap::new(),
    }
}

fn tags<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

#[tokio::test]
async fn a_role_lives_and_dies() {
    let sandbox = Sandbox::in_memory();
    let aws = aws(&sandbox).await;
    let boundary = Some(aws_managed_policy("ReadOnlyAccess"));
    let versions = [
        role(),
        Role {
            description: Some("What it is for".into()),
            max_session_duration: 7200,
            tags: tags([("a", "1"), ("b", "2")]),
            ..role()
        },
        Role {
            assume_role_policy: trust("lambda.amazonaws.com"),
            permissions_boundary: boundary,
            tags: tags([("A", "3"), ("b", "2")]),
            ..role()
        },
        role(),
    ];
    let known = lives(&aws, 1, versions).await;
    dies(&aws, 1, known).await;
    let named = Role { name: Some("Team-Role".into()), path: "/team/".into(), ..role() };
    let known = lives(&aws, 2, [named]).await;
    assert_eq!(known.outputs.arn.as_str(), "arn:aws:iam::123456789012:role/team/Team-Role");
    dies(&aws, 2, known).await;
}

#[tokio::test]
async fn policies_are_attached_and_detached() {
    let sandbox = Sandbox::in_memory();
    let aws = aws(&sandbox).await;
    let role = ready(&aws, 1, role()).await;
    let name = role.outputs.name.clone();
    let inline = RolePolicy { role: name.clone(), name: None, policy: allow("s3:GetObject") };
    let changed = RolePolicy { policy: allow("s3:PutObject"), ..inline.clone() };
    let inline = lives(&aws, 2, [inline, changed]).await;
    let of_aws = aws_managed_policy("AmazonSSMManagedInstanceCore");
    let attachment = RolePolicyAttachment { role: name, policy_arn: of_aws };
    let attachment = lives(&aws, 3, [attachment]).await;
    dies(&aws, 3, attachment).await;
    dies(&aws, 2, inline).await;
    dies(&aws, 1, role).await;
}

#[tokio::test]
async fn a_policy_keeps_five_versions_at_most() {
    let sandbox = Sandbox::in_memory();
    let aws = aws(&sandbox).await;
    let policy = |action: &str, tag: &str| Policy {
        name: None,
        path: "/".into(),
        description: Some("d".into()),
        policy: allow(action),
        tags: tags([("t", tag)]),
    };
    let versions = (0..12).map(|i| policy(&format!("s3:Get{i}"), &(i / 2).to_string()));
    let known = lives(&aws, 1, versions).await;
    let versions = sandbox.calls();
    assert!(versions.iter().any(|call| call.operation == "DeletePolicyVersion"));
    dies(&aws, 1, known).await;
}

#[tokio::test]
async fn an_instance_profile_changes_its_role() {
    let sandbox = Sandbox::in_memory();
    let aws = aws(&sandbox).await;
    let (one, two) = (ready(&aws, 1, role()).await, ready(&aws, 2, role()).await);
    let profile = |role: Option<&Known<Role>>, tag: &str| InstanceProfile {
        name: None,
        path: "/".into(),
        role: role.map(|role| role.outputs.name.clone()),
        tags: tags([("t", tag)]),
    };
    let versions = [
        profile(Some(&one), "1"),
        profile(Some(&two), "1"),
        profile(None, "2"),
        profile(Some(&one), "2"),
    ];
    let known = lives(&aws, 3, versions).await;
    dies(&aws, 3, known).await;
    dies(&aws, 1, one).await;
    dies(&aws, 2, two).await;
}

#[tokio::test]
async fn a_stranger_of_the_same_name_is_neither_adopted_nor_deleted() {
    let sandbox = Sandbox::in_memory();
    let aws = aws(&sandbox).await;
    let named = Role { name: Some("shared".into()), ..role() };
    let theirs = ready(&aws, 1, named.clone()).await;
    let us = identity(2);
    let cx = Context { client: &**aws.clients(), identity: &us };
    assert!(Role::find(&cx, &named).await.unwrap().is_none());
    let error = Role::create(&cx, &named).await.unwrap_err().error;
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(error.message.contains("import it"), "{error}");
    // Ours was deleted, and someone made another of that name.
    let outputs = RoleOutputs { unique_id: "AROAELSE".into(), ..theirs.outputs.clone() };
    let ours = Known { inputs: named.clone(), outputs };
    assert!(Role::read(&cx, &ours).await.unwrap().is_none());
    Role::delete(&cx, &ours).await.unwrap();
    let them = identity(1);
    let cx = Context { client: &**aws.clients(), identity: &them };
    assert!(Role::read(&cx, &theirs).await.unwrap().is_some());
    // A create that is tried again gives the same role.
    assert_eq!(Role::create(&cx, &named).await.unwrap(), theirs.outputs);
}

#[tokio::test]
async fn a_delete_takes_away_what_others_gave_only_when_told_to() {
    let sandbox = Sandbox::in_memory();
    let aws = aws(&sandbox).await;
    let gifted = ready(&aws, 1, role()).await;
    let name = gifted.outputs.name.clone();
    let policy_arn = aws_managed_policy("AmazonSSMManagedInstanceCore");
    ready(&aws, 2, RolePolicyAttachment { role: name.clone(), policy_arn }).await;
    ready(&aws, 3, RolePolicy { role: name.clone(), name: None, policy: allow("s3:*") }).await;
    let profile =
        InstanceProfile { name: None, path: "/".into(), role: Some(name), tags: BTreeMap::new() };
    ready(&aws, 4, profile).await;
    let identity = identity(1);
    let cx = Context { client: &**aws.clients(), identity: &identity };
    assert_eq!(Role::delete(&cx, &gifted).await.unwrap_err().kind, ErrorKind::InUse);
    let told = Known { inputs: Role { force_detach: true, ..gifted.inputs }, ..gifted };
    dies(&aws, 1, told).await;
}

#[test]
fn late_arns_fit_into_documents() {
    let arn = formwork_core::Output::known(Arn::from("arn:aws:s3:::data"));
    let read = Statement::allow(["s3:GetObject"]).on([&arn]).build();
    let list = Statement::deny(["s3:ListBucket"])
        .on([formwork_core::text!("{}/*", arn)])
        .sid("NoList")
        .conditions([("StringEquals", [("aws:RequestedRegion", ["eu-west-1"])])])
        .build();
    let _ = Role::builder().assumed_by("ec2.amazonaws.com").build();
    let _ = Policy::builder().policy(PolicyDocument::of([read, list])).build();
}
