//! A store that fails for a while or for good, and a lease that is not renewed or lost.

use std::{
    collections::VecDeque,
    future::IntoFuture,
    sync::{Arc, Mutex},
    time::Duration,
};

use formwork_core::{
    ApplyError, BoxFuture, CancelToken, Engine, Event, Live, Scope,
    state::{Change, Lease, Snapshot, StackCommit, StateError, StateStore},
    testing::{Fault, MemoryStore, Op, provider},
};
use tokio::time::{Instant, sleep};

use crate::{basics::thing, world::World};

/// How one call of a [`Moody`] store goes.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Well,
    /// It is not done, and fails.
    Fails,
    /// It is done, and fails all the same.
    Lies,
    /// It takes this long.
    Takes(Duration),
    /// It says that someone else has the lease.
    Lost,
}

/// A store whose commits and renewals go as they are told to, one after another, and well after that.
#[derive(Clone)]
struct Moody {
    store: MemoryStore,
    commits: Arc<Mutex<VecDeque<Mood>>>,
    renewals: Arc<Mutex<VecDeque<Mood>>>,
}

impl Moody {
    fn new(
        store: &MemoryStore,
        commits: impl IntoIterator<Item = Mood>,
        renewals: impl IntoIterator<Item = Mood>,
    ) -> Self {
        let queue = |moods: VecDeque<Mood>| Arc::new(Mutex::new(moods));
        Self {
            store: store.clone(),
            commits: queue(commits.into_iter().collect()),
            renewals: queue(renewals.into_iter().collect()),
        }
    }

    async fn moody<T>(
        &self,
        moods: &Mutex<VecDeque<Mood>>,
        lease: &Lease,
        call: BoxFuture<'_, Result<T, StateError>>,
    ) -> Result<T, StateError> {
        let mood = moods.lock().unwrap().pop_front().unwrap_or(Mood::Well);
        let failed = || StateError::Io {
            place: "memory".to_owned(),
            verb: "written",
            message: "told to fail".to_owned(),
        };
        match mood {
            Mood::Well => call.await,
            Mood::Fails => Err(failed()),
            Mood::Lies => call.await.and(Err(failed())),
            Mood::Takes(long) => {
                sleep(long).await;
                call.await
            }
            Mood::Lost => Err(StateError::Fenced { stack: lease.stack.clone() }),
        }
    }
}

impl StateStore for Moody {
    fn load<'a>(&'a self, stack: &'a str) -> BoxFuture<'a, Result<Snapshot, StateError>> {
        self.store.load(stack)
    }

    fn stacks(&self) -> BoxFuture<'_, Result<Vec<String>, StateError>> {
        self.store.stacks()
    }

    fn acquire<'a>(
        &'a self,
        stack: &'a str,
        holder: &'a str,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Lease, StateError>> {
        self.store.acquire(stack, holder, ttl)
    }

    fn renew<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StateError>> {
        Box::pin(self.moody(&self.renewals, lease, self.store.renew(lease)))
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StateError>> {
        self.store.release(lease)
    }

    fn commit<'a>(
        &'a self,
        lease: &'a Lease,
        expected: u64,
        changes: Vec<Change>,
    ) -> BoxFuture<'a, Result<u64, StateError>> {
        let commit = self.store.commit(lease, expected, changes);
        Box::pin(self.moody(&self.commits, lease, commit))
    }

    fn commit_all(&self, commits: Vec<StackCommit>) -> BoxFuture<'_, Result<Vec<u64>, StateError>> {
        self.store.commit_all(commits)
    }
}

const TTL: Duration = Duration::from_secs(30);

