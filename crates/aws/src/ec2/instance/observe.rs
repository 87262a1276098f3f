//! What a machine really is, whatever its declaration says of it: what comes from the launch template
//! can be changed by hand too.
//!
//! All machines together cost one paginated call for themselves and one for their root volumes, and
//! one for their CPU credits where a declaration speaks of those. Beside that each machine costs
//! three calls, for the three attributes that nothing else shows: sixteen machines cost 50 calls,
//! which EC2 takes at once, and of more it takes 20 calls a second
//! (<https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>).

use std::collections::{BTreeSet, HashMap};

use aws_sdk_ec2::types::{self, InstanceAttributeName};
use formwork_core::{Observed, ProviderError};
use futures_util::{StreamExt, TryStreamExt, future::try_join3, stream};

use super::{EveryInterface, Instance, InstanceId, InstanceOutputs, Power, RootDevice, missing};
use crate::{
    client::Clients,
    ec2::{
        SecurityGroupId,
        describe::describe,
        launch::{
            CapacityReservationOptions, CpuCredits, CpuOptions, MetadataOptions, Placement,
            PrivateDnsOptions, ShutdownBehavior, only_asked,
        },
        volume,
        wire::{seen, seen_number},
    },
    error::{Absent, Named},
    tags,
};

/// Of how many machines the attributes are asked for at a time.
const AT_ONCE: usize = 8;

/// A machine as EC2 shows it, and the account that owns it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) instance: types::Instance,
    pub(super) owner: Option<String>,
}

impl Seen {
    /// The state, in EC2's words.
    pub(super) fn state(&self) -> &str {
        let state = self.instance.state.as_ref().and_then(|state| state.name.as_ref());
        state.map_or("", |state| state.as_str())
    }
}

/// Whether it is there; one that was terminated is shown for about an hour
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html>).
pub(super) fn lives(seen: &Seen) -> bool {
    !matches!(seen.state(), "terminated" | "shutting-down")
}

/// The machines that have one of `values` as `filter`, in whatever state.
pub(super) async fn instances(
    clients: &Clients,
    filter: &str,
    values: Vec<String>,
) -> Result<Vec<Seen>, ProviderError> {
    let reservations: Vec<types::Reservation> =
        describe!(clients, describe_instances, "ec2:DescribeInstances", filter, values);
    let seen = |reservation: types::Reservation| {
        let owner = reservation.owner_id;
        let instances = reservation.instances.unwrap_or_default().into_iter();
        instances.map(move |instance| Seen { instance, owner: owner.clone() })
    };
    Ok(reservations.into_iter().flat_map(seen).collect())
}

/// The machine, in whatever state.
pub(super) async fn one(clients: &Clients, id: &InstanceId) -> Result<Option<Seen>, ProviderError> {
    Ok(instances(clients, "instance-id", vec![id.to_string()]).await?.pop())
}

/// Machines in the shape of their inputs. `declared` are the inputs that each was given.
pub(super) async fn all<'a>(
    clients: &Clients,
    found: Vec<Seen>,
    declared: impl Fn(&Seen) -> Option<&'a Instance>,
) -> Result<Vec<Observed<Instance>>, ProviderError> {
    let volumes = volumes(clients, &found).await?;
    let credits = credits(clients, &found, &declared).await?;
    let looks: Vec<_> = found.iter().map(|seen| attributes(clients, &seen.instance)).collect();
    let attributes: Vec<_> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    let mut observed = Vec::with_capacity(found.len());
    for (seen, attributes) in found.into_iter().zip(attributes) {
        let Some(attributes) = attributes else { continue };
        let declared = declared(&seen).cloned().unwrap_or_default();
        let outputs = outputs(clients, &seen)?;
        let root = outputs.root_volume_id.as_ref().and_then(|id| volumes.get(id.as_str()));
        let credits = credits.get(outputs.id.as_str()).cloned();
        let inputs = Instance {
            cpu_credits: credits,
            ..inputs(clients, &seen.instance, root, attributes, declared)
        };
        observed.push(Observed { inputs, outputs });
    }
    Ok(observed)
}

