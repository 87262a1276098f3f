//! Changes to a machine while it runs.

use aws_sdk_ec2::types;
use formwork_core::{Changes, Context, ErrorKind, Identity, Known, ProviderError, value::Segment};

use super::{
    Instance,
    observe::{Seen, other_groups, primary, root_mapping, stay_otherwise},
};
use crate::{
    client::Clients,
    ec2::{
        SecurityGroupId,
        describe::{describe, filter},
        launch::MetadataOptions,
        wire::{sent, sent_all, sent_number},
    },
    error::{Named, unless_absent},
    retry, tags,
};

const ATTRIBUTE: &str = "ec2:ModifyInstanceAttribute";

/// Makes every change that a running machine can take.
pub(super) async fn running(
    cx: &Context<'_, Clients>,
    seen: &Seen,
    known: &Known<Instance>,
    inputs: &Instance,
    changes: &Changes,
) -> Result<(), ProviderError> {
    let (clients, id) = (cx.client, known.outputs.id.as_str());
    tags::update(clients, cx.identity, id, &known.inputs.tags, &inputs.tags, changes).await?;
    if changes.touches("volume_tags") {
        volume_tags(cx, known, inputs, changes).await?;
    }
    not_said_at_launch(clients, &seen.instance, inputs).await?;
    if let Some(groups) = &inputs.security_group_ids
        && changes.touches("security_group_ids")
    {
        // By interface: the call that takes the machine refuses one with several interfaces.
        let interface = &known.outputs.primary_network_interface_id;
        give_groups(clients, interface.as_str(), groups).await?;
    }
    if let Some(options) = &inputs.metadata_options
        && changes.touches("metadata_options")
    {
        metadata(clients, id, options).await?;
    }
    if changes.touches("iam_instance_profile") {
        profile(clients, id, inputs.iam_instance_profile.as_deref()).await?;
    }
    if let Some(on) = inputs.monitoring.filter(|_| changes.touches("monitoring")) {
        if on {
            let call = clients.ec2().monitor_instances().instance_ids(id);
            call.send().await.named("ec2:MonitorInstances")?;
        } else {
            let call = clients.ec2().unmonitor_instances().instance_ids(id);
            call.send().await.named("ec2:UnmonitorInstances")?;
        }
    }
    if let Some(credits) = &inputs.cpu_credits
        && changes.touches("cpu_credits")
    {
        self::credits(clients, id, credits.as_str()).await?;
    }
    if let Some(recovery) = &inputs.auto_recovery
        && changes.touches("auto_recovery")
    {
        let call = clients.ec2().modify_instance_maintenance_options().instance_id(id);
        let call = call.auto_recovery(recovery.as_str().into());
        call.send().await.named("ec2:ModifyInstanceMaintenanceOptions")?;
    }
    attributes(clients, id, inputs, changes).await?;
    if changes.touches("root_block_device") {
        root_device(clients, seen, inputs).await?;
    }
    Ok(())
}

/// Makes of the interfaces what a launch can not say.
pub(super) async fn not_said_at_launch(
    clients: &Clients,
    instance: &types::Instance,
    inputs: &Instance,
) -> Result<(), ProviderError> {
    source_dest_check(clients, instance, inputs).await?;
    let Some(wanted) = &inputs.every_interface else { return Ok(()) };
    for (interface, _) in
        wanted.security_group_ids.iter().flat_map(|wanted| other_groups(instance, wanted))
    {
        let id = interface.network_interface_id.as_deref().unwrap_or_default();
        let groups = wanted.security_group_ids.as_deref().unwrap_or_default();
        let give = || give_groups(clients, id, groups);
        retry::while_unseen(clients, give).await?;
    }
    interfaces_go(clients, instance, wanted.delete_on_termination).await
}

/// Makes interfaces go with the machine, or stay.
async fn interfaces_go(
    clients: &Clients,
    instance: &types::Instance,
    wanted: Option<bool>,
) -> Result<(), ProviderError> {
    let Some(goes) = wanted else { return Ok(()) };
    for interface in stay_otherwise(instance, goes) {
        let attachment = interface.attachment().and_then(|it| it.attachment_id.clone());
        let change = types::NetworkInterfaceAttachmentChanges::builder()
            .set_attachment_id(attachment)
            .delete_on_termination(goes)
            .build();
        let call = || async {
            clients
                .ec2()
                .modify_network_interface_attribute()
                .set_network_interface_id(interface.network_interface_id.clone())
                .attachment(change.clone())
                .send()
                .await
                .named("ec2:ModifyNetworkInterfaceAttribute")
        };
        retry::while_unseen(clients, call).await?;
    }
    Ok(())
}

