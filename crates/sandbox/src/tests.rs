//! What the sandbox promises whatever the operation: atomic, durable, strict, and broken on request.

use std::time::Duration;

use serde_json::json;

use crate::{
    Fault, OpenError, Outcome, Sandbox, find_endpoint,
    testing::{all, ask, ec2, ec2_error, first},
};

const CREATE: &str = "Action=CreateVpc&CidrBlock=10.0.0.0/16";

#[tokio::test]
async fn a_world_in_a_folder_outlives_the_sandbox_and_has_one_owner() {
    let dir = tempfile::tempdir().expect("a folder");
    let sandbox = Sandbox::open(dir.path()).expect("a new sandbox");
    let vpc = first(&ec2(&sandbox, CREATE).await, "vpcId");
    let Err(OpenError::InUse { process, .. }) = Sandbox::open(dir.path()) else {
        panic!("a second owner");
    };
    assert_eq!(process, std::process::id().to_string());
    drop(sandbox);

    let sandbox = Sandbox::open(dir.path()).expect("the same sandbox");
    assert_eq!(first(&ec2(&sandbox, "Action=DescribeVpcs").await, "vpcId"), vpc);
    assert_ne!(first(&ec2(&sandbox, CREATE).await, "vpcId"), vpc, "ids are not given twice");
}

#[tokio::test]
async fn many_calls_at_once_are_all_durable_when_answered() {
    let dir = tempfile::tempdir().expect("a folder");
    let sandbox = Sandbox::open(dir.path()).expect("a new sandbox");
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let sandbox = sandbox.clone();
            tokio::spawn(async move { first(&ec2(&sandbox, CREATE).await, "vpcId") })
        })
        .collect();
    let mut answered = Vec::new();
    for call in calls {
        answered.push(call.await.expect("no panic"));
    }
    answered.sort();
    drop(sandbox);
    let sandbox = Sandbox::open(dir.path()).expect("the same sandbox");
    assert_eq!(sandbox.ids("us-west-2", "vpc"), answered);
}

#[tokio::test]
async fn a_tag_may_have_any_character_that_an_answer_can_hold() {
    let sandbox = Sandbox::in_memory();
    let vpc = first(&ec2(&sandbox, CREATE).await, "vpcId");
    let tag = |value: &str| {
        format!("Action=CreateTags&ResourceId.1={vpc}&Tag.1.Key=odd&Tag.1.Value={value}")
    };
    for odd in ["%1B%5B31m", "%00", "%EF%BF%BE"] {
        assert_eq!(ec2_error(&sandbox, &tag(odd)).await, "InvalidParameterValue", "{odd}");
    }
    let key = format!("Action=CreateTags&ResourceId.1={vpc}&Tag.1.Key=%07&Tag.1.Value=x");
    assert_eq!(ec2_error(&sandbox, &key).await, "InvalidParameterValue");
    ec2(&sandbox, &tag("a%0Ab%0Dc%09%3C%26%22%C3%BC%F0%9F%98%80")).await;
    let body = ec2(&sandbox, "Action=DescribeVpcs").await;
    let values = all(&body, "value");
    assert!(values[0].contains("a\nb&#13;c\t&lt;&amp;&quot;ü😀"), "{values:?}");
}

#[tokio::test]
async fn what_is_refused_leaves_no_trace() {
    let sandbox = Sandbox::in_memory();
    let unknown = format!("{CREATE}&Ipv4IpamPoolId=ipam-pool-1");
    assert_eq!(ec2_error(&sandbox, &unknown).await, "UnknownParameter");
    assert_eq!(ec2_error(&sandbox, &format!("{CREATE}&DryRun=true")).await, "DryRunOperation");
    assert_eq!(ec2_error(&sandbox, "Action=CreateVpcPeeringConnection").await, "InvalidAction");
    assert_eq!(
        ec2_error(&sandbox, "Action=DescribeVpcs&VpcId.1=vpc-12").await,
        "InvalidVpcID.Malformed"
    );
    let filter = "Action=DescribeVpcs&Filter.1.Name=colour&Filter.1.Value.1=red";
    assert_eq!(ec2_error(&sandbox, filter).await, "InvalidParameterValue");
    for kind in ["vpc", "route-table", "security-group", "dhcp-options"] {
        assert!(sandbox.ids("us-west-2", kind).is_empty(), "{kind}");
    }
    let (status, body) = ask(&sandbox, "s3", "Action=ListBuckets").await;
    assert_eq!((status, first(&body, "Code")), (400, "InvalidAction".to_owned()));
}

#[tokio::test]
async fn pages_cover_everything_once_and_tokens_belong_to_their_question() {
    let sandbox = Sandbox::in_memory();
    for number in 0..12 {
        ec2(&sandbox, &format!("Action=CreateVpc&CidrBlock=10.{number}.0.0/16")).await;
    }
    let (mut seen, mut token) = (Vec::new(), String::new());
    for size in [5, 5, 2] {
        let body = ec2(&sandbox, &format!("Action=DescribeVpcs&MaxResults=5{token}")).await;
        let page = all(&body, "vpcId");
        assert_eq!(page.len(), size);
        seen.extend(page);
        token = all(&body, "nextToken")
            .first()
            .map_or(String::new(), |token| format!("&NextToken={token}"));
        if size == 5 {
            let other = format!("Action=DescribeSubnets&MaxResults=5{token}");
            assert_eq!(ec2_error(&sandbox, &other).await, "InvalidNextToken");
        }
    }
    assert!(token.is_empty());
    assert_eq!(seen, sandbox.ids("us-west-2", "vpc"));
    let small = "Action=DescribeVpcs&MaxResults=4";
    assert_eq!(ec2_error(&sandbox, small).await, "InvalidParameterValue");
}