/// What a machine reports.
pub(super) fn outputs(clients: &Clients, it: &Seen) -> Result<InstanceOutputs, ProviderError> {
    let instance = &it.instance;
    let id: InstanceId = seen(&instance.instance_id).ok_or_else(|| missing("id"))?;
    let zone = instance.placement.as_ref().and_then(|it| seen(&it.availability_zone));
    let root = root_mapping(instance).and_then(|mapping| mapping.ebs.as_ref());
    Ok(InstanceOutputs {
        arn: clients.arn("ec2", it.owner.as_deref(), &format!("instance/{id}")),
        id,
        availability_zone: zone.ok_or_else(|| missing("zone"))?,
        subnet_id: seen(&instance.subnet_id).ok_or_else(|| missing("subnet"))?,
        vpc_id: seen(&instance.vpc_id).ok_or_else(|| missing("VPC"))?,
        private_ip: instance.private_ip_address.clone().unwrap_or_default(),
        private_dns: instance.private_dns_name.clone().unwrap_or_default(),
        public_ip: seen(&instance.public_ip_address),
        public_dns: seen(&instance.public_dns_name),
        primary_network_interface_id: primary(instance)
            .and_then(|interface| seen(&interface.network_interface_id))
            .unwrap_or_default(),
        // It is there once the volume is attached.
        root_volume_id: root.and_then(|ebs| seen(&ebs.volume_id)),
    })
}

/// The card and the index that an interface is attached at.
fn index(interface: &types::InstanceNetworkInterface) -> Option<(i32, i32)> {
    let at = interface.attachment.as_ref()?;
    Some((at.network_card_index.unwrap_or(0), at.device_index.unwrap_or(0)))
}

/// The interface on card 0 with index 0.
pub(super) fn primary(instance: &types::Instance) -> Option<&types::InstanceNetworkInterface> {
    instance.network_interfaces().iter().min_by_key(|interface| index(interface))
}

/// The groups of its primary interface.
fn groups(instance: &types::Instance) -> Vec<SecurityGroupId> {
    let groups = primary(instance).map_or(instance.security_groups(), |it| it.groups());
    groups.iter().filter_map(|group| seen(&group.group_id)).collect()
}

/// How much later than the first an interface may have been attached that came with the machine.
const LAUNCH_SECONDS: i64 = 60;

/// The interfaces that the machine came with, in order of their places: others were attached later,
/// and are someone else's.
fn came_with(instance: &types::Instance) -> Vec<&types::InstanceNetworkInterface> {
    let at = |it: &types::InstanceNetworkInterface| Some(it.attachment()?.attach_time()?.secs());
    let launch = instance.network_interfaces().iter().filter_map(at).min();
    let came = |it: &&types::InstanceNetworkInterface| {
        at(it).zip(launch).is_none_or(|(at, launch)| at - launch <= LAUNCH_SECONDS)
    };
    let mut interfaces: Vec<_> = instance.network_interfaces().iter().filter(came).collect();
    interfaces.sort_by_key(|interface| index(interface));
    interfaces
}

/// The interfaces that it came with whose groups are not `asked`, and what groups they have.
pub(super) fn other_groups<'i>(
    instance: &'i types::Instance,
    asked: &[SecurityGroupId],
) -> Vec<(&'i types::InstanceNetworkInterface, Vec<SecurityGroupId>)> {
    let asked: BTreeSet<&str> = asked.iter().map(SecurityGroupId::as_str).collect();
    let other = |interface: &'i types::InstanceNetworkInterface| {
        let groups = interface.groups().iter().filter_map(|group| group.group_id.as_deref());
        let groups: BTreeSet<&str> = groups.collect();
        let differs = groups != asked;
        differs.then(|| (interface, groups.into_iter().map(SecurityGroupId::from).collect()))
    };
    came_with(instance).into_iter().filter_map(other).collect()
}

/// The interfaces that it came with that go with it although they are to stay, or the other way
/// round.
pub(super) fn stay_otherwise(
    instance: &types::Instance,
    goes: bool,
) -> Vec<&types::InstanceNetworkInterface> {
    let is = |it: &types::InstanceNetworkInterface| it.attachment()?.delete_on_termination();
    let otherwise = |it: &&types::InstanceNetworkInterface| is(it).is_some_and(|is| is != goes);
    came_with(instance).into_iter().filter(otherwise).collect()
}

