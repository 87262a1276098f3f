//! Launch templates: a name, a default version, and versions that never change.

use serde::{Deserialize, Serialize};

use super::{
    launch_template_check, launch_template_data::LaunchData, launch_template_version as version,
    launch_template_version::Version,
};
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    filter::Filters,
    page::{EC2, Paging, paginate},
    params::Params,
    row::{Row, check_id, not_found},
    tags,
    time::{Millis, iso8601},
    xml::Xml,
};

/// The operations of launch templates and their versions.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("CreateLaunchTemplate", create),
    ("DescribeLaunchTemplates", describe_launch_templates),
    ("ModifyLaunchTemplate", modify),
    ("DeleteLaunchTemplate", delete),
    ("CreateLaunchTemplateVersion", version::create),
    ("DescribeLaunchTemplateVersions", version::describe_versions),
    ("DeleteLaunchTemplateVersions", version::delete),
];

/// How launch templates and their versions page.
pub(crate) const PAGING: Paging = Paging { least: 1, most: 200, default: 200, ..EC2 };

/// A launch template. Its name is unique in the region; its data is in its versions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LaunchTemplate {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created: Millis,
    pub(crate) created_by: String,
    pub(crate) default_version: u64,
    /// The greatest version number that was ever given out; it is not used again.
    pub(crate) last_version: u64,
}

impl Row for LaunchTemplate {
    const KIND: &'static str = "launch-template";
    const PREFIX: &'static str = "lt";
    const ERROR: &'static str = "InvalidLaunchTemplateId";
    const NOUN: &'static str = "launch template ID";

    fn id(&self) -> &str {
        &self.id
    }
}

/// The template that `LaunchTemplateId` or `LaunchTemplateName` names; exactly one must be given.
pub(crate) fn named(call: &Call<'_>, params: &Params) -> Result<LaunchTemplate, ApiError> {
    find(call, params.optional("LaunchTemplateId"), params.optional("LaunchTemplateName"))
}

/// The template with this id or with this name; exactly one must be given.
pub(crate) fn find(
    call: &Call<'_>,
    id: Option<String>,
    name: Option<String>,
) -> Result<LaunchTemplate, ApiError> {
    match (id, name) {
        (Some(_), Some(_)) => Err(ApiError::combination(
            "Specify either a launch template ID or a launch template name, not both.",
        )),
        (None, None) => Err(ApiError::missing("LaunchTemplateId")),
        (Some(id), None) => by_id(call, &id),
        (None, Some(name)) => by_name(call, &name),
    }
}

fn by_id(call: &Call<'_>, id: &str) -> Result<LaunchTemplate, ApiError> {
    check_id::<LaunchTemplate>(id)?;
    call.find(id).map_err(|_| {
        let message =
            format!("The specified launch template, with template ID {id}, does not exist.");
        ApiError { message, ..not_found::<LaunchTemplate>(id) }
    })
}

fn by_name(call: &Call<'_>, name: &str) -> Result<LaunchTemplate, ApiError> {
    let found = call.visible::<LaunchTemplate>().into_iter().find(|template| template.name == name);
    found.ok_or_else(|| {
        ApiError::new(
            "InvalidLaunchTemplateName.NotFoundException",
            format!("The specified launch template, with template name {name}, does not exist."),
        )
    })
}

/// Reads and checks `LaunchTemplateData`, which must be there.
pub(crate) fn read_data(params: &Params) -> Result<LaunchData, ApiError> {
    let nested = params
        .nested("LaunchTemplateData")
        .ok_or_else(|| ApiError::missing("LaunchTemplateData"))?;
    let data = LaunchData::read(&nested)?;
    launch_template_check::check(&data)?;
    Ok(data)
}

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    call.client_token();
    let name = params.required("LaunchTemplateName")?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./()".contains(&byte);
    if !(3..=128).contains(&name.len()) || !name.bytes().all(allowed) {
        return Err(ApiError::new(
            "InvalidLaunchTemplateName.MalformedException",
            "A launch template name must be between 3 and 128 characters, and may contain letters, numbers, and the following characters: - _ . / ( )",
        ));
    }
    if call.rows::<LaunchTemplate>().iter().any(|template| template.name == name) {
        return Err(ApiError::new(
            "InvalidLaunchTemplateName.AlreadyExistsException",
            "Launch template name already in use.",
        ));
    }
    let tags = tags::specification(&params, LaunchTemplate::KIND)?;
    let data = read_data(&params)?;
    let template = LaunchTemplate {
        id: call.new_id("lt"),
        name,
        created: call.now,
        created_by: format!("arn:aws:iam::{}:root", call.account),
        default_version: 1,
        last_version: 1,
    };
    let description = params.optional("VersionDescription");
    call.put(&Version::new(&template, 1, description, call.now, data));
    call.put(&template);
    call.set_tags(&template.id, tags);
    Ok(Xml::new().node("launchTemplate", xml(call, &template)).into())
}

fn describe_launch_templates(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let (ids, names) =
        (call.params.list("LaunchTemplateId"), call.params.list("LaunchTemplateName"));
    let filters = Filters::read(&call.params, &["create-time", "launch-template-name"])?;
    for id in &ids {
        by_id(call, id)?;
    }
    for name in &names {
        by_name(call, name)?;
    }
    let all = ids.is_empty() && names.is_empty();
    let rows: Vec<LaunchTemplate> = call
        .visible::<LaunchTemplate>()
        .into_iter()
        .filter(|row| all || ids.contains(&row.id) || names.contains(&row.name))
        .filter(|row| {
            filters.matches(&call.tags(&row.id), |filter| match filter {
                "create-time" => vec![iso8601(row.created)],
                _ => vec![row.name.clone()],
            })
        })
        .collect();
    let page = paginate(call, rows, Row::id, PAGING)?;
    Ok(page.xml("launchTemplates", |row| xml(call, row)).into())
}

fn modify(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    call.client_token();
    let params = call.params.clone();
    let mut template = named(call, &params)?;
    if let Some(wanted) = params.optional("SetDefaultVersion") {
        template.default_version = version::resolve(call, &template, &wanted)?.number;
        call.put(&template);
    }
    Ok(Xml::new().node("launchTemplate", xml(call, &template)).into())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let template = named(call, &params)?;
    let answer = Xml::new().node("launchTemplate", xml(call, &template));
    for version in version::of(call, &template.id) {
        call.remove_row::<Version>(version.id());
    }
    call.remove::<LaunchTemplate>(&template.id);
    Ok(answer.into())
}

/// The greatest version that exists.
pub(crate) fn latest(call: &Call<'_>, template: &LaunchTemplate) -> u64 {
    version::of(call, &template.id).iter().map(|version| version.number).max().unwrap_or(1)
}

fn xml(call: &Call<'_>, template: &LaunchTemplate) -> Xml {
    let xml = Xml::new()
        .text("launchTemplateId", &template.id)
        .text("launchTemplateName", &template.name)
        .text("createTime", iso8601(template.created))
        .text("createdBy", &template.created_by)
        .text("defaultVersionNumber", template.default_version)
        .text("latestVersionNumber", latest(call, template));
    tags::xml(xml, &call.tags(&template.id))
}
