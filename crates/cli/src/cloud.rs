//! What a stack can be put on: the seam through which the facade registers the sandbox and AWS.

use std::{any::Any, collections::BTreeMap, path::Path, sync::Arc};

use clap::{Arg, ArgMatches};
use formwork_core::{BoxFuture, PlanData, Provider, state::Snapshot, value::Value};

use crate::error::CliError;

/// A place that stacks can be put on, by the name that `--cloud` takes.
///
/// The first that a [`Program`](crate::Program) is given is its default.
pub trait Cloud: Send + Sync {
    /// The name, such as `sandbox` or `aws`.
    fn name(&self) -> &str;

    /// Further flags, such as `--region`. They work with every subcommand, can be set in the
    /// settings file too, and reach [`Cloud::open`] by [`CloudContext::flag`]. Where a setting of
    /// the program or another cloud has one with the same id already, that one is read instead.
    /// None may be positional.
    fn args(&self) -> Vec<Arg> {
        Vec::new()
    }

    /// Connects. May look (who am I?), and must change nothing.
    ///
    /// # Errors
    /// When it can not be reached, or not with these flags: [`CliError::cloud`].
    fn open<'a>(&'a self, cx: &'a CloudContext<'a>) -> BoxFuture<'a, Result<OpenCloud, CliError>>;
}

/// What a cloud is opened with.
#[non_exhaustive]
pub struct CloudContext<'a> {
    /// The stack's name.
    pub stack: &'a str,
    /// The folder that formwork keeps its things in; a cloud uses one of its own name in there.
    pub state_dir: &'a Path,
    /// The program's settings, as a map; secrets in it are masked when printed.
    pub settings: &'a Value,
    /// The command line: the values of [`Cloud::args`], by id.
    pub matches: &'a ArgMatches,
    /// The environment, `.env` included.
    pub env: &'a BTreeMap<String, String>,
    /// Whether the command changes nothing, whatever it finds (`plan`, `drift`): then opening the
    /// cloud must make no folder either.
    pub only_looks: bool,
}

impl CloudContext<'_> {
    /// The text of a flag, whoever defined it: given, set in a file, or its default.
    #[must_use]
    pub fn flag(&self, id: &str) -> Option<String> {
        let mut values = self.matches.try_get_raw(id).ok()??;
        Some(values.next()?.to_string_lossy().into_owned())
    }
}

/// A cloud that is connected.
#[non_exhaustive]
pub struct OpenCloud {
    /// The providers, the most important one first.
    pub providers: Vec<Arc<dyn Provider>>,
    /// Where it points, as label and words: account, region, endpoint, folder.
    pub target: Vec<(String, String)>,
    /// Whether changes cost money or touch what others use: then the user is asked before the first.
    pub real: bool,
    /// What things cost here.
    pub pricing: Option<Arc<dyn Pricing>>,
    /// Whatever must live as long as the run.
    pub guard: Option<Box<dyn Any + Send>>,
}

impl OpenCloud {
    /// A cloud where nothing costs anything, and nobody is asked.
    #[must_use]
    pub fn harmless(providers: Vec<Arc<dyn Provider>>) -> Self {
        Self { providers, target: Vec::new(), real: false, pricing: None, guard: None }
    }

    /// A cloud where changes have consequences.
    #[must_use]
    pub fn real(providers: Vec<Arc<dyn Provider>>) -> Self {
        Self { real: true, ..Self::harmless(providers) }
    }

    /// Adds to where it points: `account`, `region`, `endpoint`.
    #[must_use]
    pub fn target(mut self, label: impl Into<String>, words: impl Into<String>) -> Self {
        self.target.push((label.into(), words.into()));
        self
    }

    /// Sets what things cost.
    #[must_use]
    pub fn pricing(mut self, pricing: impl Pricing + 'static) -> Self {
        self.pricing = Some(Arc::new(pricing));
        self
    }

    /// Keeps something alive until the run is over.
    #[must_use]
    pub fn guard(mut self, guard: impl Any + Send) -> Self {
        self.guard = Some(Box::new(guard));
        self
    }
}

/// What things cost. Any function of this shape is one.
pub trait Pricing: Send + Sync {
    /// What everything that is there after `plan` costs by the hour; `None` if it can not be told.
    /// `recorded` is the state before the plan, for what the plan leaves alone.
    fn hourly(&self, plan: &PlanData, recorded: &Snapshot) -> Option<Estimate>;
}

impl<F: Fn(&PlanData, &Snapshot) -> Option<Estimate> + Send + Sync> Pricing for F {
    fn hourly(&self, plan: &PlanData, recorded: &Snapshot) -> Option<Estimate> {
        self(plan, recorded)
    }
}

/// What a stack costs by the hour, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimate {
    /// What costs, the dearest first.
    pub items: Vec<EstimateItem>,
    /// What has no known price, in words; the true sum is larger than the known one.
    pub unpriced: Vec<String>,
    /// Whose prices, and of when: "on-demand list prices of us-west-2, 2025-10-01".
    pub basis: String,
}

/// One line of an [`Estimate`].
#[derive(Clone, Debug, PartialEq)]
pub struct EstimateItem {
    /// What: "p5.48xlarge".
    pub what: String,
    /// How many.
    pub count: usize,
    /// What one costs by the hour, in US dollars.
    pub dollars: f64,
}

impl Estimate {
    /// The known sum by the hour, in US dollars.
    #[must_use]
    pub fn dollars(&self) -> f64 {
        // A stack has fewer things than an f64 can count.
        self.items.iter().map(|item| item.dollars * item.count as f64).sum()
    }
}