/// What all interfaces have: as asked, or as it is of the first that is otherwise.
fn every_interface(instance: &types::Instance, asked: &EveryInterface) -> EveryInterface {
    let groups = |asked: &Vec<SecurityGroupId>| {
        let other = other_groups(instance, asked).into_iter().next();
        other.map_or_else(|| asked.clone(), |(_, groups)| groups)
    };
    EveryInterface {
        security_group_ids: asked.security_group_ids.as_ref().map(groups),
        delete_on_termination: asked
            .delete_on_termination
            .map(|goes| goes == stay_otherwise(instance, goes).is_empty()),
    }
}

/// The device that it boots from.
pub(super) fn root_mapping(
    instance: &types::Instance,
) -> Option<&types::InstanceBlockDeviceMapping> {
    let is_root = |mapping: &&types::InstanceBlockDeviceMapping| {
        mapping.device_name.is_some() && mapping.device_name == instance.root_device_name
    };
    instance.block_device_mappings().iter().find(is_root)
}

/// The root volumes, by id.
async fn volumes(
    clients: &Clients,
    found: &[Seen],
) -> Result<HashMap<String, types::Volume>, ProviderError> {
    let root = |seen: &Seen| root_mapping(&seen.instance)?.ebs.as_ref()?.volume_id.clone();
    let ids: Vec<String> = found.iter().filter_map(root).collect();
    let volumes: Vec<types::Volume> =
        describe!(clients, describe_volumes, "ec2:DescribeVolumes", "volume-id", ids);
    let by_id = |volume: types::Volume| Some((volume.volume_id.clone()?, volume));
    Ok(volumes.into_iter().filter_map(by_id).collect())
}

/// How those machines whose declaration says so spend their CPU credits.
async fn credits<'a>(
    clients: &Clients,
    found: &[Seen],
    declared: &impl Fn(&Seen) -> Option<&'a Instance>,
) -> Result<HashMap<String, CpuCredits>, ProviderError> {
    let wanted = |seen: &&Seen| declared(seen).is_some_and(|inputs| inputs.cpu_credits.is_some());
    let id = |seen: &Seen| seen.instance.instance_id.clone();
    let ids: Vec<String> = found.iter().filter(wanted).filter_map(id).collect();
    let credits: Vec<types::InstanceCreditSpecification> = describe!(
        clients,
        describe_instance_credit_specifications,
        "ec2:DescribeInstanceCreditSpecifications",
        "instance-id",
        ids
    );
    let by_id = |it: types::InstanceCreditSpecification| {
        Some((it.instance_id.clone()?, seen(&it.cpu_credits)?))
    };
    Ok(credits.into_iter().filter_map(by_id).collect())
}

/// What only a call of its own shows.
struct Attributes {
    disable_api_termination: Option<bool>,
    disable_api_stop: Option<bool>,
    shutdown_behavior: Option<ShutdownBehavior>,
}

/// The attributes of a machine; `None` if it went meanwhile.
async fn attributes(
    clients: &Clients,
    instance: &types::Instance,
) -> Result<Option<Attributes>, ProviderError> {
    let ask = |name: InstanceAttributeName| async {
        let call = clients.ec2().describe_instance_attribute().attribute(name);
        let call = call.set_instance_id(instance.instance_id.clone());
        call.send().await.named("ec2:DescribeInstanceAttribute")
    };
    let answers = try_join3(
        ask(InstanceAttributeName::DisableApiTermination),
        ask(InstanceAttributeName::DisableApiStop),
        ask(InstanceAttributeName::InstanceInitiatedShutdownBehavior),
    );
    let (termination, stop, shutdown) = match answers.await {
        Ok(answers) => answers,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(error),
    };
    let shutdown = shutdown.instance_initiated_shutdown_behavior;
    Ok(Some(Attributes {
        disable_api_termination: termination.disable_api_termination.and_then(|it| it.value),
        disable_api_stop: stop.disable_api_stop.and_then(|it| it.value),
        shutdown_behavior: shutdown.and_then(|behavior| seen(&behavior.value)),
    }))
}

