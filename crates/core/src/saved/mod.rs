//! Saved plans: a plan as a file, and the way back to a [`Plan`].
//!
//! The file holds data only. Late values are no data, so the program is declared again when the file
//! is loaded, and lends the plan its expressions, by address and field. That is right only while the
//! program, its types, where its providers point and the state are the ones that the plan was made
//! with; whatever differs is refused before any change, all of it at once.
//!
//! This module reads and writes no disk: it makes bytes of plans, and plans of bytes. It knows no
//! cryptography either: secrets go through a [`Sealer`].

mod declared;
mod error;
mod load;
mod seal;
mod shape;
mod stale;
mod steps;
mod text;
mod types;
mod unsaved;
mod values;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

pub use error::{LoadPlanError, MovedProvider, ReadPlanError, SavePlanError};
pub use load::LoadRequest;
pub use seal::{SealError, Sealed, Sealer};
pub use unsaved::{Unsaved, UnsavedError};

use self::{
    declared::Declared,
    text::{Kind, Parts},
    types::TypeShape,
};
use crate::{
    declare::{NodeKind, Program},
    identity::Address,
    plan::{Plan, PlanData, RefreshMode},
    provider::Provider,
    schema::ResourceType,
    state::{Pin, ProviderTarget},
    value::Value,
};

/// The format of plan files that this version writes, and the only one that it reads.
pub(crate) const FORMAT: u32 = 1;

const PLAN: Kind = Kind { name: "plan", format: FORMAT };

/// The version of formwork, which a plan must have been made with to be applied.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a plan was asked for, beside what the program declares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Asked {
    /// Whether everything is to go.
    pub destroy: bool,
    /// How much of the cloud was looked at.
    pub refresh: RefreshMode,
    /// Whether the lookups were asked again.
    pub refresh_lookups: bool,
    /// What is replaced, changed or not.
    pub replace: BTreeSet<Address>,
    /// Whether no hook runs.
    #[serde(default)]
    pub skip_hooks: bool,
    /// The addresses that it is about; all, if there are none.
    #[serde(default)]
    pub targets: Vec<Address>,
    /// The addresses that it leaves out.
    #[serde(default)]
    pub excludes: Vec<Address>,
    /// Whether it is about what the targets need, too.
    #[serde(default)]
    pub target_dependencies: bool,
    /// Whether it is about what needs the targets, too.
    #[serde(default)]
    pub target_dependents: bool,
    /// Whether it only brings the records up to what is there.
    #[serde(default)]
    pub refresh_only: bool,
}

/// What a plan was made with, beside its program and the state.
pub(crate) struct Made {
    pub(crate) asked: Asked,
    /// Where the providers pointed that its steps go through and its lookups ask.
    pub(crate) targets: Vec<ProviderTarget>,
    /// What its lookups were answered.
    answers: Vec<Pin>,
    /// The types of its steps.
    types: BTreeMap<&'static str, &'static ResourceType>,
}

impl Made {
    pub(crate) fn of(
        providers: &[Arc<dyn Provider>],
        program: &Program,
        data: &PlanData,
        asked: Asked,
        mut answers: Vec<Pin>,
    ) -> Self {
        answers.sort_by(|one, other| one.address.cmp(&other.address));
        let mut used: HashSet<&str> = data.steps.iter().map(|step| &*step.provider).collect();
        let lookups = program.graph.node_weights().filter_map(|node| match node.kind {
            NodeKind::Lookup { kind, .. } => providers.iter().find(|p| p.lookup(kind).is_some()),
            NodeKind::Resource(_) | NodeKind::Decide => None,
        });
        used.extend(lookups.map(|provider| provider.name()));
        let used = providers.iter().filter(|provider| used.contains(provider.name()));
        let targets =
            used.map(|p| ProviderTarget { provider: p.name().to_owned(), target: p.target() });
        let mut types = BTreeMap::new();
        for step in &data.steps {
            let named = providers.iter().find(|p| p.name() == step.provider);
            if let Some(handler) = named.and_then(|provider| provider.handler(&step.kind)) {
                let of = handler.resource_type();
                types.insert(of.kind, of);
            }
        }
        Self { asked, targets: targets.collect(), answers, types }
    }

    /// The types of the steps, and of what the program declares.
    fn shapes(&self, program: &Program) -> BTreeMap<String, TypeShape> {
        let stepped = self.types.values().map(|of| (of.kind.to_owned(), TypeShape::of(of)));
        let declared = program.graph.node_weights().map(|node| {
            let shape = match node.kind {
                NodeKind::Resource(of) => TypeShape::of(of),
                other => TypeShape::of_query(other.inputs()),
            };
            (node.kind.name().to_owned(), shape)
        });
        stepped.chain(declared).collect()
    }
}

/// What a plan file says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Document {
    formwork: String,
    format: u32,
    written_by: String,
    written_ms: u64,
    asked: Asked,
    made_with: Value,
    targets: Vec<ProviderTarget>,
    answers: Vec<Pin>,
    types: BTreeMap<String, TypeShape>,
    declared: Declared,
    plan: PlanData,
}

