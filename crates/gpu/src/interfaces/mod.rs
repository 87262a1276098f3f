//! The network interfaces of an instance: where its EFAs go, and how many addresses that takes.
//!
//! [`InterfaceLayout::for_type`] derives a layout from the type's row in the instance table, so a
//! new type is a new row and no new code. [`NetworkDeclaration::check`] holds a layout that a user
//! wrote against all the rules of EC2 and answers every violation at once. [`SubnetCapacity`]
//! says how many nodes a subnet takes.
//!
//! Sources: EC2 User Guide, "Maximize network bandwidth on Amazon EC2 instances with multiple
//! network cards" (`efa-acc-inst-types`); the validators of aws-parallelcluster.

mod subnet;
mod validate;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::instance_type::InstanceType;

pub use subnet::{SubnetCapacity, SubnetError};
pub use validate::{NetworkDeclaration, Violation};

/// What kind of interface it is: `InterfaceType` of EC2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceKind {
    /// An ENA interface: IP traffic only.
    Interface,
    /// An EFA with an ENA: takes a private address.
    Efa,
    /// An EFA without an ENA: takes no address, and can never be the primary interface.
    EfaOnly,
}

impl InterfaceKind {
    /// Whether it carries EFA traffic.
    #[must_use]
    pub fn is_efa(self) -> bool {
        self != Self::Interface
    }

    /// How many private IPv4 addresses it takes.
    #[must_use]
    pub fn private_ips(self) -> u32 {
        u32::from(self != Self::EfaOnly)
    }
}

impl fmt::Display for InterfaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interface => "interface",
            Self::Efa => "efa",
            Self::EfaOnly => "efa-only",
        })
    }
}

/// One network interface of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Interface {
    /// `NetworkCardIndex`.
    pub card: u32,
    /// `DeviceIndex`.
    pub device: u32,
    /// `InterfaceType`.
    pub kind: InterfaceKind,
}

impl Interface {
    /// Whether this is the primary interface.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        (self.card, self.device) == (0, 0)
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "card {} device {} {}", self.card, self.device, self.kind)
    }
}

/// What a layout is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// All of the type's EFA bandwidth, with one private address per node.
    #[default]
    EfaFewestIps,
    /// All of the type's EFA bandwidth, and as much IP bandwidth as the type has. EFA and IP share
    /// the cards, so not both at once.
    EfaPlusFullIp,
}

/// The interfaces of an instance, primary first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InterfaceLayout {
    interfaces: Vec<Interface>,
}

impl InterfaceLayout {
    /// The layout of `instance_type` for `goal`.
    ///
    /// Fewest addresses: an ENA as primary, an `efa-only` beside it if card 0 takes one, and an
    /// `efa-only` on every further card that does. Full IP bandwidth: the same with a further ENA on
    /// the cards that AWS documents for the type (p5: every fourth); for a type without such a list
    /// an `efa`, which has both, on every card. A type without EFA gets its primary interface.
    #[must_use]
    pub fn for_type(instance_type: &InstanceType, goal: Goal) -> Self {
        let network = &instance_type.network;
        let add = |card, device, kind| Interface { card, device, kind };
        let efa_cards = (0..network.cards).filter(|card| network.takes_efa(*card));
        let mut interfaces = Vec::new();
        if goal == Goal::EfaPlusFullIp && network.ip_cards.is_empty() && network.efa_max > 0 {
            // ParallelCluster's rule: device 0 where a card takes one interface only, else 1.
            let other = u32::from(network.enis_per_card != Some(1));
            if !network.takes_efa(0) {
                interfaces.push(add(0, 0, InterfaceKind::Interface));
            }
            interfaces.extend(efa_cards.map(|card| match card {
                0 => add(0, 0, InterfaceKind::Efa),
                card => add(card, other, InterfaceKind::Efa),
            }));
            return Self { interfaces };
        }
        interfaces.push(add(0, 0, InterfaceKind::Interface));
        interfaces.extend(efa_cards.map(|card| match card {
            0 => add(0, 1, InterfaceKind::EfaOnly),
            card => add(card, 0, InterfaceKind::EfaOnly),
        }));
        if goal == Goal::EfaPlusFullIp {
            let cards = network.ip_cards.iter();
            interfaces.extend(cards.map(|card| add(*card, 1, InterfaceKind::Interface)));
        }
        Self { interfaces }
    }

    /// One plain network interface, without EFA.
    #[must_use]
    pub fn plain() -> Self {
        Self { interfaces: vec![Interface { card: 0, device: 0, kind: InterfaceKind::Interface }] }
    }

    /// The interfaces, primary first.
    #[must_use]
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// How many of them carry EFA traffic.
    #[must_use]
    pub fn efa_count(&self) -> u32 {
        self.interfaces.iter().map(|interface| u32::from(interface.kind.is_efa())).sum()
    }

    /// How many private IPv4 addresses one node takes.
    #[must_use]
    pub fn private_ips(&self) -> u32 {
        self.interfaces.iter().map(|interface| interface.kind.private_ips()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(name: &str, goal: Goal) -> InterfaceLayout {
        InterfaceLayout::for_type(InstanceType::named(name).unwrap(), goal)
    }

    #[test]
    fn the_layouts_are_those_of_the_user_guide() {
        let counts = |name, goal| {
            let layout = layout(name, goal);
            (layout.interfaces().len(), layout.efa_count(), layout.private_ips())
        };
        assert_eq!(counts("p5.48xlarge", Goal::EfaFewestIps), (33, 32, 1));
        assert_eq!(counts("p5.48xlarge", Goal::EfaPlusFullIp), (40, 32, 8));
        assert_eq!(counts("p5en.48xlarge", Goal::EfaFewestIps), (17, 16, 1));
        assert_eq!(counts("p6-b200.48xlarge", Goal::EfaFewestIps), (9, 8, 1));
        assert_eq!(counts("p6-b300.48xlarge", Goal::EfaFewestIps), (17, 16, 1));
        assert_eq!(counts("p4d.24xlarge", Goal::EfaPlusFullIp), (4, 4, 4));
        assert_eq!(counts("g6.8xlarge", Goal::EfaFewestIps), (2, 1, 1));
        assert_eq!(counts("g6.xlarge", Goal::EfaPlusFullIp), (1, 0, 1));
    }

    #[test]
    fn card_0_of_b300_takes_no_efa() {
        for goal in [Goal::EfaFewestIps, Goal::EfaPlusFullIp] {
            let layout = layout("p6-b300.48xlarge", goal);
            let on_card_0 = layout.interfaces().iter().filter(|interface| interface.card == 0);
            let kinds = on_card_0.map(|interface| interface.kind).collect::<Vec<_>>();
            assert_eq!(kinds, [InterfaceKind::Interface]);
        }
    }

    #[test]
    fn every_layout_made_here_passes_the_validator() {
        for instance_type in InstanceType::all() {
            for goal in [Goal::EfaFewestIps, Goal::EfaPlusFullIp] {
                let layout = InterfaceLayout::for_type(instance_type, goal);
                assert_eq!(layout.efa_count(), instance_type.network.efa_max, "{instance_type}");
                let violations = NetworkDeclaration::of(&layout).check(instance_type);
                assert_eq!(violations, [], "{instance_type} {goal:?}");
            }
        }
    }
}
