//! Gathering what the pure planner needs: records, what became of open intents, answers of
//! lookups, and what is there. Reads only.

mod ask;
mod children;
mod locate;
mod observe;
mod readiness;
mod recover;
mod rename;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    declare::Options,
    identity::Identity,
    panics::{bug, caught, caught_now, provider_bug},
    plan::PlanError,
    provider::{BoxFuture, ErrorKind, Handler, Provider, ProviderError, Seen},
    state::{Change, Intent, Pin, Record, Snapshot, Status},
    value::{
        Value,
        mask::{masked, secrets},
    },
};

pub(crate) use ask::Anew;
pub(crate) use locate::{Found, Search};
pub(crate) use readiness::{Readiness, is_verdict};
pub(crate) use recover::Recovery;

/// How long a look that met a passing error waits before it is taken again.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// How long one look may take, be it a list of very many objects.
const LONGEST_LOOK: Duration = Duration::from_secs(5 * 60);

/// How often such a look is taken in all, but for one that the service asked to take later: that is
/// taken for as long as one may take.
const LOOKS: u32 = 6;

/// The longest pause between two of them.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// What reads for a plan.
pub(crate) struct Gatherer<'g> {
    pub(crate) providers: &'g [Arc<dyn Provider>],
    /// How many of them, from the first, are there for whoever names none.
    pub(crate) defaults: usize,
    pub(crate) stack: Arc<str>,
    pub(crate) parallelism: usize,
    /// What lookups answered while this plan is made: nobody is asked the same twice.
    pub(crate) heard: &'g Mutex<Vec<Pin>>,
}

impl<'g> Gatherer<'g> {
    pub(crate) fn provider(&self, name: &str, kind: &str) -> Option<&'g Arc<dyn Provider>> {
        // A row that names its provider means that one: another may point elsewhere.
        let among = if name.is_empty() { &self.providers[..self.defaults] } else { self.providers };
        let fits = |p: &&Arc<dyn Provider>| name.is_empty() || p.name() == name;
        among.iter().filter(fits).find(|p| p.handler(kind).is_some())
    }

    /// The provider that a declared resource goes through, by its options and its row.
    pub(crate) fn provider_for(
        &self,
        kind: &str,
        options: &Options,
        row: Option<&Record>,
    ) -> Option<&'g Arc<dyn Provider>> {
        // What was made through one of them stays there, whichever is the default now.
        let named = options.provider.as_deref().or(row.map(|row| row.provider.as_str()));
        match (named, &options.provider) {
            (Some(name), Some(_)) => self.provider(name, kind),
            (Some(name), None) => self.provider(name, kind).or_else(|| self.provider("", kind)),
            (None, _) => self.provider("", kind),
        }
    }

    /// Whether two providers, by name, point to the same place.
    pub(crate) fn same_place(&self, one: &str, other: &str) -> bool {
        let target = |name: &str| {
            let provider = self.providers.iter().find(|p| p.name() == name);
            provider.map(|p| p.target()).filter(|target| !target.is_null())
        };
        one == other || target(one).is_some_and(|place| Some(place) == target(other))
    }

    pub(super) fn handler(
        &self,
        record: &Record,
    ) -> Option<(&'g Arc<dyn Provider>, &'g dyn Handler)> {
        let provider = self.provider(&record.provider, &record.kind)?;
        Some((provider, provider.handler(&record.kind)?))
    }

    pub(super) fn identity(&self, record: &Record) -> Identity {
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
        let row = upgrade(&record.inputs).map_err(|message| PlanError::Record {
            address: record.address.clone(),
            message: masked(message, &given(record)),
        })?;
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

    /// All of these, a bounded number at a time; the first error ends it.
    pub(super) async fn all<T: Send>(
        &self,
        looks: Vec<BoxFuture<'_, Result<T, PlanError>>>,
    ) -> Result<Vec<T>, PlanError> {
        stream::iter(looks).buffer_unordered(self.parallelism).try_collect().await
    }
}

/// Takes a look again while it fails in a way that passes. A look changes nothing, so one without
/// a definite answer counts as such. One that panics is an error like others, and is not.
pub(super) async fn patiently<'a, T, F>(mut look: impl FnMut() -> F) -> Result<T, ProviderError>
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
    let (mut pause, mut looks) = (PAUSE / 4, 1);
    let until = tokio::time::Instant::now() + LONGEST_LOOK;
    loop {
        let error = match look().await {
            Err(error) => error,
            done => return done,
        };
        // A service that says when to come back is believed.
        let pause_now = error.retry_after.map_or(pause, |asked| asked.max(pause));
        let again = match error.kind {
            ErrorKind::Throttled => tokio::time::Instant::now() + pause_now < until,
            ErrorKind::Transient | ErrorKind::Ambiguous => looks < LOOKS,
            _ => false,
        };
        if !again {
            return Err(error);
        }
        tokio::time::sleep(pause_now).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        looks += u32::from(error.kind != ErrorKind::Throttled);
    }
}

pub(super) fn no_provider(record: &Record) -> PlanError {
    PlanError::NoProvider { address: record.address.clone(), kind: record.kind.clone() }
}

/// The secrets that a provider is given with a row.
pub(super) fn given(record: &Record) -> Vec<String> {
    let values = [Some(&record.inputs), record.seen.as_ref(), Some(&record.outputs)];
    secrets(values.into_iter().flatten().filter(|value| value.has_secret()))
}

pub(super) fn refresh_error(record: &Record, source: ProviderError) -> PlanError {
    let source = source.masked(&given(record));
    PlanError::Refresh { address: record.address.clone(), kind: record.kind.clone(), source }
}
