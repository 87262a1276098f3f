//! What became of the calls whose end an earlier run did not see.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{Gatherer, PAUSE, no_provider, patiently, refresh_error};
use crate::{
    identity::{Address, ResourceId},
    plan::{PlanError, Recovered, Uncertain, mark_outputs, unsent_changes},
    provider::{BoxFuture, Seen, object_of, physical_id},
    state::{Change, Intent, Record, Role, Snapshot, Status, Verb},
    value::Value,
};

/// What became of the intents that an earlier run left open.
#[derive(Clone, Default)]
pub(crate) struct Recovery {
    pub(crate) repairs: Vec<Change>,
    pub(crate) recovered: Vec<Recovered>,
    pub(crate) uncertain: HashMap<ResourceId, Uncertain>,
    pub(crate) retried: HashMap<Address, (ResourceId, Value)>,
    /// Objects whose delete began and that can not be seen any more.
    pub(crate) deleting: HashSet<ResourceId>,
    /// Children that nobody declares, of which the same is true.
    pub(crate) going: Vec<Record>,
}

/// What became of one intent.
enum Outcome {
    Created {
        record: Box<Record>,
        place: String,
    },
    NotCreated {
        record: Box<Record>,
    },
    Updating {
        record: Box<Record>,
    },
    Deleting {
        record: Box<Record>,
    },
    NotDeleted {
        record: Box<Record>,
    },
    /// The delete of what no row has.
    Undeclared {
        record: Box<Record>,
        there: bool,
    },
    /// An intent that says nothing any more.
    Stray(ResourceId),
}

impl Recovery {
    fn say(&mut self, address: &Address, found: String) {
        self.recovered.push(Recovered { address: address.clone(), found });
    }
}

