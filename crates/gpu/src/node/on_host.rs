//! A step on a host, as a resource.

use std::collections::BTreeMap;

use formwork_core::{
    __private::Members, Changes, Component, Context, CreateError, Declaration, Deletion, ErrorKind,
    FoundBy, Input, Inputs, Known, Lifecycle, Observed, Outputs, ProviderError, Resource,
    ResourceType, Schema, Scope,
};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{Nodes, types::SCHEMA};
use crate::{
    os::Os,
    steps::{Next, SettleError, Step, look, settle, take_away},
    transport::{HostRef, TransportError},
};

/// The host that software is on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub struct Host {
    /// Its identity: the EC2 instance id, or any name that stays.
    #[resource(replace)]
    pub id: String,
    /// Where it is reached: an address or a name. Not every transport needs one.
    pub address: Option<String>,
    /// Its instance type, such as `p5.48xlarge`.
    pub instance_type: Option<String>,
    /// Its operating system.
    pub os: Os,
}

impl Host {
    fn reference(&self) -> HostRef {
        HostRef {
            id: self.id.clone(),
            address: self.address.clone(),
            instance_type: self.instance_type.clone(),
            os: Some(self.os),
            facts: BTreeMap::new(),
        }
    }
}

/// A [`Step`] that is a resource type.
pub trait NodeStep: Step {
    /// The type, as data.
    const TYPE: &'static ResourceType;
}

/// A step on a host.
///
/// Create and update run the step until nothing differs; a run that is cut short anywhere goes on
/// from wherever the host is. Delete takes the software away, as each step documents; it is not
/// called for software that is `deleted_with` its machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct OnHost<S: NodeStep> {
    /// The host.
    pub host: Host,
    /// The step's inputs.
    pub settings: S,
    /// What it stands on, in words, such as the kernel and driver: where that changes, the step is
    /// run again after it, for a new driver forgets the settings of the GPUs.
    #[serde(default)]
    pub basis: Option<String>,
    /// What is otherwise than the settings say, and how: empty in every declaration, and filled by
    /// a look at the host.
    #[serde(default)]
    pub differs: BTreeMap<String, String>,
}

impl<S: NodeStep> OnHost<S> {
    /// Declares the step on a host; the host's fields may be late, the settings are known.
    pub fn declare(host: impl Into<Input<Host>>, settings: S) -> Declaration<Self> {
        Self::declare_upon(host, settings, None)
    }

    /// Declares the step on a host, to be run again when its `basis` changes.
    pub fn declare_upon(
        host: impl Into<Input<Host>>,
        settings: S,
        basis: Option<String>,
    ) -> Declaration<Self> {
        let mut members = Members::default();
        members.set("host", host.into());
        members.set("settings", Input::<S>::from(settings));
        members.set("basis", Input::<Option<String>>::from(basis));
        members.set("differs", Input::from(BTreeMap::<String, String>::new()));
        Declaration::new(members)
    }
}

/// What a step on a host reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Outputs)]
pub struct SoftwareOutputs {
    /// The host's id and the step's name: `i-0abc/driver`.
    #[output(id)]
    pub id: String,
    /// The host's id.
    pub host: String,
}

impl<S: NodeStep> Inputs for OnHost<S> {
    const SCHEMA: &'static Schema = &SCHEMA;
}

impl<S: NodeStep> Resource for OnHost<S> {
    const TYPE: &'static ResourceType = <S as NodeStep>::TYPE;
    type Outputs = SoftwareOutputs;
}

impl<S: NodeStep> Component for OnHost<S> {
    type Handle = SoftwareHandle;

    fn declare(self, scope: &mut Scope<'_>) -> SoftwareHandle {
        Component::declare(Declaration::from(self), scope)
    }
}

impl<S: NodeStep> OnHost<S> {
    fn outputs(&self) -> SoftwareOutputs {
        SoftwareOutputs { id: format!("{}/{}", self.host.id, S::NAME), host: self.host.id.clone() }
    }