/// Makes what is to go with the machine do so, whatever was changed by hand: it would stay behind
/// unseen, and cost.
pub(super) async fn lets_go(
    clients: &Clients,
    instance: &types::Instance,
    inputs: &Instance,
) -> Result<(), ProviderError> {
    let every = inputs.every_interface.as_ref().and_then(|every| every.delete_on_termination);
    let every = every.filter(|goes| *goes);
    // That one of them is gone already does not say that the machine is.
    unless_absent(interfaces_go(clients, instance, every).await)?;
    let root = inputs.root_block_device.as_ref().and_then(|root| root.delete_on_termination);
    unless_absent(root_goes(clients, instance, root.filter(|goes| *goes)).await)
}

/// Makes the root volume go with the machine, or stay.
async fn root_goes(
    clients: &Clients,
    instance: &types::Instance,
    wanted: Option<bool>,
) -> Result<(), ProviderError> {
    let Some(mapping) = root_mapping(instance) else { return Ok(()) };
    let is = mapping.ebs.as_ref().and_then(|ebs| ebs.delete_on_termination);
    let Some(goes) = wanted.filter(|goes| Some(*goes) != is) else { return Ok(()) };
    let ebs = types::EbsInstanceBlockDeviceSpecification::builder();
    let device = types::InstanceBlockDeviceMappingSpecification::builder()
        .set_device_name(mapping.device_name.clone())
        .ebs(ebs.delete_on_termination(goes).build())
        .build();
    let call = clients.ec2().modify_instance_attribute().block_device_mappings(device);
    let call = call.set_instance_id(instance.instance_id.clone());
    call.send().await.named(ATTRIBUTE).map(drop)
}

async fn give_groups(
    clients: &Clients,
    interface: &str,
    groups: &[SecurityGroupId],
) -> Result<(), ProviderError> {
    let call = clients.ec2().modify_network_interface_attribute();
    let call = call.network_interface_id(interface).set_groups(sent_all(groups));
    call.send().await.named("ec2:ModifyNetworkInterfaceAttribute").map(drop)
}

/// Makes the check of the primary interface what it should be.
async fn source_dest_check(
    clients: &Clients,
    instance: &types::Instance,
    inputs: &Instance,
) -> Result<(), ProviderError> {
    let Some(interface) = primary(instance) else { return Ok(()) };
    // It is on unless it was turned off.
    let is = interface.source_dest_check.unwrap_or(true);
    let Some(wanted) = inputs.source_dest_check.filter(|wanted| *wanted != is) else {
        return Ok(());
    };
    let change = || async {
        clients
            .ec2()
            .modify_network_interface_attribute()
            .set_network_interface_id(interface.network_interface_id.clone())
            .source_dest_check(boolean(wanted))
            .send()
            .await
            .named("ec2:ModifyNetworkInterfaceAttribute")
    };
    retry::while_unseen(clients, change).await.map(drop)
}

fn boolean(value: bool) -> types::AttributeBooleanValue {
    types::AttributeBooleanValue::builder().value(value).build()
}

/// The attributes that take one call each.
async fn attributes(
    clients: &Clients,
    id: &str,
    inputs: &Instance,
    changes: &Changes,
) -> Result<(), ProviderError> {
    let call = || clients.ec2().modify_instance_attribute().instance_id(id);
    let asked = |field: &str, value: Option<bool>| value.filter(|_| changes.touches(field));
    if let Some(value) = asked("disable_api_termination", inputs.disable_api_termination) {
        call().disable_api_termination(boolean(value)).send().await.named(ATTRIBUTE)?;
    }
    if let Some(value) = asked("disable_api_stop", inputs.disable_api_stop) {
        call().disable_api_stop(boolean(value)).send().await.named(ATTRIBUTE)?;
    }
    if let Some(behavior) = &inputs.instance_initiated_shutdown_behavior
        && changes.touches("instance_initiated_shutdown_behavior")
    {
        let value = types::AttributeValue::builder().value(behavior.as_str()).build();
        let call = call().instance_initiated_shutdown_behavior(value);
        call.send().await.named(ATTRIBUTE)?;
    }
    Ok(())
}

async fn credits(clients: &Clients, id: &str, credits: &str) -> Result<(), ProviderError> {
    const CALL: &str = "ec2:ModifyInstanceCreditSpecification";
    let specification = types::InstanceCreditSpecificationRequest::builder()
        .instance_id(id)
        .cpu_credits(credits)
        .build();
    let call = clients.ec2().modify_instance_credit_specification();
    let call = call.instance_credit_specifications(specification);
    let answer = call.send().await.named(CALL)?;
    // The call succeeds although it failed for the machine.
    let failed = answer.unsuccessful_instance_credit_specifications().first();
    let Some(why) = failed.and_then(|failed| failed.error.as_ref()) else { return Ok(()) };
    let code = why.code.as_ref().map(|code| code.as_str().to_owned());
    let message = why.message.clone().unwrap_or_default();
    Err(ProviderError { code, ..ProviderError::new(ErrorKind::Invalid, CALL, message) })
}

