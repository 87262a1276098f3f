//! The provider: where it points, how it is reached, and which types it has.

use std::{sync::Arc, time::Duration};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, retry::RetryConfig, sts::AssumeRoleProvider,
    timeout::TimeoutConfig,
};
use aws_sdk_ec2::config::{Credentials, HttpClient, ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use formwork_core::{
    Handler, LookupHandler, Provider, ProviderError, Registry,
    value::{Map, Value},
};

use crate::{
    client::{Clients, Place},
    error::{Named, incomplete},
    tags::Tags,
};

/// AWS, in one account and region.
///
/// `Aws::from_env()` looks where every AWS tool looks: the environment, profiles, the machine's
/// role; `AWS_ENDPOINT_URL` and `AWS_REGION` included. [`Aws::builder`] overrides any of it. A clone
/// is the same provider.
#[derive(Clone)]
pub struct Aws {
    registry: Arc<Registry<Clients>>,
    clients: Arc<Clients>,
}

impl std::fmt::Debug for Aws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aws")
            .field("target", &Provider::target(&*self.registry))
            .finish_non_exhaustive()
    }
}

/// Why the provider could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Neither the builder nor the environment says where.
    #[error("no region: set AWS_REGION, or a region in the profile or the builder")]
    NoRegion,
    /// The region is an empty text.
    #[error("the region is empty: give AWS_REGION a value such as eu-west-1, or unset it")]
    EmptyRegion,
    /// The endpoint is no URL.
    #[error(
        "the endpoint {0:?} is no URL: expected AWS_ENDPOINT_URL, or what the builder is given, to \
         be like http://127.0.0.1:4566"
    )]
    Endpoint(String),
    /// The account could not be asked for.
    #[error("the account behind the credentials could not be asked for")]
    Identity(#[source] ProviderError),
}

impl Aws {
    /// The provider that the environment describes.
    ///
    /// # Errors
    /// When there is no region, or the credentials are missing or refused: they are tried out, by
    /// one `sts:GetCallerIdentity`, which needs no permission.
    pub async fn from_env() -> Result<Self, ConnectError> {
        Self::builder().connect().await
    }

    /// A provider with settings of its own; what is not set comes from the environment.
    #[must_use]
    pub fn builder() -> AwsBuilder {
        AwsBuilder::default()
    }

    /// The region it points to.
    #[must_use]
    pub fn region(&self) -> &str {
        self.clients.region()
    }

    /// The resource types that it has, sorted.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.registry.kinds()
    }

    /// What the calls are made with; for tests that call the verbs of a type themselves.
    #[doc(hidden)]
    #[must_use]
    pub fn clients(&self) -> &Arc<Clients> {
        &self.clients
    }
}

impl Provider for Aws {
    fn name(&self) -> &str {
        self.registry.name()
    }
    fn handler(&self, kind: &str) -> Option<&dyn Handler> {
        self.registry.handler(kind)
    }
    fn lookup(&self, kind: &str) -> Option<&dyn LookupHandler> {
        self.registry.lookup(kind)
    }
    fn child_kinds(&self) -> Vec<&'static str> {
        self.registry.child_kinds()
    }
    fn target(&self) -> Value {
        Provider::target(&*self.registry)
    }
    fn consistency_window(&self) -> Duration {
        Provider::consistency_window(&*self.registry)
    }
}

/// The settings of an [`Aws`].
#[derive(Debug)]
pub struct AwsBuilder {
    name: String,
    region: Option<String>,
    endpoint_url: Option<String>,
    world: Option<String>,
    profile: Option<String>,
    credentials: Option<SharedCredentialsProvider>,
    assume_role: Option<String>,
    account: Option<String>,
    http_client: Option<aws_sdk_ec2::config::SharedHttpClient>,
    default_tags: Tags,
    consistency_window: Duration,
    attempts: u32,
    call_timeout: Duration,
}

impl Default for AwsBuilder {
    fn default() -> Self {
        Self {
            name: "aws".to_owned(),
            region: None,
            endpoint_url: None,
            world: None,
            profile: None,
            credentials: None,
            assume_role: None,
            account: None,
            http_client: None,
            default_tags: Tags::new(),
            consistency_window: Duration::from_secs(15),
            attempts: 5,
            call_timeout: Duration::from_secs(60),
        }
    }
}

