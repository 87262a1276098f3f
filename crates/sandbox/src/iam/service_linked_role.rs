//! Service-linked roles: a role that one service owns, with a policy that nobody may change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    row::Row,
    tags::Tags,
    time::Millis,
    xml::Xml,
};

use super::{
    error::{constraint, invalid_input, no_such_entity},
    input,
    role::{self, Role},
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("CreateServiceLinkedRole", create),
    ("DeleteServiceLinkedRole", delete),
    ("GetServiceLinkedRoleDeletionStatus", deletion_status),
];

/// What AWS fixes about one service's role.
struct Linked {
    service: &'static str,
    /// What follows `AWSServiceRoleFor`.
    role: &'static str,
    /// Its managed policy, under `/aws-service-role/`.
    policy: &'static str,
    /// Whether there can be several of it, told apart by a suffix.
    suffix: bool,
}

/// From each service's page on service-linked roles.
const SERVICES: [Linked; 10] = [
    linked("autoscaling.amazonaws.com", "AutoScaling", "AutoScalingServiceRolePolicy")
        .with_suffix(),
    linked("batch.amazonaws.com", "Batch", "BatchServiceRolePolicy"),
    linked("ec2fleet.amazonaws.com", "EC2Fleet", "AWSEC2FleetServiceRolePolicy"),
    linked(
        "ecs.application-autoscaling.amazonaws.com",
        "ApplicationAutoScaling_ECSService",
        "AWSApplicationAutoscalingECSServicePolicy",
    ),
    linked("ecs.amazonaws.com", "ECS", "AmazonECSServiceRolePolicy"),
    linked(
        "elasticloadbalancing.amazonaws.com",
        "ElasticLoadBalancing",
        "AWSElasticLoadBalancingServiceRolePolicy",
    ),
    linked("fsx.amazonaws.com", "AmazonFSx", "AmazonFSxServiceRolePolicy"),
    linked("spot.amazonaws.com", "EC2Spot", "AWSEC2SpotServiceRolePolicy"),
    linked("spotfleet.amazonaws.com", "EC2SpotFleet", "AWSEC2SpotFleetServiceRolePolicy"),
    linked("ssm.amazonaws.com", "AmazonSSM", "AmazonSSMServiceRolePolicy"),
];

const fn linked(service: &'static str, role: &'static str, policy: &'static str) -> Linked {
    Linked { service, role, policy, suffix: false }
}

impl Linked {
    const fn with_suffix(mut self) -> Self {
        self.suffix = true;
        self
    }

    fn role_name(&self, suffix: Option<&str>) -> String {
        let suffix = suffix.map(|suffix| format!("_{suffix}")).unwrap_or_default();
        format!("AWSServiceRoleFor{}{suffix}", self.role)
    }
}

/// A deletion that was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Deletion {
    id: String,
    began: Millis,
}

impl Row for Deletion {
    const KIND: &'static str = "service-linked-role-deletion";
    const GLOBAL: bool = true;

    fn id(&self) -> &str {
        &self.id
    }
}

/// Makes a service's role if the account lacks it, as services do when they are first used; returns
/// its ARN, or nothing for a service that has none here.
pub(crate) fn ensure(call: &mut Call<'_>, service: &str) -> Option<String> {
    let linked = SERVICES.iter().find(|linked| linked.service == service)?;
    let name = linked.role_name(None);
    let role = match call.get::<Role>(&name.to_ascii_lowercase()) {
        Some(role) => role,
        None => put(call, linked, name, None),
    };
    Some(role.arn(&call.account))
}

fn put(call: &mut Call<'_>, linked: &Linked, name: String, description: Option<String>) -> Role {
    let service = linked.service;
    let trust_policy = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole" }],
    });
    let role = Role {
        key: name.to_ascii_lowercase(),
        name,
        path: format!("/aws-service-role/{service}/"),
        unique_id: call.new_unique_id("AROA"),
        created: call.now,
        trust_policy: trust_policy.to_string(),
        description,
        max_session: 3600,
        boundary: None,
        tags: Tags::new(),
        inline: BTreeMap::new(),
        attached: vec![format!("arn:aws:iam::aws:policy/aws-service-role/{}", linked.policy)],
        linked_to: Some(service.to_owned()),
    };
    call.put(&role);
    role
}

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let service = input::text(&params, "AWSServiceName", 128)?;
    let description = input::description(&params, true)?;
    let suffix = params.optional("CustomSuffix");
    if suffix.is_some() {
        input::entity_name(&params, "CustomSuffix", 64)?;
    }
    let Some(linked) = SERVICES.iter().find(|linked| linked.service == service) else {
        return Err(invalid_input(format!(
            "The sandbox knows no service-linked role of the service {service}."
        )));
    };
    if suffix.is_some() && !linked.suffix {
        return Err(invalid_input(format!("Custom suffix is not allowed for {service}")));
    }
    let name = linked.role_name(suffix.as_deref());
    if name.len() > 64 {
        return Err(constraint(
            "CustomSuffix",
            suffix.as_deref(),
            "make a role name of at most 64 characters",
        ));
    }
    if call.get::<Role>(&name.to_ascii_lowercase()).is_some() {
        return Err(invalid_input(format!(
            "Service role name {name} has been taken in this account, please try a different \
             suffix."
        )));
    }
    let role = put(call, linked, name, description);
    Ok(Xml::new().node("Role", role.xml(&call.account, true)).into())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let role = role::named(call)?;
    let Some(service) = role.linked_to else {
        return Err(no_such_entity(format!(
            "The role {} is not a service-linked role.",
            role.name
        )));
    };
    let id = format!("task/aws-service-role/{service}/{}/{}", role.name, call.new_uuid());
    call.remove_row::<Role>(&role.key);
    call.put(&Deletion { id: id.clone(), began: call.now });
    Ok(Xml::new().text("DeletionTaskId", id).into())
}

fn deletion_status(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = input::text(&call.params, "DeletionTaskId", 1000)?;
    let Some(deletion) = call.get::<Deletion>(&id) else {
        return Err(no_such_entity(format!("Deletion task with id {id} does not exist.")));
    };
    let status = if call.settled(deletion.began) { "SUCCEEDED" } else { "IN_PROGRESS" };
    Ok(Xml::new().text("Status", status).into())
}
