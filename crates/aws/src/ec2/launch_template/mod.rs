//! Launch templates: what to launch, in versions that never change.
//!
//! A change of what a version holds makes a new version and makes it the default. What launches from
//! the template decides for itself which version it follows: a machine or a group that is given
//! [`LaunchTemplateOutputs::version`] changes with the program and with nothing else, one that is
//! given [`LaunchTemplateVersion::DEFAULT`] uses whatever is the default at its next launch.
//!
//! A version never changes, but another hand can add versions and make one of them the default.
//! That is drift of `default_version` and `latest_version`, never of what our own version holds: the
//! default is set back to it, and no version is made for that.

mod data;
#[cfg(test)]
mod tests;
mod versions;

use aws_sdk_ec2::types;
use formwork_core::{
    By, Changes, Check, Context, CreateError, Deletion, FoundBy, Inputs, Known, Lifecycle,
    Observed, Outputs, ProviderError, Resource, Settled,
};
use serde::{Deserialize, Serialize};

use super::{
    SecurityGroupId,
    describe::describe,
    launch::{
        self, AutoRecovery, BandwidthWeighting, BlockDevice, CapacityReservationOptions,
        CpuCredits, CpuOptions, ImageId, LaunchInterface, MarketOptions, MetadataOptions,
        Placement, PrivateDnsOptions, ShutdownBehavior, block_device, interface_check,
    },
    wire::seen,
};
use crate::{
    check,
    client::Clients,
    error::{Absent, Named, incomplete, unless_absent},
    id::{Arn, choice, id_type},
    locate::may_take,
    tags::{self, OWNER_FILTER, Tags},
    wait,
};

id_type! {
    /// A launch template's id, `lt-...`.
    LaunchTemplateId,
    /// A version of a launch template: a number, `$Default` or `$Latest`.
    LaunchTemplateVersion,
}

impl LaunchTemplateVersion {
    /// Whatever version is the default at the time of a launch.
    pub const DEFAULT: &str = "$Default";
    /// Whatever version is the newest at the time of a launch.
    pub const LATEST: &str = "$Latest";
}

choice! {
    /// What a launch makes that can have tags.
    TaggedAtLaunch {
        /// The machine.
        Instance = "instance",
        /// Its volumes.
        Volume = "volume",
        /// Its network interfaces.
        NetworkInterface = "network-interface",
        /// The spot request.
        SpotInstancesRequest = "spot-instances-request",
    }
}

/// Tags for one kind of thing that a launch makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub struct LaunchTags {
    /// The kind of thing.
    pub resource_type: TaggedAtLaunch,
    /// Its tags. The provider's default tags are not added.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

