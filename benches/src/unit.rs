//! A resource type whose verbs do nothing, or only take their time, and stacks made of it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use formwork_core::{
    Changes, Context, CreateError, DeclareError, Deletion, FoundBy, Known, Lifecycle, Observed,
    Outputs, ProviderError, Registry, Resource, Settled, Stack, testing::Random,
};
use serde::{Deserialize, Serialize};

/// The stack that every benchmark declares.
pub const STACK: &str = "bench";

/// An object that exists only in the state, as `terraform_data` does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "bench:unit/unit", outputs = UnitOutputs)]
pub struct Unit {
    /// Anything.
    pub input: String,
    /// What must be there before it.
    #[serde(default)]
    #[resource(default)]
    pub needs: Vec<String>,
    /// How long its create takes, in milliseconds.
    #[serde(default)]
    #[resource(default)]
    pub millis: u64,
}

/// How long the creates really took, by address: a timer wakes late on a busy machine.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<Mutex<HashMap<String, Duration>>>);

impl Clock {
    async fn sleep(&self, address: &str, duration: Duration) {
        let since = Instant::now();
        tokio::time::sleep(duration).await;
        let took = since.elapsed();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(address.to_owned(), took);
    }

    fn took(&self, address: &str) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(address).copied()
    }
}

/// What a [`Unit`] reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct UnitOutputs {
    /// Its id.
    #[output(id)]
    pub id: String,
}

impl Lifecycle for Unit {
    type Client = Clock;
    const FOUND_BY: FoundBy = FoundBy::Tag;

    async fn find(
        _: &Context<'_, Clock>,
        _: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        Ok(None)
    }

    async fn read(
        _: &Context<'_, Clock>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let known = known.clone();
        Ok(Some(Observed { inputs: known.inputs, outputs: known.outputs }))
    }

    async fn list(_: &Clock, among: &[Known<Self>]) -> Result<Vec<Observed<Self>>, ProviderError> {
        let known = among.iter().cloned();
        Ok(known.map(|known| Observed { inputs: known.inputs, outputs: known.outputs }).collect())
    }

    async fn create(
        cx: &Context<'_, Clock>,
        inputs: &Self,
    ) -> Result<UnitOutputs, CreateError<Self>> {
        if inputs.millis > 0 {
            let duration = Duration::from_millis(inputs.millis);
            cx.client.sleep(cx.identity.address.as_str(), duration).await;
        }
        Ok(UnitOutputs { id: cx.identity.id.to_string() })
    }

    async fn settle(
        _: &Context<'_, Clock>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        let known = known.clone();
        Ok(Settled::Ready(Observed { inputs: known.inputs, outputs: known.outputs }))
    }

    async fn update(
        _: &Context<'_, Clock>,
        known: &Known<Self>,
        _: &Self,
        _: &Changes,
    ) -> Result<UnitOutputs, ProviderError> {
        Ok(known.outputs.clone())
    }

    async fn delete(_: &Context<'_, Clock>, _: &Known<Self>) -> Result<Deletion, ProviderError> {
        Ok(Deletion::Done)
    }
}

/// The provider of [`Unit`], under the name `bench`.
#[must_use]
pub fn provider(clock: &Clock) -> Registry<Clock> {
    Registry::new("bench", Arc::new(clock.clone())).with::<Unit>()
}

/// `count` units in pairs: `b[i]` takes the id of `a[i]`, which nobody knows before it is made.
///
/// # Errors
/// Never, in earnest: the declaration is valid.
pub fn pairs(count: usize) -> Result<Stack, DeclareError> {
    Stack::new(STACK, |scope| {
        for i in 0..count.div_ceil(2) {
            let a = scope.add(format!("a{i}"), Unit::builder().input(format!("a-{i}")).build());
            if 2 * i + 1 < count {
                scope.add(format!("b{i}"), Unit::builder().input(&a.id).build());
            }
        }
    })
}

/// The shape of a stack that takes time: per unit, how long its create takes, and the units before
/// it that it needs.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// The units.
    pub units: Vec<(Duration, Vec<usize>)>,
}

