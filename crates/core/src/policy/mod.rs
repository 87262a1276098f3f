//! Policies: what must hold of everything that a program plans, whoever wrote it.
//!
//! A policy is a function over the planned graph. It sees resources as they will be, with what only
//! apply can tell marked as such, and says what is wrong with them. It can also put that right:
//! change declared inputs before anything is planned. Policies are pure and read nothing but what
//! they are given; in which order they are asked makes no difference.
//!
//! What is judged is what the plan is about and will exist: declared resources, changed or not. What
//! is deleted, forgotten or left out of a narrowed plan is not, nor is a plan to destroy or one that
//! only refreshes records.

mod exempt;
mod fix;
mod graph;
mod judge;
mod report;
mod subject;
mod verdict;

use std::{fmt, sync::Arc};

pub(crate) use exempt::Exemption;
pub use fix::Fix;
pub(crate) use fix::{overlay, remedy, standing};
pub(crate) use graph::{Before, Graph};
pub(crate) use judge::{AtApply, judge};
pub use report::Report;
use serde::{Deserialize, Serialize};
pub use subject::{Found, PlannedStack, Subject, Typed};
pub use verdict::{Deferred, Remediation, Verdict, Violation};

use crate::{resource::Resource, value::Value};

/// What a violation of a policy means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The plan is refused.
    Mandatory,
    /// The plan warns, each time it is made.
    Advisory,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Mandatory => "mandatory",
            Level::Advisory => "advisory",
        })
    }
}

/// What a policy makes of a value that only apply can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnUnknown {
    /// It is asked again in the run, when the value is known and before anything is sent. A step that
    /// violates a mandatory policy then fails; its call is not made. The plan says which values are
    /// still to be judged.
    #[default]
    AtApply,
    /// A value that it asks for and that is not known violates it.
    Refuse,
    /// What is not known is not judged.
    Pass,
}

type Check = dyn Fn(&Subject<'_>, &mut Report<'_>) + Send + Sync;
type CheckStack = dyn Fn(&PlannedStack<'_>, &mut Report<'_>) + Send + Sync;
type Remediate = dyn Fn(&Subject<'_>, &mut Fix<'_>) + Send + Sync;

/// Whether plain data is what a type of resource takes.
type Fits = fn(&Value) -> Result<(), String>;

#[derive(Clone)]
struct ResourceRule {
    /// The type that it is about; all if there is none.
    kind: Option<String>,
    check: Arc<Check>,
}

#[derive(Clone)]
struct FixRule {
    kind: String,
    fits: Option<Fits>,
    fix: Arc<Remediate>,
}

/// What must hold of what a program plans: a name, what it demands, and functions that judge.
///
/// ```
/// use formwork_core::{Found, Policy, testing::Thing};
///
/// let named = Policy::mandatory("named")
///     .about("everything has a name")
///     .remedy("set `name`")
///     .check::<Thing>(|thing, report| {
///         if let Found::Absent = thing.get::<String>("name") {
///             report.violation("name", "it has no name");
///         }
///     });
/// assert_eq!(named.name(), "named");
/// ```
#[derive(Clone)]
pub struct Policy {
    name: String,
    about: String,
    remedy: Option<String>,
    source: Option<String>,
    level: Level,
    on_unknown: OnUnknown,
    strict: bool,
    resource_rules: Vec<ResourceRule>,
    stack_rules: Vec<Arc<CheckStack>>,
    fixes: Vec<FixRule>,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("name", &self.name)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

impl Policy {
    fn new(name: String, level: Level) -> Self {
        Self {
            name,
            about: String::new(),
            remedy: None,
            source: None,
            level,
            on_unknown: OnUnknown::default(),
            strict: false,
            resource_rules: Vec::new(),
            stack_rules: Vec::new(),
            fixes: Vec::new(),
        }
    }

    /// A policy whose violation refuses the plan. All violations of all policies are told at once.
    pub fn mandatory(name: impl Into<String>) -> Self {
        Self::new(name.into(), Level::Mandatory)
    }

    /// A policy whose violation is a warning in every plan.
    pub fn advisory(name: impl Into<String>) -> Self {
        Self::new(name.into(), Level::Advisory)
    }

    /// Says what it demands, in a sentence.
    #[must_use]
    pub fn about(mut self, text: impl Into<String>) -> Self {
        self.about = text.into();
        self
    }

    /// Says what is to be done about a violation, where the rule does not say it itself.
    #[must_use]
    pub fn remedy(mut self, text: impl Into<String>) -> Self {
        self.remedy = Some(text.into());
        self
    }

    /// Says where its demand comes from: a standard, a page.
    #[must_use]
    pub fn source(mut self, text: impl Into<String>) -> Self {
        self.source = Some(text.into());
        self
    }

    /// Makes it advisory, or mandatory.
    #[must_use]
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Sets what it makes of values that are not known yet.
    #[must_use]
    pub fn on_unknown(mut self, what: OnUnknown) -> Self {
        self.on_unknown = what;
        self
    }