impl Gatherer<'_> {
    /// Finds out what became of every call whose end nobody saw.
    pub(crate) async fn recover(&self, snapshot: &Snapshot) -> Result<Recovery, PlanError> {
        let mut recovery = Recovery::default();
        let mut looks: Vec<BoxFuture<'_, Result<Outcome, PlanError>>> = Vec::new();
        for intent in snapshot.intents.values() {
            looks.push(Box::pin(self.look_after(intent, snapshot)));
        }
        for outcome in self.all(looks).await? {
            match outcome {
                Outcome::Created { record, place } => {
                    recovery.say(&record.address, format!("its create had happened: {place}"));
                    for other in snapshot.records.values() {
                        let same = other.address == record.address && other.role == Role::Current;
                        if same && other.id != record.id {
                            let deposed = other.clone().into_deposed(record.options.retain);
                            let deposed = match self.is_same_object(&record, &deposed) {
                                true => deposed.into_absent(),
                                false => deposed,
                            };
                            recovery.repairs.push(Change::Put(Box::new(deposed)));
                        }
                    }
                    recovery.repairs.push(Change::Close(record.id));
                    recovery.repairs.push(Change::Put(record));
                }
                Outcome::NotCreated { record } => {
                    let record = *record;
                    recovery.say(&record.address, "its create had not happened".to_owned());
                    recovery.repairs.push(Change::Close(record.id));
                    recovery.retried.insert(record.address, (record.id, record.inputs));
                }
                Outcome::Updating { record } => {
                    recovery.say(
                        &record.address,
                        "its last update did not end well; compared anew".to_owned(),
                    );
                    if let Some(row) = snapshot.records.get(&record.id) {
                        recovery.repairs.extend(self.unsure_row(row, &record));
                    }
                    let Record { id, inputs, depends_on, options, .. } = *record;
                    let deleted_with = options.deleted_with;
                    let uncertain = Uncertain { inputs, depends_on, deleted_with };
                    recovery.uncertain.insert(id, uncertain);
                }
                Outcome::Deleting { record } => {
                    // Out of sight is not yet gone: an address stays taken while the gateway that
                    // has it is being deleted. The delete is called again, and says when it is done.
                    recovery.say(&record.address, "its delete had begun".to_owned());
                    recovery.deleting.insert(record.id);
                }
                Outcome::NotDeleted { record } => {
                    recovery.say(&record.address, "its delete had not happened".to_owned());
                    recovery.repairs.push(Change::Close(record.id));
                }
                Outcome::Undeclared { record, there } => {
                    let id = self.handler(&record).and_then(|(_, handler)| {
                        physical_id(handler.resource_type(), &record.outputs)
                    });
                    let begun = if there { "not happened" } else { "begun" };
                    let (kind, id) = (&record.kind, id.unwrap_or("without an id"));
                    let found =
                        format!("the delete of {id} ({kind}), which nobody declares, had {begun}");
                    recovery.say(&record.address, found);
                    if there {
                        // Whether it is still to go, the plan says anew.
                        recovery.repairs.push(Change::Close(record.id));
                    } else {
                        recovery.going.push(*record);
                    }
                }
                Outcome::Stray(id) => recovery.repairs.push(Change::Close(id)),
            }
        }
        Ok(recovery)
    }

    /// The row of an object whose update may have reached what can not be read back.
    fn unsure_row(&self, row: &Record, intended: &Record) -> Option<Change> {
        let of = self.handler(row)?.1.resource_type();
        let mut row = row.clone();
        let known = row.unsure.len();
        for path in unsent_changes(of.inputs, &row.inputs, &intended.inputs) {
            let hidden = of.inputs.field(path.top()).is_some_and(|field| field.write_only);
            if hidden && !row.unsure.iter().any(|name| name == path.top()) {
                row.unsure.push(path.top().to_owned());
            }
        }
        (row.unsure.len() > known).then(|| Change::Put(Box::new(row)))
    }

    /// Whether two rows mean one object.
    fn is_same_object(&self, one: &Record, other: &Record) -> bool {
        let Some((_, handler)) = self.handler(one) else { return false };
        let of = handler.resource_type();
        object_of(of, one).is_some_and(|object| object_of(of, other) == Some(object))
    }

    async fn look_after(&self, intent: &Intent, snapshot: &Snapshot) -> Result<Outcome, PlanError> {
        let row = snapshot.records.get(&intent.id);
        match (intent.verb, &intent.record, row) {
            // The object had been recorded already: only the closing was lost.
            (Verb::Create, _, Some(_)) => Ok(Outcome::Stray(intent.id)),
            (Verb::Create, Some(record), None) => self.look_for(intent, record).await,
            (Verb::Update, Some(record), Some(_)) => {
                Ok(Outcome::Updating { record: record.clone() })
            }
            (Verb::Delete, _, Some(row)) => {
                let Some((_, handler)) = self.handler(row) else {
                    return Err(no_provider(row));
                };
                let known = Seen { inputs: row.inputs.clone(), outputs: row.outputs.clone() };
                let identity = self.identity(row);
                let seen = patiently(|| handler.read(&identity, &known)).await;
                let record = Box::new(row.clone());
                Ok(match seen.map_err(|source| refresh_error(row, source))? {
                    Some(_) => Outcome::NotDeleted { record },
                    None => Outcome::Deleting { record },
                })
            }
            (Verb::Delete, Some(record), None) => {
                let Some((_, handler)) = self.handler(record) else {
                    return Err(no_provider(record));
                };
                let known = Seen { inputs: record.inputs.clone(), outputs: record.outputs.clone() };
                let identity = self.identity(record);
                let seen = patiently(|| handler.read(&identity, &known)).await;
                let there = seen.map_err(|source| refresh_error(record, source))?.is_some();
                Ok(Outcome::Undeclared { record: record.clone(), there })
            }
            _ => Ok(Outcome::Stray(intent.id)),
        }
    }

    /// Looks for the object of a create. That it is absent is believed only after the service's
    /// consistency window.
    async fn look_for(&self, intent: &Intent, record: &Record) -> Result<Outcome, PlanError> {
        let Some((provider, handler)) = self.handler(record) else {
            return Err(no_provider(record));
        };
        let identity = self.identity(record);
        let certain = Duration::from_millis(intent.started_ms) + provider.consistency_window();
        loop {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let found = patiently(|| handler.find(&identity, &record.inputs)).await;
            if let Some(seen) = found.map_err(|source| refresh_error(record, source))? {
                let of = handler.resource_type();
                let place = physical_id(of, &seen.outputs).unwrap_or("without an id").to_owned();
                let record = Record {
                    outputs: mark_outputs(of, &record.inputs, seen.outputs),
                    seen: None,
                    status: Status::Settling,
                    role: Role::Current,
                    ..record.clone()
                };
                return Ok(Outcome::Created { record: Box::new(record), place });
            }
            if now >= certain {
                return Ok(Outcome::NotCreated { record: Box::new(record.clone()) });
            }
            tokio::time::sleep(PAUSE.min(certain - now)).await;
        }
    }
}