impl Shape {
    /// `count` units that need nothing and take `millis` each.
    #[must_use]
    pub fn wide(count: usize, millis: u64) -> Self {
        Self { units: vec![(Duration::from_millis(millis), Vec::new()); count] }
    }

    /// Chains side by side, whose units take from `least` to `most` milliseconds.
    #[must_use]
    pub fn chains(chains: usize, length: usize, least: u64, most: u64) -> Self {
        let mut random = Random::new(7);
        let mut units = Vec::with_capacity(chains * length);
        for chain in 0..chains {
            for place in 0..length {
                let needs = if place == 0 { Vec::new() } else { vec![chain * length + place - 1] };
                let millis = least + random.below(most - least + 1);
                units.push((Duration::from_millis(millis), needs));
            }
        }
        Self { units }
    }

    /// Layers of units that each need one to three units of the layer before.
    #[must_use]
    pub fn layers(layers: usize, width: usize, least: u64, most: u64) -> Self {
        let mut random = Random::new(11);
        let mut units: Vec<(Duration, Vec<usize>)> = Vec::with_capacity(layers * width);
        for layer in 0..layers {
            for _ in 0..width {
                let mut needs = Vec::new();
                if layer > 0 {
                    for _ in 0..=random.below(3) {
                        let at = usize::try_from(random.below(width as u64)).unwrap_or(0);
                        needs.push((layer - 1) * width + at);
                    }
                    needs.sort_unstable();
                    needs.dedup();
                }
                let millis = least + random.below(most - least + 1);
                units.push((Duration::from_millis(millis), needs));
            }
        }
        Self { units }
    }

    /// Puts other units beside these.
    #[must_use]
    pub fn beside(mut self, other: &Self) -> Self {
        let shift = self.units.len();
        let moved = other
            .units
            .iter()
            .map(|(millis, needs)| (*millis, needs.iter().map(|need| need + shift).collect()));
        self.units.extend(moved);
        self
    }

    /// The same shape with the durations that the clock has seen.
    #[must_use]
    pub fn as_it_was(mut self, clock: &Clock) -> Self {
        for (i, (duration, _)) in self.units.iter_mut().enumerate() {
            *duration = clock.took(&name(i)).unwrap_or(*duration);
        }
        self
    }

    /// The sum of all durations.
    #[must_use]
    pub fn work(&self) -> Duration {
        self.units.iter().map(|(duration, _)| *duration).sum()
    }

    /// The longest path.
    #[must_use]
    pub fn critical_path(&self) -> Duration {
        let mut ends: Vec<Duration> = Vec::with_capacity(self.units.len());
        for (duration, needs) in &self.units {
            let start = needs.iter().filter_map(|need| ends.get(*need)).max();
            ends.push(start.copied().unwrap_or_default() + *duration);
        }
        ends.into_iter().max().unwrap_or_default()
    }

    /// The shortest makespan that any scheduler could reach with so many slots.
    #[must_use]
    pub fn bound(&self, slots: u32) -> Duration {
        self.critical_path().max(self.work() / slots)
    }

    /// The stack of this shape.
    ///
    /// # Errors
    /// Never, in earnest: the declaration is valid.
    pub fn stack(&self) -> Result<Stack, DeclareError> {
        Stack::new(STACK, |scope| {
            let mut ids: Vec<UnitHandle> = Vec::with_capacity(self.units.len());
            for (i, (duration, needs)) in self.units.iter().enumerate() {
                let needs: Vec<_> = needs.iter().map(|need| ids[*need].id.clone()).collect();
                let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
                let unit = Unit::builder().input("").needs(needs).millis(millis).build();
                ids.push(scope.add(name(i), unit));
            }
        })
    }
}

fn name(i: usize) -> String {
    format!("u{i}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_the_longer_of_path_and_work() {
        let wide = Shape::wide(32, 10);
        assert_eq!(wide.bound(16), Duration::from_millis(20));
        let chain = Shape::chains(1, 5, 10, 10);
        assert_eq!(chain.bound(16), Duration::from_millis(50));
        assert_eq!(wide.beside(&chain).critical_path(), Duration::from_millis(50));
    }
}
