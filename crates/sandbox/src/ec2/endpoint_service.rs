//! The AWS services that VPC endpoints can be for.

use serde::{Deserialize, Serialize};

use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    filter::Filters,
    page::{self, paginate},
    regions,
    tags::Tags,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] =
    &[("DescribeVpcEndpointServices", describe_services)];

/// What an endpoint is: routes to a service, or interfaces of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Gateway,
    Interface,
}

impl Kind {
    /// The kind as AWS writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gateway => "Gateway",
            Self::Interface => "Interface",
        }
    }
}

/// Services with gateway endpoints.
const GATEWAY: [&str; 2] = ["dynamodb", "s3"];
/// Services with interface endpoints, of those that the kinds of stacks here are likely to want.
const INTERFACE: [&str; 30] = [
    "autoscaling",
    "batch",
    "bedrock-runtime",
    "cloudformation",
    "dynamodb",
    "ec2",
    "ec2messages",
    "ecr.api",
    "ecr.dkr",
    "ecs",
    "ecs-agent",
    "ecs-telemetry",
    "eks",
    "eks-auth",
    "elasticfilesystem",
    "elasticloadbalancing",
    "events",
    "execute-api",
    "fsx",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "ssmmessages",
    "sts",
];

/// Checks that a service exists in the region and has endpoints of this kind; returns its name.
pub(crate) fn find(region: &str, name: &str, kind: Kind) -> Result<String, ApiError> {
    let short = name.strip_prefix("com.amazonaws.").and_then(|rest| rest.strip_prefix(region));
    let short = short.and_then(|rest| rest.strip_prefix('.')).unwrap_or_default();
    let known: &[&str] = match kind {
        Kind::Gateway => &GATEWAY,
        Kind::Interface => &INTERFACE,
    };
    if known.contains(&short) {
        return Ok(name.to_owned());
    }
    if GATEWAY.contains(&short) || INTERFACE.contains(&short) {
        return Err(ApiError::new(
            "InvalidParameter",
            format!(
                "Endpoint type ({}) does not match available service types of {name}",
                kind.name()
            ),
        ));
    }
    let message = format!("The Vpc Endpoint Service '{name}' does not exist");
    Err(ApiError::new("InvalidServiceName", message))
}

fn describe_services(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let filters = Filters::read(&call.params, &["owner", "service-name", "service-type"])?;
    let full = |short: &str| format!("com.amazonaws.{}.{short}", call.region);
    let gateways = GATEWAY.iter().map(|short| (full(short), Kind::Gateway));
    let interfaces = INTERFACE.iter().map(|short| (full(short), Kind::Interface));
    let mut all: Vec<(String, Kind)> = gateways.chain(interfaces).collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    let wanted = call.params.list("ServiceName");
    if let Some(unknown) = wanted.iter().find(|name| !all.iter().any(|(known, _)| known == *name)) {
        let message = format!("The Vpc Endpoint Service '{unknown}' does not exist");
        return Err(ApiError::new("InvalidServiceName", message));
    }
    all.retain(|(name, kind)| {
        (wanted.is_empty() || wanted.contains(name))
            && filters.matches(&Tags::new(), |filter| {
                vec![match filter {
                    "owner" => "amazon".to_owned(),
                    "service-type" => kind.name().to_owned(),
                    _ => name.clone(),
                }]
            })
    });
    // A service with two kinds is two entries of one name, so the name alone is no key.
    let keyed = all.into_iter().map(|(name, kind)| (format!("{name} {}", kind.name()), name, kind));
    let page = paginate(call, keyed.collect(), |(key, ..)| key, page::EC2)?;
    let zones = regions::zones(&call.region);
    let details = page.rows.iter().map(|(_, name, kind)| {
        let types = [Xml::new().text("serviceType", kind.name())];
        Xml::new()
            .text("serviceName", name)
            .items("serviceType", types)
            .text("serviceRegion", &call.region)
            .item_texts("availabilityZoneSet", zones.iter().map(|zone| &zone.name))
            .text("owner", "amazon")
            .text("vpcEndpointPolicySupported", true)
            .text("acceptanceRequired", false)
            .text("managesVpcEndpoints", false)
    });
    let mut names: Vec<&String> = page.rows.iter().map(|(_, name, _)| name).collect();
    names.dedup();
    let answer = Xml::new().item_texts("serviceNameSet", names).items("serviceDetailSet", details);
    Ok(answer.maybe("nextToken", page.next.as_deref()).into())
}
