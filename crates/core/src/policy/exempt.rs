//! Who is exempt from which policy, and why.

use super::{Policies, Policy};
use crate::{declare::Node, identity::Address};

/// An exemption that the engine was given; those of declarations are among their options.
#[derive(Clone, Debug)]
pub(crate) struct Exemption {
    pub(crate) policy: String,
    /// The resource, or the component with all that is inside; empty for the stack itself.
    pub(crate) address: Address,
    pub(crate) reason: String,
}

impl Exemption {
    fn covers(&self, address: &Address) -> bool {
        let (of, address) = (self.address.as_str(), address.as_str());
        let inside = address.strip_prefix(of).is_some_and(|rest| rest.starts_with('/'));
        of == address || (!of.is_empty() && inside)
    }
}

impl Policies {
    /// Why a resource is exempt from a policy, if it is.
    pub(super) fn exempt(&self, policy: &Policy, node: &Node) -> Option<String> {
        if policy.strict {
            return None;
        }
        let own = node.options.exempt.iter().find(|(name, _)| *name == policy.name);
        own.map(|(_, reason)| reason.clone()).or_else(|| self.exempt_at(policy, &node.address))
    }

    /// Why an address is exempt by the engine's own list.
    pub(super) fn exempt_at(&self, policy: &Policy, address: &Address) -> Option<String> {
        let listed = self.exemptions.iter().find(|exemption| {
            exemption.policy == policy.name && exemption.covers(address) && !policy.strict
        });
        listed.map(|exemption| exemption.reason.clone())
    }
}
