//! A modelled cloud: in memory, strict, and able to fail wherever a test asks it to.
//!
//! It refuses duplicate names, references to what is not there, and the deletion of what is
//! referenced; it logs every call from start to end. Objects remember the [`Identity`] that made
//! them, so that a test can tell a lost object from a leftover one.

mod control;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use control::SavedCloud;
pub(super) use control::before;
use control::{Guests, Keeper, Order, Rate, Signals};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{
    identity::{Identity, ResourceId, Seed},
    provider::{ErrorKind, ProviderError},
    value::Value,
};

/// A verb of the modelled cloud, for faults and for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// Make an object.
    Create,
    /// Look at an object until it is ready.
    Settle,
    /// Change an object.
    Update,
    /// Remove an object.
    Delete,
    /// Look at one object.
    Read,
    /// Look at many.
    List,
    /// Look for an object after a crash.
    Find,
    /// Look for an object that nobody here has made: its address is the id or the name that is
    /// looked for.
    Locate,
    /// Mark an object as ours.
    Claim,
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A definite refusal, before any effect.
    Refuse,
    /// The service asks to slow down, before any effect.
    Throttle,
    /// The effect happens, and the answer is lost.
    LoseAnswer,
    /// The request is lost: no effect, and no answer.
    LoseRequest,
    /// A create makes the object, and fails all the same, saying so.
    Partial,
    /// The call never ends, before any effect.
    Hang,
    /// The effect happens, and the call never ends.
    HangAfter,
    /// The effect happens, and the provider panics.
    Panic,
    /// The call waits, before any effect, until [`Cloud::release`]; then it goes on and ends well.
    Hold,
    /// Another hand takes the object away just before the call.
    Gone,
    /// The engine dies before any effect: see [`Cloud::crashed`].
    Crash,
    /// The effect happens, and the engine dies before it is answered.
    CrashAfter,
    /// The effect happens, and the answer has an empty id.
    EmptyId,
    /// The effect happens, and the answer has another `label` than the one that was sent.
    OtherValue,
    /// The effect happens, and the answer is null.
    NoAnswer,
    /// The effect happens, and the answer has an output of the wrong type.
    Nonsense,
}

impl Fault {
    /// Whether the effect happens and the answer to it is wrong.
    pub(super) const fn is_wrong_answer(self) -> bool {
        matches!(self, Fault::EmptyId | Fault::OtherValue | Fault::NoAnswer | Fault::Nonsense)
    }
}

/// One entry of the call log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The verb.
    pub op: Op,
    /// The address of the resource, or the kind for a list.
    pub address: String,
    /// The object's id, where it was known.
    pub id: Option<String>,
    /// The place of the call's start in the order of all starts and ends.
    pub started: usize,
    /// The place of its end; absent while it runs, or when it was dropped.
    pub ended: Option<usize>,
    /// Whether it had its effect, or saw what it was to look at.
    pub done: bool,
}

/// An object of the modelled cloud.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Its kind.
    pub kind: String,
    /// What made it.
    pub made_by: ResourceId,
    /// Its state, in the shape of the inputs.
    pub inputs: Value,
    /// Its unique name, if it has one.
    pub name: Option<String>,
    /// The objects it refers to.
    pub refs: Vec<String>,
    /// How often it was changed.
    pub generation: u64,
    /// How many more looks it takes to be ready.
    pub looks_until_ready: u32,
}

#[derive(Debug, Default)]
struct World {
    objects: BTreeMap<String, Object>,
    minted: BTreeMap<String, u64>,
    /// The ids of objects that have another one now.
    renumbered: BTreeMap<String, String>,
    log: Vec<Call>,
    ticks: usize,
    faults: Vec<(Op, String, u32, Fault)>,
    in_flight: usize,
    most_in_flight: usize,
    latency: Duration,
    looks: u32,
    lenient: bool,
    retry_after: Option<Duration>,
    /// The objects that another hand made.
    foreign: BTreeSet<String>,
    /// What was taken away behind formwork's back.
    lost: BTreeSet<String>,
    /// Answers that are to be wrong, by address.
    wrong: BTreeMap<String, Fault>,
    rate: Option<Rate>,
    order: Option<Order>,
    keeper: Option<Keeper>,
    guests: Option<Guests>,
}

/// The kind whose objects go with the one that they belong to, and have no tag.
const LEAF: &str = "model:test/leaf";

