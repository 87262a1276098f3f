//! Finds out from an HTTP request who asks which service, where, and for what.

use http::{Method, Request};
use hyper::body::Bytes;

use crate::{
    error::ApiError,
    regions,
    service::{Protocol, Service},
};

/// A request that has been understood as far as its operation's name.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) service: Service,
    pub(crate) region: String,
    pub(crate) access_key: String,
    pub(crate) operation: String,
    /// The form or the JSON body.
    pub(crate) payload: Bytes,
}

/// A request that makes no sense, and the service it was for if that much is known.
#[derive(Debug)]
pub(crate) struct Misfit {
    pub(crate) service: Option<Service>,
    pub(crate) error: ApiError,
}

impl Ask {
    /// Reads the signature's credential scope and the operation's name.
    pub(crate) fn read(request: &Request<Bytes>, default_region: &str) -> Result<Self, Misfit> {
        let query = request.uri().query().unwrap_or_default();
        let payload = match *request.method() {
            Method::GET => Bytes::copy_from_slice(query.as_bytes()),
            _ => request.body().clone(),
        };
        let scope = scope(request, query);
        let (access_key, region, signed_for) = match &scope {
            Some(scope) => scope.clone(),
            // The calls that exchange a token for credentials are the only ones without a signature.
            None if field(&payload, "Action")
                .is_some_and(|action| action.starts_with("AssumeRoleWith")) =>
            {
                (String::new(), default_region.to_owned(), "sts".to_owned())
            }
            None => {
                let message = "The request is not signed (the sandbox reads region and service from the signature)";
                let error = ApiError::new("MissingAuthenticationToken", message).with_status(403);
                return Err(Misfit { service: None, error });
            }
        };
        let Some(service) = Service::by_signing_name(&signed_for) else {
            let message = format!("The sandbox has no service '{signed_for}'");
            return Err(Misfit { service: None, error: ApiError::new("InvalidAction", message) });
        };
        let misfit = |error| Misfit { service: Some(service), error };
        if !regions::regions().any(|known| known == region) {
            let message = format!("The sandbox has no region '{region}'");
            return Err(misfit(ApiError::new("InvalidRegion", message)));
        }
        let operation = operation(service, request, &payload).map_err(misfit)?;
        Ok(Self { service, region, access_key, operation, payload })
    }
}

/// Access key, region and service of the signature, in the header or in a presigned URL.
fn scope(request: &Request<Bytes>, query: &str) -> Option<(String, String, String)> {
    let credential = match request.headers().get(http::header::AUTHORIZATION) {
        Some(header) => {
            let (_, rest) = header.to_str().ok()?.split_once("Credential=")?;
            rest.split([',', ' ']).next()?.to_owned()
        }
        None => field(query.as_bytes(), "X-Amz-Credential")?,
    };
    let mut parts = credential.split('/');
    let access_key = parts.next()?;
    let (_date, region, service) = (parts.next()?, parts.next()?, parts.next()?);
    Some((access_key.to_owned(), region.to_owned(), service.to_owned()))
}

fn operation(
    service: Service,
    request: &Request<Bytes>,
    payload: &[u8],
) -> Result<String, ApiError> {
    if service.protocol() == Protocol::Json {
        let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
        return target
            .and_then(|target| target.rsplit_once('.'))
            .map(|(_, operation)| operation.to_owned())
            .ok_or_else(|| {
                ApiError::new("UnknownOperationException", "There is no X-Amz-Target header")
            });
    }
    let action = field(payload, "Action")
        .ok_or_else(|| ApiError::new("MissingAction", "The request names no Action"))?;
    match (field(payload, "Version"), service.version()) {
        (Some(asked), Some(known)) if asked != known => Err(ApiError::new(
            "NoSuchVersion",
            format!(
                "Version {asked} of {} is not {known}, which the sandbox speaks",
                service.signing_name()
            ),
        )),
        _ => Ok(action),
    }
}

fn field(form: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(form).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
