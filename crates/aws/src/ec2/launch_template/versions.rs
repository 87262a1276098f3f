//! The versions of a template: reading the default ones, and adding one.

use std::hash::{DefaultHasher, Hash, Hasher};

use aws_sdk_ec2::types;
use formwork_core::{Context, Known, ProviderError};

use super::{LaunchTemplate, LaunchTemplateVersion, data};
use crate::{
    client::Clients,
    error::{Absent, Named, incomplete},
    retry,
};

const DESCRIBE: &str = "ec2:DescribeLaunchTemplateVersions";

/// Up to how many templates are asked for one by one. The call takes one template or all of the
/// region, and no filter by template.
const FEW: usize = 4;

/// The number of a version; `$Default` and `$Latest` have none.
pub(super) fn number(version: &LaunchTemplateVersion) -> Option<u64> {
    version.as_str().parse().ok()
}

/// The default version of a template; `None` if the template went meanwhile.
pub(super) async fn default_of(
    clients: &Clients,
    template: &types::LaunchTemplate,
) -> Result<Option<types::LaunchTemplateVersion>, ProviderError> {
    let call = clients
        .ec2()
        .describe_launch_template_versions()
        .set_launch_template_id(template.launch_template_id.clone())
        .versions(LaunchTemplateVersion::DEFAULT);
    match call.send().await.named(DESCRIBE) {
        Ok(answer) => Ok(answer.launch_template_versions.and_then(|mut found| found.pop())),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The default versions of templates.
pub(super) async fn defaults(
    clients: &Clients,
    templates: &[types::LaunchTemplate],
) -> Result<Vec<types::LaunchTemplateVersion>, ProviderError> {
    if templates.len() <= FEW {
        let mut found = Vec::new();
        for template in templates {
            found.extend(default_of(clients, template).await?);
        }
        return Ok(found);
    }
    let call = clients.ec2().describe_launch_template_versions();
    let call = call.versions(LaunchTemplateVersion::DEFAULT);
    call.into_paginator().items().send().try_collect().await.named(DESCRIBE)
}

/// Adds a version with these inputs, and makes it the default.
///
/// A crash in between leaves a version that nothing uses: the next run sees the old default, and
/// adds the version again.
pub(super) async fn add(
    cx: &Context<'_, Clients>,
    known: &Known<LaunchTemplate>,
    inputs: &LaunchTemplate,
) -> Result<types::LaunchTemplate, ProviderError> {
    const CREATE: &str = "ec2:CreateLaunchTemplateVersion";
    const MODIFY: &str = "ec2:ModifyLaunchTemplate";
    let id = known.outputs.id.as_str();
    let request = data::request(inputs);
    let answer = cx
        .client
        .ec2()
        .create_launch_template_version()
        .client_token(token(cx, known, inputs))
        .launch_template_id(id)
        .set_version_description(inputs.version_description.clone())
        .launch_template_data(request)
        .send()
        .await
        .named(CREATE)?;
    let version = answer.launch_template_version.and_then(|version| version.version_number);
    let version = version.ok_or_else(|| incomplete(CREATE, "version number"))?;
    let modify = || async {
        let call = cx.client.ec2().modify_launch_template().launch_template_id(id);
        call.default_version(version.to_string()).send().await.named(MODIFY)
    };
    let answer = retry::while_unseen(cx.client, modify).await?;
    answer.launch_template.ok_or_else(|| incomplete(MODIFY, "launch template"))
}

/// One token per version and content: the same update again makes no second version, and another
/// one is not taken for it.
fn token(
    cx: &Context<'_, Clients>,
    known: &Known<LaunchTemplate>,
    inputs: &LaunchTemplate,
) -> String {
    let mut content = DefaultHasher::new();
    format!("{inputs:?}").hash(&mut content);
    format!("{}-{}-{:016x}", cx.identity.token(), known.outputs.latest_version, content.finish())
}
