//! The instance profile of an instance, and the operations that change it.

use serde::{Deserialize, Serialize};

use super::super::launch_template_data::ProfileName;
use super::{Instance, find_live};
use crate::{
    call::{Answer, Call},
    error::ApiError,
    filter::Filters,
    iam::lookup::{ProfileReference, profile_for_instance},
    page::{EC2, paginate},
    params::Params,
    tags::Tags,
    time::{Millis, iso8601},
    xml::Xml,
};

/// That an instance has a profile, and since when.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Association {
    /// `iip-assoc-..`
    pub(crate) id: String,
    pub(crate) arn: String,
    /// `AIPA..`
    pub(crate) profile_id: String,
    pub(crate) at: Millis,
}

impl Association {
    /// A new association.
    pub(super) fn new(call: &mut Call<'_>, arn: &str, profile_id: &str) -> Self {
        Self {
            id: call.new_id("iip-assoc"),
            arn: arn.to_owned(),
            profile_id: profile_id.to_owned(),
            at: call.now,
        }
    }
}

/// The ARN and the id of the profile that a launch names, if it names one.
pub(super) fn usable(
    call: &Call<'_>,
    name: Option<&ProfileName>,
) -> Result<Option<(String, String)>, ApiError> {
    let Some(name) = name else { return Ok(None) };
    let reference = ProfileReference { arn: name.arn.as_deref(), name: name.name.as_deref() };
    let profile = profile_for_instance(call, reference)?;
    Ok(Some((profile.arn, profile.id)))
}

fn named(call: &Call<'_>, params: &Params) -> Result<(String, String), ApiError> {
    let nested = params
        .nested("IamInstanceProfile")
        .ok_or_else(|| ApiError::missing("IamInstanceProfile"))?;
    let name = ProfileName::read(&nested)?;
    usable(call, Some(&name))?.ok_or_else(|| ApiError::missing("IamInstanceProfile"))
}

/// AssociateIamInstanceProfile.
pub(super) fn associate(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut instance = find_live(call, &params.required("InstanceId")?)?;
    if instance.profile.is_some() {
        let message = format!("There is an existing association for instance {}", instance.id);
        return Err(ApiError::new("IncorrectState", message));
    }
    let (arn, id) = named(call, &params)?;
    set(call, &mut instance, &arn, &id)
}

/// ReplaceIamInstanceProfileAssociation: the association gets a new id.
pub(super) fn replace(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut instance = by_association(call, &params.required("AssociationId")?)?;
    let (arn, id) = named(call, &params)?;
    set(call, &mut instance, &arn, &id)
}

fn set(
    call: &mut Call<'_>,
    instance: &mut Instance,
    arn: &str,
    id: &str,
) -> Result<Answer, ApiError> {
    let association = Association::new(call, arn, id);
    let answer = xml(call, instance, &association);
    instance.profile = Some(association);
    call.put(instance);
    Ok(Xml::new().node("iamInstanceProfileAssociation", answer).into())
}

/// DisassociateIamInstanceProfile.
pub(super) fn disassociate(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut instance = by_association(call, &call.params.required("AssociationId")?)?;
    let answer = instance
        .profile
        .take()
        .map(|association| body(&instance, &association).text("state", "disassociating"));
    call.put(&instance);
    Ok(Xml::new().maybe_node("iamInstanceProfileAssociation", answer).into())
}

/// DescribeIamInstanceProfileAssociations.
pub(super) fn describe_associations(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let ids = call.params.list("AssociationId");
    let filters = Filters::read(&call.params, &["instance-id", "state"])?;
    for id in &ids {
        by_association(call, id)?;
    }
    let mut rows: Vec<(Instance, Association)> = call
        .visible::<Instance>()
        .into_iter()
        .filter(|instance| instance.state(call) != "terminated")
        .filter_map(|instance| instance.profile.clone().map(|association| (instance, association)))
        .filter(|(_, association)| ids.is_empty() || ids.contains(&association.id))
        .filter(|(instance, association)| {
            filters.matches(&Tags::new(), |filter| match filter {
                "instance-id" => vec![instance.id.clone()],
                _ => vec![state(call, association).to_owned()],
            })
        })
        .collect();
    rows.sort_by(|a, b| a.1.id.cmp(&b.1.id));
    let page = paginate(call, rows, |row| &row.1.id, EC2)?;
    let item = |(instance, association): &(Instance, Association)| xml(call, instance, association);
    Ok(page.xml("iamInstanceProfileAssociationSet", item).into())
}

fn by_association(call: &Call<'_>, id: &str) -> Result<Instance, ApiError> {
    let has = |instance: &Instance| {
        instance.state(call) != "terminated"
            && instance.profile.as_ref().is_some_and(|it| it.id == id)
    };
    call.visible::<Instance>().into_iter().find(has).ok_or_else(|| {
        let message = format!("An invalid association-id of '{id}' was given");
        ApiError::new("InvalidAssociationID.NotFound", message)
    })
}

fn state(call: &Call<'_>, association: &Association) -> &'static str {
    if call.settled(association.at) { "associated" } else { "associating" }
}

fn body(instance: &Instance, association: &Association) -> Xml {
    Xml::new()
        .text("associationId", &association.id)
        .text("instanceId", &instance.id)
        .node(
            "iamInstanceProfile",
            Xml::new().text("arn", &association.arn).text("id", &association.profile_id),
        )
        .text("timestamp", iso8601(association.at))
}

fn xml(call: &Call<'_>, instance: &Instance, association: &Association) -> Xml {
    body(instance, association).text("state", state(call, association))
}
