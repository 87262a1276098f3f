//! How RunInstances and DescribeInstances show an instance.

use super::super::{
    address, image_catalogue,
    interface::{self, Interface},
    security_group::SecurityGroup,
    volume::Volume,
    volume_attachment::{self, Attachment},
    vpc::Vpc,
};
use super::{Instance, state_code};
use crate::{call::Call, regions, tags, time::iso8601, xml::Xml};

/// An instance and what is attached to it.
pub(super) struct Shown {
    pub(super) instance: Instance,
    /// The primary interface first.
    pub(super) interfaces: Vec<Interface>,
    pub(super) volumes: Vec<(Volume, Attachment)>,
}

/// The interfaces of an instance, the primary one first.
pub(super) fn interfaces(call: &Call<'_>, instance: &str) -> Vec<Interface> {
    let mut found = interface::of_instance(call, instance);
    found.sort_by_key(|it| it.attachment.as_ref().map(|at| (at.network_card, at.device_index)));
    found
}

impl Shown {
    /// Gathers what is attached to an instance; a terminated one has nothing.
    pub(super) fn gather(call: &Call<'_>, instance: Instance) -> Self {
        if instance.state(call) == "terminated" {
            return Self { instance, interfaces: Vec::new(), volumes: Vec::new() };
        }
        let interfaces = interfaces(call, &instance.id);
        let volumes = volume_attachment::of(call, &instance.id);
        Self { instance, interfaces, volumes }
    }

    /// The primary interface.
    pub(super) fn primary(&self) -> Option<&Interface> {
        self.interfaces.first()
    }

    /// `ip-10-0-0-1.us-west-2.compute.internal`, or the instance's id in front.
    pub(super) fn private_dns(&self, call: &Call<'_>) -> Option<String> {
        let address = self.primary()?.private_ips.first()?;
        let domain = match call.region.as_str() {
            "us-east-1" => "ec2.internal".to_owned(),
            region => format!("{region}.compute.internal"),
        };
        let host = if self.instance.dns.hostname_type.as_deref() == Some("resource-name") {
            self.instance.id.clone()
        } else {
            format!("ip-{}", address.to_string().replace('.', "-"))
        };
        Some(format!("{host}.{domain}"))
    }

    /// The public address of the primary interface.
    pub(super) fn public_ip(&self, call: &Call<'_>) -> Option<String> {
        public_ip(call, self.primary()?)
    }

    /// The public name, where the VPC has DNS host names.
    pub(super) fn public_dns(&self, call: &Call<'_>) -> Option<String> {
        let vpc: Vpc = call.get(&self.instance.vpc)?;
        let ip = self.public_ip(call).filter(|_| vpc.dns_hostnames)?;
        Some(dns_name(call, &ip))
    }

    /// The whole element.
    pub(super) fn xml(&self, call: &Call<'_>) -> Xml {
        let it = &self.instance;
        let state = it.state(call);
        let live = state != "terminated";
        let spec = &it.reservation_specification;
        let xml = Xml::new()
            .text("instanceId", &it.id)
            .text("imageId", &it.image)
            .node("instanceState", Xml::new().text("code", state_code(state)).text("name", state))
            .text("privateDnsName", self.private_dns(call).unwrap_or_default())
            .text("dnsName", self.public_dns(call).unwrap_or_default())
            .text("reason", reason(it, state))
            .maybe("keyName", it.key_name.as_deref())
            .text("amiLaunchIndex", it.launch_index)
            .items("productCodes", [])
            .text("instanceType", &it.instance_type)
            .text("launchTime", iso8601(it.launched))
            .node("placement", placement(call, it))
            .node(
                "monitoring",
                Xml::new().text("state", if it.monitoring { "enabled" } else { "disabled" }),
            )
            .maybe("subnetId", live.then_some(&it.subnet))
            .maybe("vpcId", live.then_some(&it.vpc))
            .maybe("privateIpAddress", self.primary().and_then(|it| it.private_ips.first()))
            .maybe("ipAddress", self.public_ip(call))
            .maybe("ipv6Address", self.primary().and_then(|it| it.ipv6.first()))
            .maybe_node("stateReason", state_reason(state))
            .text("architecture", &it.architecture)
            .text("rootDeviceType", "ebs")
            .text("rootDeviceName", &it.root_device)
            .items(
                "blockDeviceMapping",
                self.volumes.iter().map(|(volume, at)| device(call, volume, at)),
            )
            .text("virtualizationType", "hvm")
            .text("clientToken", it.client_token.as_deref().unwrap_or_default())
            .items("groupSet", self.primary().map(|it| groups(call, it)).unwrap_or_default())
            .maybe("sourceDestCheck", self.primary().map(|it| it.source_dest_check))
            .text("hypervisor", "xen")
            .items("networkInterfaceSet", self.interfaces.iter().map(|it| self.interface(call, it)))
            .maybe_node(
                "iamInstanceProfile",
                it.profile.as_ref().map(|profile| {
                    Xml::new().text("arn", &profile.arn).text("id", &profile.profile_id)
                }),
            )
            .text("ebsOptimized", it.ebs_optimized)
            .text("enaSupport", true)
            .maybe("instanceLifecycle", it.lifecycle.as_deref())
            .maybe("spotInstanceRequestId", it.spot_request.as_deref())
            .node(
                "cpuOptions",
                Xml::new().maybe("coreCount", it.cores).maybe("threadsPerCore", it.threads),
            )
            .maybe("capacityReservationId", it.capacity_reservation.as_deref())
            .node("capacityReservationSpecification", spec.xml())
            .node("hibernationOptions", Xml::new().text("configured", it.hibernation))
            .node("metadataOptions", it.metadata.xml().text("state", "applied"))
            .node("enclaveOptions", Xml::new().text("enabled", it.enclave))
            .text(
                "bootMode",
                image_catalogue::find(&call.region, &it.image)
                    .map_or("uefi", |image| image.release.boot_mode),
            )
            .text("platformDetails", "Linux/UNIX")
            .text("usageOperation", "RunInstances")
            .text("usageOperationUpdateTime", iso8601(it.launched))
            .node("privateDnsNameOptions", it.dns.xml())
            .node("maintenanceOptions", Xml::new().text("autoRecovery", &it.auto_recovery))
            .maybe_node(
                "networkPerformanceOptions",
                it.bandwidth_weighting
                    .as_ref()
                    .map(|weighting| Xml::new().text("bandwidthWeighting", weighting)),
            );
        tags::xml(xml, &call.tags(&it.id))
    }