/// A launch template.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-launch-templates.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "aws:ec2/launch-template", outputs = LaunchTemplateOutputs, group = compute, seconds = 1)]
pub struct LaunchTemplate {
    /// Its name, unique in the region: 3 to 128 of letters, digits and `-_./()`. Generated if not set.
    #[resource(replace, defaulted, unique)]
    pub name: Option<String>,
    /// What the version is about, up to 255 characters.
    pub version_description: Option<String>,
    /// The image: its id, or `resolve:ssm:<parameter>`.
    pub image_id: Option<ImageId>,
    /// The instance type, such as `p5.48xlarge`.
    pub instance_type: Option<String>,
    /// The key pair, by name.
    pub key_name: Option<String>,
    /// The instance profile, by name.
    pub iam_instance_profile: Option<String>,
    /// The security groups of the only interface. With `network_interfaces` they go there.
    #[serde(default)]
    #[resource(default, unordered)]
    pub security_group_ids: Vec<SecurityGroupId>,
    /// The network interfaces.
    #[serde(default)]
    #[resource(default, unordered, nested)]
    pub network_interfaces: Vec<LaunchInterface>,
    /// The disks, beside and instead of those of the image.
    #[serde(default)]
    #[resource(default, unordered, nested)]
    pub block_devices: Vec<BlockDevice>,
    /// What runs at first boot, as text of up to 16 KiB; it is encoded for you.
    pub user_data: Option<String>,
    /// The same as base64, for what is no text.
    pub user_data_base64: Option<String>,
    /// The market to buy on; on demand if not set.
    #[resource(nested)]
    pub market: Option<MarketOptions>,
    /// Which reserved capacity to use.
    #[resource(nested)]
    pub capacity_reservation: Option<CapacityReservationOptions>,
    /// Where to put machines.
    #[resource(nested)]
    pub placement: Option<Placement>,
    /// The metadata service.
    #[resource(nested)]
    pub metadata_options: Option<MetadataOptions>,
    /// Cores and threads.
    #[resource(nested)]
    pub cpu_options: Option<CpuOptions>,
    /// How CPU credits are spent, on burstable types.
    pub cpu_credits: Option<CpuCredits>,
    /// Whether metrics come every minute.
    pub monitoring: Option<bool>,
    /// Whether there is bandwidth of its own for EBS, where the type leaves a choice.
    pub ebs_optimized: Option<bool>,
    /// Whether machines refuse to be terminated.
    pub disable_api_termination: Option<bool>,
    /// Whether machines refuse to be stopped.
    pub disable_api_stop: Option<bool>,
    /// What a shutdown from within does.
    pub instance_initiated_shutdown_behavior: Option<ShutdownBehavior>,
    /// Whether there can be Nitro enclaves.
    pub enclave: Option<bool>,
    /// Whether machines can hibernate.
    pub hibernation: Option<bool>,
    /// Whether AWS moves machines off broken hardware.
    pub auto_recovery: Option<AutoRecovery>,
    /// The private names of machines.
    #[resource(nested)]
    pub private_dns: Option<PrivateDnsOptions>,
    /// How bandwidth is shared between the network and EBS.
    pub bandwidth_weighting: Option<BandwidthWeighting>,
    /// Licence configurations.
    #[serde(default)]
    #[resource(default, unordered)]
    pub license_configuration_arns: Vec<Arn>,
    /// The kernel, of a paravirtual image.
    pub kernel_id: Option<String>,
    /// The RAM disk, of a paravirtual image.
    pub ram_disk_id: Option<String>,
    /// Tags of what is launched.
    #[serde(default)]
    #[resource(default, unordered, nested)]
    pub tag_specifications: Vec<LaunchTags>,
    /// The default version, where it is not the one that this resource wrote. A program never sets
    /// it; it is how drift shows, and it is set back.
    pub default_version: Option<LaunchTemplateVersion>,
    /// The newest version, where another hand made it. A program never sets it; it is how drift
    /// shows. The version is left alone, for others may use it, but what launches from
    /// [`LaunchTemplateVersion::LATEST`] gets it.
    #[resource(defaulted)]
    pub latest_version: Option<LaunchTemplateVersion>,
    /// Tags of the template itself.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

/// What a launch template reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct LaunchTemplateOutputs {
    /// The id.
    #[output(id)]
    pub id: LaunchTemplateId,
    /// The ARN.
    pub arn: Arn,
    /// The name.
    pub name: String,
    /// The version that this resource wrote last: the one that has these inputs. Only a change of the
    /// inputs makes another; if someone deletes it, it is the default version.
    #[rustfmt::skip]
    #[output(recomputed_by(
        version_description, image_id, instance_type, key_name, iam_instance_profile,
        security_group_ids, network_interfaces, block_devices, user_data, user_data_base64, market,
        capacity_reservation, placement, metadata_options, cpu_options, cpu_credits, monitoring,
        ebs_optimized, disable_api_termination, disable_api_stop,
        instance_initiated_shutdown_behavior, enclave, hibernation, auto_recovery, private_dns,
        bandwidth_weighting, license_configuration_arns, kernel_id, ram_disk_id, tag_specifications
    ))]
    pub version: LaunchTemplateVersion,
    /// The version that launches use if they name none. It is [`Self::version`], unless another hand
    /// made it another: then what is given this output follows that hand. Prefer `version`.
    #[rustfmt::skip]
    #[output(recomputed_by(
        version_description, image_id, instance_type, key_name, iam_instance_profile,
        security_group_ids, network_interfaces, block_devices, user_data, user_data_base64, market,
        capacity_reservation, placement, metadata_options, cpu_options, cpu_credits, monitoring,
        ebs_optimized, disable_api_termination, disable_api_stop,
        instance_initiated_shutdown_behavior, enclave, hibernation, auto_recovery, private_dns,
        bandwidth_weighting, license_configuration_arns, kernel_id, ram_disk_id, tag_specifications,
        default_version
    ))]
    pub default_version: LaunchTemplateVersion,
    /// The newest version, be it by our hand or another's: what is given this output follows whoever
    /// made a version last. Prefer [`Self::version`].
    #[rustfmt::skip]
    #[output(recomputed_by(
        version_description, image_id, instance_type, key_name, iam_instance_profile,
        security_group_ids, network_interfaces, block_devices, user_data, user_data_base64, market,
        capacity_reservation, placement, metadata_options, cpu_options, cpu_credits, monitoring,
        ebs_optimized, disable_api_termination, disable_api_stop,
        instance_initiated_shutdown_behavior, enclave, hibernation, auto_recovery, private_dns,
        bandwidth_weighting, license_configuration_arns, kernel_id, ram_disk_id, tag_specifications
    ))]
    pub latest_version: LaunchTemplateVersion,
}

