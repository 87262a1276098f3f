//! Tags as objects of their own: one set of operations for all kinds of things.

use std::collections::BTreeMap;

use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    filter::Filters,
    page::{self, paginate},
    tags::{self, TagRow, Tags},
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] =
    &[("CreateTags", create), ("DeleteTags", delete), ("DescribeTags", describe)];

/// What ids start with, and the kind of object that it says.
const KINDS: &[(&str, &str)] = &[
    ("acl", "network-acl"),
    ("ami", "image"),
    ("cr", "capacity-reservation"),
    ("dopt", "dhcp-options"),
    ("eigw", "egress-only-internet-gateway"),
    ("eipalloc", "elastic-ip"),
    ("eni", "network-interface"),
    ("i", "instance"),
    ("igw", "internet-gateway"),
    ("key", "key-pair"),
    ("lt", "launch-template"),
    ("nat", "natgateway"),
    ("pg", "placement-group"),
    ("rtb", "route-table"),
    ("sg", "security-group"),
    ("sgr", "security-group-rule"),
    ("sir", "spot-instances-request"),
    ("snap", "snapshot"),
    ("subnet", "subnet"),
    ("vol", "volume"),
    ("vpc", "vpc"),
    ("vpce", "vpc-endpoint"),
];

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let new = tags::read(&params, "Tag")?;
    if new.is_empty() {
        return Err(ApiError::missing("Tag"));
    }
    for id in named(call)? {
        let mut tags = call.tags(&id);
        tags.extend(new.clone());
        tags::limit(&tags)?;
        call.set_tags(&id, tags);
    }
    Ok(Answer::done())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut unwanted: Vec<(String, Option<String>)> = Vec::new();
    for tag in params.structs("Tag") {
        unwanted.push((tag.required("Key")?, tag.optional("Value")));
    }
    for id in named(call)? {
        let mut tags = call.tags(&id);
        // No tag at all means every tag; a tag without a value means whatever its value is.
        tags.retain(|key, value| {
            let hit = |(name, wanted): &(String, Option<String>)| {
                name == key && wanted.as_ref().is_none_or(|wanted| wanted == value)
            };
            !unwanted.is_empty() && !unwanted.iter().any(hit)
        });
        call.set_tags(&id, tags);
    }
    Ok(Answer::done())
}

/// The ids of the request, each of which must be an object that exists.
fn named(call: &Call<'_>) -> Result<Vec<String>, ApiError> {
    let ids = call.params.list("ResourceId");
    if ids.is_empty() {
        return Err(ApiError::missing("ResourceId"));
    }
    for id in &ids {
        let Some(kind) = kind(id) else {
            return Err(ApiError::new("InvalidID", format!("The ID '{id}' is not valid")));
        };
        if !call.exists(kind, id) {
            return Err(missing(kind, id));
        }
    }
    Ok(ids)
}

/// Every kind has a code of its own for this.
fn missing(kind: &str, id: &str) -> ApiError {
    let code = match kind {
        "capacity-reservation" => "InvalidCapacityReservationId.NotFound",
        "dhcp-options" => "InvalidDhcpOptionID.NotFound",
        "elastic-ip" => "InvalidAllocationID.NotFound",
        "image" => "InvalidAMIID.NotFound",
        "instance" => "InvalidInstanceID.NotFound",
        "internet-gateway" => "InvalidInternetGatewayID.NotFound",
        "key-pair" => "InvalidKeyPair.NotFound",
        "launch-template" => "InvalidLaunchTemplateId.NotFound",
        "natgateway" => "NatGatewayNotFound",
        "network-acl" => "InvalidNetworkAclID.NotFound",
        "network-interface" => "InvalidNetworkInterfaceID.NotFound",
        "placement-group" => "InvalidPlacementGroup.Unknown",
        "route-table" => "InvalidRouteTableID.NotFound",
        "security-group" => "InvalidGroup.NotFound",
        "security-group-rule" => "InvalidSecurityGroupRuleId.NotFound",
        "snapshot" => "InvalidSnapshot.NotFound",
        "subnet" => "InvalidSubnetID.NotFound",
        "volume" => "InvalidVolume.NotFound",
        "vpc" => "InvalidVpcID.NotFound",
        "vpc-endpoint" => "InvalidVpcEndpointId.NotFound",
        _ => "InvalidID",
    };
    ApiError::new(code, format!("The {kind} ID '{id}' does not exist"))
}

fn kind(id: &str) -> Option<&'static str> {
    let (prefix, _) = id.split_once('-')?;
    KINDS.iter().find(|(known, _)| *known == prefix).map(|(_, kind)| *kind)
}

fn describe(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let filters = Filters::read(&call.params, &["key", "resource-id", "resource-type", "value"])?;
    let mut found: BTreeMap<String, (String, &str, String, String)> = BTreeMap::new();
    for TagRow { id, tags } in call.visible::<TagRow>() {
        let Some(kind) = kind(&id) else { continue };
        for (key, value) in tags {
            let own = Tags::from([(key.clone(), value.clone())]);
            let hit = filters.matches(&own, |filter| {
                vec![match filter {
                    "key" => key.clone(),
                    "resource-id" => id.clone(),
                    "resource-type" => kind.to_owned(),
                    _ => value.clone(),
                }]
            });
            if hit {
                found.insert(format!("{id} {key}"), (id.clone(), kind, key, value));
            }
        }
    }
    let page = paginate(call, found.into_iter().collect(), |(place, _)| place, page::EC2)?;
    let answer = page.xml("tagSet", |(_, (id, kind, key, value))| {
        Xml::new()
            .text("resourceId", id)
            .text("resourceType", kind)
            .text("key", key)
            .text("value", value)
    });
    Ok(answer.into())
}
