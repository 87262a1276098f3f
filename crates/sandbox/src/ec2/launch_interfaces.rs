//! Which layouts of network interfaces an instance type can carry.
//!
//! Rules: the AWS page "Maximize network bandwidth on instance types with multiple network cards" and
//! the EFA chapter of the EC2 User Guide. They hold at launch; a template may break them.

use std::collections::{BTreeMap, BTreeSet};

use super::{instance_type_catalogue::InstanceType, launch_template_data::InterfaceSpec};
use crate::error::ApiError;

/// The kinds of interface that carry EFA traffic.
fn is_efa(spec: &InterfaceSpec) -> bool {
    matches!(spec.interface_type.as_deref(), Some("efa" | "efa-only"))
}

/// The card an interface sits on.
pub(crate) fn card(spec: &InterfaceSpec) -> u32 {
    spec.network_card_index.and_then(|index| u32::try_from(index).ok()).unwrap_or(0)
}

/// Checks a whole layout against the type.
pub(crate) fn check(specs: &[InterfaceSpec], row: &InstanceType) -> Result<(), ApiError> {
    for spec in specs {
        one(spec, row)?;
    }
    positions(specs)?;
    public_addresses(specs)?;
    limits(specs, row)
}

fn one(spec: &InterfaceSpec, row: &InstanceType) -> Result<(), ApiError> {
    let Some(device) = spec.device_index else {
        return Err(ApiError::missing("NetworkInterface.DeviceIndex"));
    };
    let kind = spec.interface_type.as_deref().unwrap_or("interface");
    let (card, name) = (card(spec), &row.name);
    if row.network.interfaces_on(card).is_none() {
        return Err(ApiError::invalid_value(format!(
            "Network card index {card} is not valid: instance type '{name}' has {} network card(s).",
            row.network.card_count()
        )));
    }
    if kind == "efa-only" && card == 0 && device == 0 {
        return Err(ApiError::invalid_value(
            "An EFA-only network interface cannot be the primary network interface (network card 0, device index 0).",
        ));
    }
    if is_efa(spec) && row.network.efa == 0 {
        return Err(ApiError::combination(format!(
            "The instance type '{name}' does not support the interface type '{kind}'. Elastic Fabric Adapter (EFA) network interfaces need an instance type that supports EFA."
        )));
    }
    let addressed = spec.private_ip_address.is_some()
        || !spec.private_ip_addresses.is_empty()
        || spec.secondary_private_ip_address_count.unwrap_or(0) > 0
        || spec.associate_public_ip_address == Some(true);
    if kind == "efa-only" && addressed {
        return Err(ApiError::combination("An EFA-only network interface has no IP addresses."));
    }
    if spec.network_interface_id.is_some() {
        let making = spec.subnet_id.is_some()
            || !spec.groups.is_empty()
            || spec.description.is_some()
            || addressed;
        if making {
            return Err(ApiError::combination(
                "A network interface ID may not be used with a subnet, security groups, a description or addresses.",
            ));
        }
        if spec.delete_on_termination == Some(true) {
            return Err(ApiError::invalid_value(
                "An existing network interface cannot be deleted on termination at launch.",
            ));
        }
    }
    Ok(())
}

fn positions(specs: &[InterfaceSpec]) -> Result<(), ApiError> {
    let mut taken = BTreeSet::new();
    for spec in specs {
        let place = (card(spec), spec.device_index);
        if !taken.insert(place) {
            return Err(ApiError::invalid_value(format!(
                "Duplicate device index {} on network card {}.",
                spec.device_index.unwrap_or(0),
                place.0
            )));
        }
    }
    if !taken.contains(&(0, Some(0))) {
        return Err(ApiError::invalid_value(
            "When specifying network interfaces, you must include a device at index 0 on network card 0.",
        ));
    }
    Ok(())
}

fn public_addresses(specs: &[InterfaceSpec]) -> Result<(), ApiError> {
    let public = specs.iter().find(|spec| spec.associate_public_ip_address == Some(true));
    let Some(public) = public else { return Ok(()) };
    if specs.len() > 1 {
        return Err(ApiError::combination(
            "The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.",
        ));
    }
    if public.device_index != Some(0) {
        return Err(ApiError::combination(
            "The associatePublicIPAddress parameter can only be specified for the network interface at device index 0.",
        ));
    }
    if public.network_interface_id.is_some() {
        return Err(ApiError::combination(
            "The associatePublicIPAddress parameter cannot be specified for a network interface that exists.",
        ));
    }
    Ok(())
}

