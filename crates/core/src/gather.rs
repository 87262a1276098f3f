//! Gathering what the pure planner needs: records, what became of open intents, answers of
//! lookups, and what is there. Reads only.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    declare::{NodeKind, Program},
    expr::NodeId,
    identity::{Address, Identity, ResourceId},
    panics::{bug, caught, caught_now, provider_bug},
    plan::{
        Observation, PlanError, Recovered, Uncertain, mark_outputs, mark_secrets, unsent_changes,
    },
    provider::{
        BoxFuture, ErrorKind, Handler, Provider, ProviderError, Seen, SeenRef, physical_id,
    },
    state::{Change, Intent, Pin, Record, Role, Snapshot, Status, Verb},
    value::Value,
};

/// How long a look that met a passing error waits before it is taken again.
const PAUSE: Duration = Duration::from_millis(500);

/// How long one look may take, be it a list of very many objects.
const LONGEST_LOOK: Duration = Duration::from_secs(5 * 60);

/// How often such a look is taken in all.
const LOOKS: u32 = 6;

/// What reads for a plan.
pub(crate) struct Gatherer<'g> {
    pub(crate) providers: &'g [Arc<dyn Provider>],
    pub(crate) stack: Arc<str>,
    pub(crate) parallelism: usize,
}

/// What became of the intents that an earlier run left open.
#[derive(Clone, Default)]
pub(crate) struct Recovery {
    pub(crate) repairs: Vec<Change>,
    pub(crate) recovered: Vec<Recovered>,
    pub(crate) uncertain: HashMap<ResourceId, Uncertain>,
    pub(crate) retried: HashMap<Address, (ResourceId, Value)>,
    /// Objects whose delete began and that can not be seen any more.
    pub(crate) deleting: HashSet<ResourceId>,
}