/// A plan as it lies in a file: data only.
///
/// [`SavedPlan::new`] and [`SavedPlan::to_bytes`] make the file; [`SavedPlan::from_bytes`],
/// [`SavedPlan::open`] and [`Engine::load`](crate::Engine::load) lead back to a [`Plan`]. To make, to
/// read and to load one changes nothing, and a crash meanwhile leaves nothing to repair.
///
/// The file is one JSON document, a step on each line. It says which version of formwork wrote it,
/// when, and what for; it ends in sums over its lines, so that damage is told with its place. Secrets
/// are sealed, together, and bound to everything else in the file: with other words around it they
/// do not open. A file without secrets is protected from accidents, not from forgery, so keep it like
/// the program itself.
#[derive(Clone, Debug)]
pub struct SavedPlan {
    document: Document,
    /// The secrets that are still sealed, and what they are bound to.
    sealed: Option<(Sealed, Vec<u8>)>,
}

impl SavedPlan {
    /// The plan, as data.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let document = Document {
            formwork: PLAN.name.to_owned(),
            format: PLAN.format,
            written_by: VERSION.to_owned(),
            written_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            asked: plan.made.asked.clone(),
            made_with: Value::Null,
            targets: plan.made.targets.clone(),
            answers: plan.made.answers.clone(),
            types: plan.made.shapes(&plan.program),
            declared: Declared::of(&plan.program),
            plan: plan.data.clone(),
        };
        Self { document, sealed: None }
    }

    /// Adds what else the plan was made with, for whoever loads it to compare: the settings of the
    /// program, its own version. Secrets in it are sealed. The engine does not look at it.
    #[must_use]
    pub fn with(mut self, made_with: Value) -> Self {
        self.document.made_with = made_with;
        self
    }

    /// What [`SavedPlan::with`] added; null without it.
    #[must_use]
    pub fn made_with(&self) -> &Value {
        &self.document.made_with
    }

    /// The plan as data. Secrets in it are sealed until [`SavedPlan::open`]; unknowns stay so.
    #[must_use]
    pub fn data(&self) -> &PlanData {
        &self.document.plan
    }

    /// What the plan was asked for.
    #[must_use]
    pub fn asked(&self) -> &Asked {
        &self.document.asked
    }

    /// The version of formwork that wrote it.
    #[must_use]
    pub fn written_by(&self) -> &str {
        &self.document.written_by
    }

    /// When it was made, in milliseconds since 1970.
    #[must_use]
    pub fn written_ms(&self) -> u64 {
        self.document.written_ms
    }

    /// Whether it holds secrets that are still sealed.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// The bytes of the file. `sealer` is asked only where the plan holds secrets.
    ///
    /// # Errors
    /// When the plan holds secrets and they can not be sealed.
    pub fn to_bytes(&self, sealer: Option<&dyn Sealer>) -> Result<Vec<u8>, SavePlanError> {
        if self.is_sealed() {
            return Err(SavePlanError::Sealed);
        }
        let mut secrets = Vec::new();
        let document = seal::take_out(self.document.clone(), &mut secrets)?;
        let body = text::body(&document).map_err(SavePlanError::write)?;
        let sealed = match (secrets.is_empty(), sealer) {
            (true, _) => None,
            (false, None) => return Err(SavePlanError::NoKey),
            (false, Some(sealer)) => {
                let plain = serde_json::to_vec(&secrets).map_err(SavePlanError::write)?;
                let bound_to = text::digest(PLAN, &body);
                Some(sealer.seal(&bound_to, &plain).map_err(SavePlanError::Secrets)?)
            }
        };
        text::finish(body, sealed.as_ref()).map_err(SavePlanError::write)
    }

    /// Reads a file. Its secrets stay sealed, so this needs no key.
    ///
    /// # Errors
    /// When it is no plan, of another format, damaged, or cut off; the error says where.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReadPlanError> {
        let Parts::<Document> { document, sealed, bound_to } = text::read(PLAN, bytes)?;
        steps::check_order(&document.plan.steps)
            .map_err(|message| ReadPlanError::Wrong { message })?;
        Ok(Self { document, sealed: sealed.map(|sealed| (sealed, bound_to)) })
    }

    /// Opens its secrets; where there are none, `sealer` is not asked.
    ///
    /// # Errors
    /// When there are secrets, and no key or another one; or when anything in the file is not what
    /// they were sealed with.
    pub fn open(self, sealer: Option<&dyn Sealer>) -> Result<Self, ReadPlanError> {
        let Some((sealed, bound_to)) = self.sealed else { return Ok(self) };
        let sealer = sealer.ok_or(ReadPlanError::NoKey)?;
        let plain = sealer.open(&bound_to, &sealed).map_err(ReadPlanError::Secrets)?;
        let secrets: Vec<Value> = serde_json::from_slice(&plain)
            // Its text would quote the secret.
            .map_err(|_| {
                ReadPlanError::Secrets(SealError::new("they are not what a plan holds"))
            })?;
        Ok(Self { document: seal::put_back(self.document, secrets)?, sealed: None })
    }
}