fn limits(specs: &[InterfaceSpec], row: &InstanceType) -> Result<(), ApiError> {
    let over = |what: &str, requested: usize, limit: u32| {
        ApiError::new(
            "AttachmentLimitExceeded",
            format!("{what} (requested: {requested}, limit: {limit})."),
        )
    };
    let mut on_card: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
    for spec in specs {
        let counts = on_card.entry(card(spec)).or_default();
        counts.0 += 1;
        counts.1 += usize::from(is_efa(spec));
    }
    for (card, (all, efa)) in &on_card {
        let efa_limit = row.network.efa_on(*card);
        if *efa > efa_limit as usize {
            let what = format!("Maximum number of EFA interfaces exceeded: Network Card {card}");
            return Err(over(&what, *efa, efa_limit));
        }
        let limit = row.network.interfaces_on(*card).unwrap_or(0);
        if *all > limit as usize {
            return Err(over(
                &format!("Interface count exceeds the limit: Network Card {card}"),
                *all,
                limit,
            ));
        }
    }
    let efa = specs.iter().filter(|spec| is_efa(spec)).count();
    if efa > row.network.efa as usize {
        let what = format!("EFA interfaces exceed the limit for {}", row.name);
        return Err(over(&what, efa, row.network.efa));
    }
    if specs.len() > row.network.interfaces as usize {
        let what = format!("Interface count exceeds the limit for {}", row.name);
        return Err(over(&what, specs.len(), row.network.interfaces));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::instance_type_catalogue::find, *};

    fn spec(card: i64, device: i64, kind: &str) -> InterfaceSpec {
        InterfaceSpec {
            network_card_index: Some(card),
            device_index: Some(device),
            interface_type: Some(kind.to_owned()),
            ..InterfaceSpec::default()
        }
    }

    fn verdict(name: &str, specs: &[InterfaceSpec]) -> String {
        match check(specs, find(name).expect("in the table")) {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.code.into_owned(),
        }
    }

    #[test]
    fn the_documented_layouts_are_accepted_and_their_neighbours_are_not() {
        let mut p5 = vec![spec(0, 0, "interface"), spec(0, 1, "efa-only")];
        p5.extend((1..32).map(|card| spec(card, 0, "efa-only")));
        assert_eq!(verdict("p5.48xlarge", &p5), "ok");

        let mut older = vec![spec(0, 0, "efa")];
        older.extend((1..32).map(|card| spec(card, 1, "efa")));
        assert_eq!(verdict("p5.48xlarge", &older), "ok");

        p5.push(spec(32, 0, "efa-only"));
        assert_eq!(verdict("p5.48xlarge", &p5), "InvalidParameterValue", "there is no card 32");
        assert_eq!(verdict("p5.48xlarge", &[spec(0, 0, "efa-only")]), "InvalidParameterValue");
        assert_eq!(
            verdict(
                "p5.48xlarge",
                &[spec(0, 0, "interface"), spec(1, 0, "efa"), spec(1, 1, "efa")]
            ),
            "AttachmentLimitExceeded"
        );
        assert_eq!(verdict("p6-b300.48xlarge", &[spec(0, 0, "efa")]), "AttachmentLimitExceeded");
        assert_eq!(verdict("t3.micro", &[spec(0, 0, "efa")]), "InvalidParameterCombination");
        assert_eq!(
            verdict(
                "t3.micro",
                &[spec(0, 0, "interface"), spec(0, 1, "interface"), spec(0, 2, "interface")]
            ),
            "AttachmentLimitExceeded"
        );
        assert_eq!(
            verdict("t3.micro", &[spec(0, 1, "interface")]),
            "InvalidParameterValue",
            "no primary"
        );
    }

    #[test]
    fn only_a_single_interface_may_ask_for_a_public_address() {
        let mut both = [spec(0, 0, "interface"), spec(0, 1, "interface")];
        both[0].associate_public_ip_address = Some(true);
        assert_eq!(verdict("t3.micro", &both), "InvalidParameterCombination");
        assert_eq!(verdict("t3.micro", &both[..1]), "ok");
    }
}
