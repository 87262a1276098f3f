//! What belongs to the managed objects and is no object of any row.

use std::collections::{BTreeMap, HashMap};

use super::{Gatherer, patiently, refresh_error};
use crate::{
    child::{Managed, Parent, SeenChild},
    identity::ResourceId,
    plan::{Children, PlanError, Stray, StrayOf, Unlisted, mark_outputs},
    provider::{BoxFuture, ErrorKind, Handler, Provider, Seen, physical_id},
    schema::Schema,
    state::{Record, Snapshot, Status, Verb},
    value::{Map, Value},
};

/// A child type, and the rows that may have such children.
struct Asked<'r> {
    provider: &'r dyn Provider,
    handler: &'r dyn Handler,
    parents: Vec<(&'r Record, &'r str)>,
}

impl Gatherer<'_> {
    /// Looks for all children of the rows that are `wanted`, and keeps those that no row has. With
    /// `look` false nobody is asked; it is only told whether there would have been anything to ask.
    pub(crate) async fn children(
        &self,
        snapshot: &Snapshot,
        wanted: &(dyn Fn(&Record) -> bool + Sync),
        look: bool,
    ) -> Result<Children, PlanError> {
        let asked = self.child_types(snapshot, wanted);
        let mut children = Children { looked: look || asked.is_empty(), ..Children::default() };
        if asked.is_empty() || !look {
            return Ok(children);
        }
        let mut looks: Vec<BoxFuture<'_, Result<_, PlanError>>> = Vec::new();
        for asked in &asked {
            looks.push(Box::pin(async move { Ok((asked, self.list_children(asked).await)) }));
        }
        let mut strays = Vec::new();
        for (asked, listed) in self.all(looks).await? {
            let kind = asked.handler.resource_type().kind;
            match listed {
                Ok(listed) => {
                    strays.extend(listed.into_iter().filter_map(|child| asked.stray(child)));
                }
                // Who may look at a parent need not be allowed to list what it has.
                Err(error) if error.kind == ErrorKind::Denied => {
                    let parents = asked.parents.iter().map(|(row, _)| row.id).collect();
                    children.unlisted.push(Unlisted { kind: kind.to_owned(), parents, error });
                }
                Err(error) => return Err(refresh_error(asked.parents[0].0, error)),
            }
        }
        children.strays = self.without_held(snapshot, strays).await?;
        children.sort();
        Ok(children)
    }

    /// Adds the children whose delete an earlier run began, and that can not be seen any more.
    pub(crate) fn going_children(
        &self,
        snapshot: &Snapshot,
        going: &[Record],
        children: &mut Children,
    ) {
        for record in going {
            let Some((provider, handler)) = self.handler(record) else { continue };
            let of = handler.resource_type();
            let Some(id) = physical_id(of, &record.outputs) else { continue };
            children.strays.retain(|stray| stray.kind != of.kind || stray.physical_id != id);
            let rows = snapshot.records.values().filter(|row| row.status != Status::Absent);
            let rows: Vec<(&Record, &str)> =
                rows.filter_map(|row| Some((row, self.id_of(row)?))).collect();
            let seen = Seen { inputs: record.inputs.clone(), outputs: record.outputs.clone() };
            let mut parents = parents_of(handler.parents(), &rows, &seen.inputs);
            if parents.is_empty() {
                // It went before; there is still a place to tell of it.
                let (row, address) = (record.id, record.address.clone());
                parents.push(StrayOf {
                    row,
                    address,
                    field: "",
                    goes_along: false,
                    told_only: false,
                });
            }
            children.strays.push(Stray {
                provider: provider.name().to_owned(),
                kind: of.kind.to_owned(),
                physical_id: id.to_owned(),
                seen,
                owner: None,
                parents,
                deleting: Some(record.id),
            });
        }
        children.sort();
    }

    fn id_of<'r>(&self, row: &'r Record) -> Option<&'r str> {
        physical_id(self.handler(row)?.1.resource_type(), &row.outputs)
    }

    /// The child types that rows of these may be parents of.
    fn child_types<'r>(
        &'r self,
        snapshot: &'r Snapshot,
        wanted: &(dyn Fn(&Record) -> bool + Sync),
    ) -> Vec<Asked<'r>> {
        let mut of_kind: BTreeMap<(&str, &str), Vec<&Record>> = BTreeMap::new();
        let rows = snapshot.records.values().filter(|row| row.status != Status::Absent);
        for row in rows.filter(|row| wanted(row)) {
            if let Some(provider) = self.provider(&row.provider, &row.kind) {
                of_kind.entry((provider.name(), &row.kind)).or_default().push(row);
            }
        }
        let mut asked = Vec::new();
        // A provider that none of them goes through is not even asked what it has.
        let used: Vec<&str> = of_kind.keys().map(|(provider, _)| *provider).collect();
        for provider in self.providers.iter().filter(|p| used.contains(&p.name())) {
            for kind in provider.child_kinds() {
                let Some(handler) = provider.handler(kind) else { continue };
                let mut kinds: Vec<&str> = handler.parents().iter().map(|of| of.kind).collect();
                kinds.sort_unstable();
                kinds.dedup();
                let rows = kinds.iter().filter_map(|kind| of_kind.get(&(provider.name(), kind)));
                let rows = rows.flatten().filter_map(|row| Some((*row, self.id_of(row)?)));
                let parents: Vec<(&Record, &str)> = rows.collect();
                if !parents.is_empty() {
                    asked.push(Asked { provider: &**provider, handler, parents });
                }
            }
        }
        asked
    }

    async fn list_children(
        &self,
        asked: &Asked<'_>,
    ) -> Result<Vec<SeenChild>, crate::provider::ProviderError> {
        let managed = asked.parents.iter().map(|(row, id)| Managed {
            kind: &row.kind,
            id,
            inputs: &row.inputs,
            outputs: &row.outputs,
        });
        let managed: Vec<Managed<'_>> = managed.collect();
        patiently(|| asked.handler.list_children(&managed)).await
    }

    /// Those that no row has, of whatever address, and no create that is still open.
    async fn without_held(
        &self,
        snapshot: &Snapshot,
        mut strays: Vec<Stray>,
    ) -> Result<Vec<Stray>, PlanError> {
        let ours = |stray: &Stray| {
            let id: Option<ResourceId> = stray.owner.as_ref().and_then(|id| id.parse().ok());
            id.is_some_and(|id| {
                snapshot.records.contains_key(&id) || snapshot.intents.contains_key(&id)
            })
        };
        strays.retain(|stray| !ours(stray));
        if strays.is_empty() {
            return Ok(strays);
        }
        let mut held: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
        let alike = |row: &&Record| {
            row.status != Status::Absent && strays.iter().any(|stray| stray.kind == row.kind)
        };
        for row in snapshot.records.values().filter(alike) {
            if let Some(id) = self.id_of(row) {
                held.entry((&row.kind, id)).or_default().push(&row.provider);
            }
        }
        strays.retain(|stray| {
            let by = held.get(&(stray.kind.as_str(), stray.physical_id.as_str()));
            !by.into_iter().flatten().any(|by| self.same_place(by, &stray.provider))
        });
        // A create that a narrowed plan leaves open may have made one that has no tag.
        for intent in snapshot.intents.values().filter(|intent| intent.verb == Verb::Create) {
            let Some(record) = intent.record.as_deref() else { continue };
            if !strays.iter().any(|stray| stray.kind == record.kind) {
                continue;
            }
            let Some((provider, handler)) = self.handler(record) else { continue };
            let identity = self.identity(record);
            let found = patiently(|| handler.find(&identity, &record.inputs)).await;
            let found = found.map_err(|source| refresh_error(record, source))?;
            let of = handler.resource_type();
            let id = found.as_ref().and_then(|seen| physical_id(of, &seen.outputs));
            strays.retain(|stray| {
                let same = stray.kind == record.kind && Some(stray.physical_id.as_str()) == id;
                !(same && self.same_place(provider.name(), &stray.provider))
            });
        }
        Ok(strays)
    }
}

