//! What moto 5.2.5 lacks, as measured. Each line is checked to be still so.

use formwork_aws::testing::{Lack, Lacking};

const fn lack(kind: &'static str, what: Lacking, why: &'static str) -> Lack {
    Lack { kind, what, why }
}

pub(super) const MOTO_LACKS: &[Lack] = &[
    lack(
        "aws:ec2/nat-gateway",
        Lacking::Find,
        "DescribeNatGateways ignores filters by tag, and gives all gateways",
    ),
    lack(
        "aws:ec2/key-pair",
        Lacking::Delete,
        "DeleteKeyPair ignores KeyPairId, and says it is done",
    ),
    lack(
        "aws:ec2/launch-template",
        Lacking::Input("tag_specifications"),
        "the tags of the template itself are put into its first version, as tags for what it launches",
    ),
    lack(
        "aws:ec2/launch-template",
        Lacking::Update("tags"),
        "DescribeLaunchTemplates shows the tags of the create, whatever CreateTags did",
    ),
    lack(
        "aws:ec2/vpc-endpoint",
        Lacking::Update("route_table_ids"),
        "ModifyVpcEndpoint adds no route, and DeleteVpcEndpoints fails because it is not there",
    ),
    lack(
        "aws:autoscaling/scheduled-action",
        Lacking::Type,
        "DescribeScheduledActions gives no ARN",
    ),
    lack("aws:ec2/placement-group", Lacking::Type, "CreatePlacementGroup is not implemented"),
    lack(
        "aws:ec2/capacity-reservation",
        Lacking::Type,
        "CreateCapacityReservation is not implemented",
    ),
];