    /// Allows no exemption from it.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Judges every resource of the type `R` by itself.
    #[must_use]
    pub fn check<R: Resource>(
        mut self,
        check: impl Fn(&Typed<'_, R>, &mut Report<'_>) + Send + Sync + 'static,
    ) -> Self {
        let check = Arc::new(move |subject: &Subject<'_>, report: &mut Report<'_>| {
            check(&Typed::new(*subject), report);
        });
        self.resource_rules.push(ResourceRule { kind: Some(R::TYPE.kind.to_owned()), check });
        self
    }

    /// Judges every resource of the type with this name by itself: for types that the author of the
    /// policy does not depend on.
    #[must_use]
    pub fn check_kind(
        mut self,
        kind: impl Into<String>,
        check: impl Fn(&Subject<'_>, &mut Report<'_>) + Send + Sync + 'static,
    ) -> Self {
        let (kind, check) = (Some(kind.into()), Arc::new(check));
        self.resource_rules.push(ResourceRule { kind, check });
        self
    }

    /// Judges every resource of any type by itself. What it asks for need not be a field of each.
    #[must_use]
    pub fn check_every(
        mut self,
        check: impl Fn(&Subject<'_>, &mut Report<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.resource_rules.push(ResourceRule { kind: None, check: Arc::new(check) });
        self
    }

    /// Judges the stack as a whole: its resources, the steps of the plan and their order.
    #[must_use]
    pub fn check_stack(
        mut self,
        check: impl Fn(&PlannedStack<'_>, &mut Report<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.stack_rules.push(Arc::new(check));
        self
    }

    /// Puts right what the program declares of a resource of the type `R`, before it is planned. The
    /// plan shows each change and whose it is; the records have what was sent.
    ///
    /// It must be idempotent: on its own result it changes nothing, and the policy's rules find
    /// nothing wrong with the field any more, or no plan is made. Only known values can be
    /// changed. What would replace an object that is there is not done: the rules judge what is
    /// declared then.
    #[must_use]
    pub fn remediate<R: Resource>(
        mut self,
        fix: impl Fn(&Typed<'_, R>, &mut Fix<'_>) + Send + Sync + 'static,
    ) -> Self {
        let fix = Arc::new(move |subject: &Subject<'_>, changes: &mut Fix<'_>| {
            fix(&Typed::new(*subject), changes);
        });
        let fits: Fits = |value| value.to_data::<R>().map(drop).map_err(|error| error.to_string());
        self.fixes.push(FixRule { kind: R::TYPE.kind.to_owned(), fits: Some(fits), fix });
        self
    }

    /// The same for the type with this name.
    #[must_use]
    pub fn remediate_kind(
        mut self,
        kind: impl Into<String>,
        fix: impl Fn(&Subject<'_>, &mut Fix<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.fixes.push(FixRule { kind: kind.into(), fits: None, fix: Arc::new(fix) });
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it demands, in a sentence; empty if nobody said.
    #[must_use]
    pub fn demands(&self) -> &str {
        &self.about
    }

    /// What a violation of it means.
    #[must_use]
    pub fn is(&self) -> Level {
        self.level
    }

    /// What is to be done about a violation.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.remedy.as_deref()
    }

    /// Where its demand comes from.
    #[must_use]
    pub fn comes_from(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// What it makes of values that are not known yet.
    #[must_use]
    pub fn of_unknowns(&self) -> OnUnknown {
        self.on_unknown
    }

    /// Whether no exemption from it is possible.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        self.strict
    }

    /// Whether it puts right what it can.
    #[must_use]
    pub fn remediates(&self) -> bool {
        !self.fixes.is_empty()
    }

    /// The types that it is about, sorted; `*` stands for all of them, and for the stack.
    #[must_use]
    pub fn kinds(&self) -> Vec<&str> {
        let rules = self.resource_rules.iter().map(|rule| rule.kind.as_deref().unwrap_or("*"));
        let fixes = self.fixes.iter().map(|fix| fix.kind.as_str());
        let stack = self.stack_rules.iter().map(|_| "*");
        let mut kinds: Vec<&str> = rules.chain(fixes).chain(stack).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

/// The policies that an engine has, by name, and who is exempt from them.
#[derive(Clone, Default)]
pub(crate) struct Policies {
    /// Sorted by name, so that it does not matter who came first.
    policies: Vec<Policy>,
    exemptions: Vec<Exemption>,
}

impl Policies {
    pub(crate) fn new(mut policies: Vec<Policy>, exemptions: Vec<Exemption>) -> Self {
        policies.sort_by(|one, other| one.name.cmp(&other.name));
        Self { policies, exemptions }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.policies.iter()
    }

    fn knows(&self, name: &str) -> bool {
        self.policies.binary_search_by(|policy| policy.name.as_str().cmp(name)).is_ok()
    }
}
