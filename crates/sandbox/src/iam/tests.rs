//! Scenarios over the wire: what a stack does with IAM, and what IAM refuses.

use std::time::Duration;

use crate::{
    Sandbox,
    testing::{all, ask, first},
};

const TRUSTS_EC2: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
const READS_S3: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;
const SSM_CORE: &str = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";

/// Sends `Action` with parameters that must succeed; returns the body.
async fn iam(sandbox: &Sandbox, action: &str, parameters: &[(&str, &str)]) -> String {
    let (status, body) = ask(sandbox, "iam", &form(action, parameters)).await;
    assert_eq!(status, 200, "{action}: {body}");
    body
}

/// Sends `Action` with parameters that must be refused; returns status, code and message.
async fn refused(sandbox: &Sandbox, action: &str, parameters: &[(&str, &str)]) -> String {
    let (status, body) = ask(sandbox, "iam", &form(action, parameters)).await;
    assert!(status >= 400, "{action}: {body}");
    format!("{status} {}: {}", first(&body, "Code"), first(&body, "Message"))
}

fn form(action: &str, parameters: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", action)
        .append_pair("Version", "2010-05-08")
        .extend_pairs(parameters);
    form.finish()
}

async fn create_role(sandbox: &Sandbox, name: &str) {
    iam(sandbox, "CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", TRUSTS_EC2)])
        .await;
}

#[tokio::test]
async fn a_node_role_lives_and_is_deleted_only_when_nothing_hangs_on_it() {
    let sandbox = Sandbox::in_memory();
    let role = [("RoleName", "node")];
    let created = iam(
        &sandbox,
        "CreateRole",
        &[
            ("RoleName", "node"),
            ("Path", "/gpu/"),
            ("AssumeRolePolicyDocument", TRUSTS_EC2),
            ("Tags.member.1.Key", "team"),
            ("Tags.member.1.Value", "infra"),
        ],
    )
    .await;
    assert_eq!(first(&created, "Arn"), "arn:aws:iam::123456789012:role/gpu/node");
    let id = first(&created, "RoleId");
    assert!(id.starts_with("AROA") && id.len() == 21, "{id}");
    assert!(
        first(&created, "AssumeRolePolicyDocument")
            .starts_with("%7B%22Version%22%3A%222012-10-17%22")
    );

    let inline = [("RoleName", "node"), ("PolicyName", "logs"), ("PolicyDocument", READS_S3)];
    iam(&sandbox, "PutRolePolicy", &inline).await;
    iam(&sandbox, "AttachRolePolicy", &[role[0], ("PolicyArn", SSM_CORE)]).await;
    let profile = ("InstanceProfileName", "node");
    iam(&sandbox, "CreateInstanceProfile", &[profile]).await;
    iam(&sandbox, "AddRoleToInstanceProfile", &[profile, role[0]]).await;

    let conflict =
        |what: &str| format!("409 DeleteConflict: Cannot delete entity, must {what} first.");
    let first_remove = conflict("remove roles from instance profile");
    assert_eq!(refused(&sandbox, "DeleteRole", &role).await, first_remove);
    assert_eq!(refused(&sandbox, "DeleteInstanceProfile", &[profile]).await, first_remove);
    iam(&sandbox, "RemoveRoleFromInstanceProfile", &[profile, role[0]]).await;
    iam(&sandbox, "DeleteInstanceProfile", &[profile]).await;
    assert_eq!(refused(&sandbox, "DeleteRole", &role).await, conflict("detach all policies"));
    iam(&sandbox, "DetachRolePolicy", &[role[0], ("PolicyArn", SSM_CORE)]).await;
    assert_eq!(refused(&sandbox, "DeleteRole", &role).await, conflict("delete policies"));
    iam(&sandbox, "DeleteRolePolicy", &inline[..2]).await;
    iam(&sandbox, "DeleteRole", &role).await;
    let gone = "404 NoSuchEntity: The role with name node cannot be found.";
    assert_eq!(refused(&sandbox, "GetRole", &role).await, gone);
}