    /// The resource as it is on the host, given what was seen there.
    fn seen(&self, observed: &S::Observed) -> Observed<Self> {
        let differs = match self.settings.converge(observed) {
            Next::Converged => BTreeMap::new(),
            Next::Change { differences, .. } => differences
                .into_iter()
                .map(|d| (d.what, format!("is {}, should be {}", d.is, d.should)))
                .collect(),
            Next::Blocked { problems } => problems
                .into_iter()
                .enumerate()
                .map(|(i, problem)| (format!("blocked {}", i + 1), problem))
                .collect(),
        };
        let inputs = Self { differs, ..self.clone() };
        let outputs = inputs.outputs();
        Observed { inputs, outputs }
    }

    async fn look(&self, nodes: &Nodes) -> Result<Option<Observed<Self>>, ProviderError> {
        match look(&*nodes.transport, &self.host.reference(), &self.settings).await {
            Ok(observed) => Ok(Some(self.seen(&observed))),
            // A machine that is not there has no software.
            Err(SettleError::Transport { source: TransportError::NoSuchHost { .. }, .. }) => {
                Ok(None)
            }
            Err(error) => Err(provider_error::<S>(&error)),
        }
    }

    async fn settle_on(&self, nodes: &Nodes) -> Result<SoftwareOutputs, ProviderError> {
        settle(&*nodes.transport, &self.host.reference(), &self.settings)
            .await
            .map_err(|error| provider_error::<S>(&error))?;
        Ok(self.outputs())
    }
}

impl<S: NodeStep> Lifecycle for OnHost<S> {
    type Client = Nodes;

    const FOUND_BY: FoundBy = FoundBy::NaturalKey;

    /// Software that is complete is found; half of it is not, and the create that follows goes on
    /// from there.
    async fn find(
        cx: &Context<'_, Nodes>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        Ok(inputs.look(cx.client).await?.filter(|found| found.inputs.differs.is_empty()))
    }

    async fn read(
        cx: &Context<'_, Nodes>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        known.inputs.look(cx.client).await
    }

    async fn list(
        client: &Nodes,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let mut looks = Vec::with_capacity(among.len());
        for known in among {
            looks.push(known.inputs.look(client));
        }
        let seen: Vec<_> = stream::iter(looks).buffered(client.parallelism).collect().await;
        seen.into_iter().filter_map(Result::transpose).collect()
    }

    async fn create(
        cx: &Context<'_, Nodes>,
        inputs: &Self,
    ) -> Result<SoftwareOutputs, CreateError<Self>> {
        Ok(inputs.settle_on(cx.client).await?)
    }

    async fn update(
        cx: &Context<'_, Nodes>,
        _: &Known<Self>,
        inputs: &Self,
        _: &Changes,
    ) -> Result<SoftwareOutputs, ProviderError> {
        inputs.settle_on(cx.client).await
    }

    async fn delete(
        cx: &Context<'_, Nodes>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let host = known.inputs.host.reference();
        match take_away(&*cx.client.transport, &host, &known.inputs.settings).await {
            Ok(_) => Ok(Deletion::Done),
            Err(SettleError::Transport { source: TransportError::NoSuchHost { .. }, .. }) => {
                Ok(Deletion::Done)
            }
            Err(error) => Err(provider_error::<S>(&error)),
        }
    }

    fn validate(check: &mut formwork_core::Check<'_>) {
        let problems = check.get::<S>("settings").map(|settings| settings.problems());
        for problem in problems.unwrap_or_default() {
            check.problem("settings", problem);
        }
    }
}

fn provider_error<S: Step>(error: &SettleError) -> ProviderError {
    let kind = match error {
        // A machine that has just booted does not answer at once.
        SettleError::Transport { source, .. } if source.nothing_was_done() => ErrorKind::Transient,
        SettleError::Transport { .. } => ErrorKind::Ambiguous,
        SettleError::Inputs { .. } => ErrorKind::Invalid,
        _ => ErrorKind::Other,
    };
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    ProviderError::new(kind, format!("node:{}", S::NAME), message)
}