    fn interface(&self, call: &Call<'_>, it: &Interface) -> Xml {
        let attachment = it.attachment.as_ref().map(|at| {
            Xml::new()
                .text("attachmentId", &at.id)
                .text("deviceIndex", at.device_index)
                .text("networkCardIndex", at.network_card)
                .text("status", if call.settled(at.at) { "attached" } else { "attaching" })
                .text("attachTime", iso8601(at.at))
                .text("deleteOnTermination", at.delete_on_termination)
        });
        let association = public_ip(call, it).map(|ip| {
            Xml::new().text("publicIp", &ip).text("publicDnsName", dns_name(call, &ip)).text(
                "ipOwnerId",
                if it.public_ip.is_some() { "amazon" } else { call.account.as_str() },
            )
        });
        let addresses = it.private_ips.iter().enumerate().map(|(place, address)| {
            Xml::new()
                .text("privateIpAddress", address)
                .text("primary", place == 0)
                .maybe_node("association", association.clone().filter(|_| place == 0))
        });
        Xml::new()
            .text("networkInterfaceId", &it.id)
            .text("subnetId", &it.subnet)
            .text("vpcId", &it.vpc)
            .text("description", &it.description)
            .text("ownerId", &call.account)
            .text("status", "in-use")
            .text("macAddress", &it.mac)
            .maybe("privateIpAddress", it.private_ips.first())
            .text("sourceDestCheck", it.source_dest_check)
            .text("interfaceType", it.kind.name())
            .items("groupSet", groups(call, it))
            .maybe_node("attachment", attachment)
            .maybe_node("association", association.clone())
            .items("privateIpAddressesSet", addresses)
            .items("ipv6AddressesSet", it.ipv6.iter().map(|ip| Xml::new().text("ipv6Address", ip)))
    }
}

/// The public address of an interface: elastic, or as it came with the launch.
pub(super) fn public_ip(call: &Call<'_>, interface: &Interface) -> Option<String> {
    let elastic = address::of_interface(call, &interface.id).map(|address| address.ip);
    elastic.or(interface.public_ip).map(|ip| ip.to_string())
}

fn dns_name(call: &Call<'_>, ip: &str) -> String {
    let host = format!("ec2-{}", ip.replace('.', "-"));
    match call.region.as_str() {
        "us-east-1" => format!("{host}.compute-1.amazonaws.com"),
        region => format!("{host}.{region}.compute.amazonaws.com"),
    }
}

/// The groups of an interface, as the items of `groupSet`.
pub(super) fn groups(call: &Call<'_>, interface: &Interface) -> Vec<Xml> {
    let item = |id: &String| {
        let name = call.get::<SecurityGroup>(id).map(|group| group.name).unwrap_or_default();
        Xml::new().text("groupId", id).text("groupName", name)
    };
    interface.groups.iter().map(item).collect()
}

/// A volume as an item of `blockDeviceMapping`.
pub(super) fn device(call: &Call<'_>, volume: &Volume, at: &Attachment) -> Xml {
    Xml::new().text("deviceName", &at.device).node(
        "ebs",
        Xml::new()
            .text("volumeId", &volume.id)
            .text("status", at.state(call))
            .text("attachTime", iso8601(at.at))
            .text("deleteOnTermination", at.delete_on_termination),
    )
}

fn placement(call: &Call<'_>, it: &Instance) -> Xml {
    let zone_id = regions::zone(&call.region, &it.zone).ok().map(|zone| zone.id);
    Xml::new()
        .text("availabilityZone", &it.zone)
        .maybe("availabilityZoneId", zone_id)
        .text("groupName", it.placement_group.as_deref().unwrap_or_default())
        .maybe("partitionNumber", it.partition)
        .text("tenancy", &it.tenancy)
}

fn reason(it: &Instance, state: &str) -> String {
    match state {
        "stopping" | "stopped" | "shutting-down" | "terminated" => {
            let at = iso8601(it.since).replace('T', " ");
            format!("User initiated ({} GMT)", at.get(..19).unwrap_or_default())
        }
        _ => String::new(),
    }
}

fn state_reason(state: &str) -> Option<Xml> {
    let (code, message) = match state {
        "pending" => ("pending", "pending"),
        "stopping" | "stopped" | "shutting-down" | "terminated" => (
            "Client.UserInitiatedShutdown",
            "Client.UserInitiatedShutdown: User initiated shutdown",
        ),
        _ => return None,
    };
    Some(Xml::new().text("code", code).text("message", message))
}