impl<'g> Gatherer<'g> {
    pub(crate) fn provider(&self, name: &str, kind: &str) -> Option<&'g Arc<dyn Provider>> {
        // A row that names its provider means that one: another may point elsewhere.
        let fits = |p: &&Arc<dyn Provider>| name.is_empty() || p.name() == name;
        self.providers.iter().filter(fits).find(|p| p.handler(kind).is_some())
    }

    fn handler(&self, record: &Record) -> Option<(&'g Arc<dyn Provider>, &'g dyn Handler)> {
        let provider = self.provider(&record.provider, &record.kind)?;
        Some((provider, provider.handler(&record.kind)?))
    }

    fn identity(&self, record: &Record) -> Identity {
        Identity { id: record.id, stack: self.stack.clone(), address: record.address.clone() }
    }

    /// Refuses to look for objects where they were not made: all of them would seem to be gone.
    pub(crate) fn check_targets(&self, snapshot: &Snapshot) -> Result<(), PlanError> {
        let intended = snapshot.intents.values().filter_map(|intent| intent.record.as_deref());
        let made = snapshot.records.values().filter(|record| record.status != Status::Absent);
        let used: HashSet<&str> = made.chain(intended).map(|r| r.provider.as_str()).collect();
        for provider in self.providers.iter().filter(|p| used.contains(p.name())) {
            let now = provider.target();
            let Some(was) = snapshot.targets.get(provider.name()) else { continue };
            if was.target != now {
                return Err(PlanError::OtherTarget {
                    stack: self.stack.to_string(),
                    provider: provider.name().to_owned(),
                    was: was.target.clone(),
                    now,
                });
            }
        }
        Ok(())
    }

    /// Brings rows and intents of an older shape to today's, and says what to write for it.
    pub(crate) fn upgrade(&self, snapshot: &Snapshot) -> Result<Vec<Change>, PlanError> {
        let mut written = Vec::new();
        for record in snapshot.records.values() {
            if let Some(record) = self.upgraded(record)? {
                written.push(Change::Put(Box::new(record)));
            }
        }
        for intent in snapshot.intents.values() {
            let Some(record) = &intent.record else { continue };
            if let Some(record) = self.upgraded(record)? {
                let record = Some(Box::new(record));
                written.push(Change::Open(Intent { record, ..intent.clone() }));
            }
        }
        Ok(written)
    }

    fn upgraded(&self, record: &Record) -> Result<Option<Record>, PlanError> {
        let Some((_, handler)) = self.handler(record) else { return Ok(None) };
        let of = handler.resource_type();
        if record.version == of.version {
            return Ok(None);
        }
        let upgrade = |inputs: &Value| {
            let row = Seen { inputs: inputs.clone(), outputs: record.outputs.clone() };
            caught_now(|| handler.upgrade(record.version, row))
                .unwrap_or_else(|panic| Err(bug(&panic)))
        };
        let row = upgrade(&record.inputs)
            .map_err(|message| PlanError::Record { address: record.address.clone(), message })?;
        // What was seen has the shape of inputs, and comes along where it can.
        let seen = record.seen.as_ref().and_then(|seen| Some(upgrade(seen).ok()?.inputs));
        let hidden = of.inputs.fields.iter().filter(|field| field.write_only);
        let unsure = match record.unsure.is_empty() {
            true => Vec::new(),
            // Names may have changed: all that can not be read back is sent again.
            false => hidden.map(|field| field.name.to_owned()).collect(),
        };
        let Seen { inputs, outputs } = row;
        let version = of.version;
        Ok(Some(Record { inputs, outputs, seen, unsure, version, ..record.clone() }))
    }

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
                    let Record { id, inputs, depends_on, .. } = *record;
                    recovery.uncertain.insert(id, Uncertain { inputs, depends_on });
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

    /// Whether two rows of one type mean one object: its key comes from its inputs, and its create
    /// does not mind that it is there.
    fn is_same_object(&self, one: &Record, other: &Record) -> bool {
        let Some((_, handler)) = self.handler(one) else { return false };
        let id = |record: &Record| {
            physical_id(handler.resource_type(), &record.outputs).map(str::to_owned)
        };
        one.kind == other.kind && one.provider == other.provider && id(one) == id(other)
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

    /// Asks every lookup that has no pinned answer to the same question, or all of them.
    pub(crate) async fn answers(
        &self,
        program: &Program,
        snapshot: &Snapshot,
        again: bool,
    ) -> Result<(HashMap<Address, Pin>, Vec<Change>), PlanError> {
        let mut answers: HashMap<Address, Pin> = HashMap::new();
        let mut outputs: HashMap<NodeId, Value> = HashMap::new();
        let mut pins = Vec::new();
        for index in program.graph.node_indices() {
            let node = &program.graph[index];
            let NodeKind::Lookup { kind, .. } = node.kind else { continue };
            let address = node.address.clone();
            let failed = |source| PlanError::Lookup {
                address: node.address.clone(),
                declared_at: node.declared_at.to_string(),
                source,
            };
            let unknown = || PlanError::LookupUnknown { address: address.clone() };
            let query = node.inputs.resolve(&|id| outputs.get(&id)).map_err(|error| {
                failed(ProviderError::new(ErrorKind::Invalid, kind, error.to_string()))
            })?;
            if !query.is_known() {
                return Err(unknown());
            }
            let pinned = snapshot.pins.get(&address).filter(|p| p.kind == kind && p.query == query);
            let pin = match pinned {
                Some(pin) if !again => pin.clone(),
                _ => {
                    let handler = self.providers.iter().find_map(|p| p.lookup(kind));
                    let handler = handler.ok_or_else(|| PlanError::NoProvider {
                        address: address.clone(),
                        kind: kind.to_owned(),
                    })?;
                    let answer = patiently(|| handler.look_up(&query)).await;
                    let answer = answer.map_err(failed)?;
                    Pin { address: address.clone(), kind: kind.to_owned(), query, answer }
                }
            };
            if snapshot.pins.get(&address) != Some(&pin) {
                pins.push(Change::Pin(pin.clone()));
            }
            let id = NodeId(u32::try_from(index.index()).unwrap_or(u32::MAX));
            outputs.insert(id, pin.answer.clone());
            answers.insert(address, pin);
        }
        let dropped = snapshot.pins.keys().filter(|address| !answers.contains_key(*address));
        pins.extend(dropped.cloned().map(Change::Unpin));
        Ok((answers, pins))
    }

    /// Looks at the given rows, by one list per provider and type. What lives on something that is
    /// gone is not looked at.
    pub(crate) async fn observe(
        &self,
        snapshot: &Snapshot,
        wanted: &(dyn Fn(&Record) -> bool + Sync),
    ) -> Result<HashMap<ResourceId, Observation>, PlanError> {
        let there = |record: &&Record| record.status != Status::Absent && wanted(record);
        let rows: Vec<&Record> = snapshot.records.values().filter(there).collect();
        let (guests, hosts): (Vec<&Record>, Vec<&Record>) =
            rows.into_iter().partition(|record| record.options.deleted_with.is_some());
        let mut observed = self.observe_rows(&hosts).await?;
        let gone: HashSet<ResourceId> = observed
            .iter()
            .filter(|(_, seen)| **seen == Observation::Gone)
            .map(|(id, _)| *id)
            .collect();
        let orphaned = |record: &Record| {
            let mut at = record.options.deleted_with;
            for _ in 0..snapshot.records.len() {
                let Some(host) = at else { return false };
                match snapshot.records.get(&host) {
                    Some(row) if !gone.contains(&host) && row.status != Status::Absent => {
                        at = row.options.deleted_with;
                    }
                    _ => return true,
                }
            }
            false
        };
        let guests: Vec<&Record> = guests.into_iter().filter(|guest| !orphaned(guest)).collect();
        observed.extend(self.observe_rows(&guests).await?);
        Ok(observed)
    }

    async fn observe_rows(
        &self,
        rows: &[&Record],
    ) -> Result<HashMap<ResourceId, Observation>, PlanError> {
        let mut groups: BTreeMap<(&str, &str), Vec<&Record>> = BTreeMap::new();
        for record in rows {
            groups.entry((&record.provider, &record.kind)).or_default().push(record);
        }
        let mut looks: Vec<BoxFuture<'_, Result<Vec<_>, PlanError>>> = Vec::new();
        for rows in groups.into_values() {
            looks.push(Box::pin(self.observe_type(rows)));
        }
        Ok(self.all(looks).await?.into_iter().flatten().collect())
    }

    async fn observe_type<'r>(
        &self,
        rows: Vec<&'r Record>,
    ) -> Result<Vec<(ResourceId, Observation)>, PlanError> {
        let Some((_, handler)) = rows.first().and_then(|record| self.handler(record)) else {
            return rows.first().map_or(Ok(Vec::new()), |record| Err(no_provider(record)));
        };
        let of = handler.resource_type();
        let last =
            |record: &&'r Record| SeenRef { inputs: record.last_known(), outputs: &record.outputs };
        let among: Vec<SeenRef<'r>> = rows.iter().map(last).collect();
        let listed = patiently(|| handler.list(&among)).await;
        let listed = listed.map_err(|source| refresh_error(rows[0], source))?;
        let mut by_id: HashMap<String, Seen> = HashMap::with_capacity(listed.len());
        for seen in listed {
            if let Some(id) = physical_id(of, &seen.outputs) {
                by_id.insert(id.to_owned(), seen);
            }
        }
        let mut found = Vec::with_capacity(rows.len());
        let mut missing: Vec<BoxFuture<'_, Result<Look<'_>, PlanError>>> = Vec::new();
        for (record, known) in rows.iter().copied().zip(&among) {
            match physical_id(of, &record.outputs).and_then(|id| by_id.remove(id)) {
                Some(seen) => found.push((record, Some(seen))),
                // A list may lag behind; one that it lacks is asked for by itself.
                None => missing.push(Box::pin(async move {
                    let (identity, known) = (self.identity(record), known.to_seen());
                    let read = patiently(|| handler.read(&identity, &known)).await;
                    Ok((record, read.map_err(|source| refresh_error(record, source))?))
                })),
            }
        }
        found.extend(self.all(missing).await?);
        let observed = found.into_iter().map(|(record, seen)| {
            let observation = seen.map_or(Observation::Gone, |seen| {
                Observation::There(Seen {
                    inputs: mark_secrets(&record.inputs, seen.inputs),
                    outputs: mark_outputs(of, &record.inputs, seen.outputs),
                })
            });
            (record.id, observation)
        });
        Ok(observed.collect())
    }

    /// All of these, a bounded number at a time; the first error ends it.
    async fn all<T: Send>(
        &self,
        looks: Vec<BoxFuture<'_, Result<T, PlanError>>>,
    ) -> Result<Vec<T>, PlanError> {
        stream::iter(looks).buffer_unordered(self.parallelism).try_collect().await
    }
}

