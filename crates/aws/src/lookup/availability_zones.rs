//! The availability zones of the region.

use std::collections::BTreeSet;

use aws_sdk_ec2::types;
use formwork_core::{Inputs, Lookup, Outputs, ProviderError};
use serde::{Deserialize, Serialize};

use super::instance_type::offered_in;
use crate::{client::Clients, error::Named};

/// Asks for the zones of the provider's region that a program can use.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAvailabilityZones.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub struct AvailabilityZones {
    /// Only those in one of these states. `available` if not set.
    #[serde(default = "available")]
    #[resource(default)]
    pub states: Vec<String>,
    /// Only those of one of these types: `availability-zone` (also if it is not set), `local-zone`,
    /// `wavelength-zone`.
    #[serde(default = "zones")]
    #[resource(default)]
    pub zone_types: Vec<String>,
    /// Only those with one of these opt-in statuses. If not set, those that can be used:
    /// `opt-in-not-required` and `opted-in`.
    #[serde(default = "usable")]
    #[resource(default)]
    pub opt_in_statuses: Vec<String>,
    /// Only those that offer all of these instance types.
    #[serde(default)]
    #[resource(default)]
    pub instance_types: Vec<String>,
    /// Not these, by name or id.
    #[serde(default)]
    #[resource(default)]
    pub exclude: Vec<String>,
}

fn available() -> Vec<String> {
    vec!["available".to_owned()]
}

fn zones() -> Vec<String> {
    vec!["availability-zone".to_owned()]
}

fn usable() -> Vec<String> {
    vec!["opt-in-not-required".to_owned(), "opted-in".to_owned()]
}

/// The zones, sorted by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct AvailabilityZonesAnswer {
    /// The region.
    #[output(id)]
    pub region: String,
    /// Their names, such as `eu-west-1a`; which zone has which name differs between accounts.
    pub names: Vec<String>,
    /// Their ids, such as `euw1-az1`, in the same order; these are the same in all accounts.
    pub ids: Vec<String>,
    /// All about them, in the same order.
    pub zones: Vec<AvailabilityZone>,
}

/// One zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AvailabilityZone {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its state.
    pub state: String,
    /// Its type.
    pub zone_type: String,
    /// Its opt-in status.
    pub opt_in_status: String,
    /// The group of zones that it is opted into with.
    pub group_name: String,
    /// From where its public addresses are announced.
    pub network_border_group: String,
}

impl Lookup for AvailabilityZones {
    const KIND: &'static str = "aws:ec2/availability-zones";
    type Answer = AvailabilityZonesAnswer;
    type Client = Clients;

    async fn look_up(
        clients: &Clients,
        query: &Self,
    ) -> Result<AvailabilityZonesAnswer, ProviderError> {
        // Zones that are not opted into are shown only when asked for.
        let all = query.opt_in_statuses.iter().any(|status| status == "not-opted-in");
        let call = clients.ec2().describe_availability_zones().all_availability_zones(all);
        let answer = call.send().await.named("ec2:DescribeAvailabilityZones")?;
        let mut zones: Vec<_> =
            answer.availability_zones.unwrap_or_default().into_iter().map(zone).collect();
        zones.retain(|zone| query.wants(zone));
        for instance_type in &query.instance_types {
            let offered: BTreeSet<String> =
                offered_in(clients, instance_type).await?.into_iter().collect();
            zones.retain(|zone| offered.contains(&zone.name));
        }
        zones.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(AvailabilityZonesAnswer {
            region: clients.region().to_owned(),
            names: zones.iter().map(|zone| zone.name.clone()).collect(),
            ids: zones.iter().map(|zone| zone.id.clone()).collect(),
            zones,
        })
    }
}

impl AvailabilityZones {
    // A region has a handful of zones: to filter here needs no call more, and works everywhere.
    fn wants(&self, zone: &AvailabilityZone) -> bool {
        self.states.contains(&zone.state)
            && self.zone_types.contains(&zone.zone_type)
            && self.opt_in_statuses.contains(&zone.opt_in_status)
            && !self.exclude.contains(&zone.name)
            && !self.exclude.contains(&zone.id)
    }
}

fn zone(zone: types::AvailabilityZone) -> AvailabilityZone {
    AvailabilityZone {
        name: zone.zone_name.unwrap_or_default(),
        id: zone.zone_id.unwrap_or_default(),
        state: zone.state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
        zone_type: zone.zone_type.unwrap_or_else(|| "availability-zone".to_owned()),
        opt_in_status: zone
            .opt_in_status
            .map_or_else(|| "opt-in-not-required".to_owned(), |status| status.as_str().to_owned()),
        group_name: zone.group_name.unwrap_or_default(),
        network_border_group: zone.network_border_group.unwrap_or_default(),
    }
}