impl Asked<'_> {
    /// The child, if it is of one of those that were asked for.
    fn stray(&self, child: SeenChild) -> Option<Stray> {
        let of = self.handler.resource_type();
        let physical_id = physical_id(of, &child.seen.outputs)?.to_owned();
        let mut parents = parents_of(self.handler.parents(), &self.parents, &child.seen.inputs);
        for of in &mut parents {
            of.goes_along = child.goes_along.unwrap_or(of.goes_along);
        }
        if parents.is_empty() {
            return None;
        }
        let inputs = mark_fields(of.inputs, child.seen.inputs);
        let outputs = mark_outputs(of, &inputs, child.seen.outputs);
        Some(Stray {
            provider: self.provider.name().to_owned(),
            kind: of.kind.to_owned(),
            physical_id,
            seen: Seen { inputs, outputs },
            owner: child.owner,
            parents,
            deleting: None,
        })
    }
}

impl Children {
    /// In an order that does not depend on who answered first.
    fn sort(&mut self) {
        let key = |stray: &Stray| {
            let parent = stray.parents.first().map(|of| of.address.clone());
            (parent, stray.kind.clone(), stray.physical_id.clone(), stray.provider.clone())
        };
        self.strays.sort_by_cached_key(key);
        self.strays.dedup_by(|one, other| key(one) == key(other));
        self.unlisted.sort_by(|one, other| one.kind.cmp(&other.kind));
    }
}

/// Those of `rows` that a child with these inputs belongs to.
fn parents_of(parents: &[Parent], rows: &[(&Record, &str)], inputs: &Value) -> Vec<StrayOf> {
    let mut found = Vec::new();
    for parent in parents {
        let Some(id) = inputs.get(parent.field).and_then(|id| id.open().as_str()) else { continue };
        for (row, _) in rows.iter().filter(|(row, of)| *of == id && row.kind == parent.kind) {
            found.push(StrayOf {
                row: row.id,
                address: row.address.clone(),
                field: parent.field,
                goes_along: parent.goes_along,
                told_only: parent.told_only,
            });
        }
    }
    found
}

/// What was seen of an object that nobody sent, with the fields marked secret that always are.
fn mark_fields(schema: &Schema, inputs: Value) -> Value {
    let Value::Map(inputs) = inputs else { return inputs };
    let marked = inputs.iter().map(|(name, value)| {
        let field = schema.field(name);
        let value = match (field.and_then(|field| field.nested), value) {
            (Some(nested), Value::List(list)) => {
                Value::List(list.iter().map(|value| mark_fields(nested, value.clone())).collect())
            }
            (Some(nested), Value::Map(map)) if field.is_some_and(|field| field.keyed) => {
                let of = |value: &Value| mark_fields(nested, value.clone());
                Value::Map(map.iter().map(|(key, value)| (key.clone(), of(value))).collect())
            }
            (Some(nested), value) => mark_fields(nested, value.clone()),
            (None, value) => value.clone(),
        };
        let secret = field.is_some_and(|field| field.secret) && !value.is_null();
        (name.clone(), if secret { value.into_secret() } else { value })
    });
    Value::Map(marked.collect::<Map>())
}
