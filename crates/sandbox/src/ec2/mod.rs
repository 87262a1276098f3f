//! EC2: one file per resource, each with a table of its operations.

use crate::call::{Call, OperationFn};

mod address;
mod address_pool;
mod capacity_block;
mod capacity_reservation;
mod cidr;
mod dhcp_options;
mod endpoint_service;
pub(crate) mod image;
pub(crate) mod image_catalogue;
pub(crate) mod instance;
pub(crate) mod instance_type;
mod instance_type_catalogue;
mod instance_type_filter;
mod instance_type_xml;
pub(crate) mod interface;
mod interface_operations;
mod internet_gateway;
mod key_fingerprint;
mod key_pair;
mod launch_interfaces;
pub(crate) mod launch_template;
mod launch_template_check;
pub(crate) mod launch_template_data;
pub(crate) mod launch_template_version;
mod nat_gateway;
mod network_acl;
mod permission;
pub(crate) mod placement_group;
mod prefix_list;
mod route;
mod route_association;
mod route_table;
pub(crate) mod security_group;
mod security_group_rule;
pub(crate) mod subnet;
mod subnet_attribute;
mod tag;
mod volume;
mod volume_attachment;
mod volume_modification;
mod volume_rules;
pub(crate) mod vpc;
mod vpc_attribute;
mod vpc_cidr;
mod vpc_endpoint;
mod vpc_endpoint_change;
pub(crate) mod wire;
mod zone;

#[cfg(test)]
mod network_tests;

/// All operations, one table per file.
pub(crate) const OPERATIONS: &[&[(&str, OperationFn)]] = &[
    address::OPERATIONS,
    capacity_reservation::OPERATIONS,
    dhcp_options::OPERATIONS,
    endpoint_service::OPERATIONS,
    image::OPERATIONS,
    instance::OPERATIONS,
    instance_type::OPERATIONS,
    interface_operations::OPERATIONS,
    internet_gateway::OPERATIONS,
    key_pair::OPERATIONS,
    launch_template::OPERATIONS,
    nat_gateway::OPERATIONS,
    network_acl::OPERATIONS,
    placement_group::OPERATIONS,
    prefix_list::OPERATIONS,
    route::OPERATIONS,
    route_association::OPERATIONS,
    route_table::OPERATIONS,
    security_group::OPERATIONS,
    security_group_rule::OPERATIONS,
    subnet::OPERATIONS,
    subnet_attribute::OPERATIONS,
    tag::OPERATIONS,
    volume::OPERATIONS,
    vpc::OPERATIONS,
    vpc_attribute::OPERATIONS,
    vpc_cidr::OPERATIONS,
    vpc_endpoint::OPERATIONS,
    vpc_endpoint_change::OPERATIONS,
    zone::OPERATIONS,
];

/// Ends the object of this id.
type Ending = fn(&mut Call<'_>, &str);

/// What is done when a deletion has run its course, by kind: see `Call::when_settled`.
const ENDINGS: &[(&str, Ending)] = &[
    ("instance", instance::termination_ended),
    ("natgateway", nat_gateway::end),
    ("volume", volume::deletion_ended),
    ("vpc-endpoint", vpc_endpoint::end),
];

/// Ends what was being deleted and is due, before an operation looks at the world.
pub(crate) fn finish_endings(call: &mut Call<'_>) {
    for (kind, id) in call.due_endings() {
        for (_, end) in ENDINGS.iter().filter(|(known, _)| *known == kind) {
            end(call, &id);
        }
    }
    capacity_block::clear_ending(call);
}
