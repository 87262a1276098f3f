//! Scenarios over the wire: what the parameter store keeps, shows and refuses.

use std::time::Duration;

use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::{
    Sandbox,
    ec2::image_catalogue,
    testing::{ask, ec2, first},
};

const TRUSTS_EC2: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;

/// Sends a JSON request; returns the answer, or the error's code.
async fn ssm(sandbox: &Sandbox, operation: &str, request: Value) -> Result<Value, String> {
    let scope =
        "AWS4-HMAC-SHA256 Credential=AKTEST/20260101/us-west-2/ssm/aws4_request, Signature=0";
    let http = http::Request::post("http://sandbox/")
        .header("authorization", scope)
        .header("x-amz-target", format!("AmazonSSM.{operation}"))
        .body(Bytes::from(request.to_string()))
        .expect("the request is well formed");
    let response = sandbox.inner.answer(http).await.expect("no fault is injected");
    let body: Value = serde_json::from_slice(response.body()).expect("the answer is JSON");
    if response.status() == 200 {
        Ok(body)
    } else {
        Err(body["__type"].as_str().unwrap_or_default().to_owned())
    }
}

fn names(answer: &Value) -> Vec<&str> {
    let rows = answer["Parameters"].as_array().into_iter().flatten();
    rows.filter_map(|row| row["Name"].as_str()).collect()
}

#[tokio::test]
async fn a_parameter_has_versions_and_is_overwritten_only_on_request() {
    let sandbox = Sandbox::in_memory();
    let put = |value: &str| json!({ "Name": "/app/host", "Value": value, "Type": "String" });
    let first = ssm(&sandbox, "PutParameter", put("one")).await.expect("it is new");
    assert_eq!(first, json!({ "Version": 1, "Tier": "Standard" }));
    assert_eq!(
        ssm(&sandbox, "PutParameter", put("two")).await,
        Err("ParameterAlreadyExists".into())
    );
    let overwrite = json!({ "Name": "/app/host", "Value": "two", "Overwrite": true });
    ssm(&sandbox, "PutParameter", overwrite).await.expect("it is overwritten");
    for (name, value, version) in [("/app/host", "two", 2), ("/app/host:1", "one", 1)] {
        let answer =
            ssm(&sandbox, "GetParameter", json!({ "Name": name })).await.expect("it is there");
        assert_eq!(
            (&answer["Parameter"]["Value"], &answer["Parameter"]["Version"]),
            (&json!(value), &json!(version))
        );
    }
    let missing = ssm(&sandbox, "GetParameter", json!({ "Name": "/app/host:3" })).await;
    assert_eq!(missing, Err("ParameterVersionNotFound".into()));
    let other_type =
        json!({ "Name": "/app/host", "Value": "x", "Type": "SecureString", "Overwrite": true });
    assert_eq!(
        ssm(&sandbox, "PutParameter", other_type).await,
        Err("HierarchyTypeMismatchException".into())
    );
    ssm(&sandbox, "DeleteParameter", json!({ "Name": "/app/host" })).await.expect("it is deleted");
    let gone = ssm(&sandbox, "GetParameter", json!({ "Name": "/app/host:1" })).await;
    assert_eq!(gone, Err("ParameterNotFound".into()));
    assert!(sandbox.ids("us-west-2", "parameter-version").is_empty());
}

#[tokio::test]
async fn a_secure_string_is_sealed_until_decryption_is_asked_for() {
    let sandbox = Sandbox::in_memory();
    let put = json!({ "Name": "password", "Value": "hunter2", "Type": "SecureString" });
    ssm(&sandbox, "PutParameter", put).await.expect("it is new");
    let sealed = ssm(&sandbox, "GetParameters", json!({ "Names": ["password", "nothing"] }))
        .await
        .expect("one is there");
    assert!(!sealed.to_string().contains("hunter2"), "{sealed}");
    assert_eq!(sealed["InvalidParameters"], json!(["nothing"]));
    let open = json!({ "Name": "password", "WithDecryption": true });
    let opened = ssm(&sandbox, "GetParameter", open).await.expect("it is there");
    assert_eq!(opened["Parameter"]["Value"], "hunter2");
}

#[tokio::test]
async fn a_path_is_read_page_by_page_and_tokens_continue_only_their_own_question() {
    let sandbox = Sandbox::in_memory();
    for name in ["/app/a", "/app/b", "/app/deep/c", "/other"] {
        let put = json!({ "Name": name, "Value": "x", "Type": "String" });
        ssm(&sandbox, "PutParameter", put).await.expect("it is new");
    }
    let flat = ssm(&sandbox, "GetParametersByPath", json!({ "Path": "/app" }))
        .await
        .expect("it is a path");
    assert_eq!(names(&flat), ["/app/a", "/app/b"]);
    let ask = |token: Value| json!({ "Path": "/app/", "Recursive": true, "MaxResults": 2, "NextToken": token });
    let first = ssm(&sandbox, "GetParametersByPath", ask(Value::Null)).await.expect("it is a path");
    let second = ssm(&sandbox, "GetParametersByPath", ask(first["NextToken"].clone()))
        .await
        .expect("there is more");
    assert_eq!([names(&first), names(&second)].concat(), ["/app/a", "/app/b", "/app/deep/c"]);
    assert_eq!(second["NextToken"], Value::Null);
    let stray = json!({ "NextToken": first["NextToken"] });
    assert_eq!(ssm(&sandbox, "DescribeParameters", stray).await, Err("InvalidNextToken".into()));
    let filters = json!({ "ParameterFilters": [{ "Key": "Name", "Option": "BeginsWith", "Values": ["/app/deep"] }] });
    let described =
        ssm(&sandbox, "DescribeParameters", filters).await.expect("the filter is known");
    assert_eq!(names(&described), ["/app/deep/c"]);
}