impl AwsBuilder {
    /// The name that records refer to this provider by. `aws` at first; a second region or account
    /// in the same program needs another.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The region, such as `eu-west-1`.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Where the API is, instead of at AWS: an emulator.
    #[must_use]
    pub fn endpoint_url(mut self, url: impl Into<String>) -> Self {
        self.endpoint_url = Some(url.into());
        self
    }

    /// Names what is behind the endpoint. Records say where objects were made, and a plan that looks
    /// for them elsewhere is refused; an emulator whose port changes is still the same place.
    #[must_use]
    pub fn world(mut self, name: impl Into<String>) -> Self {
        self.world = Some(name.into());
        self
    }

    /// The profile of the shared configuration files.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// A fixed access key.
    #[must_use]
    pub fn credentials(
        self,
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
        session_token: Option<String>,
    ) -> Self {
        let (id, secret) = (access_key_id.into(), secret_access_key.into());
        self.credentials_provider(Credentials::new(id, secret, session_token, None, "formwork"))
    }

    /// Where credentials come from, instead of the SDK's chain.
    #[must_use]
    pub fn credentials_provider(mut self, provider: impl ProvideCredentials + 'static) -> Self {
        self.credentials = Some(SharedCredentialsProvider::new(provider));
        self
    }

    /// The role, by its ARN, to make all calls as.
    #[must_use]
    pub fn assume_role(mut self, arn: impl Into<String>) -> Self {
        self.assume_role = Some(arn.into());
        self
    }

    /// The account, so that it need not be asked for.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// What sends the requests, instead of the network: the sandbox.
    #[must_use]
    pub fn http_client(mut self, client: impl HttpClient + 'static) -> Self {
        self.http_client = Some(aws_sdk_ec2::config::IntoShared::into_shared(client));
        self
    }

    /// A tag for every object that can have tags. A resource's own tag of that key wins.
    #[must_use]
    pub fn default_tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.default_tags.insert(key.into(), value.into());
        self
    }

    /// Tags for every object that can have tags.
    #[must_use]
    pub fn default_tags(mut self, tags: Tags) -> Self {
        self.default_tags.extend(tags);
        self
    }

    /// How long a new object may not be seen yet by the calls after its create: it is waited out
    /// before an object is believed to be absent.
    ///
    /// 15 seconds at first. EC2 gives no figure; it advises to look again "starting with a couple of
    /// seconds of wait time, and increasing gradually up to five minutes"
    /// (<https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>). Use zero for
    /// an endpoint that is consistent, as the sandbox is.
    #[must_use]
    pub fn consistency_window(mut self, window: Duration) -> Self {
        self.consistency_window = window;
        self
    }

    /// How often the SDK tries a call that may be repeated, in all. 5 at first.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// How long one attempt of a call may take. A minute at first.
    #[must_use]
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// Reads what is not set from the environment, and finds out the account.
    ///
    /// # Errors
    /// As [`Aws::from_env`].
    pub async fn connect(self) -> Result<Aws, ConnectError> {
        let config = self.load().await;
        let region = config.region().ok_or(ConnectError::NoRegion)?.to_string();
        if region.trim().is_empty() {
            return Err(ConnectError::EmptyRegion);
        }
        if let Some(endpoint) = config.endpoint_url().filter(|endpoint| !is_url(endpoint)) {
            return Err(ConnectError::Endpoint(endpoint.to_owned()));
        }
        let place = match &self.account {
            Some(account) => Place {
                partition: partition_of(&region).to_owned(),
                region,
                account: account.clone(),
            },
            None => locate(&config, region).await.map_err(ConnectError::Identity)?,
        };

        let mut target = Map::new();
        target.insert("account", place.account.as_str());
        if let Some(endpoint) = self.world.as_deref().or(config.endpoint_url()) {
            target.insert("endpoint", endpoint);
        }
        target.insert("region", place.region.as_str());

        let clients =
            Arc::new(Clients::new(config, place, self.default_tags, self.consistency_window));
        let registry = Registry::new(self.name, clients.clone())
            .target(Value::Map(target))
            .consistency_window(self.consistency_window);
        Ok(Aws { registry: Arc::new(crate::register(registry)), clients })
    }

    async fn load(&self) -> SdkConfig {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(self.call_timeout);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::adaptive().with_max_attempts(self.attempts))
            .timeout_config(timeouts.build());
        loader = match &self.http_client {
            Some(client) => loader.http_client(client.clone()),
            None => loader.http_client(
                aws_smithy_http_client::Builder::new()
                    .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
                    .build_https(),
            ),
        };
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(url) = &self.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        if let Some(name) = &self.profile {
            loader = loader.profile_name(name);
        }
        if let Some(credentials) = &self.credentials {
            loader = loader.credentials_provider(credentials.clone());
        }
        let config = loader.load().await;
        let Some(role) = &self.assume_role else { return config };
        let provider = AssumeRoleProvider::builder(role).session_name("formwork");
        let provider = SharedCredentialsProvider::new(provider.configure(&config).build().await);
        config.into_builder().credentials_provider(provider).build()
    }
}

