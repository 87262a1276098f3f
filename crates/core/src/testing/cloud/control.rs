//! What a test may do to a modelled cloud beside single faults: hold calls back, kill the engine,
//! limit the rate, choose the order in which calls end, and keep the objects elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::pending,
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{super::Random, Call, Cloud, Fault, Object, World};

/// The longest that a call takes on one way, where the order of calls is chosen by a seed.
const LONGEST_WAY: u64 = 1_000;

/// How often something was asked for that calls or their runner wait for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signals {
    released: u64,
    crashed: u64,
}

/// Where the order of calls comes from.
pub(super) type Order = Random;

/// How many calls are answered, and how many of them are left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    per_second: f64,
    left: f64,
    at: Instant,
}

/// Keeps the cloud somewhere, before each answer.
#[derive(Clone)]
pub(super) struct Keeper(Arc<dyn Fn(&SavedCloud) + Send + Sync>);

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keeper")
    }
}

type LivesOn = dyn Fn(&str) -> Vec<String> + Send + Sync;

/// Says what lives on an object.
#[derive(Clone)]
pub(super) struct Guests(Arc<LivesOn>);

impl fmt::Debug for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guests")
    }
}

/// All that outlives the process that a modelled cloud runs in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SavedCloud {
    /// The objects, by id.
    pub objects: BTreeMap<String, Object>,
    /// How many ids were made at each address.
    pub minted: BTreeMap<String, u64>,
}

impl World {
    pub(super) fn lose(&mut self, id: &str) {
        if self.objects.remove(id).is_some() {
            self.lost.insert(id.to_owned());
            for guest in self.guests_of(id) {
                self.objects.remove(&guest);
                self.lost.insert(guest);
            }
        }
    }

    /// Whether the rate allows one more call now, which then counts.
    pub(super) fn has_room(&mut self) -> bool {
        let Some(rate) = &mut self.rate else { return true };
        let now = Instant::now();
        let earned = now.duration_since(rate.at).as_secs_f64() * rate.per_second;
        rate.left = (rate.left + earned).min(rate.per_second.max(1.0));
        rate.at = now;
        let room = rate.left >= 1.0;
        if room {
            rate.left -= 1.0;
        }
        room
    }

    /// How long the next way takes.
    pub(super) fn next_delay(&mut self) -> Duration {
        let order = self.order.as_mut();
        order.map_or(Duration::ZERO, |order| Duration::from_micros(1 + order.below(LONGEST_WAY)))
    }

    pub(super) fn keep(&self) {
        if let Some(Keeper(keep)) = &self.keeper {
            keep(&SavedCloud { objects: self.objects.clone(), minted: self.minted.clone() });
        }
    }

    /// What lives on `host`, and what lives on that.
    pub(super) fn guests_of(&self, host: &str) -> BTreeSet<String> {
        let (mut found, mut open) = (BTreeSet::new(), vec![host.to_owned()]);
        while let (Some(Guests(guests)), Some(host)) = (&self.guests, open.pop()) {
            for guest in guests(&host) {
                if found.insert(guest.clone()) {
                    open.push(guest);
                }
            }
        }
        found
    }
}

impl Cloud {
    /// A cloud that was kept by [`Cloud::kept_by`] in another process.
    #[must_use]
    pub fn restored(saved: SavedCloud) -> Self {
        let cloud = Self::new();
        {
            let mut world = cloud.world();
            world.objects = saved.objects;
            world.minted = saved.minted;
        }
        cloud
    }

    /// Calls `keep` with all objects after each call that may have changed one, before it is answered.
    ///
    /// A program that writes them to a file, and syncs it, has a cloud that outlives its own end.
    pub fn kept_by(&self, keep: impl Fn(&SavedCloud) + Send + Sync + 'static) {
        self.world().keeper = Some(Keeper(Arc::new(keep)));
    }

    /// Asks `guests` which objects live on another one: they are gone when that one goes.
    pub fn guests_by(&self, guests: impl Fn(&str) -> Vec<String> + Send + Sync + 'static) {
        self.world().guests = Some(Guests(Arc::new(guests)));
    }

    /// Answers only as many calls per second, and asks the others to slow down.
    pub fn rate(&self, per_second: u32) {
        let per_second = f64::from(per_second.max(1));
        self.world().rate = Some(Rate { per_second, left: per_second, at: Instant::now() });
    }

    /// Lets calls reach the cloud, and their answers come back, in an order that `seed` chooses: each
    /// way takes a time of its own. With tokio's clock paused the same seed gives the same order.
    pub fn permute(&self, seed: u64) {
        self.world().order = Some(Random::new(seed));
    }

    /// Lets every call go on that is held back by [`Fault::Hold`].
    pub fn release(&self) {
        self.signals.send_modify(|signals| signals.released += 1);
    }

    /// Waits until a call meets [`Fault::Crash`] or [`Fault::CrashAfter`], from now on. Whoever runs
    /// the engine drops it then, with all that is not durable.
    pub async fn crashed(&self) {
        let mut signals = self.signals.subscribe();
        let before = signals.borrow_and_update().crashed;
        if signals.wait_for(|signals| signals.crashed > before).await.is_err() {
            pending::<()>().await;
        }
    }

    /// What was taken away behind formwork's back, by [`Cloud::lose`] or [`Fault::Gone`].
    #[must_use]
    pub fn lost(&self) -> Vec<String> {
        self.world().lost.iter().cloned().collect()
    }

    /// Whether every call `first` had ended before any call `then` started. Both are an action and
    /// an address, such as `delete network/vpc`.
    ///
    /// # Panics
    /// When one of the two is not in the log.
    #[must_use]
    pub fn before(&self, first: &str, then: &str) -> bool {
        before(&self.log(), first, then)
    }

    pub(super) async fn held(&self) {
        let mut signals = self.signals.subscribe();
        let before = signals.borrow_and_update().released;
        if signals.wait_for(|signals| signals.released > before).await.is_err() {
            pending::<()>().await;
        }
    }

    pub(super) async fn die<T>(&self) -> T {
        self.signals.send_modify(|signals| signals.crashed += 1);
        pending().await
    }

    /// The answer that a call for `address` is to get instead of the right one, once.
    pub(in super::super) fn wrong_answer(&self, address: &str) -> Option<Fault> {
        self.world().wrong.remove(address)
    }
}

impl Call {
    /// The call as text: `create network/vpc`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", format!("{:?}", self.op).to_lowercase(), self.address)
    }
}

/// See [`Cloud::before`].
pub(in super::super) fn before(log: &[Call], first: &str, then: &str) -> bool {
    let of = |name: &str| {
        let calls: Vec<&Call> = log.iter().filter(|call| call.name() == name).collect();
        let all: Vec<String> = log.iter().map(Call::name).collect();
        assert!(!calls.is_empty(), "there was no call `{name}` among {all:?}");
        calls
    };
    let (first, then) = (of(first), of(then));
    let starts = then.iter().map(|call| call.started).min();
    first.iter().all(|call| call.ended.zip(starts).is_some_and(|(ended, starts)| ended < starts))
}