/// Applies `declare` through `store`; returns how the run ended, how long it took, and when each
/// step was started or finished.
async fn run(
    world: &World,
    store: Moody,
    declare: impl FnOnce(&mut Scope<'_>),
) -> (Result<Live, ApplyError>, Duration, Vec<String>) {
    let engine = Engine::builder()
        .provider(provider(&world.cloud))
        .state(store)
        .lease_ttl(TTL)
        .try_build()
        .unwrap();
    let plan = world.plan(declare).await;
    let began = Instant::now();
    let mut told = Vec::new();
    let result = engine
        .apply(plan)
        .events(|event: Event| match event {
            Event::StepStarted(of) => {
                told.push(format!("{} s start {}", began.elapsed().as_secs(), of.address));
            }
            Event::StepFinished { of, .. } => {
                told.push(format!("{} s finish {}", began.elapsed().as_secs(), of.address));
            }
            _ => {}
        })
        .await;
    world.check();
    (result, began.elapsed(), told)
}

/// How many writes a first run of [`chain`] takes: three for each object, and the exports.
const WRITES: usize = 7;

fn chain(scope: &mut Scope<'_>) {
    let a = scope.add("a", thing(&[]));
    scope.add("b", thing(&[&a]));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_for_a_while_is_tried_again_and_the_run_goes_on() {
    for nth in 0..WRITES {
        let world = World::new();
        let before = std::iter::repeat_n(Mood::Well, nth);
        let moods = before.chain([Mood::Fails; 4]);
        let (result, took, _) = run(&world, Moody::new(&world.store, moods, []), chain).await;
        result.unwrap();
        assert!(took >= Duration::from_secs(3), "write {nth}: {took:?}");
        assert_eq!(world.cloud.ids(), ["a#1", "b#1"]);
        world.assert_settled(chain).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_reported_as_failed_and_is_durable_is_not_written_twice() {
    for nth in 0..WRITES {
        for moods in [vec![Mood::Lies], vec![Mood::Fails, Mood::Lies, Mood::Fails]] {
            let world = World::new();
            let before = std::iter::repeat_n(Mood::Well, nth);
            let store = Moody::new(&world.store, before.chain(moods), []);
            run(&world, store, chain).await.0.unwrap();
            assert_eq!(world.store.writes(), WRITES as u64);
            world.assert_settled(chain).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_started_while_a_write_is_tried_again() {
    let world = World::new();
    // `a` is refused for a while, and would be called again at 0.1 s and 0.3 s.
    world.cloud.fail(Op::Create, "a", 1, Fault::Throttle);
    world.cloud.fail(Op::Create, "a", 2, Fault::Throttle);
    let calls = async || {
        sleep(Duration::from_secs(3)).await;
        world.cloud.log().len()
    };
    let store = Moody::new(&world.store, [Mood::Well].into_iter().chain([Mood::Fails; 4]), []);
    let run = run(&world, store, |scope| {
        scope.add("a", thing(&[]));
        scope.add("b", thing(&[]));
    });
    let ((result, took, _), calls) = futures_util::join!(run, calls());
    result.unwrap();
    assert_eq!(calls, 2, "one create of each");
    assert!(took > Duration::from_millis(3_750));
}

#[tokio::test(start_paused = true)]
async fn repairs_that_fail_for_a_while_are_written_again() {
    let world = World::new();
    world.cloud.fail(Op::Create, "a", 1, Fault::LoseAnswer);
    assert!(world.up(chain).await.is_err());
    let store = Moody::new(&world.store, [Mood::Fails, Mood::Lies], []);
    run(&world, store, chain).await.0.unwrap();
    assert_eq!(world.cloud.ids(), ["a#1", "b#1"]);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_takes_long_is_in_nobodys_way() {
    let world = World::new();
    world.cloud.latency(Duration::from_secs(4));
    let store = Moody::new(&world.store, [], [Mood::Takes(Duration::from_secs(15))]);
    let (result, _, told) = run(&world, store, chain).await;
    result.unwrap();
    // The renewal is asked for at 10 s and answered at 25 s.
    assert_eq!(told, ["0 s start a", "8 s finish a", "8 s start b", "16 s finish b"]);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_is_tried_again_until_the_lease_is_nearly_over() {
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]));
    };
    // For a while: the run goes on as if nothing were.
    let world = World::new();
    world.cloud.slow(4_000);
    let store = Moody::new(&world.store, [], [Mood::Fails; 8]);
    let (result, took, _) = run(&world, store, program).await;
    result.unwrap();
    assert!(took > TTL * 2, "{took:?}");
    // For good, or without an answer: it ends before someone else may have the lease.
    let never = Mood::Takes(Duration::from_secs(3600));
    for moods in [vec![Mood::Fails; 100], vec![never]] {
        let world = World::new();
        world.cloud.slow(4_000);
        let (result, took, _) = run(&world, Moody::new(&world.store, [], moods), program).await;
        assert!(matches!(result, Err(ApplyError::Unsaved { .. })));
        assert_eq!(took.as_secs(), 27);
    }
    // Nor is a write waited for, if nothing at all is heard of the store any more.
    let world = World::new();
    let (result, took, _) = run(&world, Moody::new(&world.store, [never], [never]), program).await;
    let Err(ApplyError::Unsaved { unsaved, .. }) = result else { panic!("not ended") };
    assert_eq!((took.as_secs(), unsaved.changes.len()), (27, 1));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_lost_ends_the_run_at_once_and_starts_nothing_more() {
    let world = World::new();
    world.cloud.latency(Duration::from_secs(7));
    let store = Moody::new(&world.store, [], [Mood::Lost]);
    let (result, took, told) = run(&world, store, chain).await;
    let Err(ApplyError::Unsaved { source, .. }) = result else { panic!("not ended") };
    assert!(matches!(source, StateError::Fenced { .. }));
    // The look that was in flight at 10 s ends, and that is all.
    assert_eq!((took.as_secs(), told), (14, vec!["0 s start a".to_owned()]));
    world.cloud.latency(Duration::ZERO);
    world.settle(chain).await;
    assert_eq!(world.cloud.ids(), ["a#1", "b#1"]);
}

/// When each intent in the journal was opened, in milliseconds.
fn opened(world: &World) -> Vec<u64> {
    let log = world.store.log("t");
    let opened = log.iter().flatten().filter_map(|change| match change {
        Change::Open(intent) => Some(intent.started_ms),
        _ => None,
    });
    opened.collect()
}

fn one_thing(scope: &mut Scope<'_>) {
    scope.add("a", thing(&[]));
}

#[tokio::test]
async fn a_create_that_is_called_again_or_ends_without_an_answer_is_written_with_that_time() {
    let world = World::new();
    world.cloud.latency(Duration::from_millis(20));
    world.cloud.fail(Op::Create, "a", 1, Fault::Throttle);
    world.cloud.fail(Op::Create, "a", 2, Fault::LoseRequest);
    assert!(world.up(one_thing).await.is_err());
    let opened = opened(&world);
    let [first, again, ended] = opened[..] else { panic!("{opened:?}") };
    // The call takes 20 ms, and the first pause 100 ms.
    assert!(again >= first + 120 && ended >= again + 20, "{opened:?}");
    // The last one is what a later run goes by.
    assert_eq!(world.state().intents.values().next().unwrap().started_ms, ended);
    world.cloud.latency(Duration::ZERO);
    world.settle(one_thing).await;
}

#[tokio::test]
async fn a_create_that_a_second_signal_drops_is_written_with_that_time() {
    let world = World::new();
    world.cloud.fail(Op::Create, "a", 1, Fault::HangAfter);
    let (token, plan) = (CancelToken::new(), world.plan(one_thing).await);
    let (engine, cancel) = (world.engine(), token.clone());
    let cloud = world.cloud.clone();
    let signals = async {
        while cloud.mutations().is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
        sleep(Duration::from_millis(50)).await;
        cancel.cancel();
        cancel.cancel();
    };
    let run = engine.apply(plan).cancel(token).into_future();
    let (result, ()) = futures_util::join!(run, signals);
    assert!(matches!(result, Err(ApplyError::Cancelled(_))));
    let opened = opened(&world);
    assert!(opened.len() == 2 && opened[1] >= opened[0] + 40, "{opened:?}");
    assert!(world.settle(one_thing).await.is_empty());
    assert_eq!(world.cloud.ids(), ["a#1"]);
}

#[tokio::test(start_paused = true)]
async fn a_create_is_not_called_again_before_its_new_time_is_durable() {
    let world = World::new();
    world.cloud.fail(Op::Create, "a", 1, Fault::Throttle);
    (2..100).for_each(|nth| world.store.fail_commit(nth));
    let result = world.up(one_thing).await;
    assert!(matches!(result, Err(ApplyError::Unsaved { .. })));
    assert_eq!(world.cloud.mutations(), ["create a"]);
}