#[tokio::test]
async fn names_are_taken_whatever_their_case_and_limits_are_limits() {
    let sandbox = Sandbox::in_memory();
    create_role(&sandbox, "node").await;
    let trust = ("AssumeRolePolicyDocument", TRUSTS_EC2);
    let taken = refused(&sandbox, "CreateRole", &[("RoleName", "NODE"), trust]).await;
    assert_eq!(taken, "409 EntityAlreadyExists: Role with name NODE already exists.");
    for wrong in [
        &[("RoleName", "a/b"), trust][..],
        &[("RoleName", &"a".repeat(65)), trust],
        &[trust],
        &[("RoleName", "a"), trust, ("MaxSessionDuration", "3599")],
        &[("RoleName", "a"), trust, ("Path", "no-slash")],
        &[("RoleName", "a"), trust, ("Description", &"d".repeat(1001))],
    ] {
        let message = refused(&sandbox, "CreateRole", wrong).await;
        assert!(message.starts_with("400 ValidationError: "), "{wrong:?}: {message}");
    }
    let unknown =
        refused(&sandbox, "CreateRole", &[("RoleName", "a"), trust, ("Colour", "red")]).await;
    assert!(unknown.contains("Colour"), "{unknown}");

    for (number, (arn, _)) in super::aws_managed::all()
        .iter()
        .filter(|(_, policy)| policy.attachable)
        .take(11)
        .enumerate()
    {
        let attach = [("RoleName", "node"), ("PolicyArn", arn.as_str())];
        if number < 10 {
            iam(&sandbox, "AttachRolePolicy", &attach).await;
        } else {
            let full = refused(&sandbox, "AttachRolePolicy", &attach).await;
            assert_eq!(full, "409 LimitExceeded: Cannot exceed quota for PoliciesPerRole: 10");
        }
    }
    let attached = iam(&sandbox, "ListAttachedRolePolicies", &[("RoleName", "node")]).await;
    assert_eq!(all(&attached, "PolicyArn").len(), 10);

    let resources = vec!["\"arn:aws:s3:::bucket-with-a-name/*\""; 300].join(", ");
    let long = READS_S3.replace("\"*\"", &format!("[{resources}]"));
    let inline = [("RoleName", "node"), ("PolicyName", "long"), ("PolicyDocument", long.as_str())];
    let too_long = refused(&sandbox, "PutRolePolicy", &inline).await;
    assert_eq!(
        too_long,
        "409 LimitExceeded: Maximum policy size of 10240 bytes exceeded for role node"
    );
    let managed = refused(&sandbox, "CreatePolicy", &[("PolicyName", "long"), inline[2]]).await;
    assert_eq!(managed, "409 LimitExceeded: Cannot exceed quota for PolicySize: 6144");
}