/// A row, and what was seen of it.
type Look<'r> = (&'r Record, Option<Seen>);

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
    /// An intent that says nothing any more.
    Stray(ResourceId),
}

impl Recovery {
    fn say(&mut self, address: &Address, found: String) {
        self.recovered.push(Recovered { address: address.clone(), found });
    }
}

/// Takes a look again while it fails in a way that passes. A look changes nothing, so one without
/// a definite answer counts as such. One that panics is an error like others, and is not.
async fn patiently<'a, T, F>(mut look: impl FnMut() -> F) -> Result<T, ProviderError>
where
    F: Future<Output = Result<T, ProviderError>> + 'a,
{
    let mut look = async || {
        let panicked = |panic: String| Err(provider_bug(ErrorKind::Provider, "formwork", &panic));
        let looked = tokio::time::timeout(LONGEST_LOOK, caught(async { look().await })).await;
        looked.map_or_else(
            |_| {
                let message = format!("no answer to a look within {} s", LONGEST_LOOK.as_secs());
                Err(ProviderError::new(ErrorKind::Timeout, "formwork", message))
            },
            |answer| answer.unwrap_or_else(panicked),
        )
    };
    let mut pause = PAUSE / 4;
    for _ in 1..LOOKS {
        match look().await {
            Err(error)
                if matches!(
                    error.kind,
                    ErrorKind::Throttled | ErrorKind::Transient | ErrorKind::Ambiguous
                ) =>
            {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            done => return done,
        }
    }
    look().await
}

fn no_provider(record: &Record) -> PlanError {
    PlanError::NoProvider { address: record.address.clone(), kind: record.kind.clone() }
}

fn refresh_error(record: &Record, source: ProviderError) -> PlanError {
    PlanError::Refresh { address: record.address.clone(), kind: record.kind.clone(), source }
}
