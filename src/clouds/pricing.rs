//! What a stack costs by the hour, as far as list prices are known.

use std::collections::BTreeMap;

use formwork_aws::policy::{INTERFACE_ENDPOINT, NAT_GATEWAY, PUBLIC_ADDRESS};
use formwork_cli::{Estimate, EstimateItem};
use formwork_core::{
    Action, PlanData,
    state::{Role, Snapshot, Status},
    value::Value,
};

/// The machines and network parts that are there after `plan`, at list prices; what else costs by
/// the hour is named as unpriced. Storage and traffic are not in it, and the basis says so.
pub(super) fn list_prices(plan: &PlanData, recorded: &Snapshot) -> Option<Estimate> {
    // What is there now, then what the plan makes of it.
    let mut there: BTreeMap<String, (&str, &Value)> = recorded
        .records
        .values()
        .filter(|record| record.role == Role::Current && record.status != Status::Absent)
        .map(|record| (record.address.to_string(), (record.kind.as_str(), &record.inputs)))
        .collect();
    for step in &plan.steps {
        let address = step.address.to_string();
        match step.action {
            Action::Create | Action::Update => {
                there.insert(address, (&step.kind, &step.inputs));
            }
            Action::Delete | Action::Forget if plan.exports.is_null() => {
                there.remove(&address);
            }
            Action::Delete | Action::Forget => {
                let replaced = plan
                    .steps
                    .iter()
                    .any(|other| other.action == Action::Create && other.address == step.address);
                if !replaced {
                    there.remove(&address);
                }
            }
            _ => {}
        }
    }
    let mut machines: BTreeMap<&str, usize> = BTreeMap::new();
    let mut network: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    let mut unpriced: BTreeMap<&str, usize> = BTreeMap::new();
    let mut fixed = |what: &'static str, price: f64, count: usize| {
        let entry = network.entry(what).or_insert((0, price));
        entry.0 += count;
    };
    for (kind, inputs) in there.values() {
        match *kind {
            "aws:ec2/instance" => {
                let of = inputs.get("instance_type").and_then(Value::as_str);
                *machines.entry(of.unwrap_or("machine of unknown type")).or_default() += 1;
            }
            "aws:ec2/nat-gateway" => fixed("NAT gateway", NAT_GATEWAY, 1),
            "aws:ec2/elastic-ip" => fixed("public IPv4 address", PUBLIC_ADDRESS, 1),
            "aws:ec2/vpc-endpoint" => {
                let of = inputs.get("vpc_endpoint_type").and_then(Value::as_str);
                // A gateway endpoint costs nothing; one of an interface costs per subnet.
                if of == Some("Interface") {
                    let subnets = match inputs.get("subnet_ids") {
                        Some(Value::List(subnets)) => subnets.len(),
                        _ => 1,
                    };
                    fixed("interface endpoint", INTERFACE_ENDPOINT, subnets);
                }
            }
            "aws:autoscaling/auto-scaling-group" => {
                *unpriced.entry("Auto Scaling group").or_default() += 1;
            }
            _ => {}
        }
    }
    let mut estimate = Estimate { basis: basis(), ..Estimate::default() };
    for (name, count) in machines {
        match price(name) {
            Some(dollars) => {
                estimate.items.push(EstimateItem { what: name.to_owned(), count, dollars });
            }
            None => estimate.unpriced.push(format!("{count} x {name}")),
        }
    }
    for (what, (count, dollars)) in network {
        estimate.items.push(EstimateItem { what: what.to_owned(), count, dollars });
    }
    estimate.items.sort_by(|a, b| b.dollars.total_cmp(&a.dollars));
    estimate.unpriced.extend(unpriced.iter().map(|(what, count)| format!("{count} x {what}")));
    Some(estimate)
}

#[cfg(feature = "gpu")]
fn price(instance_type: &str) -> Option<f64> {
    formwork_gpu::instance_type::InstanceType::named(instance_type).ok()?.usd_per_hour
}

#[cfg(feature = "gpu")]
fn basis() -> String {
    let basis = formwork_gpu::instance_type::InstanceType::price_basis();
    format!(
        "on-demand list prices of {}, {}, without storage and traffic",
        basis.region, basis.as_of
    )
}

#[cfg(not(feature = "gpu"))]
fn price(_: &str) -> Option<f64> {
    None
}

#[cfg(not(feature = "gpu"))]
fn basis() -> String {
    "no price list".to_owned()
}
