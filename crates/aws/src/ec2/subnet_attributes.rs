//! The settings of a subnet that can be changed, one call each.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySubnetAttribute.html>

use aws_sdk_ec2::types::{
    AttributeBooleanValue, PrivateDnsNameOptionsOnLaunch as Names, Subnet as Seen,
};
use formwork_core::{Check, ProviderError};

use super::{
    launch::HostnameType,
    subnet::{Subnet, SubnetId},
};
use crate::{check, client::Clients, error::Named, retry::while_unseen};

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) assign_ipv6: bool,
    pub(crate) map_public_ip: bool,
    pub(crate) dns64: bool,
    /// Left to AWS where it is none.
    pub(crate) hostname_type: Option<HostnameType>,
    pub(crate) a_record: bool,
    pub(crate) aaaa_record: bool,
    pub(crate) customer_owned_ip: bool,
    pub(crate) customer_owned_pool: Option<String>,
    pub(crate) lni: Option<u8>,
}

impl Attributes {
    /// Those that `subnet` wants.
    pub(crate) fn of(subnet: &Subnet) -> Self {
        Self {
            assign_ipv6: subnet.assign_ipv6_address_on_creation,
            map_public_ip: subnet.map_public_ip_on_launch,
            dns64: subnet.enable_dns64,
            hostname_type: subnet.private_dns_hostname_type_on_launch.clone(),
            a_record: subnet.enable_resource_name_dns_a_record_on_launch,
            aaaa_record: subnet.enable_resource_name_dns_aaaa_record_on_launch,
            customer_owned_ip: subnet.map_customer_owned_ip_on_launch,
            customer_owned_pool: subnet.customer_owned_ipv4_pool.clone(),
            lni: subnet.enable_lni_at_device_index,
        }
    }

    /// Those that a subnet has.
    pub(crate) fn seen(subnet: &Seen) -> Self {
        let names = subnet.private_dns_name_options_on_launch();
        Self {
            assign_ipv6: subnet.assign_ipv6_address_on_creation() == Some(true),
            map_public_ip: subnet.map_public_ip_on_launch() == Some(true),
            dns64: subnet.enable_dns64() == Some(true),
            hostname_type: names.and_then(|n| n.hostname_type()).map(|t| t.as_str().into()),
            a_record: names.and_then(Names::enable_resource_name_dns_a_record) == Some(true),
            aaaa_record: names.and_then(Names::enable_resource_name_dns_aaaa_record) == Some(true),
            customer_owned_ip: subnet.map_customer_owned_ip_on_launch() == Some(true),
            customer_owned_pool: subnet.customer_owned_ipv4_pool.clone(),
            // AWS numbers interfaces from 0, and the first one is never a local one.
            lni: subnet
                .enable_lni_at_device_index()
                .and_then(|index| u8::try_from(index).ok())
                .filter(|index| *index > 0),
        }
    }
}

/// Changes those that differ.
pub(crate) async fn write(
    clients: &Clients,
    id: &SubnetId,
    now: &Attributes,
    wanted: &Attributes,
) -> Result<(), ProviderError> {
    let set = |on: bool| AttributeBooleanValue::builder().value(on).build();
    let call = || clients.ec2().modify_subnet_attribute().subnet_id(id.as_str());
    let mut calls = Vec::new();
    if now.assign_ipv6 != wanted.assign_ipv6 {
        calls.push(call().assign_ipv6_address_on_creation(set(wanted.assign_ipv6)));
    }
    if now.map_public_ip != wanted.map_public_ip {
        calls.push(call().map_public_ip_on_launch(set(wanted.map_public_ip)));
    }
    if now.dns64 != wanted.dns64 {
        calls.push(call().enable_dns64(set(wanted.dns64)));
    }
    if let Some(of) = wanted.hostname_type.as_ref()
        && now.hostname_type.as_ref() != Some(of)
    {
        calls.push(call().private_dns_hostname_type_on_launch(of.as_str().into()));
    }
    if now.a_record != wanted.a_record {
        calls.push(call().enable_resource_name_dns_a_record_on_launch(set(wanted.a_record)));
    }
    if now.aaaa_record != wanted.aaaa_record {
        calls.push(call().enable_resource_name_dns_aaaa_record_on_launch(set(wanted.aaaa_record)));
    }
    let pool = wanted.customer_owned_pool.as_ref();
    if now.customer_owned_ip != wanted.customer_owned_ip
        || (pool.is_some() && now.customer_owned_pool.as_ref() != pool)
    {
        let on = set(wanted.customer_owned_ip);
        let pool = pool.filter(|_| wanted.customer_owned_ip).cloned();
        calls.push(call().map_customer_owned_ip_on_launch(on).set_customer_owned_ipv4_pool(pool));
    }
    if now.lni != wanted.lni {
        calls.push(match wanted.lni {
            Some(index) => call().enable_lni_at_device_index(i32::from(index)),
            None => call().disable_lni_at_device_index(set(true)),
        });
    }
    for call in calls {
        while_unseen(clients, || async {
            call.clone().send().await.named("ec2:ModifySubnetAttribute")
        })
        .await?;
    }
    Ok(())
}

/// Reports settings that do not go together.
pub(crate) fn validate(check: &mut Check<'_>) {
    let native = check.get("ipv6_native") == Some(true);
    let has_ipv6 = check.is_set("ipv6_cidr_block");
    if check.get("assign_ipv6_address_on_creation") == Some(true) && !has_ipv6 {
        let message = "there is no `ipv6_cidr_block` to assign addresses of";
        check.problem("assign_ipv6_address_on_creation", message);
    }
    if native && check.get("map_public_ip_on_launch") == Some(true) {
        let message = "an IPv6-only subnet has no IPv4 addresses to map";
        check.problem("map_public_ip_on_launch", message);
    }
    check::choice::<HostnameType>(check, "private_dns_hostname_type_on_launch");
    if native
        && check.get::<String>("private_dns_hostname_type_on_launch").as_deref() == Some("ip-name")
    {
        check.problem(
            "private_dns_hostname_type_on_launch",
            "\"ip-name\": an IPv6-only subnet has no IPv4 addresses to name by, expected \
             \"resource-name\"",
        );
    }
    if check.get("map_customer_owned_ip_on_launch") == Some(true) {
        for field in ["customer_owned_ipv4_pool", "outpost_arn"] {
            if !check.is_set(field) {
                check.problem("map_customer_owned_ip_on_launch", format!("needs `{field}`"));
            }
        }
    }
    check::range(check, "enable_lni_at_device_index", 1, 255);
}
