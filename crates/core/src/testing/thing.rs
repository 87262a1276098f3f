//! The resource types of the modelled cloud: one for each way a real type can behave.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    cloud::{Cloud, Effects, Interrupted, Object, Op},
    named::{ByName, Named},
};
use crate::{
    By, Changes, Check, Child, Context, CreateError, Deletion, FoundBy, Known, Lifecycle, Managed,
    Observed, Outputs, Parent, ProviderError, Registry, Resource, Settled,
    value::{Secret, Value},
};

macro_rules! thing {
    (
        $(#[$doc:meta])* $name:ident, $kind:literal $(, $flag:ident $(= $to:tt)?)* $(; $named:ident)?
        $(=> $parents:expr)?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Resource)]
        #[resource(kind = $kind, outputs = ThingOutputs $(, $flag $(= $to)?)*)]
        pub struct $name {
            /// A unique name, or none.
            #[resource(unique $(, $named)?)]
            pub name: Option<String>,
            /// What is updated in place.
            pub label: Option<String>,
            /// What can not be updated.
            #[resource(replace)]
            pub fixed: Option<String>,
            /// The ids of other objects; updated in place.
            #[serde(default)]
            #[resource(default)]
            pub refs: Vec<String>,
            /// The id of another object; can not be updated.
            #[resource(replace)]
            pub fixed_ref: Option<String>,
            /// The id of another object, which can not go before this lets go of it; updated in place.
            #[resource(holds)]
            pub held: Option<String>,
            /// What the cloud chooses when the program does not.
            #[resource(defaulted)]
            pub zone: Option<String>,
            /// A set.
            #[serde(default)]
            #[resource(default, unordered)]
            pub set: Vec<String>,
            /// What nobody may see.
            pub password: Option<Secret<String>>,
            /// What the cloud takes and never gives back.
            #[resource(write_only)]
            pub hidden: Option<String>,
        }

        impl $name {
            fn refs(&self) -> Vec<String> {
                self.refs.iter().chain(&self.fixed_ref).chain(&self.held).cloned().collect()
            }

            /// How the cloud keeps it.
            fn kept(&self) -> Result<Value, ProviderError> {
                let mut kept = self.clone();
                kept.zone.get_or_insert_with(|| "zone-a".to_owned());
                kept.hidden = None;
                Value::from_data(&kept).map_err(|error| {
                    ProviderError::new(crate::ErrorKind::Invalid, "model", error.to_string())
                })
            }

            fn seen(id: String, object: &Object) -> Result<Observed<Self>, ProviderError> {
                let inputs: Self = object.inputs.to_data().map_err(|error| {
                    ProviderError::new(crate::ErrorKind::Invalid, "model", error.to_string())
                })?;
                let label = inputs.label.clone();
                Ok(Observed { inputs, outputs: ThingOutputs { id, label } })
            }
        }

        impl Lifecycle for $name {
            type Client = Cloud;
            const FOUND_BY: FoundBy = FoundBy::Tag;

            async fn find(
                cx: &Context<'_, Cloud>,
                _: &Self,
            ) -> Result<Option<Observed<Self>>, ProviderError> {
                let address = cx.identity.address.as_str();
                let made_by = cx.identity.id;
                let found =
                    cx.client.call(Op::Find, address, None, |at| Ok(at.made_by(made_by))).await?;
                found.map(|(id, object)| Self::seen(id, &object)).transpose()
            }

            async fn read(
                cx: &Context<'_, Cloud>,
                known: &Known<Self>,
            ) -> Result<Option<Observed<Self>>, ProviderError> {
                let (address, id) = (cx.identity.address.as_str(), &known.outputs.id);
                let found =
                    cx.client.call(Op::Read, address, Some(id), |at| Ok(at.now(id))).await?;
                found.map(|(id, object)| Self::seen(id, &object)).transpose()
            }

            async fn list(
                client: &Cloud,
                among: &[Known<Self>],
            ) -> Result<Vec<Observed<Self>>, ProviderError> {
                let found = client
                    .call(Op::List, Self::TYPE.kind, None, |at| {
                        let ids = among.iter().map(|known| known.outputs.id.clone());
                        Ok(ids.filter_map(|id| Some((id.clone(), at.get(&id)?))).collect::<Vec<_>>())
                    })
                    .await?;
                found.into_iter().map(|(id, object)| Self::seen(id, &object)).collect()
            }

            async fn create(
                cx: &Context<'_, Cloud>,
                inputs: &Self,
            ) -> Result<ThingOutputs, CreateError<Self>> {
                let kept = inputs.kept()?;
                let (name, refs) = (inputs.name.clone(), inputs.refs());
                let address = cx.identity.address.as_str();
                let made = cx
                    .client
                    .call(Op::Create, address, None, |at| {
                        at.create(Self::TYPE.kind, cx.identity, kept, name, refs)
                    })
                    .await;
                let outputs = |id| ThingOutputs { id, label: inputs.label.clone() };
                match made {
                    Ok(id) => Ok(outputs(id)),
                    Err(Interrupted::Partial(error, id)) => {
                        Err(CreateError::partial(error, outputs(id)))
                    }
                    Err(Interrupted::Failed(error)) => Err(error.into()),
                }
            }

            async fn settle(
                cx: &Context<'_, Cloud>,
                known: &Known<Self>,
            ) -> Result<Settled<Self>, ProviderError> {
                let (address, id) = (cx.identity.address.as_str(), &known.outputs.id);
                let look =
                    cx.client.call(Op::Settle, address, Some(id), |at| Ok(at.look(id))).await?;
                Ok(match look {
                    Some((object, true)) => Settled::Ready(Self::seen(id.clone(), &object)?),
                    _ => Settled::Pending(Duration::from_millis(20)),
                })
            }

            async fn update(
                cx: &Context<'_, Cloud>,
                known: &Known<Self>,
                inputs: &Self,
                _: &Changes,
            ) -> Result<ThingOutputs, ProviderError> {
                let kept = inputs.kept()?;
                let (name, refs) = (inputs.name.clone(), inputs.refs());
                let (address, id) = (cx.identity.address.as_str(), &known.outputs.id);
                cx.client
                    .call(Op::Update, address, Some(id), |at| at.update(id, kept, name, refs))
                    .await?;
                Ok(ThingOutputs { id: id.clone(), label: inputs.label.clone() })
            }

            async fn delete(
                cx: &Context<'_, Cloud>,
                known: &Known<Self>,
            ) -> Result<Deletion, ProviderError> {
                let (address, id) = (cx.identity.address.as_str(), &known.outputs.id);
                cx.client.call(Op::Delete, address, Some(id), |at| at.delete(id)).await?;
                Ok(Deletion::Done)
            }

            async fn locate(
                client: &Cloud,
                by: By<'_, Self>,
            ) -> Result<Option<Observed<Self>>, ProviderError> {
                let found = match by {
                    By::Id(id) => {
                        let look = |at: &mut Effects<'_>| {
                            let object = at.get(id).filter(|object| object.kind == Self::TYPE.kind);
                            Ok(object.map(|object| (id.to_owned(), object)))
                        };
                        client.call(Op::Locate, id, Some(id), look).await?
                    }
                    By::Inputs(Self { name: Some(name), .. }) => {
                        let look = |at: &mut Effects<'_>| Ok(at.of_kind_named(Self::TYPE.kind, name));
                        client.call(Op::Locate, name, None, look).await?
                    }
                    By::Inputs(_) => None,
                };
                found.map(|(id, object)| Self::seen(id, &object)).transpose()
            }

            async fn claim(
                cx: &Context<'_, Cloud>,
                known: &Known<Self>,
            ) -> Result<(), ProviderError> {
                let (address, id) = (cx.identity.address.as_str(), &known.outputs.id);
                let by = cx.identity.id;
                Ok(cx.client.call(Op::Claim, address, Some(id), |at| at.claim(id, by)).await?)
            }
            $(
            const PARENTS: &'static [Parent] = $parents;

            async fn list_children(
                client: &Cloud,
                parents: &[Managed<'_>],
            ) -> Result<Vec<Child<Self>>, ProviderError> {
                let children = concat!("children ", $kind);
                let found = client
                    .call(Op::List, children, None, |at| {
                        let ids: Vec<&str> = parents.iter().map(|parent| parent.id).collect();
                        Ok(at.children($kind, &ids))
                    })
                    .await?;
                let child = |(id, object, owner): (String, Object, Option<String>)| {
                    Ok(Child::new(Self::seen(id, &object)?).owned_by(owner))
                };
                found.into_iter().map(child).collect()
            }
            )?

            fn validate(check: &mut Check<'_>) {
                if check.get::<String>("label").is_some_and(|label| label.is_empty()) {
                    check.problem("label", "it is empty; expected text, or no label at all");
                }
            }
        }
    };
}

