//! Roles through the engine: declared with late values, applied, found unchanged, changed, removed;
//! and all that can be known to be wrong with them, in one plan.

use formwork_core::{Engine, PlanError, Stack, testing::MemoryStore, text};
use formwork_sandbox::{Fault, Sandbox};

use super::*;
use crate::{lookup::CallerIdentity, testing::aws};

async fn engine(sandbox: &Sandbox) -> Engine {
    let engine = Engine::builder().provider(aws(sandbox).await);
    engine.state(MemoryStore::new()).try_build().unwrap()
}

fn nodes(action: &str) -> Stack {
    Stack::new("nodes", |scope| {
        let caller = scope.lookup::<CallerIdentity>("caller", CallerIdentity {});
        let node = Role::builder().assumed_by("ec2.amazonaws.com").build();
        let node = scope.add("node", node);
        let trust = Statement::trust(Principals::aws([
            text!("arn:aws:iam::{}:root", caller.account),
            text!("{}", node.arn),
        ]));
        let admin = Role::builder().assume_role_policy(PolicyDocument::of([trust.build()]));
        let admin = scope.add("admin", admin.build());
        let pass = Statement::allow(["iam:PassRole", action]).on([&admin.arn, &node.arn]).build();
        let policy = Policy::builder().policy(PolicyDocument::of([pass])).build();
        let policy = scope.add("policy", policy);
        let attach = RolePolicyAttachment::builder().role(&node.name).policy_arn(&policy.arn);
        scope.add("attach", attach.build());
        let inline = Statement::deny([action]).on(["*"]).build();
        let inline = RolePolicy::builder().role(&node.name).policy(PolicyDocument::of([inline]));
        scope.add("inline", inline.build());
        let profile = InstanceProfile::builder().role(&node.name).build();
        scope.add("profile", profile);
    })
    .unwrap()
}

#[tokio::test]
async fn roles_are_made_found_unchanged_changed_and_removed() {
    let sandbox = Sandbox::in_memory();
    let engine = engine(&sandbox).await;
    let (first, second) = (nodes("s3:Get*"), nodes("s3:Put*"));
    let plan = engine.plan(&first).await.unwrap();
    engine.apply(plan).await.unwrap();
    let again = engine.plan(&first).await.unwrap();
    assert!(again.is_empty(), "{again}");
    let change = engine.plan(&second).await.unwrap();
    let text = change.to_string();
    assert!(text.contains("policy") && text.contains("inline"), "{text}");
    assert!(text.contains("s3:Put*"), "a plan shows what changes in a document: {text}");
    engine.apply(change).await.unwrap();
    assert!(engine.plan(&second).await.unwrap().is_empty());
    let plan = engine.plan(&second).destroy().await.unwrap();
    engine.apply(plan).await.unwrap();
    assert!(sandbox.ids("global", "role").is_empty());
}

