//! What a subcommand that plans needs: the declared stack, a cloud, the state, an engine.

use std::sync::Arc;

use formwork_core::{
    Address, DeclareError, Engine, GraphNode, Plan, PlanError, PlanRequest, RefreshMode, Stack,
    state::{Snapshot, StateStore},
    testing::MemoryStore,
    value::Value,
};

use super::Run;
use crate::{
    cloud::{Cloud, CloudContext, Estimate, OpenCloud},
    declare::Declared,
    error::CliError,
    store, view,
};

/// Everything that is open during a run that plans.
pub(crate) struct Session {
    pub(crate) stack: Stack,
    pub(crate) engine: Engine,
    pub(crate) cloud: OpenCloud,
    pub(crate) cloud_name: String,
    /// The program's settings.
    pub(crate) settings: Value,
    store: Arc<dyn StateStore>,
}

impl<'p> Run<'p> {
    /// The declaration with its settings.
    pub(crate) fn declared(&self) -> Result<Box<dyn Declared + 'p>, CliError> {
        self.program.declaration()?.settings(&self.matches, &self.more)
    }

    /// Declares the stack; needs nothing but the program.
    pub(crate) fn declare(&self) -> Result<Stack, CliError> {
        self.stack_of(self.declared()?.as_ref())
    }

    fn stack_of(&self, declared: &dyn Declared) -> Result<Stack, CliError> {
        let mut stack = declared.stack(&self.stack);
        if let Err(CliError::Declare(DeclareError::Invalid { problems, .. })) = &mut stack
            && self.flags.stack.is_some()
        {
            // What is wrong with the stack itself is its name, which the program did not give it.
            for problem in problems.iter_mut().filter(|problem| problem.address.as_str().is_empty())
            {
                problem.declared_at = "--stack, or FORMWORK_STACK".to_owned();
            }
        }
        stack
    }

    /// Whether it is known without opening the state that there is none.
    pub(crate) fn is_fresh(&self) -> bool {
        self.program.default_store && !store::folder(&self.state_dir).exists()
    }

    /// Opens the state. One that is not there stays so if it is only looked at.
    pub(super) fn open_store(&self, only_looks: bool) -> Result<Arc<dyn StateStore>, CliError> {
        if only_looks && self.is_fresh() {
            return Ok(Arc::new(MemoryStore::new()));
        }
        Ok((self.program.store)(&self.state_dir, &self.env)?)
    }

    /// What is recorded. Makes no folder where there is none.
    pub(crate) async fn recorded(&self) -> Result<Snapshot, CliError> {
        let store = self.open_store(true)?;
        self.interruptible(async { Ok(store.load(&self.stack).await?) }).await
    }

    /// That nothing is recorded, and where: a name or a folder may be mistyped.
    pub(crate) fn no_state(&self) -> String {
        match self.program.default_store {
            true => format!(
                "there is no state of `{}` in {}: nothing was ever applied there",
                self.stack,
                self.flags.state_dir.display()
            ),
            false => format!("there is no state of `{}`: nothing was ever applied", self.stack),
        }
    }

    /// Declares, then opens the cloud and the state, in the order of what is cheap to get wrong.
    /// What `only_looks` leaves no trace.
    pub(crate) async fn open(&self, only_looks: bool) -> Result<Session, CliError> {
        let declared = self.declared()?;
        let stack = self.stack_of(declared.as_ref())?;
        for address in &self.flags.replace {
            let graph = stack.graph();
            let resources = || {
                let resources = graph.nodes.iter().filter(|node| node.group.is_some());
                resources.map(|node| node.address.as_str())
            };
            let within = |subtree: &&GraphNode| {
                Address::new(address.as_str()).is_inside(subtree.address.as_str())
            };
            // Of these the engine knows when it has decided them.
            let decided =
                graph.nodes.iter().filter(|node| node.kind == DECIDE).any(|node| within(&node));
            if !decided && !resources().any(|other| other == address) {
                return Err(CliError::not_found("declared resource", address, resources()));
            }
        }
        let cloud = self.wanted_cloud().ok_or_else(|| {
            CliError::Program("it has no cloud to put the stack on: call `.cloud(..)`".to_owned())
        })?;
        let store = self.open_store(only_looks)?;
        let cx = CloudContext {
            stack: &self.stack,
            state_dir: &self.state_dir,
            settings: declared.settings(),
            matches: &self.matches,
            env: &self.env,
            only_looks,
        };
        let open = self.interruptible(cloud.open(&cx)).await?;
        let mut engine = Engine::builder()
            .shared_state(Arc::clone(&store))
            .parallelism(usize::from(self.flags.parallel))
            .holder(self.holder());
        for provider in &open.providers {
            engine = engine.shared_provider(Arc::clone(provider));
        }
        let engine = (self.program.engine)(engine);
        let engine = engine.try_build().map_err(|error| CliError::Program(error.to_string()))?;
        let cloud_name = cloud.name().to_owned();
        let settings = declared.settings().clone();
        let session = Session { stack, engine, cloud: open, cloud_name, settings, store };
        let layout = self.console.err_layout();
        self.console.err(&view::heading(&session, &layout));
        Ok(session)
    }

    /// The cloud that the flags name, or the default one.
    pub(super) fn wanted_cloud(&self) -> Option<&'p dyn Cloud> {
        let wanted = self.flags.cloud.as_deref();
        let mut clouds = self.program.clouds.iter().map(AsRef::as_ref);
        clouds.find(|cloud| wanted.is_none_or(|name| cloud.name() == name))
    }

    pub(super) fn holder(&self) -> String {
        let env = |names: [&str; 2]| names.iter().find_map(|name| self.env.get(*name)).cloned();
        let user = env(["USER", "USERNAME"]).unwrap_or_else(|| "someone".to_owned());
        let host = env(["HOSTNAME", "COMPUTERNAME"])
            .or_else(|| {
                let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
                Some(name.trim().to_owned())
            })
            .unwrap_or_else(|| "this machine".to_owned());
        format!("{user} on {host}, process {}", std::process::id())
    }
}

