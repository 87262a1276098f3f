//! What AWS would refuse about a VPC endpoint.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html>

use formwork_core::{Check, value::Value};

use super::vpc_endpoint::{DnsRecordIpType, EndpointIpAddressType, VpcEndpointType};
use crate::check;

/// Reports it.
pub(crate) fn validate(check: &mut Check<'_>) {
    let targets = ["service_name", "resource_configuration_arn", "service_network_arn"];
    check::exactly_one(check, &targets, true);
    check::choice::<VpcEndpointType>(check, "vpc_endpoint_type");
    check::choice::<EndpointIpAddressType>(check, "ip_address_type");
    check::choice::<DnsRecordIpType>(check, "dns_options.dns_record_ip_type");
    check::json_object(check, "policy");

    let of = check.get::<VpcEndpointType>("vpc_endpoint_type").unwrap_or(VpcEndpointType::Gateway);
    if check.inputs().get("vpc_endpoint_type").is_none_or(Value::is_known) {
        validate_type(check, &of);
    }
    validate_service(check, &of);
    validate_private_dns(check);
}

/// Reports what an endpoint of this type does not have, or needs.
fn validate_type(check: &mut Check<'_>, of: &VpcEndpointType) {
    let is_gateway = *of == VpcEndpointType::Gateway;
    let has = |check: &Check<'_>, field: &str| {
        check::len(check, field) > 0 || check.get(field) == Some(true)
    };
    let refused: &[&str] = match of {
        VpcEndpointType::Gateway => {
            &["subnet_ids", "security_group_ids", "private_dns_enabled", "subnet_configurations"]
        }
        VpcEndpointType::GatewayLoadBalancer => {
            &["route_table_ids", "security_group_ids", "private_dns_enabled", "policy"]
        }
        _ => &["route_table_ids"],
    };
    for field in refused {
        if has(check, field) || (*field == "policy" && check.is_set(field)) {
            check.problem(field, format!("set: an endpoint of type {of} has none"));
        }
    }
    let needed = match of {
        VpcEndpointType::Resource => Some("resource_configuration_arn"),
        VpcEndpointType::ServiceNetwork => Some("service_network_arn"),
        VpcEndpointType::Other(_) => None,
        _ => Some("service_name"),
    };
    if let Some(field) = needed.filter(|field| !check.is_set(field)) {
        check.problem(field, format!("not set: an endpoint of type {of} needs it"));
    }
    if *of == VpcEndpointType::GatewayLoadBalancer && check::len(check, "subnet_ids") > 1 {
        let message = "more than one: an endpoint of a Gateway Load Balancer has one subnet";
        check.problem("subnet_ids", message);
    }
    if is_gateway && check.is_set("ip_address_type") {
        let expected = check.get::<String>("ip_address_type").is_some_and(|of| of == "ipv4");
        if !expected {
            check.problem("ip_address_type", "a gateway endpoint has IPv4 alone");
        }
    }
}

/// Reports a gateway endpoint for a service that has none.
/// <https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html>
fn validate_service(check: &mut Check<'_>, of: &VpcEndpointType) {
    let Some(name) = check.get::<String>("service_name") else { return };
    if !name.contains('.') {
        let message =
            format!("{name:?} is no service's name: expected one like com.amazonaws.eu-west-1.s3");
        check.problem("service_name", message);
    }
    let has_gateway = [".s3", ".dynamodb", ".s3express"].iter().any(|end| name.ends_with(end));
    if *of == VpcEndpointType::Gateway && !has_gateway {
        let message = format!(
            "only S3 and DynamoDB have gateway endpoints, and {name:?} is neither: expected \
             `vpc_endpoint_type` to be \"Interface\""
        );
        check.problem("service_name", message);
    }
}

fn validate_private_dns(check: &mut Check<'_>) {
    if check.get("private_dns_enabled") != Some(true) {
        return;
    }
    let Some(vpc) = check.target("vpc_id").filter(|target| target.kind() == "aws:ec2/vpc") else {
        return;
    };
    let address = vpc.address().to_owned();
    for field in ["enable_dns_support", "enable_dns_hostnames"] {
        if vpc.get(field) == Some(false) {
            let message = format!("needs `{field}` of `{address}`, which is off");
            check.problem("private_dns_enabled", message);
        }
    }
}
