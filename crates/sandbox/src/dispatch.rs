//! One call from arrival to answer: log, knobs, transaction, durability, rendering.

use http::{Request, Response};
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::{
    autoscaling,
    call::{Answer, Call, OperationFn, TokenRow},
    calls::{CallRecord, Outcome},
    ec2,
    error::ApiError,
    ids,
    knobs::FaultAction,
    params::Params,
    request::Ask,
    sandbox::Inner,
    service::{Protocol, Service},
    store::Durable,
    xml::Xml,
};

/// The connection is to be cut without an answer.
#[derive(Debug)]
pub(crate) struct Dropped;

impl Inner {
    /// Answers one request. Never fails but by an injected fault.
    pub(crate) async fn answer(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Dropped> {
        let request_id = self.request_id();
        let ask = match Ask::read(&request, self.default_region()) {
            Ok(ask) => ask,
            Err(misfit) => {
                let service = misfit.service.unwrap_or(Service::Sts);
                return Ok(render_error(service, &misfit.error, &request_id));
            }
        };
        let number = self.calls.begin(CallRecord {
            service: ask.service.signing_name().to_owned(),
            operation: ask.operation.clone(),
            region: ask.region.clone(),
            parameters: readable(&ask),
            at: self.knobs.now(),
            outcome: Outcome::Pending,
        });
        let result = self.serve_call(&ask).await;
        let (outcome, response) = match result {
            Ok(body) => (Outcome::Success, Ok(render(&ask, &body, &request_id))),
            Err(Failure::Refused(error)) => (
                Outcome::Error(error.code.to_string()),
                Ok(render_error(ask.service, &error, &request_id)),
            ),
            Err(Failure::Dropped) => (Outcome::Dropped, Err(Dropped)),
        };
        self.calls.end(number, outcome);
        response
    }

    async fn serve_call(&self, ask: &Ask) -> Result<String, Failure> {
        let treatment = self.knobs.treat(&ask.operation);
        if !treatment.latency.is_zero() {
            tokio::time::sleep(treatment.latency).await;
        }
        if treatment.throttled {
            let (code, status) = ask.service.throttling();
            return Err(ApiError::new(code, "Rate exceeded (injected)").with_status(status).into());
        }
        strike(treatment.before).await?;
        let (result, durable) = self.execute(ask);
        if let Some(durable) = durable {
            let written =
                durable.await.unwrap_or_else(|_| Err("the sandbox's store is gone".into()));
            written.map_err(ApiError::internal)?;
        }
        strike(treatment.after).await?;
        Ok(result?)
    }

    /// Runs the operation as one transaction and queues what it changed.
    fn execute(&self, ask: &Ask) -> (Result<String, ApiError>, Option<Durable>) {
        let Some((name, operation)) = ask.service.operation(&ask.operation) else {
            return (Err(unknown_operation(ask)), None);
        };
        let (params, json) = match payload(ask) {
            Ok(payload) => payload,
            Err(error) => return (Err(error), None),
        };
        let mut world = self.world();
        let mut call = Call {
            operation: name,
            region: ask.region.clone(),
            account: self.account.clone(),
            access_key: ask.access_key.clone(),
            now: self.knobs.now(),
            params,
            json,
            timing: self.knobs.timing(),
            world: world.begin(),
            token: None,
        };
        match run(&mut call, operation) {
            Ok(body) => {
                let writes = call.world.commit();
                (Ok(body), self.persist(writes))
            }
            Err(error) => (Err(error), None),
        }
    }
}

enum Failure {
    Refused(ApiError),
    Dropped,
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

async fn strike(fault: Option<FaultAction>) -> Result<(), Failure> {
    match fault {
        None => Ok(()),
        Some(FaultAction::Drop) => Err(Failure::Dropped),
        Some(FaultAction::Hang) => std::future::pending().await,
        Some(FaultAction::Answer { status, code, message }) => {
            Err(ApiError::new(code, message).with_status(status).into())
        }
    }
}

/// Parameters that say nothing: they were read before the operation, or belong to the signature.
fn is_noise(name: &str) -> bool {
    matches!(name, "Action" | "Version") || name.starts_with("X-Amz-")
}

fn run(call: &mut Call<'_>, operation: OperationFn) -> Result<String, ApiError> {
    let asked = canonical(&call.params);
    let token = call.params.entries().find(|(name, _)| *name == "ClientToken");
    let token_id = token.map(|(_, token)| format!("{}/{token}", call.operation));
    // Only operations that accept a token ever store one, so a row found here is meant.
    if let Some(row) = token_id.as_deref().and_then(|id| call.get::<TokenRow>(id)) {
        if row.asked == asked {
            return Ok(row.answered);
        }
        return Err(ApiError::new(
            "IdempotentParameterMismatch",
            "The client token was used with other parameters before",
        ));
    }
    ec2::finish_endings(call);
    autoscaling::tick(call);
    let answer = operation(call)?;
    let unread: Vec<String> = call
        .params
        .unread()
        .into_iter()
        .filter(|name| !is_noise(name) && name != "DryRun")
        .collect();
    if !unread.is_empty() {
        return Err(ApiError::new(
            "UnknownParameter",
            format!(
                "The sandbox does not know these parameters of {}: {}",
                call.operation,
                unread.join(", ")
            ),
        ));
    }
    if let Some(damage) = call.world.damage() {
        return Err(ApiError::internal(format!("A row of the sandbox is damaged: {damage}")));
    }
    if call.params.flag("DryRun")? == Some(true) {
        return Err(ApiError::new(
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.",
        )
        .with_status(412));
    }
    let body = match answer {
        Answer::Xml(xml) => xml.as_str().to_owned(),
        Answer::Json(value) => value.to_string(),
    };
    if let (Some(id), Some(_)) = (token_id, &call.token) {
        call.put(&TokenRow { id, asked, answered: body.clone() });
    }
    Ok(body)
}

fn payload(ask: &Ask) -> Result<(Params, Value), ApiError> {
    match ask.service.protocol() {
        Protocol::Json if ask.payload.is_empty() => Ok((Params::parse(b"", false)?, json!({}))),
        Protocol::Json => {
            let body = serde_json::from_slice(&ask.payload)
                .map_err(|error| ApiError::new("SerializationException", error.to_string()))?;
            Ok((Params::parse(b"", false)?, body))
        }
        protocol => Ok((Params::parse(&ask.payload, protocol == Protocol::AwsQuery)?, Value::Null)),
    }
}

fn canonical(params: &Params) -> String {
    let pairs = params.entries().filter(|(name, _)| !is_noise(name));
    pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn readable(ask: &Ask) -> String {
    match ask.service.protocol() {
        Protocol::Json => String::from_utf8_lossy(&ask.payload).into_owned(),
        _ => {
            Params::parse(&ask.payload, false).map(|params| canonical(&params)).unwrap_or_default()
        }
    }
}

fn unknown_operation(ask: &Ask) -> ApiError {
    let code = match ask.service.protocol() {
        Protocol::Json => "UnknownOperationException",
        _ => "InvalidAction",
    };
    let message = format!(
        "The sandbox lacks the operation {} of {}",
        ask.operation,
        ask.service.signing_name()
    );
    ApiError::new(code, message)
}

fn render(ask: &Ask, body: &str, request_id: &str) -> Response<Bytes> {
    let (operation, namespace) = (&ask.operation, ask.service.namespace());
    let body = match ask.service.protocol() {
        Protocol::Json => body.to_owned(),
        Protocol::Ec2Query => format!(
            "{XML}<{operation}Response xmlns=\"{namespace}\"><requestId>{request_id}</requestId>\
             {body}</{operation}Response>"
        ),
        Protocol::AwsQuery => format!(
            "{XML}<{operation}Response xmlns=\"{namespace}\"><{operation}Result>{body}\
             </{operation}Result><ResponseMetadata><RequestId>{request_id}</RequestId>\
             </ResponseMetadata></{operation}Response>"
        ),
    };
    respond(ask.service, 200, request_id, body)
}

fn render_error(service: Service, error: &ApiError, request_id: &str) -> Response<Bytes> {
    let details = Xml::new().text("Code", &error.code).text("Message", &error.message);
    let body = match service.protocol() {
        Protocol::Json => json!({ "__type": error.code, "message": error.message }).to_string(),
        Protocol::Ec2Query => {
            let errors = Xml::new().node("Errors", Xml::new().node("Error", details));
            let inside = errors.text("RequestID", request_id);
            format!("{XML}<Response>{}</Response>", inside.as_str())
        }
        Protocol::AwsQuery => {
            let blame = if error.status < 500 { "Sender" } else { "Receiver" };
            let details = Xml::new().text("Type", blame).extend(&details);
            let inside = Xml::new().node("Error", details).text("RequestId", request_id);
            let namespace = service.namespace();
            format!("{XML}<ErrorResponse xmlns=\"{namespace}\">{}</ErrorResponse>", inside.as_str())
        }
    };
    respond(service, error.status, request_id, body)
}

const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

fn respond(service: Service, status: u16, request_id: &str, body: String) -> Response<Bytes> {
    let content_type = match service.protocol() {
        Protocol::Json => "application/x-amz-json-1.1",
        _ => "text/xml;charset=UTF-8",
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    if let Ok(value) = http::HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", value);
    }
    response
}

impl Inner {
    fn request_id(&self) -> String {
        let mut entropy =
            self.request_ids.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (high, low) = (entropy.bits(), entropy.bits());
        ids::uuid(high, low)
    }
}
