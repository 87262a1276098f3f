//! The sandbox as an HTTP client of aws-sdk-rust: requests never leave the process.

use std::sync::Arc;

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;

use crate::sandbox::Inner;

/// An HTTP client for the AWS SDK that talks to a sandbox in this process.
#[derive(Clone, Debug)]
pub struct SandboxHttpClient {
    pub(crate) sandbox: Arc<Inner>,
}

#[derive(Debug)]
struct Connector {
    sandbox: Arc<Inner>,
    settings: HttpConnectorSettings,
}

impl HttpClient for SandboxHttpClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let sandbox = Arc::clone(&self.sandbox);
        SharedHttpConnector::new(Connector { sandbox, settings: settings.clone() })
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let sandbox = Arc::clone(&self.sandbox);
        let timeout = self.settings.read_timeout();
        HttpConnectorFuture::new(async move {
            let answer = exchange(&sandbox, request);
            match timeout {
                None => answer.await,
                Some(timeout) => tokio::time::timeout(timeout, answer)
                    .await
                    .unwrap_or_else(|elapsed| Err(ConnectorError::timeout(elapsed.into()))),
            }
        })
    }
}

async fn exchange(
    sandbox: &Inner,
    request: HttpRequest,
) -> Result<Response<SdkBody>, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(ConnectorError::user)?.to_bytes();
    let answered = sandbox.answer(http::Request::from_parts(parts, body)).await;
    let response = answered.map_err(|_| {
        let cut = std::io::Error::new(
            std::io::ErrorKind::ConnectionReset,
            "the sandbox cut the connection (injected)",
        );
        ConnectorError::io(cut.into())
    })?;
    Response::try_from(response.map(SdkBody::from))
        .map_err(|error| ConnectorError::other(error.into(), None))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings};
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
    use aws_smithy_types::body::SdkBody;

    use super::Connector;
    use crate::{Fault, Sandbox};

    fn request() -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::from("Action=DescribeVpcs&Version=2016-11-15"));
        request.set_method("POST").expect("a method");
        request.set_uri("https://ec2.us-west-2.amazonaws.com/").expect("a URI");
        let scope = "AWS4-HMAC-SHA256 Credential=AK/20260101/us-west-2/ec2/aws4_request";
        request.headers_mut().insert("authorization", scope);
        request
    }

    #[tokio::test]
    async fn the_sdk_sees_answers_cut_connections_and_its_own_timeouts() {
        let sandbox = Sandbox::in_memory();
        let settings =
            HttpConnectorSettings::builder().read_timeout(Duration::from_millis(30)).build();
        let connector = Connector { sandbox: sandbox.inner.clone(), settings };

        let response = connector.call(request()).await.expect("an answer");
        assert_eq!(response.status().as_u16(), 200);
        let body = response.body().bytes().expect("all of it is there");
        assert!(String::from_utf8_lossy(body).contains("<vpcSet></vpcSet>"));

        sandbox.knobs().inject(Fault::on("DescribeVpcs").drops_connection());
        assert!(connector.call(request()).await.expect_err("cut").is_io());
        sandbox.knobs().inject(Fault::on("DescribeVpcs").hangs());
        assert!(connector.call(request()).await.expect_err("too late").is_timeout());
    }
}