/// Whether a text is a URL that a request can be sent to.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    !name.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// Asks who the credentials belong to.
async fn locate(config: &SdkConfig, region: String) -> Result<Place, ProviderError> {
    const OPERATION: &str = "sts:GetCallerIdentity";
    let sts = aws_sdk_sts::Client::new(config);
    let caller = sts.get_caller_identity().send().await.named(OPERATION)?;
    let account = caller.account().ok_or_else(|| incomplete(OPERATION, "account"))?;
    let partition = caller.arn().and_then(|arn| arn.split(':').nth(1));
    Ok(Place {
        partition: partition.unwrap_or_else(|| partition_of(&region)).to_owned(),
        account: account.to_owned(),
        region,
    })
}

/// The partition that a region is in, by its name.
/// <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>
fn partition_of(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests {
    use formwork_core::ErrorKind;

    use super::*;

    /// A source of credentials that has none: a profile out of no file.
    fn nobody() -> impl ProvideCredentials + 'static {
        let client = formwork_sandbox::Sandbox::in_memory().http_client();
        let nothing = aws_config::provider_config::ProviderConfig::empty();
        let nothing = nothing.with_http_client(client);
        aws_config::profile::ProfileFileCredentialsProvider::builder().configure(&nothing).build()
    }

    async fn refusal(builder: AwsBuilder) -> ProviderError {
        match builder.attempts(1).region("eu-west-1").connect().await {
            Err(ConnectError::Identity(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn missing_credentials_and_a_dead_endpoint_are_said_in_words() {
        let endpoint = "http://127.0.0.1:9";
        let error =
            refusal(Aws::builder().endpoint_url(endpoint).credentials_provider(nobody())).await;
        assert_eq!(error.kind, ErrorKind::Denied);
        insta::assert_snapshot!(error.message, @"no credentials could be loaded; they are looked for in the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), in the profile (AWS_PROFILE), by single sign-on, and by the role of the machine: the credential provider was not enabled");
        let builder = Aws::builder().endpoint_url(endpoint).credentials("AKIATEST", "hidden", None);
        let error = refusal(builder).await;
        let said = "client error (Connect): tcp connect error: Connection refused";
        assert!(error.message.starts_with(said), "{}", error.message);
    }

    #[tokio::test]
    async fn an_empty_region_and_an_endpoint_that_is_no_url_are_refused() {
        let builder = || Aws::builder().account("123456789012").credentials("id", "key", None);
        let error = builder().region("").connect().await.unwrap_err();
        assert!(matches!(error, ConnectError::EmptyRegion), "{error}");
        for url in ["", "localhost:4566", "ftp://localhost", "http://", "http://:80", "http://a b"]
        {
            let error = builder().region("eu-west-1").endpoint_url(url).connect().await;
            let error = error.unwrap_err();
            assert!(matches!(error, ConnectError::Endpoint(_)), "{url}: {error}");
        }
        for url in ["http://localhost:4566", "https://[::1]/", "http://host"] {
            builder().region("eu-west-1").endpoint_url(url).connect().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_known_account_needs_no_call_and_credentials_are_not_in_the_target() {
        let aws = Aws::builder()
            .region("cn-north-1")
            .account("123456789012")
            .credentials("AKIATEST", "hidden", None)
            .connect()
            .await
            .unwrap();
        assert_eq!(aws.name(), "aws");
        assert_eq!(aws.target().to_string(), r#"{account: "123456789012", region: "cn-north-1"}"#);
        let arn = aws.clients().arn("ec2", None, "vpc/vpc-1");
        assert_eq!(arn.as_str(), "arn:aws-cn:ec2:cn-north-1:123456789012:vpc/vpc-1");
        assert!(!format!("{aws:?}").contains("hidden"));
    }
}