impl Lifecycle for LaunchTemplate {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::ClientToken;

    async fn find(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let owner = vec![cx.identity.id.to_string()];
        let Some(template) = templates(cx.client, OWNER_FILTER, owner).await?.pop() else {
            return Ok(None);
        };
        // Its create makes version 1. Another one is ours only if it says what is declared.
        let default = template.default_version_number.unwrap_or(1).to_string().into();
        let seen = look(cx.client, &template, &default, Some(inputs)).await?;
        if default.as_str() == FIRST || seen.as_ref().is_some_and(|seen| says(seen, inputs)) {
            return Ok(seen);
        }
        look(cx.client, &template, &FIRST.into(), Some(inputs)).await
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let names = vec![known.outputs.name.clone()];
        let found = templates(cx.client, "launch-template-name", names).await?;
        // A template of this name that is another one is not this template.
        match found.iter().find(|template| is(template, known)) {
            Some(template) => {
                look(cx.client, template, &known.outputs.version, Some(&known.inputs)).await
            }
            None => Ok(None),
        }
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let names = among.iter().map(|known| known.outputs.name.clone()).collect();
        let mut found = templates(clients, "launch-template-name", names).await?;
        found.retain(|template| among.iter().any(|known| is(template, known)));
        let ours = |template: &types::LaunchTemplate| {
            let known = among.iter().find(|known| is(template, known));
            known.map(|known| &known.outputs.version)
        };
        let versions = versions::of_all(clients, &found, ours).await?;
        let look = |(template, version): (&types::LaunchTemplate, Option<_>)| {
            let known = among.iter().find(|known| is(template, known));
            Some(observe(clients, template, &version?, known.map(|known| &known.inputs)))
        };
        found.iter().zip(versions).filter_map(look).collect()
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let mut found = match by {
            By::Id(id) => by_id(clients, id).await?,
            By::Inputs(Self { name: Some(name), .. }) => {
                templates(clients, "launch-template-name", vec![name.clone()]).await?
            }
            By::Inputs(_) => return Ok(None),
        };
        found.retain(|it| may_take(by, tags::owner(it.tags()).is_some()));
        let Some(template) = found.pop() else {
            return Ok(None);
        };
        // What is taken over is what a launch gets that names no version.
        let default = template.default_version_number.unwrap_or(1).to_string().into();
        look(clients, &template, &default, None).await
    }

