//! Versions of launch templates.

use serde::{Deserialize, Serialize};

use super::{
    image,
    launch_template::{self, LaunchTemplate, PAGING},
    launch_template_data::LaunchData,
    wire::Overlay,
};
use crate::{
    call::{Answer, Call},
    error::ApiError,
    filter::Filters,
    page::paginate,
    row::Row,
    tags::Tags,
    time::{Millis, iso8601},
    xml::Xml,
};

const FILTERS: &[&str] = &[
    "create-time",
    "ebs-optimized",
    "http-endpoint",
    "http-tokens",
    "host-resource-group-arn",
    "iam-instance-profile",
    "image-id",
    "instance-type",
    "is-default-version",
    "kernel-id",
    "network-card-index",
    "ram-disk-id",
];

/// One version: data that never changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Version {
    /// Template, slash, number padded so that ids sort by number.
    id: String,
    pub(crate) template: String,
    pub(crate) number: u64,
    pub(crate) description: Option<String>,
    pub(crate) created: Millis,
    pub(crate) data: LaunchData,
}

impl Row for Version {
    const KIND: &'static str = "launch-template-version";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Version {
    /// A version that is about to be stored.
    pub(crate) fn new(
        template: &LaunchTemplate,
        number: u64,
        description: Option<String>,
        created: Millis,
        data: LaunchData,
    ) -> Self {
        let id = format!("{}/{number:010}", template.id);
        Self { id, template: template.id.clone(), number, description, created, data }
    }
}

/// The versions of a template, oldest first.
pub(crate) fn of(call: &Call<'_>, template: &str) -> Vec<Version> {
    let mut versions = call.rows::<Version>();
    versions.retain(|version| version.template == template);
    versions
}

/// Finds the version that `$Default`, `$Latest` or a number names.
pub(crate) fn resolve(
    call: &Call<'_>,
    template: &LaunchTemplate,
    wanted: &str,
) -> Result<Version, ApiError> {
    let versions = of(call, &template.id);
    let number = match wanted {
        "$Default" => Some(template.default_version),
        "$Latest" => versions.last().map(|version| version.number),
        number => Some(number.parse().map_err(|_| {
            ApiError::invalid_value(format!(
                "The specified launch template version '{number}' is not valid: specify a number, $Latest or $Default."
            ))
        })?),
    };
    let found = versions.into_iter().find(|version| Some(version.number) == number);
    found.ok_or_else(|| {
        ApiError::new(
            "InvalidLaunchTemplateId.VersionNotFound",
            format!(
                "Could not find the specified version {wanted} for the launch template with ID {}.",
                template.id
            ),
        )
    })
}

/// CreateLaunchTemplateVersion.
pub(crate) fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    call.client_token();
    let params = call.params.clone();
    let mut template = launch_template::named(call, &params)?;
    let mut data = launch_template::read_data(&params)?;
    if let Some(source) = params.optional("SourceVersion") {
        data = data.over(resolve(call, &template, &source)?.data);
    }
    if params.flag("ResolveAlias")? == Some(true) {
        data.image_id = data.image_id.map(|id| image::resolve_alias(call, &id)).transpose()?;
    }
    template.last_version += 1;
    let description = params.optional("VersionDescription");
    let version = Version::new(&template, template.last_version, description, call.now, data);
    call.put(&version);
    call.put(&template);
    Ok(Xml::new().node("launchTemplateVersion", xml(&template, &version)).into())
}

