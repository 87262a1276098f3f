//! The machines: how they start, and where they stand.

use formwork_aws::{
    ec2::{
        BlockDevice, CapacityReservationOptions, EbsDevice, EveryInterface, HttpTokens, ImageId,
        Instance, InterfaceType, LaunchInterface, LaunchTags, LaunchTemplate, LaunchTemplateHandle,
        LaunchTemplateReference, MarketOptions, MarketType, MetadataOptions, Placement,
        PlacementGroup, PlacementStrategy, Power, RootDevice, SecurityGroupId, SpotOptions,
        SubnetId, Switch, TaggedAtLaunch, VolumeType,
    },
    iam::{InstanceProfile, Role, RolePolicyAttachment, aws_managed_policy},
    lookup::{ImageById, ImageBySsmParameter},
};
use formwork_core::{Component, Input, Output, Reference, ResourceRef, Scope, zip};

use super::{
    GroupHandle, NodeHandle,
    check::Checked,
    network::{Network, named},
    software,
    spec::{Capacity, GpuCluster, NodeImage},
};
use crate::interfaces::InterfaceKind;

/// The image that nodes boot from, and the name of its root device.
pub(super) struct Image {
    id: Output<ImageId>,
    root_device: Output<String>,
}

pub(super) fn image(cluster: &GpuCluster, scope: &mut Scope<'_>) -> Image {
    let answer = match &cluster.image {
        NodeImage::SsmParameter(name) => {
            let query = ImageBySsmParameter::builder().name(name.clone()).build();
            scope.lookup("image", query)
        }
        NodeImage::Id(id) => scope.lookup("image", ImageById::builder().id(id.clone()).build()),
    };
    for (i, group) in cluster.groups.iter().enumerate() {
        let wanted = group.root_volume.size_gib;
        let fits = zip(&answer.id, &answer.root_volume_size).try_map(
            move |(id, least): (ImageId, Option<u32>)| match least {
                Some(least) if wanted < least => Err(format!(
                    "{wanted} GiB are less than the root volume of {}: expected at least {least}",
                    id.as_str()
                )),
                _ => Ok(wanted),
            },
        );
        scope.require(Some(&format!("groups[{i}].root_volume.size_gib")), &fits);
    }
    Image { id: answer.id, root_device: answer.root_device_name }
}

/// The role of the nodes: what Session Manager needs, and nothing else.
pub(super) struct Profile {
    name: Output<String>,
    ready: Vec<ResourceRef>,
}

pub(super) fn profile(cluster: &GpuCluster, scope: &mut Scope<'_>) -> Profile {
    let role = Role::builder()
        .assumed_by("ec2.amazonaws.com")
        .description("The nodes of a GPU cluster")
        .tags(cluster.tags.clone())
        .build();
    let role = scope.add("node-role", role);
    let policy = RolePolicyAttachment::builder()
        .role(&role.name)
        .policy_arn(aws_managed_policy("AmazonSSMManagedInstanceCore"))
        .build();
    let policy = scope.add("node-role-ssm", policy);
    let profile = InstanceProfile::builder().role(&role.name).tags(cluster.tags.clone()).build();
    let profile = scope.add("node-profile", profile);
    Profile { name: profile.name.clone(), ready: policy.references() }
}

pub(super) fn group(
    cluster: &GpuCluster,
    checked: &Checked<'_>,
    network: &Network,
    subnet: &Output<SubnetId>,
    image: &Image,
    profile: &Profile,
    scope: &mut Scope<'_>,
) -> GroupHandle {
    let group = checked.group;
    let placement = placement(cluster, checked, network, scope);
    let interfaces: Vec<Input<LaunchInterface>> = checked
        .layout
        .interfaces()
        .iter()
        .map(|interface| {
            let kind = match interface.kind {
                InterfaceKind::Efa => InterfaceType::Efa,
                InterfaceKind::EfaOnly => InterfaceType::EfaOnly,
                _ => InterfaceType::Interface,
            };
            LaunchInterface::builder()
                .network_card_index(interface.card)
                .device_index(interface.device)
                .interface_type(kind)
                .subnet_id(subnet)
                .security_group_ids([&network.security_group_id])
                .delete_on_termination(true)
                .build()
        })
        .collect();
    let root = &group.root_volume;
    let boot = RootDevice::builder()
        .device_name(&image.root_device)
        .volume_type(VolumeType::Gp3)
        .volume_size(root.size_gib)
        .maybe_iops(root.iops)
        .maybe_throughput(root.throughput_mib_s)
        .encrypted(root.encrypted)
        .delete_on_termination(true)
        .build();
    let ebs = EbsDevice::builder()
        .volume_type(VolumeType::Gp3)
        .volume_size(root.size_gib)
        .maybe_iops(root.iops)
        .maybe_throughput(root.throughput_mib_s)
        .encrypted(root.encrypted)
        .delete_on_termination(true)
        .build();
    let root = BlockDevice::builder().device_name(&image.root_device).ebs(ebs).build();
    let stack = scope.stack();
    let tags = |of: TaggedAtLaunch| {
        let tags = named(cluster, format!("{stack}-{}", group.name));
        LaunchTags::builder().resource_type(of).tags(tags).build()
    };
    let tagged = vec![tags(TaggedAtLaunch::Volume), tags(TaggedAtLaunch::NetworkInterface)];
    let (market, reservation) = market(&group.capacity);
    let template = LaunchTemplate::builder()
        .image_id(&image.id)
        .instance_type(group.instance_type.clone())
        .iam_instance_profile(&profile.name)
        .network_interfaces(interfaces)
        .block_devices([root])
        .metadata_options(metadata())
        .ebs_optimized(group.ebs_optimized)
        .maybe_placement(placement.clone())
        .maybe_market(market)
        .maybe_capacity_reservation(reservation)
        .tag_specifications(tagged)
        .tags(cluster.tags.clone())
        .build();
    let template = scope.add(format!("{}-template", group.name), template);
    let mut nodes = Vec::new();
    for i in 0..group.count {
        let name = format!("{}-{i}", group.name);
        let node = Node {
            cluster,
            checked,
            name: &name,
            template: &template,
            profile: &profile.name,
            security_group_id: &network.security_group_id,
            root: &boot,
            placement: placement.as_ref(),
            after: [&network.way_out[..], &profile.ready].concat(),
        };
        nodes.push(scope.add(&name, node));
    }
    GroupHandle { name: group.name.clone(), subnet_id: subnet.clone(), nodes }
}

