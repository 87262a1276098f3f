//! Every rule that EC2 has for the interfaces of one instance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Interface, InterfaceKind, InterfaceLayout};
use crate::instance_type::InstanceType;

/// The network of an instance or launch template, as a user wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkDeclaration {
    /// The interfaces.
    pub interfaces: Vec<Interface>,
    /// Whether a public address is asked for at launch.
    pub associate_public_ip: bool,
    /// Whether IP prefixes are assigned to the interfaces.
    pub ip_prefixes: bool,
    /// Whether security groups are given beside the interfaces instead of in each of them.
    pub top_level_security_groups: bool,
    /// The different subnets that the interfaces are in.
    pub subnets: Vec<String>,
    /// Whether the security group admits all traffic from itself.
    pub admits_itself: bool,
    /// Whether the security group lets all traffic out to itself. `0.0.0.0/0` is not enough.
    pub reaches_itself: bool,
}

impl Default for NetworkDeclaration {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            associate_public_ip: false,
            ip_prefixes: false,
            top_level_security_groups: false,
            subnets: Vec::new(),
            admits_itself: true,
            reaches_itself: true,
        }
    }
}

/// A rule that a declared network breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// There is no interface on card 0, device 0.
    #[error("no primary interface: card 0 device 0 is missing")]
    NoPrimary,
    /// The primary interface has no ENA.
    #[error("the primary interface (card 0 device 0) cannot be efa-only: it needs an address")]
    PrimaryIsEfaOnly,
    /// The type has no such card.
    #[error("{interface}: {instance_type} has {cards} network cards, 0 to {}", .cards.saturating_sub(1))]
    NoSuchCard {
        /// The interface.
        interface: Interface,
        /// The type.
        instance_type: String,
        /// How many cards it has.
        cards: u32,
    },
    /// Two interfaces at one place.
    #[error("card {card} device {device} is given {times} times")]
    Duplicate {
        /// The card.
        card: u32,
        /// The device.
        device: u32,
        /// How often.
        times: usize,
    },
    /// More interfaces on a card than it takes.
    #[error("card {card} of {instance_type} takes {limit} interfaces and is given {given}")]
    CardIsFull {
        /// The card.
        card: u32,
        /// The type.
        instance_type: String,
        /// How many it takes.
        limit: u32,
        /// How many it is given.
        given: usize,
    },
    /// A card that takes no EFA, or no second one.
    #[error(
        "card {card} of {instance_type} takes {limit} EFA and is given {given}: EC2 answers \
         AttachmentLimitExceeded"
    )]
    TooManyEfaOnCard {
        /// The card.
        card: u32,
        /// The type.
        instance_type: String,
        /// How many it takes: one, or none.
        limit: u32,
        /// How many it is given.
        given: usize,
    },
    /// More EFAs than the type takes.
    #[error("{instance_type} takes {limit} EFA and is given {given}")]
    TooManyEfa {
        /// The type.
        instance_type: String,
        /// How many it takes.
        limit: u32,
        /// How many it is given.
        given: usize,
    },
    /// A public address at launch with several interfaces.
    #[error(
        "a public address cannot be asked for at launch with {interfaces} interfaces \
         (InvalidParameterValue): use private subnets, or attach an Elastic IP afterwards"
    )]
    PublicIpWithSeveralInterfaces {
        /// How many interfaces there are.
        interfaces: usize,
    },
    /// Prefixes on an interface without addresses.
    #[error("{interface} takes no IP prefixes: it has no ENA")]
    PrefixOnEfaOnly {
        /// The interface.
        interface: Interface,
    },
    /// Security groups beside the interfaces.
    #[error("security groups must be given in each interface, not beside them")]
    TopLevelSecurityGroups,
    /// EFA traffic does not leave its subnet.
    #[error("the interfaces are in {}: EFA traffic does not leave its subnet", .subnets.join(", "))]
    SeveralSubnets {
        /// The subnets.
        subnets: Vec<String>,
    },
    /// The security group does not admit itself.
    #[error(
        "the security group does not {}: EFA needs all traffic to itself both ways",
        if *.ingress { "admit all traffic from itself" } else { "let all traffic out to itself" }
    )]
    NotOpenToItself {
        /// Whether it is the way in.
        ingress: bool,
    },
}

impl NetworkDeclaration {
    /// A declaration of `layout` and nothing else.
    #[must_use]
    pub fn of(layout: &InterfaceLayout) -> Self {
        Self { interfaces: layout.interfaces().to_vec(), ..Self::default() }
    }