fn inputs(
    clients: &Clients,
    it: &types::Instance,
    root: Option<&types::Volume>,
    attributes: Attributes,
    declared: Instance,
) -> Instance {
    let monitored = it.monitoring.as_ref().and_then(|monitoring| monitoring.state.as_ref());
    let profile = it.iam_instance_profile.as_ref().and_then(|profile| profile.arn.as_ref());
    let volume_tags = match root {
        Some(root) => tags::own(clients, tags::map(root.tags()), Some(&declared.volume_tags)),
        None => declared.volume_tags.clone(),
    };
    Instance {
        image_id: seen(&it.image_id),
        instance_type: seen(&it.instance_type),
        power: Power::of(it),
        subnet_id: seen(&it.subnet_id),
        security_group_ids: match &declared.every_interface {
            Some(EveryInterface { security_group_ids: Some(_), .. }) => {
                declared.security_group_ids.clone()
            }
            _ => Some(groups(it)),
        },
        every_interface: declared.every_interface.as_ref().map(|asked| every_interface(it, asked)),
        private_ip_address: seen(&it.private_ip_address),
        source_dest_check: primary(it)
            .and_then(|interface| interface.source_dest_check)
            .or(it.source_dest_check),
        key_name: seen(&it.key_name),
        iam_instance_profile: Some(
            profile.and_then(|arn| arn.rsplit('/').next()).unwrap_or_default().to_owned(),
        ),
        root_block_device: match (&declared.root_block_device, root) {
            (Some(asked), Some(root)) => Some(RootDevice::of(it, root, asked)),
            (None, Some(root)) => Some(RootDevice::whole(it, root, None)),
            (asked, None) => asked.clone(),
        },
        volume_tags,
        capacity_reservation: it.capacity_reservation_specification.as_ref().map(|is| {
            CapacityReservationOptions::of_instance(is, declared.capacity_reservation.as_ref())
        }),
        placement: declared.placement.as_ref().map(|asked| {
            let placement =
                it.placement.clone().unwrap_or_else(|| types::Placement::builder().build());
            Placement::of_instance(&placement, asked)
        }),
        metadata_options: it
            .metadata_options
            .as_ref()
            .map(|is| MetadataOptions::of_instance(is, declared.metadata_options.as_ref())),
        cpu_options: part(&declared.cpu_options, &it.cpu_options, CpuOptions::of_instance),
        monitoring: monitored.map(|state| matches!(state.as_str(), "enabled" | "pending")),
        ebs_optimized: it.ebs_optimized,
        disable_api_termination: attributes.disable_api_termination,
        disable_api_stop: attributes.disable_api_stop,
        instance_initiated_shutdown_behavior: attributes.shutdown_behavior,
        enclave: it.enclave_options.as_ref().and_then(|options| options.enabled),
        hibernation: it.hibernation_options.as_ref().and_then(|options| options.configured),
        auto_recovery: it.maintenance_options.as_ref().and_then(|it| seen(&it.auto_recovery)),
        private_dns: part(
            &declared.private_dns,
            &it.private_dns_name_options,
            PrivateDnsOptions::of_instance,
        ),
        bandwidth_weighting: it
            .network_performance_options
            .as_ref()
            .and_then(|options| seen(&options.bandwidth_weighting)),
        tags: tags::own(clients, tags::map(it.tags()), Some(&declared.tags)),
        ..declared
    }
}

/// A group of options, if both the declaration and the machine have it.
fn part<T, S>(asked: &Option<T>, is: &Option<S>, of: impl Fn(&S, &T) -> T) -> Option<T> {
    Some(of(is.as_ref()?, asked.as_ref()?))
}

impl RootDevice {
    /// All that is to say of the root device, the key as it was asked for.
    fn whole(instance: &types::Instance, volume: &types::Volume, key: Option<&String>) -> Self {
        let ebs = root_mapping(instance).and_then(|mapping| mapping.ebs.as_ref());
        Self {
            device_name: instance.root_device_name.clone(),
            volume_type: seen(&volume.volume_type),
            volume_size: seen_number(volume.size),
            iops: seen_number(volume.iops),
            throughput: seen_number(volume.throughput),
            delete_on_termination: ebs.and_then(|ebs| ebs.delete_on_termination),
            encrypted: volume.encrypted,
            kms_key_id: volume::key_as_asked(&volume.kms_key_id, key),
        }
    }

    /// What `asked` says of the root device.
    fn of(instance: &types::Instance, volume: &types::Volume, asked: &Self) -> Self {
        let is = Self::whole(instance, volume, asked.kms_key_id.as_ref());
        only_asked!(
            is,
            asked,
            device_name,
            volume_type,
            volume_size,
            iops,
            throughput,
            delete_on_termination,
            encrypted,
            kms_key_id,
        )
    }
}
