//! The other resource type of the modelled cloud: it gets its name from the cloud, is kept in the
//! cloud's own way of writing, and reports what only the cloud can tell. And a lookup.

use serde::{Deserialize, Serialize};

use super::cloud::{Cloud, Interrupted, Object, Op};
use crate::{
    Changes, Check, Context, CreateError, Deletion, ErrorKind, FoundBy, Inputs, Known, Lifecycle,
    Lookup, Observed, Outputs, ProviderError, Resource,
    value::{Secret, Value},
};

/// An object that is named by the cloud where the program does not name it, and whose text the cloud
/// keeps in small letters and without blanks around it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "model:test/named", outputs = NamedOutputs)]
pub struct Named {
    /// A unique name; made of the address and the object's identity if there is none.
    #[resource(unique, defaulted, replace)]
    pub name: Option<String>,
    /// A text, which the cloud writes in its own way; updated in place.
    pub text: Option<String>,
    /// How large it is; updated in place, and then its revision is another.
    pub size: Option<u32>,
    /// What can not be updated.
    #[resource(replace)]
    pub fixed: Option<String>,
    /// The ids of other objects; updated in place.
    #[serde(default)]
    #[resource(default)]
    pub refs: Vec<String>,
    /// What nobody may see; the cloud gives it back in clear.
    pub secret: Option<Secret<String>>,
}

/// What the modelled cloud reports of a [`Named`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct NamedOutputs {
    /// The object's id: its address, and how often one was made there.
    #[output(id)]
    pub id: String,
    /// The name that it has.
    pub name: String,
    /// How often it was changed.
    #[output(recomputed_by(text, size))]
    pub revision: u64,
    /// What opens it.
    #[output(secret)]
    pub token: Secret<String>,
}

impl Named {
    fn seen(id: String, object: &Object) -> Result<Observed<Self>, ProviderError> {
        let inputs: Self = object.inputs.to_data().map_err(|error| wrong(error.to_string()))?;
        let name = inputs.name.clone().unwrap_or_default();
        let outputs = Self::outputs(id, name, object.generation);
        Ok(Observed { inputs, outputs })
    }

    fn outputs(id: String, name: String, revision: u64) -> NamedOutputs {
        let token = Secret::new(format!("token-of-{id}"));
        NamedOutputs { id, name, revision, token }
    }

    /// How the cloud keeps it, under this name.
    fn kept(&self, name: &str) -> Result<Value, ProviderError> {
        let mut kept = self.clone();
        kept.name = Some(name.to_owned());
        kept.text = kept.text.map(|text| text.trim().to_lowercase());
        Value::from_data(&kept).map_err(|error| wrong(error.to_string()))
    }
}

fn wrong(message: String) -> ProviderError {
    ProviderError::new(ErrorKind::Invalid, "model", message)
}

impl Lifecycle for Named {
    type Client = Cloud;
    const FOUND_BY: FoundBy = FoundBy::ClientToken;

    async fn find(
        cx: &Context<'_, Cloud>,
        _: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let (address, made_by) = (cx.identity.address.as_str(), cx.identity.id);
        let found = cx.client.call(Op::Find, address, None, |at| Ok(at.made_by(made_by))).await?;
        found.map(|(id, object)| Self::seen(id, &object)).transpose()
    }

    async fn read(
        cx: &Context<'_, Cloud>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let (address, id) = (cx.identity.address.as_str(), &known.outputs.id);
        let object = cx.client.call(Op::Read, address, Some(id), |at| Ok(at.get(id))).await?;
        object.map(|object| Self::seen(id.clone(), &object)).transpose()
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
    ) -> Result<NamedOutputs, CreateError<Self>> {
        let name = inputs.name.clone().unwrap_or_else(|| cx.identity.name(40));
        let kept = inputs.kept(&name)?;
        let address = cx.identity.address.as_str();
        let made = cx
            .client
            .call(Op::Create, address, None, |at| {
                let refs = inputs.refs.clone();
                at.create(Self::TYPE.kind, cx.identity, kept, Some(name.clone()), refs)
            })
            .await;
        match made {
            Ok(id) => Ok(Self::outputs(id, name, 1)),
            Err(Interrupted::Partial(error, id)) => {
                Err(CreateError::partial(error, Self::outputs(id, name, 1)))
            }
            Err(Interrupted::Failed(error)) => Err(error.into()),
        }
    }

    async fn update(
        cx: &Context<'_, Cloud>,
        known: &Known<Self>,
        inputs: &Self,
        _: &Changes,
    ) -> Result<NamedOutputs, ProviderError> {
        let name = known.outputs.name.clone();
        let kept = inputs.kept(&name)?;
        let (address, id) = (cx.identity.address.as_str(), &known.outputs.id);
        let revision = cx
            .client
            .call(Op::Update, address, Some(id), |at| {
                at.update(id, kept, Some(name.clone()), inputs.refs.clone())?;
                Ok(at.get(id).map_or(0, |object| object.generation))
            })
            .await?;
        Ok(Self::outputs(id.clone(), name, revision))
    }

    async fn delete(
        cx: &Context<'_, Cloud>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let (address, id) = (cx.identity.address.as_str(), &known.outputs.id);
        cx.client.call(Op::Delete, address, Some(id), |at| at.delete(id)).await?;
        Ok(Deletion::Done)
    }

    fn validate(check: &mut Check<'_>) {
        if check.get::<String>("name").is_some_and(|name| name.contains(' ')) {
            check.problem("name", "it has a blank; expected a name without");
        }
        if check.get::<u32>("size") == Some(0) {
            check.problem("size", "it is 0; expected 1 or more");
        }
    }
}

/// Asks which object has a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub struct ByName {
    /// The name.
    pub name: String,
}

/// The object that has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct ByNameAnswer {
    /// Its id.
    #[output(id)]
    pub id: String,
    /// Its label, if it has one.
    pub label: Option<String>,
}

impl Lookup for ByName {
    const KIND: &'static str = "model:test/by-name";
    type Answer = ByNameAnswer;
    type Client = Cloud;

    async fn look_up(client: &Cloud, query: &Self) -> Result<ByNameAnswer, ProviderError> {
        let found = client.call(Op::Find, Self::KIND, None, |at| Ok(at.named(&query.name))).await?;
        let (id, object) = found.ok_or_else(|| {
            let message = format!("there is no object with the name {:?}", query.name);
            ProviderError::new(ErrorKind::NotFound, "model:ByName", message)
        })?;
        let label = object.inputs.get("label").and_then(|label| label.as_str().map(str::to_owned));
        Ok(ByNameAnswer { id, label })
    }
}