    /// Every rule that this network breaks on `instance_type`.
    #[must_use]
    pub fn check(&self, instance_type: &InstanceType) -> Vec<Violation> {
        let mut violations = Vec::new();
        self.check_places(instance_type, &mut violations);
        let efa = self.interfaces.iter().any(|interface| interface.kind.is_efa());
        if self.associate_public_ip && self.interfaces.len() > 1 {
            let interfaces = self.interfaces.len();
            violations.push(Violation::PublicIpWithSeveralInterfaces { interfaces });
        }
        if self.ip_prefixes {
            let efa_only = self.interfaces.iter().filter(|i| i.kind == InterfaceKind::EfaOnly);
            violations.extend(efa_only.map(|&interface| Violation::PrefixOnEfaOnly { interface }));
        }
        if self.top_level_security_groups && !self.interfaces.is_empty() {
            violations.push(Violation::TopLevelSecurityGroups);
        }
        if efa && self.subnets.len() > 1 {
            violations.push(Violation::SeveralSubnets { subnets: self.subnets.clone() });
        }
        for (open, ingress) in [(self.admits_itself, true), (self.reaches_itself, false)] {
            if efa && !open {
                violations.push(Violation::NotOpenToItself { ingress });
            }
        }
        violations
    }

    fn check_places(&self, instance_type: &InstanceType, violations: &mut Vec<Violation>) {
        let name = || instance_type.name.clone();
        let network = &instance_type.network;
        match self.interfaces.iter().find(|interface| interface.is_primary()) {
            None => violations.push(Violation::NoPrimary),
            Some(primary) if primary.kind == InterfaceKind::EfaOnly => {
                violations.push(Violation::PrimaryIsEfaOnly);
            }
            Some(_) => {}
        }
        let mut places = BTreeMap::<(u32, u32), usize>::new();
        let mut cards = BTreeMap::<u32, Vec<Interface>>::new();
        for &interface in &self.interfaces {
            *places.entry((interface.card, interface.device)).or_default() += 1;
            if interface.card < network.cards {
                cards.entry(interface.card).or_default().push(interface);
            } else {
                let (instance_type, cards) = (name(), network.cards);
                violations.push(Violation::NoSuchCard { interface, instance_type, cards });
            }
        }
        let repeated = places.into_iter().filter(|(_, times)| *times > 1);
        violations.extend(repeated.map(|((card, device), times)| Violation::Duplicate {
            card,
            device,
            times,
        }));
        for (&card, on_card) in &cards {
            if let Some(limit) = network.enis_per_card
                && on_card.len() > limit as usize
            {
                let (instance_type, given) = (name(), on_card.len());
                violations.push(Violation::CardIsFull { card, instance_type, limit, given });
            }
            let given = on_card.iter().filter(|interface| interface.kind.is_efa()).count();
            let limit = u32::from(network.takes_efa(card));
            if given > limit as usize {
                let instance_type = name();
                violations.push(Violation::TooManyEfaOnCard { card, instance_type, limit, given });
            }
        }
        let given = self.interfaces.iter().filter(|interface| interface.kind.is_efa()).count();
        if given > network.efa_max as usize {
            let (instance_type, limit) = (name(), network.efa_max);
            violations.push(Violation::TooManyEfa { instance_type, limit, given });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_is_named_at_once() {
        let at = |card, device, kind| Interface { card, device, kind };
        let declaration = NetworkDeclaration {
            interfaces: vec![
                at(0, 0, InterfaceKind::EfaOnly),
                at(0, 0, InterfaceKind::Interface),
                at(9, 0, InterfaceKind::Efa),
                at(40, 0, InterfaceKind::Interface),
            ],
            associate_public_ip: true,
            ip_prefixes: true,
            top_level_security_groups: true,
            subnets: vec!["subnet-a".into(), "subnet-b".into()],
            admits_itself: false,
            reaches_itself: false,
        };
        let p6 = InstanceType::named("p6-b300.48xlarge").unwrap();
        let violations = declaration.check(p6);
        let text = violations.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            text,
            [
                "the primary interface (card 0 device 0) cannot be efa-only: it needs an address",
                "card 40 device 0 interface: p6-b300.48xlarge has 17 network cards, 0 to 16",
                "card 0 device 0 is given 2 times",
                "card 0 of p6-b300.48xlarge takes 0 EFA and is given 1: EC2 answers \
                 AttachmentLimitExceeded",
                "a public address cannot be asked for at launch with 4 interfaces \
                 (InvalidParameterValue): use private subnets, or attach an Elastic IP afterwards",
                "card 0 device 0 efa-only takes no IP prefixes: it has no ENA",
                "security groups must be given in each interface, not beside them",
                "the interfaces are in subnet-a, subnet-b: EFA traffic does not leave its subnet",
                "the security group does not admit all traffic from itself: EFA needs all traffic \
                 to itself both ways",
                "the security group does not let all traffic out to itself: EFA needs all traffic \
                 to itself both ways",
            ]
        );
    }

    #[test]
    fn the_layout_of_older_tools_is_valid_too() {
        let p5 = InstanceType::named("p5.48xlarge").unwrap();
        let interfaces = (0..32).map(|card| Interface {
            card,
            device: u32::from(card > 0),
            kind: InterfaceKind::Efa,
        });
        let declaration =
            NetworkDeclaration { interfaces: interfaces.collect(), ..Default::default() };
        assert_eq!(declaration.check(p5), []);
    }
}
