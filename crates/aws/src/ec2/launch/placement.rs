//! Where a machine is put: zone, placement group, host.

use aws_sdk_ec2::types;
use formwork_core::{Check, Inputs};
use serde::{Deserialize, Serialize};

use crate::{
    check::{choice, exactly_one, id, range},
    ec2::{
        PlacementGroupId,
        wire::{seen, seen_number, sent, sent_number},
    },
    id::{Arn, choice},
};

choice! {
    /// Whose hardware a machine runs on.
    Tenancy {
        /// Shared with other customers.
        Default = "default",
        /// Hardware of this account alone.
        Dedicated = "dedicated",
        /// A Dedicated Host.
        Host = "host",
    }
}

choice! {
    /// Whether a machine comes back to its Dedicated Host after a stop.
    Affinity {
        /// To any host.
        Default = "default",
        /// To the same host.
        Host = "host",
    }
}

/// Where a machine is put.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct Placement {
    /// The zone, such as `eu-west-1a`; the subnet's if a subnet is given.
    pub availability_zone: Option<String>,
    /// The placement group, by name.
    pub group_name: Option<String>,
    /// The placement group, by id.
    pub group_id: Option<PlacementGroupId>,
    /// Which partition of a partition placement group.
    pub partition_number: Option<u32>,
    /// Whose hardware.
    pub tenancy: Option<Tenancy>,
    /// The Dedicated Host.
    pub host_id: Option<String>,
    /// The host resource group to choose a Dedicated Host from.
    pub host_resource_group_arn: Option<Arn>,
    /// Whether it comes back to its Dedicated Host after a stop.
    pub affinity: Option<Affinity>,
}

// The SDK has one type for templates and another for launches, with the same members.
macro_rules! request {
    ($from:expr, $sdk:ident) => {
        types::$sdk::builder()
            .set_availability_zone($from.availability_zone.clone())
            .set_group_name($from.group_name.clone())
            .set_group_id(sent(&$from.group_id))
            .set_partition_number(sent_number($from.partition_number))
            .set_tenancy(sent(&$from.tenancy))
            .set_host_id($from.host_id.clone())
            .set_host_resource_group_arn(sent(&$from.host_resource_group_arn))
            .set_affinity(sent(&$from.affinity))
            .build()
    };
}
macro_rules! read {
    ($from:expr) => {
        Placement {
            availability_zone: seen(&$from.availability_zone),
            group_name: seen(&$from.group_name),
            group_id: seen(&$from.group_id),
            partition_number: seen_number($from.partition_number).filter(|number| *number > 0),
            tenancy: seen(&$from.tenancy),
            host_id: seen(&$from.host_id),
            host_resource_group_arn: seen(&$from.host_resource_group_arn),
            affinity: seen(&$from.affinity),
        }
    };
}

impl Placement {
    pub(crate) fn for_template(&self) -> types::LaunchTemplatePlacementRequest {
        request!(self, LaunchTemplatePlacementRequest)
    }

    pub(crate) fn for_launch(&self) -> types::Placement {
        request!(self, Placement)
    }

    pub(crate) fn of_template(from: &types::LaunchTemplatePlacement) -> Self {
        read!(from)
    }

    /// What `asked` says of where the machine is.
    pub(crate) fn of_instance(from: &types::Placement, asked: &Self) -> Self {
        super::only_asked!(
            read!(from),
            asked,
            availability_zone,
            group_name,
            group_id,
            partition_number,
            tenancy,
            host_id,
            host_resource_group_arn,
            affinity,
        )
    }
}

/// Reports what AWS would refuse about the placement in `placement`.
pub(crate) fn check(check: &mut Check<'_>) {
    choice::<Tenancy>(check, "placement.tenancy");
    choice::<Affinity>(check, "placement.affinity");
    id(check, "placement.group_id", "pg");
    exactly_one(check, &["placement.group_name", "placement.group_id"], false);
    exactly_one(check, &["placement.host_id", "placement.host_resource_group_arn"], false);
    // <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/placement-strategies.html>
    range(check, "placement.partition_number", 1, 7);
    let grouped = check.is_set("placement.group_name") || check.is_set("placement.group_id");
    if check.is_set("placement.partition_number") && !grouped {
        check.problem(
            "placement.partition_number",
            "there is no placement group: expected a group with partitions",
        );
    }
    let hosted = check.get::<Tenancy>("placement.tenancy") == Some(Tenancy::Host);
    for name in ["placement.host_id", "placement.affinity"] {
        if check.is_set(name) && check.is_set("placement.tenancy") && !hosted {
            check.problem(name, "the tenancy is not `host`: expected it to be, or none");
        }
    }
    if grouped && hosted {
        // <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/placement-groups.html>
        check.problem("placement.tenancy", "Dedicated Hosts can not be in a placement group");
    }
    group(check);
}

/// What the group's own declaration says.
fn group(check: &mut Check<'_>) {
    let target =
        check.target("placement.group_name").or_else(|| check.target("placement.group_id"));
    let Some(group) = target else { return };
    let (strategy, count) = (group.get::<String>("strategy"), group.get::<u32>("partition_count"));
    let Some(number) = check.get::<u32>("placement.partition_number") else { return };
    if let Some(strategy) = strategy.filter(|strategy| strategy != "partition") {
        let message =
            format!("the group's strategy is {strategy}: expected none without partitions");
        check.problem("placement.partition_number", message);
    } else if let Some(count) = count.filter(|count| number > *count) {
        let message = format!("{number}: expected 1 to {count}, as many as the group has");
        check.problem("placement.partition_number", message);
    }
}
