//! Scenarios over the wire: whom the sandbox takes a caller for.

use std::time::Duration;

use hyper::body::Bytes;

use crate::{
    Sandbox,
    testing::{ask, first},
};

const OPERATORS: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"formwork"}}}}"#;
const ASSUME: &str = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/operators&RoleSessionName=ci";

async fn whoami(sandbox: &Sandbox, key: &str) -> String {
    let scope = format!(
        "AWS4-HMAC-SHA256 Credential={key}/20260101/us-west-2/sts/aws4_request, Signature=0"
    );
    let request = http::Request::post("http://sandbox/")
        .header("authorization", scope)
        .body(Bytes::from_static(b"Action=GetCallerIdentity&Version=2011-06-15"))
        .expect("the request is well formed");
    let response = sandbox.inner.answer(request).await.expect("no fault is injected");
    let body = String::from_utf8_lossy(response.body()).into_owned();
    if response.status() == 200 { first(&body, "Arn") } else { first(&body, "Code") }
}

#[tokio::test]
async fn a_role_that_trusts_the_caller_gives_keys_that_are_good_for_a_while() {
    let sandbox = Sandbox::in_memory();
    let create = form_urlencoded::Serializer::new(String::new())
        .append_pair("Action", "CreateRole")
        .append_pair("RoleName", "operators")
        .append_pair("AssumeRolePolicyDocument", OPERATORS)
        .finish();
    assert_eq!(ask(&sandbox, "iam", &create).await.0, 200);

    let (status, body) = ask(&sandbox, "sts", ASSUME).await;
    assert_eq!(
        (status, first(&body, "Code").as_str()),
        (403, "AccessDenied"),
        "the external id is missing"
    );
    let with_id = format!("{ASSUME}&ExternalId=formwork");
    let (status, body) = ask(&sandbox, "sts", &format!("{with_id}&DurationSeconds=7200")).await;
    assert_eq!(
        (status, first(&body, "Code").as_str()),
        (400, "ValidationError"),
        "the role allows an hour"
    );
    let (status, body) = ask(&sandbox, "sts", &with_id).await;
    assert_eq!(status, 200, "{body}");

    let key = first(&body, "AccessKeyId");
    assert!(key.starts_with("ASIA") && key.len() == 20, "{key}");
    assert_eq!(whoami(&sandbox, &key).await, "arn:aws:sts::123456789012:assumed-role/operators/ci");
    assert_eq!(whoami(&sandbox, "AKTEST").await, "arn:aws:iam::123456789012:user/sandbox");
    assert_eq!(whoami(&sandbox, "ASIANOBODYHASTHISKEY").await, "InvalidClientTokenId");
    sandbox.knobs().advance_clock(Duration::from_secs(3600));
    assert_eq!(whoami(&sandbox, &key).await, "ExpiredToken");
}