/// A handle on a modelled cloud; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Cloud {
    world: Arc<Mutex<World>>,
    signals: Arc<watch::Sender<Signals>>,
}

impl Cloud {
    /// An empty cloud.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the `nth` next call (from 1) of `op` on `address` go wrong.
    pub fn fail(&self, op: Op, address: &str, nth: u32, fault: Fault) {
        self.world().faults.push((op, address.to_owned(), nth, fault));
    }

    /// Forgets every fault that has not happened yet.
    pub fn heal(&self) {
        let mut world = self.world();
        world.faults.clear();
        world.wrong.clear();
    }

    /// Says with each call that is throttled when to come back.
    pub fn retry_after(&self, duration: Option<Duration>) {
        self.world().retry_after = duration;
    }

    /// Makes every call take this long.
    pub fn latency(&self, latency: Duration) {
        self.world().latency = latency;
    }

    /// Makes every new object need this many looks until it is ready.
    pub fn slow(&self, looks: u32) {
        self.world().looks = looks;
    }

    /// Does not check references, for graphs that no real cloud would allow.
    pub fn lenient(&self) {
        self.world().lenient = true;
    }

    /// The ids of all objects.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.world().objects.keys().cloned().collect()
    }

    /// The object `id`.
    #[must_use]
    pub fn object(&self, id: &str) -> Option<Object> {
        self.world().objects.get(id).cloned()
    }

    /// All objects.
    #[must_use]
    pub fn objects(&self) -> BTreeMap<String, Object> {
        self.world().objects.clone()
    }

    /// Changes a field of an object behind everybody's back.
    pub fn edit(&self, id: &str, field: &'static str, value: Value) {
        if let Some(Value::Map(inputs)) =
            self.world().objects.get_mut(id).map(|object| &mut object.inputs)
        {
            inputs.insert(field, value);
        }
    }

    /// Puts an object of another hand there: of the type `kind`, with the inputs that would make it.
    ///
    /// # Panics
    /// When there is an object with this id already.
    pub fn put(&self, id: &str, kind: &str, inputs: Value) {
        let name = inputs.get("name").and_then(Value::as_str).map(str::to_owned);
        let mut refs = Vec::new();
        for field in ["refs", "fixed_ref", "held"] {
            match inputs.get(field) {
                Some(Value::List(ids)) => refs.extend(ids.iter().filter_map(Value::as_str)),
                Some(id) => refs.extend(id.as_str()),
                None => {}
            }
        }
        let object = Object {
            kind: kind.to_owned(),
            made_by: ResourceId::derive(&Seed::fixed(u64::MAX), 0),
            refs: refs.into_iter().map(str::to_owned).collect(),
            inputs,
            name,
            generation: 1,
            looks_until_ready: 0,
        };
        let before = self.world().objects.insert(id.to_owned(), object);
        assert!(before.is_none(), "there is an object with the id {id} already");
    }

    /// Gives an object another id behind everybody's back; looks at the old one show it under the new.
    ///
    /// # Panics
    /// When there is no object with this id.
    pub fn renumber(&self, id: &str, to: &str) {
        let mut world = self.world();
        let object = world.objects.remove(id);
        let object = object.unwrap_or_else(|| panic!("there is no object with the id {id}"));
        world.objects.insert(to.to_owned(), object);
        world.renumbered.insert(id.to_owned(), to.to_owned());
    }

    /// Gives an object another name behind everybody's back.
    pub fn rename(&self, id: &str, name: &str) {
        self.edit(id, "name", name.into());
        if let Some(object) = self.world().objects.get_mut(id) {
            object.name = Some(name.to_owned());
        }
    }

    /// Removes an object behind everybody's back, references or not.
    pub fn lose(&self, id: &str) {
        self.world().lose(id);
    }

    /// Makes an object behind everybody's back, without an ownership tag, and returns its id.
    ///
    /// `inputs` are those of its type that matter; of `refs`, `fixed_ref` and `held` it refers to the
    /// objects.
    pub fn add(&self, kind: &str, inputs: Value) -> String {
        let mut world = self.world();
        let n = world.minted.entry("by-hand".to_owned()).or_default();
        *n += 1;
        let (id, made_by) =
            (format!("by-hand#{n}"), ResourceId::derive(&Seed::fixed(u64::MAX), *n));
        let texts = |field| match inputs.get(field) {
            Some(Value::List(list)) => list.iter().collect(),
            Some(value) => vec![value],
            None => Vec::new(),
        };
        let refs = ["refs", "fixed_ref", "held"].into_iter().flat_map(texts);
        let refs = refs.filter_map(|id| id.as_str().map(str::to_owned)).collect();
        let name = inputs.get("name").and_then(|name| name.as_str()).map(str::to_owned);
        let object = Object {
            kind: kind.to_owned(),
            made_by,
            inputs,
            name,
            refs,
            generation: 1,
            looks_until_ready: 0,
        };
        world.objects.insert(id.clone(), object);
        world.foreign.insert(id.clone());
        id
    }

    /// Whether another hand made this object, by [`Cloud::add`].
    #[must_use]
    pub fn is_foreign(&self, id: &str) -> bool {
        self.world().foreign.contains(id)
    }

    /// The log of all calls so far.
    #[must_use]
    pub fn log(&self) -> Vec<Call> {
        self.world().log.clone()
    }

    /// Empties the log.
    pub fn clear_log(&self) {
        self.world().log.clear();
    }

    /// The calls that change something, as `create a`, in the order they started.
    #[must_use]
    pub fn mutations(&self) -> Vec<String> {
        let log = self.log();
        let changes = log.iter().filter(|c| matches!(c.op, Op::Create | Op::Update | Op::Delete));
        changes.map(|c| format!("{:?} {}", c.op, c.address).to_lowercase()).collect()
    }

    /// The most calls that were ever in flight at one time.
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        self.world().most_in_flight
    }

    /// Runs one call: logs it, lets it take its time, and lets it go wrong if it is to.
    ///
    /// The types of the modelled cloud are made of this, and so are those of a test that needs one
    /// which behaves otherwise: `effect` is what the call does to the cloud, all at one moment.
    ///
    /// # Errors
    /// What `effect` fails with, or the fault that the test asked for.
    ///
    /// # Panics
    /// When it was told to, by [`Fault::Panic`].
    pub async fn call<T>(
        &self,
        op: Op,
        address: &str,
        id: Option<&str>,
        effect: impl FnOnce(&mut Effects<'_>) -> Result<T, ProviderError>,
    ) -> Result<T, Interrupted<T>> {
        let (index, fault, latency) = {
            let mut world = self.world();
            world.ticks += 1;
            let started = world.ticks;
            world.log.push(Call {
                op,
                address: address.to_owned(),
                id: id.map(str::to_owned),
                started,
                ended: None,
                done: false,
            });
            world.in_flight += 1;
            world.most_in_flight = world.most_in_flight.max(world.in_flight);
            let fault = match world.has_room() {
                true => world.take_fault(op, address),
                false => Some(Fault::Throttle),
            };
            let latency = world.latency + world.next_delay();
            (world.log.len() - 1, fault, latency)
        };
        let _flight = Flight { cloud: self };
        if latency > Duration::ZERO {
            tokio::time::sleep(latency).await;
        } else {
            tokio::task::yield_now().await;
        }
        let refused = |kind, message: &str| {
            Interrupted::Failed(ProviderError::new(kind, format!("model:{op:?}"), message))
        };
        match fault {
            Some(Fault::Refuse) => return Err(refused(ErrorKind::Other, "refused on purpose")),
            Some(Fault::Throttle) => {
                let mut error =
                    ProviderError::new(ErrorKind::Throttled, format!("model:{op:?}"), "slow down");
                error.retry_after = self.world().retry_after;
                return Err(Interrupted::Failed(error));
            }
            Some(Fault::LoseRequest) => {
                return Err(refused(ErrorKind::Ambiguous, "the connection was lost"));
            }
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Crash) => self.die().await,
            Some(Fault::Hold) => self.held().await,
            _ => {}
        }
        let (result, travels) = {
            let mut world = self.world();
            if let (Some(Fault::Gone), Some(id)) = (fault, id) {
                world.lose(id);
            }
            let result = effect(&mut Effects { world: &mut world });
            world.ticks += 1;
            let ended = world.ticks;
            if let Some(call) = world.log.get_mut(index) {
                call.ended = Some(ended);
                call.done = result.is_ok();
            }
            let answers = matches!(op, Op::Create | Op::Update | Op::Settle);
            if let Some(wrong) = fault.filter(|fault| answers && fault.is_wrong_answer()) {
                world.wrong.insert(address.to_owned(), wrong);
            }
            if matches!(op, Op::Create | Op::Update | Op::Delete) {
                world.keep();
            }
            (result, world.next_delay())
        };
        if travels > Duration::ZERO {
            tokio::time::sleep(travels).await;
        }
        match (fault, result) {
            (Some(Fault::LoseAnswer), _) => {
                Err(refused(ErrorKind::Ambiguous, "the connection was lost"))
            }
            (Some(Fault::HangAfter), _) => std::future::pending().await,
            (Some(Fault::CrashAfter), _) => self.die().await,
            (Some(Fault::Panic), _) => panic!("{op:?} was told to panic"),
            (Some(Fault::Partial), Ok(made)) => Err(Interrupted::Partial(
                ProviderError::new(ErrorKind::Other, format!("model:{op:?}"), "made, and failed"),
                made,
            )),
            (_, result) => result.map_err(Interrupted::Failed),
        }
    }
}

