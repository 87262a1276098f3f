//! Talks to a sandbox as a signed client would, for unit tests.

use hyper::body::Bytes;

use crate::Sandbox;

/// Sends a form to a service in us-west-2; returns the HTTP status and the body.
pub(crate) async fn ask(sandbox: &Sandbox, service: &str, form: &str) -> (u16, String) {
    ask_in(sandbox, "us-west-2", service, form).await
}

/// Sends a form to a service in a region; returns the HTTP status and the body.
pub(crate) async fn ask_in(
    sandbox: &Sandbox,
    region: &str,
    service: &str,
    form: &str,
) -> (u16, String) {
    let scope = format!(
        "AWS4-HMAC-SHA256 Credential=AKTEST/20260101/{region}/{service}/aws4_request, Signature=0"
    );
    let request = http::Request::post("http://sandbox/")
        .header("authorization", scope)
        .body(Bytes::copy_from_slice(form.as_bytes()))
        .expect("the request is well formed");
    let response = sandbox.inner.answer(request).await.expect("no fault is injected");
    (response.status().as_u16(), String::from_utf8_lossy(response.body()).into_owned())
}

/// Sends a form to EC2 that must succeed; returns the body.
pub(crate) async fn ec2(sandbox: &Sandbox, form: &str) -> String {
    let (status, body) = ask(sandbox, "ec2", form).await;
    assert_eq!(status, 200, "{form}: {body}");
    body
}

/// Sends a form to EC2 that must be refused; returns the error code.
pub(crate) async fn ec2_error(sandbox: &Sandbox, form: &str) -> String {
    let (status, body) = ask(sandbox, "ec2", form).await;
    assert!((400..500).contains(&status), "{form}: {status} {body}");
    first(&body, "Code")
}

/// The text of the first element of this name.
pub(crate) fn first(body: &str, element: &str) -> String {
    all(body, element).into_iter().next().unwrap_or_else(|| panic!("no <{element}> in {body}"))
}

/// The texts of all elements of this name.
pub(crate) fn all(body: &str, element: &str) -> Vec<String> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    body.split(&open)
        .skip(1)
        .filter_map(|rest| rest.split(&close).next().map(str::to_owned))
        .collect()
}