    crate::locate::claimed_by_tags!();

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<LaunchTemplateOutputs, CreateError<Self>> {
        const CALL: &str = "ec2:CreateLaunchTemplate";
        let name = inputs.name.clone().unwrap_or_else(|| cx.identity.name(128));
        let of = types::ResourceType::LaunchTemplate;
        let answer = cx
            .client
            .ec2()
            .create_launch_template()
            .client_token(cx.identity.token())
            .launch_template_name(name)
            .set_version_description(inputs.version_description.clone())
            .launch_template_data(data::request(inputs))
            .tag_specifications(tags::specification(cx.client, cx.identity, of, &inputs.tags))
            .send()
            .await
            .named(CALL)?;
        let template = answer.launch_template.ok_or_else(|| incomplete(CALL, "launch template"))?;
        Ok(outputs(cx.client, &template, FIRST.into())?)
    }

    async fn settle(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        // A version that is older than ours is an answer from before our change.
        let number = |outputs: &LaunchTemplateOutputs| {
            (versions::number(&outputs.version), versions::number(&outputs.default_version))
        };
        let (version, default) = number(&known.outputs);
        Ok(match Self::read(cx, known).await? {
            Some(seen)
                if number(&seen.outputs).0 >= version && number(&seen.outputs).1 >= default =>
            {
                Settled::Ready(seen)
            }
            _ => Settled::Pending(wait::SHORT),
        })
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<LaunchTemplateOutputs, ProviderError> {
        let (id, had) = (&known.outputs.id, &known.inputs.tags);
        tags::update(cx.client, cx.identity, id.as_str(), had, &inputs.tags, changes).await?;
        if changes.paths().iter().any(|path| !BESIDE_VERSIONS.contains(&path.top())) {
            let (template, version) = versions::add(cx, known, inputs).await?;
            return outputs(cx.client, &template, version);
        }
        let version = &known.outputs.version;
        if changes.touches("default_version") && known.outputs.default_version != *version {
            let template = versions::set_back(cx.client, &known.outputs).await?;
            return outputs(cx.client, &template, version.clone());
        }
        Ok(known.outputs.clone())
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let id = known.outputs.id.as_str();
        let call = cx.client.ec2().delete_launch_template().launch_template_id(id);
        unless_absent(call.send().await.named("ec2:DeleteLaunchTemplate"))?;
        Ok(Deletion::Done)
    }

    fn validate(check: &mut Check<'_>) {
        // <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html>
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_./()".contains(c);
        check::text(check, "name", (3, 128), allowed, "letters, digits and -_./()");
        check::text(check, "version_description", (0, 255), |_| true, "any");
        launch::check(check, true);
        interface_check::check(check, "network_interfaces", &["security_group_ids"]);
        block_device::check(check, "block_devices");
        for i in 0..launch::length(check, "tag_specifications") {
            let at = format!("tag_specifications[{i}]");
            check::choice::<TaggedAtLaunch>(check, &format!("{at}.resource_type"));
            let own = check.get::<Tags>(&format!("{at}.tags")).unwrap_or_default();
            for key in own.keys().filter(|key| key.to_ascii_lowercase().starts_with("aws:")) {
                let message = format!("the key {key:?} starts with `aws:`, which AWS reserves");
                check.problem(&format!("{at}.tags"), message);
            }
        }
        for field in ["default_version", "latest_version"] {
            if check.is_set(field) {
                check.problem(field, "it shows what another hand did: expected it not to be set");
            }
        }
        tags::check(check, "tags");
    }
}

/// The version that a create makes.
const FIRST: &str = "1";

/// The inputs that are not in a version.
const BESIDE_VERSIONS: [&str; 4] = ["name", "default_version", "latest_version", "tags"];

async fn templates(
    clients: &Clients,
    filter: &str,
    values: Vec<String>,
) -> Result<Vec<types::LaunchTemplate>, ProviderError> {
    Ok(describe!(clients, describe_launch_templates, "ec2:DescribeLaunchTemplates", filter, values))
}

/// The template of this id, for which there is no filter.
async fn by_id(clients: &Clients, id: &str) -> Result<Vec<types::LaunchTemplate>, ProviderError> {
    if !id.starts_with("lt-") {
        return Ok(Vec::new());
    }
    let call = clients.ec2().describe_launch_templates().launch_template_ids(id);
    match call.send().await.named("ec2:DescribeLaunchTemplates") {
        Err(error) if error.is_absent() => Ok(Vec::new()),
        answer => Ok(answer?.launch_templates.unwrap_or_default()),
    }
}

fn is(template: &types::LaunchTemplate, known: &Known<LaunchTemplate>) -> bool {
    template.launch_template_id.as_deref() == Some(known.outputs.id.as_str())
}

/// Whether the version that was seen is what `inputs` make.
fn says(seen: &Observed<LaunchTemplate>, inputs: &LaunchTemplate) -> bool {
    let LaunchTemplate { name, default_version, latest_version, tags, .. } = inputs.clone();
    let seen = seen.inputs.clone();
    LaunchTemplate { name, default_version, latest_version, tags, ..seen } == *inputs
}

async fn look(
    clients: &Clients,
    template: &types::LaunchTemplate,
    ours: &LaunchTemplateVersion,
    declared: Option<&LaunchTemplate>,
) -> Result<Option<Observed<LaunchTemplate>>, ProviderError> {
    let version = versions::ours(clients, template, ours).await?;
    version.map(|version| observe(clients, template, &version, declared)).transpose()
}

fn outputs(
    clients: &Clients,
    template: &types::LaunchTemplate,
    version: LaunchTemplateVersion,
) -> Result<LaunchTemplateOutputs, ProviderError> {
    const CALL: &str = "ec2:DescribeLaunchTemplates";
    let id: LaunchTemplateId =
        seen(&template.launch_template_id).ok_or_else(|| incomplete(CALL, "id"))?;
    let name = template.launch_template_name.clone().ok_or_else(|| incomplete(CALL, "name"))?;
    let of = |number: Option<i64>| LaunchTemplateVersion::from(number.unwrap_or(1).to_string());
    Ok(LaunchTemplateOutputs {
        arn: clients.arn("ec2", None, &format!("launch-template/{id}")),
        id,
        name,
        version,
        default_version: of(template.default_version_number),
        latest_version: of(template.latest_version_number),
    })
}

/// The template as `version` has it, which is ours.
fn observe(
    clients: &Clients,
    template: &types::LaunchTemplate,
    version: &types::LaunchTemplateVersion,
    declared: Option<&LaunchTemplate>,
) -> Result<Observed<LaunchTemplate>, ProviderError> {
    const CALL: &str = "ec2:DescribeLaunchTemplateVersions";
    let number = version.version_number.ok_or_else(|| incomplete(CALL, "version number"))?;
    let outputs = outputs(clients, template, number.to_string().into())?;
    let data = version.launch_template_data.as_ref();
    let data = data.ok_or_else(|| incomplete(CALL, "data"))?;
    let foreign = |of: &LaunchTemplateVersion| (*of != outputs.version).then(|| of.clone());
    let inputs = LaunchTemplate {
        name: Some(outputs.name.clone()),
        default_version: foreign(&outputs.default_version),
        latest_version: foreign(&outputs.latest_version),
        version_description: seen(&version.version_description),
        tags: tags::own(clients, tags::map(template.tags()), declared.map(|inputs| &inputs.tags)),
        ..data::read(data, declared)
    };
    Ok(Observed { inputs, outputs })
}
