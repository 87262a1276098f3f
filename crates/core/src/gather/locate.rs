//! Objects that exist already and may be taken over: what is found of those that a plan asks for.

use super::{Gatherer, patiently};
use crate::{
    declare::Node,
    plan::PlanError,
    provider::{BoxFuture, Provider, Seen},
    resource::By,
    schema::ResourceType,
    value::Value,
};

/// One object to look for.
pub(crate) struct Search<'s> {
    pub(crate) node: &'s Node,
    pub(crate) of: &'static ResourceType,
    pub(crate) by: By<'s, Value>,
}

/// What came of a search: where it was made, and what was found or what went wrong.
pub(crate) struct Found<'s> {
    pub(crate) node: &'s Node,
    pub(crate) of: &'static ResourceType,
    pub(crate) by: By<'s, Value>,
    pub(crate) provider: String,
    pub(crate) seen: Result<Option<Seen>, String>,
}

impl Gatherer<'_> {
    /// Looks for all of these; in the order in which they are given. A type that no provider has is
    /// left to the planner to report.
    pub(crate) async fn locate<'s>(
        &self,
        searches: Vec<Search<'s>>,
    ) -> Result<Vec<Found<'s>>, PlanError> {
        let mut looks: Vec<BoxFuture<'_, Result<(usize, Found<'s>), PlanError>>> = Vec::new();
        for (n, Search { node, of, by }) in searches.into_iter().enumerate() {
            let provider = self.provider_for(of.kind, &node.options, None);
            let Some((provider, handler)) =
                provider.and_then(|provider| Some((provider, provider.handler(of.kind)?)))
            else {
                continue;
            };
            let provider = Provider::name(&**provider).to_owned();
            looks.push(Box::pin(async move {
                let seen = patiently(|| handler.locate(by)).await.map_err(|e| e.to_string());
                Ok((n, Found { node, of, by, provider, seen }))
            }));
        }
        let mut found = self.all(looks).await?;
        found.sort_by_key(|(n, _)| *n);
        Ok(found.into_iter().map(|(_, found)| found).collect())
    }
}