/// How a call of the modelled cloud ended other than well.
#[derive(Clone, Debug)]
pub enum Interrupted<T> {
    /// With this error, and without a result.
    Failed(ProviderError),
    /// With this error, and with a result: a create made the object all the same.
    Partial(ProviderError, T),
}

impl<T> From<Interrupted<T>> for ProviderError {
    fn from(interrupted: Interrupted<T>) -> Self {
        match interrupted {
            Interrupted::Failed(error) | Interrupted::Partial(error, _) => error,
        }
    }
}

/// Counts a call out, finished or dropped.
struct Flight<'c> {
    cloud: &'c Cloud,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.cloud.world().in_flight -= 1;
    }
}

impl World {
    fn take_fault(&mut self, op: Op, address: &str) -> Option<Fault> {
        let matches = |entry: &&mut (Op, String, u32, Fault)| entry.0 == op && entry.1 == address;
        let mut hit = None;
        for entry in self.faults.iter_mut().filter(matches) {
            entry.2 = entry.2.saturating_sub(1);
            if entry.2 == 0 && hit.is_none() {
                hit = Some(entry.3);
            }
        }
        self.faults.retain(|entry| entry.2 > 0);
        hit
    }
}

/// What a call may do to the cloud, all at one moment.
#[derive(Debug)]
pub struct Effects<'w> {
    world: &'w mut World,
}

