//! Versions of managed policies: at most five at a time, one of them in force.

use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    params::Params,
    time::iso8601,
    xml::Xml,
};

use super::{
    aws_managed,
    error::{constraint, delete_conflict, limit_exceeded, no_such_entity},
    input,
    policy::{self, Policy, Version},
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("CreatePolicyVersion", create),
    ("GetPolicyVersion", get),
    ("ListPolicyVersions", list),
    ("SetDefaultPolicyVersion", set_default),
    ("DeletePolicyVersion", delete),
];

const LIMIT: usize = 5;

/// Reads `VersionId`; the number of `v3` is 3.
fn number(params: &Params) -> Result<u32, ApiError> {
    let version = input::text(params, "VersionId", 64)?;
    let digits = version.strip_prefix('v').filter(|digits| !digits.starts_with(['0', '+']));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        let must = "satisfy regular expression pattern: v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?";
        constraint("VersionId", Some(&version), must)
    })
}

fn no_version(arn: &str, number: u32) -> ApiError {
    no_such_entity(format!("Policy {arn} version v{number} does not exist or is not attachable."))
}

fn xml(policy: &Policy, number: u32, version: &Version, document: bool) -> Xml {
    Xml::new()
        .maybe("Document", document.then(|| input::url_encoded(&version.document)))
        .text("VersionId", format!("v{number}"))
        .text("IsDefaultVersion", number == policy.default_version)
        .text("CreateDate", iso8601(version.created))
}

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut policy = policy::own(call)?;
    let document = policy::document(&call.params)?;
    let set_default = input::flag(&call.params, "SetAsDefault")?;
    if policy.versions.len() >= LIMIT {
        return Err(limit_exceeded(
            "A managed policy can have up to 5 versions. Before you create a new version, you \
             must delete an existing version.",
        ));
    }
    let number = policy.next_version;
    policy.next_version += 1;
    policy.updated = call.now;
    if set_default {
        policy.default_version = number;
    }
    let version = Version { document, created: call.now };
    let xml = xml(&policy, number, &version, false);
    policy.versions.insert(number, version);
    call.put(&policy);
    Ok(Xml::new().node("PolicyVersion", xml).into())
}

fn get(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let arn = policy::arn(&call.params)?;
    let number = number(&call.params)?;
    let xml = match aws_managed::all().get(&arn) {
        Some(aws) => aws_version(aws, &arn, number)?,
        None => {
            let policy = policy::find(call, &arn)?;
            let version = policy.versions.get(&number).ok_or_else(|| no_version(&arn, number))?;
            xml(&policy, number, version, true)
        }
    };
    Ok(Xml::new().node("PolicyVersion", xml).into())
}

fn aws_version(aws: &aws_managed::AwsManaged, arn: &str, number: u32) -> Result<Xml, ApiError> {
    if aws.version != format!("v{number}") {
        return Err(no_version(arn, number));
    }
    let Some(document) = &aws.document else {
        let message = format!("The sandbox does not carry the document of {arn}, which is long");
        return Err(ApiError::new("UnsupportedOperation", message));
    };
    Ok(Xml::new()
        .text("Document", input::url_encoded(document))
        .text("VersionId", &aws.version)
        .text("IsDefaultVersion", true)
        .text("CreateDate", &aws.updated))
}

fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let arn = policy::arn(&call.params)?;
    let versions = match aws_managed::all().get(&arn) {
        Some(aws) => {
            let xml = Xml::new()
                .text("VersionId", &aws.version)
                .text("IsDefaultVersion", true)
                .text("CreateDate", &aws.updated);
            vec![(aws.version.clone(), xml)]
        }
        None => {
            let policy = policy::find(call, &arn)?;
            let newest_first = policy.versions.iter().rev();
            // The key sorts as the list does.
            newest_first
                .map(|(number, version)| {
                    (format!("{:010}", u32::MAX - number), xml(&policy, *number, version, false))
                })
                .collect()
        }
    };
    let page = input::page(call, versions)?;
    let versions = page.rows.iter().map(|(_, xml)| xml.clone());
    Ok(input::end_of_page(Xml::new().members("Versions", versions), &page).into())
}

fn set_default(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut policy = policy::own(call)?;
    let number = number(&call.params)?;
    if !policy.versions.contains_key(&number) {
        return Err(no_version(&policy.arn, number));
    }
    policy.default_version = number;
    policy.updated = call.now;
    call.put(&policy);
    Ok(Answer::empty())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut policy = policy::own(call)?;
    let number = number(&call.params)?;
    if number == policy.default_version {
        return Err(delete_conflict("Cannot delete the default version of a policy."));
    }
    if policy.versions.remove(&number).is_none() {
        return Err(no_version(&policy.arn, number));
    }
    call.put(&policy);
    Ok(Answer::empty())
}

/// The document that is in force for a policy, if the sandbox has it.
pub(super) fn default_document(call: &Call<'_>, arn: &str) -> Option<String> {
    match aws_managed::all().get(arn) {
        Some(aws) => aws.document.clone(),
        None => {
            let mut policy = call.get::<Policy>(arn)?;
            policy.versions.remove(&policy.default_version).map(|version| version.document)
        }
    }
}
