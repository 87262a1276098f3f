//! What every story is told with: a cloud, a store, and the laws that hold after every run.

use formwork_core::{
    ApplyError, Engine, Plan, Scope, Seed, Stack,
    state::Snapshot,
    testing::{Cloud, MemoryStore, Object, check_invariants, provider, provider_with_children},
};

pub(crate) struct World {
    pub(crate) cloud: Cloud,
    pub(crate) store: MemoryStore,
    pub(crate) lost: Vec<String>,
    pub(crate) kept: Vec<String>,
    pub(crate) parallelism: usize,
    /// Whether there are types whose objects belong to others.
    pub(crate) children: bool,
    runs: std::cell::Cell<u64>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            cloud: Cloud::new(),
            store: MemoryStore::new(),
            lost: Vec::new(),
            kept: Vec::new(),
            parallelism: 8,
            children: false,
            runs: std::cell::Cell::new(0),
        }
    }

    /// One whose objects can belong to others.
    pub(crate) fn of_families() -> Self {
        Self { children: true, ..Self::new() }
    }

    pub(crate) fn engine(&self) -> Engine {
        let provider = if self.children { provider_with_children } else { provider };
        Engine::builder()
            .provider(provider(&self.cloud))
            .state(self.store.clone())
            .parallelism(self.parallelism)
            .try_build()
            .unwrap()
    }

    pub(crate) fn stack(declare: impl FnOnce(&mut Scope<'_>)) -> Stack {
        Stack::new("t", declare).unwrap()
    }

    pub(crate) fn seed(&self) -> Seed {
        self.runs.set(self.runs.get() + 1);
        Seed::fixed(self.runs.get())
    }

    pub(crate) async fn plan(&self, declare: impl FnOnce(&mut Scope<'_>)) -> Plan {
        self.engine().plan(&Self::stack(declare)).seed(self.seed()).await.unwrap()
    }

    pub(crate) async fn plan_destroy(&self, declare: impl FnOnce(&mut Scope<'_>)) -> Plan {
        self.engine().plan(&Self::stack(declare)).destroy().seed(self.seed()).await.unwrap()
    }

    /// Plans and applies; returns what changed in the cloud, in the order the calls started.
    pub(crate) async fn up(
        &self,
        declare: impl FnOnce(&mut Scope<'_>),
    ) -> Result<Vec<String>, ApplyError> {
        let plan = self.plan(declare).await;
        self.apply(plan).await
    }

    pub(crate) async fn destroy(&self) -> Result<Vec<String>, ApplyError> {
        let plan = self.plan_destroy(|_| ()).await;
        self.apply(plan).await
    }

    pub(crate) async fn apply(&self, plan: Plan) -> Result<Vec<String>, ApplyError> {
        self.cloud.clear_log();
        let result = self.engine().apply(plan.clone()).await;
        self.check();
        let executed = self.cloud.mutations();
        // What is executed was planned: the verb and the address of every call stand in the plan.
        for call in &executed {
            let (verb, address) = call.split_once(' ').unwrap();
            let planned = plan.steps().any(|step| {
                format!("{:?}", step.action).to_lowercase() == verb
                    && step.address.as_str() == address
            });
            assert!(planned, "{call} was not planned:\n{plan}");
        }
        result.map(|_| executed)
    }

    /// Applies what must succeed, and shows that a second run has nothing to do and writes nothing.
    pub(crate) async fn settle(&self, declare: impl Fn(&mut Scope<'_>)) -> Vec<String> {
        let changed = self.up(&declare).await.unwrap();
        self.assert_settled(declare).await;
        changed
    }

    pub(crate) async fn assert_settled(&self, declare: impl Fn(&mut Scope<'_>)) {
        let writes = self.store.writes();
        let plan = self.plan(&declare).await;
        assert!(plan.is_empty() && plan.data().steps.is_empty(), "not settled:\n{plan}");
        assert_eq!(self.apply(plan).await.unwrap(), Vec::<String>::new());
        assert_eq!(self.store.writes(), writes, "a run with nothing to do wrote to the state");
    }

    pub(crate) fn state(&self) -> Snapshot {
        self.store.snapshot("t")
    }

    pub(crate) fn check(&self) {
        let lost: Vec<&str> = self.lost.iter().map(String::as_str).collect();
        // What lives on a host is gone with it, though the modelled cloud does not know.
        let mut alive = self.cloud.objects();
        let mut kept = self.kept.clone();
        loop {
            let dead = |object: &Object| object.refs.iter().any(|host| !alive.contains_key(host));
            let dead: Vec<String> =
                alive.iter().filter(|(_, at)| dead(at)).map(|(id, _)| id.clone()).collect();
            if dead.is_empty() {
                break;
            }
            alive.retain(|id, _| !dead.contains(id));
            kept.extend(dead);
        }
        let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
        check_invariants(&self.state(), &self.cloud, &lost, &kept);
        self.store.check_replay();
    }
}

/// The position of an entry, for "before" and "after".
pub(crate) fn at(log: &[String], entry: &str) -> usize {
    log.iter().position(|call| call == entry).unwrap_or_else(|| panic!("no `{entry}` in {log:?}"))
}