/// Whether two names can not be there at one time: equal ones, and blocks of addresses that overlap.
fn clash(one: &str, other: &str) -> bool {
    let blocks = one.parse::<IpNet>().ok().zip(other.parse::<IpNet>().ok());
    one == other || blocks.is_some_and(|(one, other)| one.contains(&other) || other.contains(&one))
}

impl Effects<'_> {
    fn refuse(kind: ErrorKind, message: String) -> ProviderError {
        ProviderError {
            code: Some(format!("{kind:?}")),
            ..ProviderError::new(kind, "model", message)
        }
    }

    fn check(
        &self,
        own: Option<&str>,
        name: Option<&str>,
        refs: &[String],
    ) -> Result<(), ProviderError> {
        let taken = |(id, object): (&String, &Object)| {
            Some(id.as_str()) != own
                && name.zip(object.name.as_deref()).is_some_and(|(one, other)| clash(one, other))
        };
        if self.world.objects.iter().any(taken) {
            let message = format!("the name {:?} is taken", name.unwrap_or_default());
            return Err(Self::refuse(ErrorKind::Conflict, message));
        }
        let missing = refs.iter().find(|id| !self.world.objects.contains_key(*id));
        match missing {
            Some(id) if !self.world.lenient => {
                Err(Self::refuse(ErrorKind::Invalid, format!("{id} does not exist")))
            }
            _ => Ok(()),
        }
    }

    /// Makes an object.
    ///
    /// # Errors
    /// When its name is taken, or it refers to what is not there.
    pub fn create(
        &mut self,
        kind: &str,
        identity: &Identity,
        inputs: Value,
        name: Option<String>,
        refs: Vec<String>,
    ) -> Result<String, ProviderError> {
        self.check(None, name.as_deref(), &refs)?;
        let stem = identity.address.as_str().replace('/', ".");
        let n = self.world.minted.entry(stem.clone()).or_default();
        *n += 1;
        let id = format!("{stem}#{n}");
        self.world.objects.insert(
            id.clone(),
            Object {
                kind: kind.to_owned(),
                made_by: identity.id,
                inputs,
                name,
                refs,
                generation: 1,
                looks_until_ready: self.world.looks,
            },
        );
        Ok(id)
    }

    /// Changes an object.
    ///
    /// # Errors
    /// When it is not there, its name is taken, or it refers to what is not there.
    pub fn update(
        &mut self,
        id: &str,
        inputs: Value,
        name: Option<String>,
        refs: Vec<String>,
    ) -> Result<(), ProviderError> {
        self.check(Some(id), name.as_deref(), &refs)?;
        let Some(object) = self.world.objects.get_mut(id) else {
            return Err(Self::refuse(ErrorKind::NotFound, format!("{id} does not exist")));
        };
        object.inputs = inputs;
        object.name = name;
        object.refs = refs;
        object.generation += 1;
        Ok(())
    }

    /// Removes an object, and what lives on it.
    ///
    /// # Errors
    /// When it is not there, or others refer to it.
    pub fn delete(&mut self, id: &str) -> Result<(), ProviderError> {
        let guests = self.world.guests_of(id);
        let uses = |(user, object): &(&String, &Object)| {
            let used = object.refs.iter().any(|used| used == id);
            used && object.kind != LEAF && !guests.contains(*user)
        };
        let user = self.world.objects.iter().find(uses);
        if let Some((user, _)) = user.filter(|_| !self.world.lenient) {
            return Err(Self::refuse(ErrorKind::InUse, format!("{id} is used by {user}")));
        }
        match self.world.objects.remove(id) {
            Some(_) => {
                // What lives on it is gone with it.
                self.world.objects.retain(|id, _| !guests.contains(id));
                let leaf =
                    |object: &Object| object.kind == LEAF && object.refs.iter().any(|r| r == id);
                self.world.objects.retain(|_, object| !leaf(object));
                Ok(())
            }
            None => Err(Self::refuse(ErrorKind::NotFound, format!("{id} does not exist"))),
        }
    }

    /// Looks at an object; every look brings it nearer to being ready.
    pub fn look(&mut self, id: &str) -> Option<(Object, bool)> {
        let object = self.world.objects.get_mut(id)?;
        let ready = object.looks_until_ready == 0;
        object.looks_until_ready = object.looks_until_ready.saturating_sub(1);
        Some((object.clone(), ready))
    }

    /// The object `id`.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Object> {
        self.world.objects.get(id).cloned()
    }

    /// The object that has this id, or had it before, with the id that it has.
    pub(super) fn now(&self, id: &str) -> Option<(String, Object)> {
        let id = self.world.renumbered.get(id).map_or(id, String::as_str);
        Some((id.to_owned(), self.get(id)?))
    }

    pub(super) fn of_kind_named(&self, kind: &str, name: &str) -> Option<(String, Object)> {
        let fits = |object: &Object| object.kind == kind && object.name.as_deref() == Some(name);
        let (id, object) = self.world.objects.iter().find(|(_, object)| fits(object))?;
        Some((id.clone(), object.clone()))
    }

    pub(super) fn claim(&mut self, id: &str, by: ResourceId) -> Result<(), ProviderError> {
        match self.world.objects.get_mut(id) {
            Some(object) => {
                object.made_by = by;
                Ok(())
            }
            None => Err(Self::refuse(ErrorKind::NotFound, format!("{id} does not exist"))),
        }
    }

    /// The objects of a kind that refer to one of `parents`, and the tag of each.
    pub(super) fn children(
        &self,
        kind: &str,
        parents: &[&str],
    ) -> Vec<(String, Object, Option<String>)> {
        let of = |object: &Object| object.refs.iter().any(|id| parents.contains(&id.as_str()));
        let found = self.world.objects.iter().filter(|(_, object)| object.kind == kind);
        let told = found.filter(|(_, object)| of(object)).map(|(id, object)| {
            let tagged = kind != LEAF && !self.world.foreign.contains(id);
            (id.clone(), object.clone(), tagged.then(|| object.made_by.to_string()))
        });
        told.collect()
    }

    /// The object that has a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<(String, Object)> {
        let mut objects = self.world.objects.iter();
        let (id, object) = objects.find(|(_, object)| object.name.as_deref() == Some(name))?;
        Some((id.clone(), object.clone()))
    }

    /// The object that this identity made.
    #[must_use]
    pub fn made_by(&self, id: ResourceId) -> Option<(String, Object)> {
        let mut objects = self.world.objects.iter();
        let (id, object) = objects.find(|(_, object)| object.made_by == id)?;
        Some((id.clone(), object.clone()))
    }
}
