//! The attributes of VPCs that have operations of their own.

use super::vpc::Vpc;
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] =
    &[("DescribeVpcAttribute", describe), ("ModifyVpcAttribute", modify)];

fn modify(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut vpc: Vpc = call.find(&params.required("VpcId")?)?;
    let mut given = 0;
    for (name, field) in [
        ("EnableDnsSupport", &mut vpc.dns_support),
        ("EnableDnsHostnames", &mut vpc.dns_hostnames),
        ("EnableNetworkAddressUsageMetrics", &mut vpc.usage_metrics),
    ] {
        if let Some(value) = params.flag(&format!("{name}.Value"))? {
            *field = value;
            given += 1;
        }
    }
    match given {
        1 => {
            call.put(&vpc);
            Ok(Answer::done())
        }
        0 => Err(ApiError::missing("an attribute to modify")),
        _ => Err(ApiError::combination("Only one attribute can be modified at a time")),
    }
}

fn describe(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let vpc: Vpc = call.find(&params.required("VpcId")?)?;
    let attribute = params.required("Attribute")?;
    let value = match attribute.as_str() {
        "enableDnsSupport" => vpc.dns_support,
        "enableDnsHostnames" => vpc.dns_hostnames,
        "enableNetworkAddressUsageMetrics" => vpc.usage_metrics,
        other => {
            return Err(ApiError::invalid("attribute", other, "It is not an attribute of VPCs."));
        }
    };
    let value = Xml::new().text("value", value);
    Ok(Xml::new().text("vpcId", &vpc.id).node(&attribute, value).into())
}