#[tokio::test]
async fn a_fault_after_the_effect_loses_the_answer_and_not_the_object() {
    let sandbox = Sandbox::in_memory();
    let vpc = first(&ec2(&sandbox, CREATE).await, "vpcId");
    let create = format!("Action=CreateRouteTable&VpcId={vpc}&ClientToken=once");
    let knobs = sandbox.knobs();
    knobs.inject(Fault::on("CreateRouteTable").after_effect());
    knobs.inject(Fault::on("CreateRouteTable").nth(2).answers(503, "Unavailable", "later"));
    for code in ["InternalError", "Unavailable"] {
        let (status, body) = ask(&sandbox, "ec2", &create).await;
        assert!(status >= 500);
        assert_eq!(first(&body, "Code"), code);
    }
    let table = first(&ec2(&sandbox, &create).await, "routeTableId");
    let tables = sandbox.ids("us-west-2", "route-table");
    assert_eq!(tables.len(), 2, "the main one, and one for three calls with one token");
    assert!(tables.contains(&table));
    let other = format!("{create}&TagSpecification.1.ResourceType=route-table");
    assert_eq!(ec2_error(&sandbox, &other).await, "IdempotentParameterMismatch");

    let outcomes: Vec<Outcome> = sandbox
        .calls()
        .into_iter()
        .filter(|call| call.operation == "CreateRouteTable")
        .map(|call| call.outcome)
        .collect();
    let error = |code: &str| Outcome::Error(code.to_owned());
    assert_eq!(
        outcomes,
        [
            error("InternalError"),
            error("Unavailable"),
            Outcome::Success,
            error("IdempotentParameterMismatch")
        ]
    );
}

#[tokio::test]
async fn throttling_hanging_and_forgetting_happen_on_request() {
    let sandbox = Sandbox::in_memory();
    let knobs = sandbox.knobs();
    knobs.throttle_next(1);
    let (status, body) = ask(&sandbox, "ec2", CREATE).await;
    assert_eq!((status, first(&body, "Code")), (503, "RequestLimitExceeded".to_owned()));
    knobs.throttle_above(Some(2));
    ec2(&sandbox, "Action=DescribeVpcs").await;
    ec2(&sandbox, "Action=DescribeVpcs").await;
    assert_eq!(ask(&sandbox, "ec2", "Action=DescribeVpcs").await.0, 503);
    knobs.throttle_above(None);

    knobs.inject(Fault::on("*").hangs());
    let hanging = tokio::time::timeout(Duration::from_millis(50), ask(&sandbox, "ec2", CREATE));
    assert!(hanging.await.is_err());

    knobs.consistency_window(Duration::from_secs(5));
    let vpc = first(&ec2(&sandbox, CREATE).await, "vpcId");
    let describe = format!("Action=DescribeVpcs&VpcId.1={vpc}");
    let subnet = format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.0.0.0/24");
    for form in [&describe, &subnet] {
        assert_eq!(ec2_error(&sandbox, form).await, "InvalidVpcID.NotFound");
    }
    knobs.advance_clock(Duration::from_secs(5));
    ec2(&sandbox, &describe).await;
    ec2(&sandbox, &subnet).await;
}

#[tokio::test]
async fn an_object_can_be_changed_behind_everybodys_back() {
    let sandbox = Sandbox::in_memory();
    let vpc = first(&ec2(&sandbox, CREATE).await, "vpcId");
    let region = "us-west-2";
    sandbox.edit(region, "vpc", &vpc, json!({ "dns_support": false })).await.expect("edited");
    let form = format!("Action=DescribeVpcAttribute&VpcId={vpc}&Attribute=enableDnsSupport");
    assert_eq!(first(&ec2(&sandbox, &form).await, "value"), "false");
    assert!(sandbox.edit(region, "vpc", &vpc, json!({ "colour": 1 })).await.is_err());
    sandbox.vanish(region, "vpc", &vpc).await.expect("gone");
    assert_eq!(ec2_error(&sandbox, &form).await, "InvalidVpcID.NotFound");
}

#[tokio::test]
async fn the_endpoint_file_lives_as_long_as_the_server() {
    let dir = tempfile::tempdir().expect("a folder");
    let sandbox = Sandbox::open(dir.path()).expect("a new sandbox");
    let loopback = ([127, 0, 0, 1], 0).into();
    let server = sandbox.serve(loopback).await.expect("served");
    let endpoint = find_endpoint(dir.path()).expect("readable");
    assert_eq!(endpoint, Some(server.endpoint()));
    server.shutdown().await;
    assert_eq!(find_endpoint(dir.path()).expect("readable"), None);
    assert!(sandbox.serve(([0, 0, 0, 0], 0).into()).await.is_err());

    // As a process leaves it that was killed: the file is there, the lock is free.
    drop(sandbox);
    std::fs::write(dir.path().join("endpoint"), "http://127.0.0.1:1").expect("written");
    assert_eq!(find_endpoint(dir.path()).expect("readable"), None);
}