/// What the graph calls a subtree that is declared when its value is known.
const DECIDE: &str = "decide";

/// What a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// What the program declares.
    Up,
    /// The same, after a plan that decided more of it.
    Onward,
    /// Comparing: everything is looked at, whatever `--refresh` says.
    Drift,
    /// Bringing the records up to what is there.
    Refresh,
    /// Removing everything.
    Destroy,
}

impl Session {
    /// Plans, until the user interrupts it.
    pub(crate) async fn plan(&self, run: &Run<'_>, purpose: Purpose) -> Result<Plan, CliError> {
        run.interruptible(async {
            self.request(run, purpose).await.map_err(|error| self.plan_error(error))
        })
        .await
    }

    /// Plans to compare. A part of the stack may be compared that could not be planned by itself.
    pub(crate) async fn plan_drift(&self, run: &Run<'_>) -> Result<Plan, CliError> {
        let planned = async {
            match self.request(run, Purpose::Drift).await {
                Err(PlanError::LeftOut { .. }) => self.request(run, Purpose::Refresh).await,
                planned => planned,
            }
        };
        run.interruptible(async { planned.await.map_err(|error| self.plan_error(error)) }).await
    }

    fn request(&self, run: &Run<'_>, purpose: Purpose) -> PlanRequest<'_> {
        let mut request = run.flags.narrow.ask(self.engine.plan(&self.stack));
        request = match purpose {
            Purpose::Drift => request.refresh(RefreshMode::List),
            Purpose::Refresh => request.refresh_only(),
            Purpose::Up | Purpose::Onward => request.refresh(run.flags.refresh.into()),
            Purpose::Destroy => request.refresh(run.flags.refresh.into()).destroy(),
        };
        // What only compares or records runs nothing.
        if run.flags.skip_hooks || matches!(purpose, Purpose::Drift | Purpose::Refresh) {
            request = request.skip_hooks();
        }
        if run.flags.refresh_lookups {
            request = request.refresh_lookups();
        }
        for address in
            run.flags.replace.iter().filter(|at| purpose != Purpose::Onward || self.is_decided(at))
        {
            request = request.replace(address.as_str());
        }
        request
    }

    /// Whether something is declared only when it is decided: it is not yet, when a stack is declared.
    fn is_decided(&self, address: &str) -> bool {
        let graph = self.stack.graph();
        let mut subtrees = graph.nodes.iter().filter(|node| node.kind == DECIDE);
        subtrees.any(|subtree| Address::new(address).is_inside(subtree.address.as_str()))
    }

    /// The error, with what only a session knows of it.
    pub(super) fn plan_error(&self, error: PlanError) -> CliError {
        let PlanError::NoProvider { address, kind } = error else {
            return Box::new(error).into();
        };
        let graph = self.stack.graph();
        let declared = graph.nodes.iter().any(|node| node.address == address && node.kind == kind);
        let providers = self.cloud.providers.iter().map(|p| p.name().to_owned()).collect();
        CliError::NoProvider { address, kind, declared, providers }
    }

    /// What the stack costs by the hour once `plan` is applied, where that is known.
    pub(crate) async fn estimate(&self, plan: &Plan) -> Result<Option<Estimate>, CliError> {
        let Some(pricing) = &self.cloud.pricing else { return Ok(None) };
        let recorded = self.store.load(plan.stack()).await?;
        Ok(pricing.hourly(plan.data(), &recorded))
    }
}
