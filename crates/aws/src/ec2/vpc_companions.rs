//! What comes into being with every VPC, and goes with it.

use aws_sdk_ec2::types::Filter;
use formwork_core::ProviderError;

use super::vpc::VpcOutputs;
use crate::{client::Clients, error::Named};

/// Fills in the ids of the VPC's main route table, default group and default ACL.
pub(crate) async fn find(clients: &Clients, outputs: &mut VpcOutputs) -> Result<(), ProviderError> {
    let is = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let here = || is("vpc-id", outputs.id.as_str());
    let (tables, groups, acls) = tokio::try_join!(
        async {
            let call = clients.ec2().describe_route_tables().filters(here());
            let call = call.filters(is("association.main", "true"));
            call.send().await.named("ec2:DescribeRouteTables")
        },
        async {
            let call = clients.ec2().describe_security_groups().filters(here());
            let call = call.filters(is("group-name", "default"));
            call.send().await.named("ec2:DescribeSecurityGroups")
        },
        async {
            let call = clients.ec2().describe_network_acls().filters(here());
            let call = call.filters(is("default", "true"));
            call.send().await.named("ec2:DescribeNetworkAcls")
        },
    )?;
    let table = tables.route_tables().first().and_then(|table| table.route_table_id());
    let group = groups.security_groups().first().and_then(|group| group.group_id());
    let acl = acls.network_acls().first().and_then(|acl| acl.network_acl_id());
    outputs.main_route_table_id = table.unwrap_or_default().into();
    outputs.default_security_group_id = group.unwrap_or_default().into();
    outputs.default_network_acl_id = acl.unwrap_or_default().into();
    Ok(())
}