/// DescribeLaunchTemplateVersions: the newest version first.
pub(crate) fn describe_versions(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let filters = Filters::read(&params, FILTERS)?;
    let wanted = params.list("LaunchTemplateVersion");
    let least: Option<u64> = params.number("MinVersion")?;
    let most: Option<u64> = params.number("MaxVersion")?;
    let resolve_alias = params.flag("ResolveAlias")? == Some(true);
    let templates = if params.has("LaunchTemplateId") || params.has("LaunchTemplateName") {
        vec![launch_template::named(call, &params)?]
    } else if wanted.is_empty() || wanted.iter().any(|wanted| !wanted.starts_with('$')) {
        return Err(ApiError::missing("LaunchTemplateId"));
    } else {
        call.visible::<LaunchTemplate>()
    };
    // (sort key, template, version)
    let mut rows: Vec<(String, LaunchTemplate, Version)> = Vec::new();
    for template in templates {
        let mut versions = if wanted.is_empty() { of(call, &template.id) } else { Vec::new() };
        for wanted in &wanted {
            let version = resolve(call, &template, wanted)?;
            if versions.iter().all(|known| known.number != version.number) {
                versions.push(version);
            }
        }
        versions.retain(|version| {
            least.is_none_or(|least| version.number >= least)
                && most.is_none_or(|most| version.number <= most)
                && filters.matches(&Tags::new(), |filter| field(&template, version, filter))
        });
        for mut version in versions {
            if resolve_alias {
                let id = version.data.image_id.take();
                version.data.image_id = id.map(|id| image::resolve_alias(call, &id)).transpose()?;
            }
            let key =
                format!("{}/{:010}", template.id, 9_999_999_999_u64.saturating_sub(version.number));
            rows.push((key, template.clone(), version));
        }
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let page = paginate(call, rows, |row| &row.0, PAGING)?;
    Ok(page.xml("launchTemplateVersionSet", |(_, template, version)| xml(template, version)).into())
}

/// DeleteLaunchTemplateVersions: each version succeeds or fails by itself.
pub(crate) fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let template = launch_template::named(call, &params)?;
    let wanted = params.list("LaunchTemplateVersion");
    if wanted.is_empty() {
        return Err(ApiError::missing("LaunchTemplateVersion"));
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for wanted in wanted {
        let item = |number: &str| {
            Xml::new()
                .text("launchTemplateId", &template.id)
                .text("launchTemplateName", &template.name)
                .text("versionNumber", number)
        };
        let refused = |number: &str, code: &str, message: &str| {
            item(number)
                .node("responseError", Xml::new().text("code", code).text("message", message))
        };
        match resolve(call, &template, &wanted) {
            Ok(version) if version.number == template.default_version => failed.push(refused(
                &version.number.to_string(),
                "unexpectedError",
                "The default version of a launch template cannot be deleted.",
            )),
            Ok(version) => {
                call.remove_row::<Version>(version.id());
                done.push(item(&version.number.to_string()));
            }
            Err(error) => {
                failed.push(refused(&wanted, "launchTemplateVersionDoesNotExist", &error.message));
            }
        }
    }
    Ok(Xml::new()
        .items("successfullyDeletedLaunchTemplateVersionSet", done)
        .items("unsuccessfullyDeletedLaunchTemplateVersionSet", failed)
        .into())
}

fn field(template: &LaunchTemplate, version: &Version, filter: &str) -> Vec<String> {
    let data = &version.data;
    let some = |value: &Option<String>| value.iter().cloned().collect();
    let metadata = data.metadata_options.as_ref();
    match filter {
        "create-time" => vec![iso8601(version.created)],
        "ebs-optimized" => data.ebs_optimized.iter().map(ToString::to_string).collect(),
        "http-endpoint" => metadata.map_or_else(Vec::new, |options| some(&options.http_endpoint)),
        "http-tokens" => metadata.map_or_else(Vec::new, |options| some(&options.http_tokens)),
        "host-resource-group-arn" => {
            data.placement.as_ref().map_or_else(Vec::new, |it| some(&it.host_resource_group_arn))
        }
        "iam-instance-profile" => {
            data.iam_instance_profile.as_ref().map_or_else(Vec::new, |it| some(&it.arn))
        }
        "image-id" => some(&data.image_id),
        "instance-type" => some(&data.instance_type),
        "is-default-version" => vec![(version.number == template.default_version).to_string()],
        "kernel-id" => some(&data.kernel_id),
        "network-card-index" => data
            .network_interfaces
            .iter()
            .filter_map(|it| it.network_card_index)
            .map(|it| it.to_string())
            .collect(),
        "ram-disk-id" => some(&data.ram_disk_id),
        _ => Vec::new(),
    }
}

fn xml(template: &LaunchTemplate, version: &Version) -> Xml {
    Xml::new()
        .text("launchTemplateId", &template.id)
        .text("launchTemplateName", &template.name)
        .text("versionNumber", version.number)
        .maybe("versionDescription", version.description.as_deref())
        .text("createTime", iso8601(version.created))
        .text("createdBy", &template.created_by)
        .text("defaultVersion", version.number == template.default_version)
        .node("launchTemplateData", version.data.xml())
}