#[tokio::test]
async fn a_policy_keeps_five_versions_and_is_not_deleted_in_use() {
    let sandbox = Sandbox::in_memory();
    create_role(&sandbox, "node").await;
    let created =
        iam(&sandbox, "CreatePolicy", &[("PolicyName", "read"), ("PolicyDocument", READS_S3)])
            .await;
    let arn = first(&created, "Arn");
    let policy = ("PolicyArn", arn.as_str());
    let version = [policy, ("PolicyDocument", READS_S3), ("SetAsDefault", "true")];
    for _ in 2..=5 {
        iam(&sandbox, "CreatePolicyVersion", &version).await;
    }
    assert!(
        refused(&sandbox, "CreatePolicyVersion", &version)
            .await
            .starts_with("409 LimitExceeded: A managed policy")
    );
    let listed = iam(&sandbox, "ListPolicyVersions", &[policy]).await;
    assert_eq!(all(&listed, "VersionId"), ["v5", "v4", "v3", "v2", "v1"]);
    let default = refused(&sandbox, "DeletePolicyVersion", &[policy, ("VersionId", "v5")]).await;
    assert_eq!(default, "409 DeleteConflict: Cannot delete the default version of a policy.");

    iam(&sandbox, "AttachRolePolicy", &[policy, ("RoleName", "node")]).await;
    assert_eq!(first(&iam(&sandbox, "GetPolicy", &[policy]).await, "AttachmentCount"), "1");
    let used = refused(&sandbox, "DeletePolicy", &[policy]).await;
    assert_eq!(used, "409 DeleteConflict: Cannot delete a policy attached to entities.");
    iam(&sandbox, "DetachRolePolicy", &[policy, ("RoleName", "node")]).await;
    assert!(refused(&sandbox, "DeletePolicy", &[policy]).await.contains("more than one version"));
    for old in ["v1", "v2", "v3", "v4"] {
        iam(&sandbox, "DeletePolicyVersion", &[policy, ("VersionId", old)]).await;
    }
    // Numbers are not used twice.
    let next = iam(&sandbox, "CreatePolicyVersion", &version).await;
    assert_eq!(first(&next, "VersionId"), "v6");
    iam(&sandbox, "DeletePolicyVersion", &[policy, ("VersionId", "v5")]).await;
    iam(&sandbox, "DeletePolicy", &[policy]).await;
    let foreign = refused(&sandbox, "DeletePolicy", &[("PolicyArn", SSM_CORE)]).await;
    assert_eq!(foreign, "403 AccessDenied: Policy is outside your own account.");
}

#[tokio::test]
async fn lists_are_cut_into_pages_and_markers_continue_only_their_own_list() {
    let sandbox = Sandbox::in_memory();
    for number in 0..5 {
        create_role(&sandbox, &format!("role-{number}")).await;
    }
    let (mut names, mut marker) = (Vec::new(), String::new());
    loop {
        let mut parameters = vec![("MaxItems", "2")];
        if !marker.is_empty() {
            parameters.push(("Marker", &marker));
        }
        let page = iam(&sandbox, "ListRoles", &parameters).await;
        names.extend(all(&page, "RoleName"));
        if first(&page, "IsTruncated") == "false" {
            break;
        }
        marker = first(&page, "Marker");
    }
    assert_eq!(names, ["role-0", "role-1", "role-2", "role-3", "role-4"]);
    let stray = refused(&sandbox, "ListInstanceProfiles", &[("Marker", &marker)]).await;
    assert!(stray.starts_with("400 ValidationError"), "{stray}");
    let size = refused(&sandbox, "ListRoles", &[("MaxItems", "1001")]).await;
    assert!(size.starts_with("400 ValidationError"), "{size}");
}

#[tokio::test]
async fn a_trust_policy_names_only_principals_that_exist() {
    let sandbox = Sandbox::in_memory();
    create_role(&sandbox, "node").await;
    let trust = |principal: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}}}"#
        )
    };
    for good in [
        r#"{"AWS":"arn:aws:iam::123456789012:role/node"}"#,
        r#"{"AWS":["123456789012","arn:aws:iam::123456789012:root"]}"#,
        r#"{"Service":["logs.us-west-2.amazonaws.com","ecs-tasks.amazonaws.com"]}"#,
    ] {
        let update = [("RoleName", "node"), ("PolicyDocument", &trust(good))];
        iam(&sandbox, "UpdateAssumeRolePolicy", &update).await;
    }
    for (bad, named) in [
        (
            r#"{"AWS":"arn:aws:iam::123456789012:role/nobody"}"#,
            r#""AWS":"arn:aws:iam::123456789012:role/nobody""#,
        ),
        (r#"{"Service":"ec22.amazonaws.com"}"#, r#""SERVICE":"ec22.amazonaws.com""#),
    ] {
        let update = [("RoleName", "node"), ("PolicyDocument", &trust(bad))];
        let message = refused(&sandbox, "UpdateAssumeRolePolicy", &update).await;
        let named = named.replace('"', "&quot;");
        assert_eq!(
            message,
            format!("400 MalformedPolicyDocument: Invalid principal in policy: {named}")
        );
    }
}