/// What the modelled cloud reports of anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct ThingOutputs {
    /// The object's id: its address, and how often one was made there.
    #[output(id)]
    pub id: String,
    /// The label, as it is.
    #[output(echo)]
    pub label: Option<String>,
}

thing!(
    /// An ordinary object: replaced by making the new one first.
    Thing,
    "model:test/thing"
);
thing!(
    /// An object of which only one can be at a time: replaced by deleting the old one first.
    Single,
    "model:test/single",
    delete_first
);
thing!(
    /// An object whose half-done create is finished by an update.
    Resumable,
    "model:test/resumable",
    resumable
);

thing!(
    /// An object whose name is a block of addresses, of which no two overlap.
    Net,
    "model:test/net"; cidr
);

thing!(
    /// A [`Thing`] under another name, a version later. The provider of the modelled cloud does not
    /// have it, for there a thing is still a thing.
    Renamed,
    "model:test/renamed",
    formerly = ["model:test/thing", "model:test/object"],
    version = 2
);

thing!(
    /// An object that belongs to the one in `fixed_ref`, which can not go while this is there. It has
    /// an ownership tag.
    Part,
    "model:test/part" => &[
        Parent::new("model:test/thing", "fixed_ref"),
        Parent::new("model:test/single", "fixed_ref"),
        Parent::new("model:test/thing", "held"),
    ]
);

thing!(
    /// An object that belongs to the one in `fixed_ref`, and goes with it. It can have no tag, so
    /// nobody can tell who made it.
    Leaf,
    "model:test/leaf" => &[Parent::new("model:test/thing", "fixed_ref").goes_along()]
);

/// The provider of the modelled cloud, under the name `model`.
#[must_use]
pub fn provider(cloud: &Cloud) -> Registry<Cloud> {
    Registry::new("model", Arc::new(cloud.clone()))
        .with::<Thing>()
        .with::<Single>()
        .with::<Resumable>()
        .with::<Net>()
        .with::<Named>()
        .with_lookup::<ByName>()
}

/// The same, with the types whose objects belong to others: [`Part`] and [`Leaf`].
#[must_use]
pub fn provider_with_children(cloud: &Cloud) -> Registry<Cloud> {
    provider(cloud).with::<Part>().with::<Leaf>()
}
