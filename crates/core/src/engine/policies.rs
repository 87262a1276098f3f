//! The policies of an engine, and who is exempt from them.

use super::{BuildError, Engine, EngineBuilder};
use crate::{
    identity::Address,
    policy::{Exemption, Policies, Policy},
    state::Snapshot,
};

impl EngineBuilder {
    /// Adds a policy: every plan is judged by it, and a saved plan again when it is loaded.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// Adds policies, such as those of a pack.
    #[must_use]
    pub fn policies(mut self, policies: impl IntoIterator<Item = Policy>) -> Self {
        self.policies.extend(policies);
        self
    }

    /// Exempts a resource, all that is inside a component, or with an empty address the stack itself
    /// from a policy. What violates it all the same stands in every plan, with the reason.
    #[must_use]
    pub fn exempt(
        mut self,
        policy: impl Into<String>,
        address: impl Into<Address>,
        reason: impl Into<String>,
    ) -> Self {
        let (policy, address, reason) = (policy.into(), address.into(), reason.into());
        self.exemptions.push(Exemption { policy, address, reason });
        self
    }
}

impl Engine {
    /// The policies, sorted by name.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.settings.policies.iter()
    }
}

/// The policies of an engine, if they can be told apart.
pub(super) fn checked(
    policies: Vec<Policy>,
    exemptions: Vec<Exemption>,
) -> Result<Policies, BuildError> {
    let policies = Policies::new(policies, exemptions);
    let names: Vec<&str> = policies.iter().map(Policy::name).collect();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(BuildError::SamePolicy(twice[0].to_owned()));
    }
    if let Some(Exemption { policy, address, .. }) = policies.unknown_exemptions().next() {
        let (address, policy) = (address.clone(), policy.clone());
        return Err(BuildError::UnknownPolicy { address, policy });
    }
    if let Some(Exemption { policy, address, .. }) = policies.unexplained().next() {
        let (address, policy) = (address.clone(), policy.clone());
        return Err(BuildError::NoReason { address, policy });
    }
    Ok(policies)
}

/// The state as it is when a plan begins, for policies to look at; nobody needs it where there are
/// none.
pub(super) fn judged(policies: &Policies, snapshot: &Snapshot) -> Snapshot {
    if policies.is_empty() { Snapshot::default() } else { snapshot.clone() }
}