#[tokio::test]
async fn aws_publishes_its_images_as_parameters_that_nobody_can_write() {
    let sandbox = Sandbox::in_memory();
    let (name, image) = image_catalogue::public_parameters("us-west-2").remove(0);
    let answer =
        ssm(&sandbox, "GetParameter", json!({ "Name": name })).await.expect("it is public");
    assert_eq!(answer["Parameter"]["Value"], json!(image));
    let write = json!({ "Name": name, "Value": "x", "Type": "String", "Overwrite": true });
    assert_eq!(ssm(&sandbox, "PutParameter", write).await, Err("AccessDeniedException".into()));
    let described = ssm(&sandbox, "DescribeParameters", json!({})).await.expect("all is well");
    assert!(names(&described).is_empty());
}

#[tokio::test]
async fn what_the_store_does_not_accept_or_know_is_an_error() {
    let sandbox = Sandbox::in_memory();
    let put = |extra: Value| {
        let mut request = json!({ "Name": "/a", "Value": "x", "Type": "String" });
        request
            .as_object_mut()
            .expect("it is an object")
            .extend(extra.as_object().cloned().unwrap_or_default());
        request
    };
    for (extra, code) in [
        (json!({ "Name": "ssm-thing" }), "ValidationException"),
        (json!({ "Name": "a/b" }), "ValidationException"),
        (
            json!({ "Name": "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16" }),
            "HierarchyLevelLimitExceededException",
        ),
        (json!({ "Value": "x".repeat(4097) }), "ValidationException"),
        (json!({ "AllowedPattern": ".*" }), "ValidationException"),
        (json!({ "Value": "ami-0", "DataType": "aws:ec2:image" }), "ValidationException"),
        (json!({ "Colour": "red" }), "SerializationException"),
    ] {
        assert_eq!(
            ssm(&sandbox, "PutParameter", put(extra.clone())).await,
            Err(code.into()),
            "{extra}"
        );
    }
    let larger = put(json!({ "Value": "x".repeat(4097), "Tier": "Intelligent-Tiering" }));
    let stored =
        ssm(&sandbox, "PutParameter", larger).await.expect("the tier grows with the value");
    assert_eq!(stored["Tier"], "Advanced");
}

#[tokio::test]
async fn an_instance_is_managed_while_its_role_lets_the_agent_report() {
    let sandbox = Sandbox::in_memory();
    let iam = async |form: &str| assert_eq!(ask(&sandbox, "iam", form).await.0, 200, "{form}");
    let trust = form_urlencoded::Serializer::new(String::new())
        .append_pair("AssumeRolePolicyDocument", TRUSTS_EC2)
        .finish();
    iam(&format!("Action=CreateRole&RoleName=node&{trust}")).await;
    iam("Action=CreateInstanceProfile&InstanceProfileName=node").await;
    iam("Action=AddRoleToInstanceProfile&InstanceProfileName=node&RoleName=node").await;
    ec2(&sandbox, "Action=CreateDefaultVpc").await;
    let image = &image_catalogue::images("us-west-2")[0].id;
    let run = format!(
        "Action=RunInstances&ImageId={image}&InstanceType=t3.micro&MinCount=1&MaxCount=1&IamInstanceProfile.Name=node"
    );
    let instance = first(&ec2(&sandbox, &run).await, "instanceId");

    let managed = async || {
        let list =
            ssm(&sandbox, "DescribeInstanceInformation", json!({})).await.expect("it is known");
        let list = list["InstanceInformationList"].as_array().cloned().unwrap_or_default();
        list.iter()
            .map(|it| (it["InstanceId"].clone(), it["PingStatus"].clone()))
            .collect::<Vec<_>>()
    };
    sandbox.knobs().advance_clock(Duration::from_secs(5));
    assert!(managed().await.is_empty(), "its role may not report");
    let core = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
    iam(&format!("Action=AttachRolePolicy&RoleName=node&PolicyArn={core}")).await;
    assert_eq!(managed().await, [(json!(instance), json!("Online"))]);
    ec2(&sandbox, &format!("Action=StopInstances&InstanceId.1={instance}")).await;
    assert_eq!(managed().await, [(json!(instance), json!("ConnectionLost"))]);
    ec2(&sandbox, &format!("Action=TerminateInstances&InstanceId.1={instance}")).await;
    assert!(managed().await.is_empty());
}
