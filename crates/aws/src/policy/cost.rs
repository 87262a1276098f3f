//! What a stack may cost, told from its plan.

use formwork_core::{Found, Policy, Resource, Subject};

use crate::{
    autoscaling::AutoScalingGroup,
    ec2::{ElasticIp, Instance, NatGateway, Power, VpcEndpoint},
};

/// Hours in a month, as AWS counts them in its prices (<https://aws.amazon.com/ec2/pricing/on-demand/>).
pub const HOURS_PER_MONTH: f64 = 730.0;

/// US dollars per hour of a NAT gateway in us-east-1 as of June 2026, without traffic
/// (<https://aws.amazon.com/vpc/pricing/>).
pub const NAT_GATEWAY: f64 = 0.045;

/// US dollars per hour of an interface endpoint in one zone (same source).
pub const INTERFACE_ENDPOINT: f64 = 0.01;

/// US dollars per hour of a public IPv4 address, in use or not (same source).
pub const PUBLIC_ADDRESS: f64 = 0.005;

/// A sum that a stack may not exceed, in US dollars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceiling {
    hourly: f64,
    monthly: bool,
}

impl Ceiling {
    /// By the hour.
    #[must_use]
    pub fn hourly(dollars: f64) -> Self {
        Self { hourly: dollars, monthly: false }
    }

    /// By the month of [`HOURS_PER_MONTH`].
    #[must_use]
    pub fn monthly(dollars: f64) -> Self {
        Self { hourly: dollars / HOURS_PER_MONTH, monthly: true }
    }

    fn words(self, hourly: f64) -> String {
        match self.monthly {
            true => format!("{:.2} USD a month", hourly * HOURS_PER_MONTH),
            false => format!("{hourly:.2} USD an hour"),
        }
    }
}

/// What the stack will cost at list prices is not above a ceiling (mandatory).
///
/// Counted are machines (`price` tells the hourly price of an instance type), Auto Scaling groups at
/// their largest, NAT gateways, public addresses and interface endpoints. Storage, traffic and what
/// has no known price are not; the message names what it could not price. Spot machines are counted
/// at list price, which is what they cost at most, and machines that are to be stopped not at all.
#[must_use]
pub fn cost_ceiling(
    ceiling: Ceiling,
    price: impl Fn(&str) -> Option<f64> + Send + Sync + 'static,
) -> Policy {
    Policy::mandatory("cost-ceiling")
        .about(format!("the stack costs at most {} at list prices", ceiling.words(ceiling.hourly)))
        .remedy("make it smaller, or raise the ceiling")
        .check_stack(move |stack, report| {
            let (mut sum, mut unpriced) = (0.0, Vec::new());
            for resource in stack.resources() {
                match hourly(&resource, &price) {
                    Some(dollars) => sum += dollars,
                    None => unpriced.push(resource.address().to_string()),
                }
            }
            // What is a rounding error is not above it.
            if sum > ceiling.hourly + 1e-9 {
                let (cost, most) = (ceiling.words(sum), ceiling.words(ceiling.hourly));
                let more = match unpriced.len() {
                    0 => String::new(),
                    1..=3 => format!(", and has no price for {}", unpriced.join(", ")),
                    n => format!(", and has no price for {n} more"),
                };
                report.violation("", format!("it costs {cost}{more}; the ceiling is {most}"));
            }
        })
}

/// What a resource costs by the hour, in US dollars; nothing, if it costs something that is not known
/// here. What costs nothing by itself costs 0.
#[must_use]
pub fn hourly(resource: &Subject<'_>, price: &dyn Fn(&str) -> Option<f64>) -> Option<f64> {
    let kind = resource.kind();
    if kind == Instance::TYPE.kind {
        if resource.get::<Power>("power") == Found::Known(Power::Stopped) {
            return Some(0.0);
        }
        return price(&machine(resource)?);
    }
    if kind == AutoScalingGroup::TYPE.kind {
        let most = resource.get::<u32>("max_size").known()?;
        if most == 0 {
            return Some(0.0);
        }
        return Some(price(&machine(resource)?)? * f64::from(most));
    }
    if kind == NatGateway::TYPE.kind {
        return Some(NAT_GATEWAY);
    }
    if kind == ElasticIp::TYPE.kind {
        return Some(PUBLIC_ADDRESS);
    }
    if kind == VpcEndpoint::TYPE.kind {
        // A gateway endpoint costs nothing; one of an interface costs per subnet.
        let of_interface = resource
            .get::<String>("vpc_endpoint_type")
            .is_known_and(|of| of.eq_ignore_ascii_case("Interface"));
        let subnets = resource.count("subnet_ids").known().unwrap_or(1).max(1);
        let subnets = u32::try_from(subnets).unwrap_or(u32::MAX);
        return Some(if of_interface { INTERFACE_ENDPOINT * f64::from(subnets) } else { 0.0 });
    }
    Some(0.0)
}

/// The instance type, by the resource or by its launch template.
fn machine(resource: &Subject<'_>) -> Option<String> {
    let own = match resource.has("instance_type") {
        true => resource.get::<String>("instance_type").known(),
        false => None,
    };
    own.or_else(|| resource.target("launch_template.id")?.get::<String>("instance_type").known())
}