#[tokio::test]
async fn all_that_is_wrong_with_roles_is_said_at_once() {
    let stack = Stack::new("wrong", |scope| {
        let late = Role::builder().assumed_by("ec2.amazonaws.com").build();
        let late = scope.add("late", late);
        let role = Role::builder()
            .name("two words")
            .path("team")
            .max_session_duration(60_u32)
            .permissions_boundary(crate::Arn::from("arn:aws:s3:::bucket"))
            .tags([("Key", "1"), ("key", "2"), ("formwork:id", "x")])
            .assumed_by("ec2");
        scope.add("role", role.build());
        let trust = Statement::allow(["s3:GetObject"]).on([&late.arn]).sid("no good").build();
        let trust = Role::builder().assume_role_policy(PolicyDocument::of([trust]));
        scope.add("trust", trust.build());
        let sound = Statement::allow(["s3", "s3:GetObject"])
            .on([text!("{}", late.arn), text!("bucket")])
            .principals(Principals::everyone())
            .conditions([("Sounds", [("aws:RequestedRegion", ["eu-west-1"])])])
            .build();
        let nothing = Statement::builder().build();
        let policy = Policy::builder().policy(PolicyDocument::of([sound, nothing]));
        scope.add("policy", policy.build());
        let actions: Vec<String> = (0..900).map(|i| format!("s3:Get{i}")).collect();
        let long = PolicyDocument::of([Statement::allow(actions).on(["*"]).build()]);
        scope.add("long", Policy::builder().policy(long).build());
        let attach = RolePolicyAttachment::builder().role(&late.name);
        scope.add("attach", attach.policy_arn(crate::Arn::from("ReadOnlyAccess")).build());
    });
    let engine = engine(&Sandbox::in_memory()).await;
    let Err(PlanError::Invalid { problems, .. }) = engine.plan(&stack.unwrap()).await else {
        panic!("the plan is not refused");
    };
    let mut said = String::new();
    for problem in problems {
        let field = problem.field.unwrap_or_default();
        said += &format!("{} {field}: {}\n", problem.address, problem.message);
    }
    insta::assert_snapshot!(said, @r#"
    role name: "two words" has ' ': expected only letters, digits and +=,.@_-
    role path: "team": expected a path like "/" or "/team/"
    role max_session_duration: 60: expected 3600 to 43200
    role permissions_boundary: "arn:aws:s3:::bucket" is no managed policy's ARN: expected one like arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore
    role assume_role_policy.statements[0].principals.services[0]: "ec2" is no service: expected a name like ec2.amazonaws.com
    role tags: the key "formwork:id" starts with `formwork:`, which is for ownership
    role tags: the key "key" differs from another one by case alone
    trust assume_role_policy.statements[0].sid: "no good": expected letters and digits only
    trust assume_role_policy.statements[0]: it has no principals: expected who may assume the role
    trust assume_role_policy.statements[0].resources: a trust policy can not have it
    trust assume_role_policy.statements[0].actions[0]: "s3:GetObject": expected one of sts:AssumeRole, sts:AssumeRoleWithSAML, sts:AssumeRoleWithWebIdentity, sts:SetContext, sts:SetSourceIdentity, sts:TagSession
    policy policy.statements[0].principals: a policy of permissions names no principals: it is about those who have it
    policy policy.statements[0].actions[0]: "s3" is no action: expected one like s3:GetObject, or "*"
    policy policy.statements[0].resources[1]: "bucket" is no ARN: expected one, or "*"
    policy policy.statements[0].conditions: "Sounds" is no operator of conditions
    policy policy.statements[1]: it has no actions: expected one at least
    policy policy.statements[1]: it has no resources: expected ARNs, or "*"
    long policy: 10773 characters: expected at most 6144
    attach policy_arn: "ReadOnlyAccess" is no managed policy's ARN: expected one like arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore
    "#);
}

#[tokio::test]
async fn what_is_named_by_its_inputs_is_there_after_a_replacement() {
    let sandbox = Sandbox::in_memory();
    let engine = engine(&sandbox).await;
    let stack = Stack::new("named", |scope| {
        let role = Role::builder().assumed_by("ec2.amazonaws.com").build();
        let role = scope.add("role", role);
        let may = PolicyDocument::of([Statement::allow(["s3:Get*"]).on(["*"]).build()]);
        let inline = RolePolicy::builder().role(&role.name).name("inline").policy(may);
        scope.add("inline", inline.build());
        let attached = RolePolicyAttachment::builder().role(&role.name);
        let core = crate::Arn::from("arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore");
        scope.add("attached", attached.policy_arn(core).build());
    })
    .unwrap();
    engine.apply(engine.plan(&stack).await.unwrap()).await.unwrap();
    let plan = engine.plan(&stack).replace("inline").replace("attached").await.unwrap();
    engine.apply(plan).await.unwrap();
    let again = engine.plan(&stack).await.unwrap();
    assert!(again.is_empty() && again.data().drift.is_empty(), "{again}");
}

#[tokio::test]
async fn what_was_made_although_the_answer_got_lost_is_taken_for_ours() {
    for operation in [
        "CreateRole",
        "CreatePolicy",
        "PutRolePolicy",
        "AttachRolePolicy",
        "CreateInstanceProfile",
        "AddRoleToInstanceProfile",
    ] {
        let sandbox = Sandbox::in_memory();
        let engine = engine(&sandbox).await;
        let stack = nodes("s3:Get*");
        let plan = engine.plan(&stack).await.unwrap();
        sandbox.knobs().inject(Fault::on(operation).after_effect().drops_connection());
        engine.apply(plan).await.unwrap();
        let again = engine.plan(&stack).await.unwrap();
        assert!(again.is_empty(), "{operation}: {again}");
        assert_eq!(sandbox.ids("global", "role").len(), 2, "after {operation}");
    }
}
