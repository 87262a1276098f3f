//! An instance type: what it has, and where it is offered.

use aws_sdk_ec2::types;
use formwork_core::{ErrorKind, Inputs, Lookup, ProviderError};
use serde::{Deserialize, Serialize};

use super::instance_type_answer::{InstanceTypeAnswer, answer};
use crate::{client::Clients, error::Named};

/// Asks what an instance type has, and which zones of the region offer it.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub struct InstanceType {
    /// Its name, such as `p5.48xlarge`.
    pub name: String,
}

impl Lookup for InstanceType {
    const KIND: &'static str = "aws:ec2/instance-type";
    type Answer = InstanceTypeAnswer;
    type Client = Clients;

    async fn look_up(clients: &Clients, query: &Self) -> Result<InstanceTypeAnswer, ProviderError> {
        const CALL: &str = "ec2:DescribeInstanceTypes";
        let name = types::InstanceType::from(query.name.as_str());
        let call = clients.ec2().describe_instance_types().instance_types(name);
        let described = call.send().await.named(CALL)?;
        let described = described.instance_types.unwrap_or_default().pop().ok_or_else(|| {
            let message = format!("{} has no instance type {:?}", clients.region(), query.name);
            ProviderError::new(ErrorKind::NotFound, CALL, message)
        })?;
        Ok(answer(&query.name, &described, offered_in(clients, &query.name).await?))
    }
}

/// The names of the zones that offer the type, sorted.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypeOfferings.html>
pub(super) async fn offered_in(
    clients: &Clients,
    instance_type: &str,
) -> Result<Vec<String>, ProviderError> {
    let filter = types::Filter::builder().name("instance-type").values(instance_type).build();
    let call = clients.ec2().describe_instance_type_offerings().filters(filter);
    let call = call.location_type(types::LocationType::AvailabilityZone);
    let pages = call.into_paginator().items().send();
    let offers: Vec<types::InstanceTypeOffering> =
        pages.try_collect().await.named("ec2:DescribeInstanceTypeOfferings")?;
    let mut zones: Vec<String> = offers.into_iter().filter_map(|offer| offer.location).collect();
    zones.sort();
    zones.dedup();
    Ok(zones)
}