/// The metadata service: only with a session token (IMDSv2), and one hop further than the machine, for
/// containers (EC2 User Guide, "Use the Instance Metadata Service", considerations for containers).
fn metadata() -> Input<MetadataOptions> {
    MetadataOptions::builder()
        .http_tokens(HttpTokens::Required)
        .http_put_response_hop_limit(2u32)
        .http_endpoint(Switch::Enabled)
        .http_protocol_ipv6(Switch::Disabled)
        .instance_metadata_tags(Switch::Disabled)
        .build()
}

/// One machine and what is on it.
struct Node<'n> {
    cluster: &'n GpuCluster,
    checked: &'n Checked<'n>,
    name: &'n str,
    template: &'n LaunchTemplateHandle,
    profile: &'n Output<String>,
    security_group_id: &'n Output<SecurityGroupId>,
    root: &'n Input<RootDevice>,
    placement: Option<&'n Input<Placement>>,
    after: Vec<ResourceRef>,
}

impl Component for Node<'_> {
    type Handle = NodeHandle;

    fn declare(self, scope: &mut Scope<'_>) -> NodeHandle {
        let template = LaunchTemplateReference::builder()
            .id(&self.template.id)
            .version(&self.template.version)
            .build();
        let group = self.checked.group;
        let instance = Instance::builder()
            .launch_template(template)
            // Said again here, so that a plan can tell what it costs, and so that a change by hand is
            // seen: what only the template says is not compared with the machine.
            .instance_type(group.instance_type.clone())
            .iam_instance_profile(self.profile)
            .metadata_options(metadata())
            .ebs_optimized(group.ebs_optimized)
            .every_interface(
                EveryInterface::builder()
                    .security_group_ids([self.security_group_id])
                    .delete_on_termination(true)
                    .build(),
            )
            .root_block_device(self.root.clone())
            .volume_tags(named(self.cluster, format!("{}-{}", scope.stack(), group.name)))
            .maybe_placement(self.placement.cloned())
            .stop_to_change(group.stop_to_change)
            // A node that someone stopped computes nothing, and is started again.
            .power(Power::Running)
            .tags(named(self.cluster, format!("{}-{}", scope.stack(), self.name)))
            .build()
            // To change the type in place stops the machine, and a node of another type has other
            // disks, interfaces and GPUs: it is another machine.
            .replace_on(["instance_type"])
            // The capacity of a placement group, a reservation or a block is taken by the old node.
            .delete_first()
            .after(&self.after);
        let instance = scope.add("instance", instance);
        let ready = software::declare(self.cluster, self.checked, &instance, scope);
        NodeHandle {
            name: self.name.to_owned(),
            instance_id: instance.id.clone(),
            private_ip: instance.private_ip.clone(),
            ready: ready.unwrap_or_else(|| instance.id.cast()),
        }
    }
}

/// Where the machines of a group stand: a placement group of their own, or the one given.
fn placement(
    cluster: &GpuCluster,
    checked: &Checked<'_>,
    network: &Network,
    scope: &mut Scope<'_>,
) -> Option<Input<Placement>> {
    let zone = &network.zone;
    match &checked.group.capacity {
        Capacity::OnDemand { placement_group: true }
        | Capacity::Spot { placement_group: true, .. } => {
            let group = PlacementGroup::builder()
                .strategy(PlacementStrategy::Cluster)
                .tags(cluster.tags.clone())
                .build();
            let group = scope.add(format!("{}-placement", checked.group.name), group);
            Some(Placement::builder().availability_zone(zone).group_name(&group.name).build())
        }
        Capacity::Reservation { placement_group: Some(name), .. } => {
            Some(Placement::builder().availability_zone(zone).group_name(name.clone()).build())
        }
        _ => Some(Placement::builder().availability_zone(zone).build()),
    }
}

fn market(
    capacity: &Capacity,
) -> (Option<Input<MarketOptions>>, Option<Input<CapacityReservationOptions>>) {
    match capacity {
        Capacity::OnDemand { .. } => (None, None),
        Capacity::Reservation { id, .. } => {
            (None, Some(CapacityReservationOptions::builder().reservation_id(id.clone()).build()))
        }
        Capacity::CapacityBlock { id } => (
            Some(MarketOptions::builder().market_type(MarketType::CapacityBlock).build()),
            Some(CapacityReservationOptions::builder().reservation_id(id.clone()).build()),
        ),
        Capacity::Spot { max_price, .. } => {
            let spot = SpotOptions::builder().maybe_max_price(max_price.clone()).build();
            let market = MarketOptions::builder().market_type(MarketType::Spot).spot(spot).build();
            (Some(market), None)
        }
    }
}