#[tokio::test]
async fn a_new_role_is_not_there_until_it_has_propagated() {
    let sandbox = Sandbox::in_memory();
    sandbox.knobs().consistency_window(Duration::from_secs(10));
    create_role(&sandbox, "node").await;
    iam(&sandbox, "CreateInstanceProfile", &[("InstanceProfileName", "node")]).await;
    let add = [("InstanceProfileName", "node"), ("RoleName", "node")];
    assert!(
        refused(&sandbox, "AddRoleToInstanceProfile", &add).await.starts_with("404 NoSuchEntity")
    );
    // A second creation is refused at once all the same.
    let again = [("RoleName", "node"), ("AssumeRolePolicyDocument", TRUSTS_EC2)];
    assert!(refused(&sandbox, "CreateRole", &again).await.starts_with("409 EntityAlreadyExists"));
    sandbox.knobs().advance_clock(Duration::from_secs(10));
    iam(&sandbox, "AddRoleToInstanceProfile", &add).await;
}

#[tokio::test]
async fn a_service_linked_role_belongs_to_its_service() {
    let sandbox = Sandbox::in_memory();
    let service = [("AWSServiceName", "autoscaling.amazonaws.com")];
    let created = iam(&sandbox, "CreateServiceLinkedRole", &service).await;
    let name = first(&created, "RoleName");
    assert_eq!(name, "AWSServiceRoleForAutoScaling");
    assert!(
        refused(&sandbox, "CreateServiceLinkedRole", &service)
            .await
            .starts_with("400 InvalidInput")
    );
    let role = ("RoleName", name.as_str());
    for (action, parameters) in [
        ("DeleteRole", &[role][..]),
        ("AttachRolePolicy", &[role, ("PolicyArn", SSM_CORE)]),
        ("UpdateRole", &[role, ("MaxSessionDuration", "7200")]),
    ] {
        assert!(
            refused(&sandbox, action, parameters).await.starts_with("400 UnmodifiableEntity"),
            "{action}"
        );
    }
    let task = first(&iam(&sandbox, "DeleteServiceLinkedRole", &[role]).await, "DeletionTaskId");
    let status = [("DeletionTaskId", task.as_str())];
    let begun = iam(&sandbox, "GetServiceLinkedRoleDeletionStatus", &status).await;
    assert_eq!(first(&begun, "Status"), "IN_PROGRESS");
    sandbox.knobs().advance_clock(Duration::from_secs(1));
    let ended = iam(&sandbox, "GetServiceLinkedRoleDeletionStatus", &status).await;
    assert_eq!(first(&ended, "Status"), "SUCCEEDED");
}

#[tokio::test]
async fn tags_do_not_differ_by_case_alone() {
    let sandbox = Sandbox::in_memory();
    create_role(&sandbox, "node").await;
    let tag = |key, value| {
        [("RoleName", "node"), ("Tags.member.1.Key", key), ("Tags.member.1.Value", value)]
    };
    iam(&sandbox, "TagRole", &tag("Team", "a")).await;
    iam(&sandbox, "TagRole", &tag("team", "b")).await;
    let listed = iam(&sandbox, "ListRoleTags", &[("RoleName", "node")]).await;
    assert_eq!(
        (all(&listed, "Key"), all(&listed, "Value")),
        (vec!["team".to_owned()], vec!["b".to_owned()])
    );
    assert!(refused(&sandbox, "TagRole", &tag("aws:x", "b")).await.starts_with("400 InvalidInput"));
    iam(&sandbox, "UntagRole", &[("RoleName", "node"), ("TagKeys.member.1", "TEAM")]).await;
    assert!(all(&iam(&sandbox, "ListRoleTags", &[("RoleName", "node")]).await, "Key").is_empty());
}
