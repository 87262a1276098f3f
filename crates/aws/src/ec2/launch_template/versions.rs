//! The versions of a template: reading ours, adding one, and making ours the default.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use aws_sdk_ec2::types;
use formwork_core::{Context, ErrorKind, Known, ProviderError};

use super::{LaunchTemplate, LaunchTemplateId, LaunchTemplateOutputs, LaunchTemplateVersion, data};
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

/// The version of a template that is ours. If it was deleted that is the default version, which can
/// not be (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteLaunchTemplateVersions.html>);
/// `None` if the template went meanwhile.
pub(super) async fn ours(
    clients: &Clients,
    template: &types::LaunchTemplate,
    ours: &LaunchTemplateVersion,
) -> Result<Option<types::LaunchTemplateVersion>, ProviderError> {
    match named(clients, template, ours.as_str()).await? {
        Some(version) => Ok(Some(version)),
        None => named(clients, template, LaunchTemplateVersion::DEFAULT).await,
    }
}

/// A version of a template, if it is there.
async fn named(
    clients: &Clients,
    template: &types::LaunchTemplate,
    version: &str,
) -> Result<Option<types::LaunchTemplateVersion>, ProviderError> {
    let call = clients
        .ec2()
        .describe_launch_template_versions()
        .set_launch_template_id(template.launch_template_id.clone())
        .versions(version);
    match call.send().await.named(DESCRIBE) {
        Ok(answer) => Ok(answer.launch_template_versions.and_then(|mut found| found.pop())),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The version of each template that is ours, as [`ours`] tells it: a call for each of a few
/// templates; else one for all default versions, and one more where the default is not ours.
pub(super) async fn of_all<'v>(
    clients: &Clients,
    templates: &[types::LaunchTemplate],
    version: impl Fn(&types::LaunchTemplate) -> Option<&'v LaunchTemplateVersion>,
) -> Result<Vec<Option<types::LaunchTemplateVersion>>, ProviderError> {
    let mut defaults: HashMap<String, types::LaunchTemplateVersion> = HashMap::new();
    if templates.len() > FEW {
        let call = clients.ec2().describe_launch_template_versions();
        let call = call.versions(LaunchTemplateVersion::DEFAULT);
        let pages = call.into_paginator().items().send();
        let found: Vec<types::LaunchTemplateVersion> = pages.try_collect().await.named(DESCRIBE)?;
        let by_id = |it: types::LaunchTemplateVersion| Some((it.launch_template_id.clone()?, it));
        defaults.extend(found.into_iter().filter_map(by_id));
    }
    let mut found = Vec::with_capacity(templates.len());
    for template in templates {
        let Some(wanted) = version(template) else {
            found.push(None);
            continue;
        };
        let is_ours = |it: &types::LaunchTemplateVersion| {
            it.version_number.map(|number| number.to_string()).as_deref() == Some(wanted.as_str())
        };
        let id = template.launch_template_id.as_deref().unwrap_or_default();
        found.push(match defaults.remove(id).filter(is_ours) {
            Some(version) => Some(version),
            None => ours(clients, template, wanted).await?,
        });
    }
    Ok(found)
}

/// Adds a version with these inputs, and makes it the default.
///
/// A crash in between leaves a version that nothing uses: the next run sees that ours is the old
/// one, and adds the version again, which is the same one while EC2 remembers the token.
pub(super) async fn add(
    cx: &Context<'_, Clients>,
    known: &Known<LaunchTemplate>,
    inputs: &LaunchTemplate,
) -> Result<(types::LaunchTemplate, LaunchTemplateVersion), ProviderError> {
    let id = &known.outputs.id;
    let token = token(cx, known, inputs);
    let version = create(cx.client, id, inputs, token.clone()).await?;
    match make_default(cx.client, id, &version).await {
        Ok(template) => Ok((template, version)),
        // The token led to a version that was deleted since.
        Err(error) if error.is_absent() => {
            let version = create(cx.client, id, inputs, format!("{token}-{version}")).await?;
            Ok((make_default(cx.client, id, &version).await?, version))
        }
        Err(error) => Err(error),
    }
}

async fn create(
    clients: &Clients,
    id: &LaunchTemplateId,
    inputs: &LaunchTemplate,
    token: String,
) -> Result<LaunchTemplateVersion, ProviderError> {
    const CREATE: &str = "ec2:CreateLaunchTemplateVersion";
    let answer = clients
        .ec2()
        .create_launch_template_version()
        .client_token(token)
        .launch_template_id(id.as_str())
        .set_version_description(inputs.version_description.clone())
        .launch_template_data(data::request(inputs))
        .send()
        .await
        .named(CREATE)?;
    let version = answer.launch_template_version.and_then(|version| version.version_number);
    let version = version.ok_or_else(|| incomplete(CREATE, "version number"))?;
    Ok(LaunchTemplateVersion::from(version.to_string()))
}

/// Makes our version the default again, and sees to it that the change is seen: the number alone
/// does not tell an answer from before it from one after.
pub(super) async fn set_back(
    clients: &Clients,
    outputs: &LaunchTemplateOutputs,
) -> Result<types::LaunchTemplate, ProviderError> {
    const LOOK: &str = "ec2:DescribeLaunchTemplates";
    let made = make_default(clients, &outputs.id, &outputs.version).await?;
    let look = || async {
        let names = vec![outputs.name.clone()];
        let found = super::templates(clients, "launch-template-name", names).await?;
        let ours = found.into_iter().find(|it| it.launch_template_id == made.launch_template_id);
        let set = ours.filter(|it| it.default_version_number == made.default_version_number);
        set.ok_or_else(|| {
            let message = format!("the default version of {} is not set back yet", outputs.id);
            ProviderError::new(ErrorKind::Transient, LOOK, message)
        })
    };
    let unseen = |error: &ProviderError| error.kind == ErrorKind::Transient;
    retry::while_failing(clients, unseen, look).await
}

async fn make_default(
    clients: &Clients,
    id: &LaunchTemplateId,
    version: &LaunchTemplateVersion,
) -> Result<types::LaunchTemplate, ProviderError> {
    const MODIFY: &str = "ec2:ModifyLaunchTemplate";
    let modify = || async {
        let call = clients.ec2().modify_launch_template().launch_template_id(id.as_str());
        call.default_version(version.as_str()).send().await.named(MODIFY)
    };
    let answer = retry::while_unseen(clients, modify).await?;
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
    format!("{}-{}-{:016x}", cx.identity.token(), known.outputs.version, content.finish())
}