async fn metadata(
    clients: &Clients,
    id: &str,
    options: &MetadataOptions,
) -> Result<(), ProviderError> {
    clients
        .ec2()
        .modify_instance_metadata_options()
        .instance_id(id)
        .set_http_tokens(sent(&options.http_tokens))
        .set_http_put_response_hop_limit(sent_number(options.http_put_response_hop_limit))
        .set_http_endpoint(sent(&options.http_endpoint))
        .set_http_protocol_ipv6(sent(&options.http_protocol_ipv6))
        .set_instance_metadata_tags(sent(&options.instance_metadata_tags))
        .send()
        .await
        .named("ec2:ModifyInstanceMetadataOptions")
        .map(drop)
}

/// Gives the machine a profile, another one, or none.
async fn profile(clients: &Clients, id: &str, name: Option<&str>) -> Result<(), ProviderError> {
    let ec2 = clients.ec2();
    let states = ["associating", "associated"].map(str::to_owned);
    let answer = ec2
        .describe_iam_instance_profile_associations()
        .filters(filter("instance-id", &[id.to_owned()]))
        .filters(filter("state", &states))
        .send()
        .await
        .named("ec2:DescribeIamInstanceProfileAssociations")?;
    let has = answer.iam_instance_profile_associations().first();
    let has = has.and_then(|association| association.association_id.clone());
    let profile = |name| types::IamInstanceProfileSpecification::builder().name(name).build();
    // A new profile takes seconds to be known to EC2; the source is at the launch.
    let unknown = |error: &ProviderError| error.message.contains("IAM Instance Profile");
    match (has, name) {
        (Some(association), Some(name)) => {
            let replace = || async {
                ec2.replace_iam_instance_profile_association()
                    .association_id(&association)
                    .iam_instance_profile(profile(name))
                    .send()
                    .await
                    .named("ec2:ReplaceIamInstanceProfileAssociation")
            };
            retry::while_failing(clients, unknown, replace).await.map(drop)
        }
        (None, Some(name)) => {
            let associate = || async {
                ec2.associate_iam_instance_profile()
                    .instance_id(id)
                    .iam_instance_profile(profile(name))
                    .send()
                    .await
                    .named("ec2:AssociateIamInstanceProfile")
            };
            retry::while_failing(clients, unknown, associate).await.map(drop)
        }
        (Some(association), None) => {
            let call = ec2.disassociate_iam_instance_profile().association_id(association);
            call.send().await.named("ec2:DisassociateIamInstanceProfile").map(drop)
        }
        (None, None) => Ok(()),
    }
}

/// Changes the tags of the volumes that came with the machine: those that have its ownership tag.
async fn volume_tags(
    cx: &Context<'_, Clients>,
    known: &Known<Instance>,
    inputs: &Instance,
    changes: &Changes,
) -> Result<(), ProviderError> {
    let owner = vec![cx.identity.id.to_string()];
    let volumes: Vec<types::Volume> =
        describe!(cx.client, describe_volumes, "ec2:DescribeVolumes", tags::OWNER_FILTER, owner);
    let ids: Vec<String> = volumes.into_iter().filter_map(|volume| volume.volume_id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let set = tags::all(cx.client, cx.identity, &inputs.volume_tags);
    // Only what was planned goes: the template may have given them tags that are not declared here.
    let planned = |key: &str| {
        changes.paths().iter().filter(|path| path.top() == "volume_tags").any(|path| {
            match path.segments() {
                [_, Segment::Key(named), ..] => named.as_ref() == key,
                _ => true,
            }
        })
    };
    let removed = known.inputs.volume_tags.keys();
    let removed = removed.filter(|key| !set.contains_key(*key) && planned(key));
    let removed: Vec<types::Tag> = removed
        .filter(|key| *key != Identity::TAG)
        .map(|key| types::Tag::builder().key(key).build())
        .collect();
    // An object has 50 tags at most, so what goes makes room first.
    if !removed.is_empty() {
        let call = cx.client.ec2().delete_tags().set_resources(Some(ids.clone()));
        call.set_tags(Some(removed)).send().await.named("ec2:DeleteTags")?;
    }
    let call = cx.client.ec2().create_tags().set_resources(Some(ids));
    call.set_tags(Some(tags::ec2(&set))).send().await.named("ec2:CreateTags").map(drop)
}

/// Changes the root volume, and whether it goes with the machine.
async fn root_device(
    clients: &Clients,
    seen: &Seen,
    inputs: &Instance,
) -> Result<(), ProviderError> {
    let instance = &seen.instance;
    let (Some(wanted), Some(mapping)) = (&inputs.root_block_device, root_mapping(instance)) else {
        return Ok(());
    };
    root_goes(clients, instance, wanted.delete_on_termination).await?;
    let ebs = mapping.ebs.as_ref();
    let Some(volume) = ebs.and_then(|ebs| ebs.volume_id.clone()) else { return Ok(()) };
    let shape = crate::ec2::volume::Shape {
        size: wanted.volume_size,
        volume_type: wanted.volume_type.clone(),
        iops: wanted.iops,
        throughput: wanted.throughput,
        multi_attach_enabled: None,
    };
    crate::ec2::volume::reshape(clients, &volume, &shape).await
}
