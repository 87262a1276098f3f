//! A cloud of three types in memory, with the faults that a command line must show.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use formwork_core::{
    By, Changes, Check, Child, Context, CreateError, Deletion, ErrorKind, FoundBy, Inputs, Known,
    Lifecycle, Managed, Observed, Outputs, Parent, Provider, ProviderError, Registry, Resource,
    ResourceId, Secret, Seed, value::Value,
};
use serde::{Deserialize, Serialize};

/// A network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "demo:net/network", outputs = NetworkOutputs, group = network)]
pub(crate) struct Network {
    /// The addresses.
    #[resource(replace)]
    pub(crate) cidr: String,
    /// Whether names resolve.
    #[serde(default)]
    #[resource(default)]
    pub(crate) dns: bool,
    /// Labels.
    #[serde(default)]
    #[resource(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

/// What a network reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub(crate) struct NetworkOutputs {
    /// The id.
    #[output(id)]
    pub(crate) id: String,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "demo:compute/node", outputs = NodeOutputs, group = compute)]
pub(crate) struct Node {
    /// Where.
    #[resource(replace)]
    pub(crate) network: String,
    /// How large.
    pub(crate) size: String,
    /// Its interfaces.
    #[serde(default)]
    #[resource(default, nested)]
    pub(crate) interfaces: Vec<Interface>,
    /// Its password.
    #[resource(secret, write_only)]
    pub(crate) password: Option<Secret<String>>,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub(crate) struct Interface {
    /// Which.
    pub(crate) index: u32,
    /// How fast.
    pub(crate) kind: String,
}

/// What a machine reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub(crate) struct NodeOutputs {
    /// The id.
    #[output(id)]
    pub(crate) id: String,
}

/// A rule of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "demo:net/rule", outputs = RuleOutputs, group = network)]
pub(crate) struct Rule {
    /// Of which.
    #[resource(replace)]
    pub(crate) network: String,
    /// Who may come in.
    pub(crate) from: String,
}

/// What a rule reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub(crate) struct RuleOutputs {
    /// The id.
    #[output(id)]
    pub(crate) id: String,
}

/// Software on a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "demo:node/driver", outputs = DriverOutputs, group = drivers)]
pub(crate) struct Driver {
    /// On which.
    #[resource(replace)]
    pub(crate) node: String,
    /// Which version.
    pub(crate) version: String,
}

/// What software reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub(crate) struct DriverOutputs {
    /// The id.
    #[output(id)]
    pub(crate) id: String,
}

/// The objects, by their id in the cloud.
#[derive(Default)]
pub(crate) struct World {
    objects: BTreeMap<String, (ResourceId, Value)>,
    /// The addresses whose creates fail.
    pub(crate) broken: BTreeSet<String>,
    /// The addresses whose creates never end.
    pub(crate) stuck: BTreeSet<String>,
    /// Told when a stuck create has started.
    pub(crate) started: Arc<tokio::sync::Notify>,
    made: BTreeMap<String, u32>,
}

/// What the provider's calls are made with.
#[derive(Default)]
pub(crate) struct Cloud(Mutex<World>);

impl Cloud {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().expect("no test panics while it holds the world")
    }

    /// Changes a field behind the engine's back.
    pub(crate) fn tamper(&self, id: &str, field: &'static str, value: impl Into<Value>) {
        let mut world = self.world();
        let (_, inputs) = world.objects.get_mut(id).expect("the object is there");
        let Value::Map(map) = inputs else { unreachable!("inputs are a map") };
        map.insert(field, value);
    }

    /// Adds a rule to a network behind the engine's back.
    pub(crate) fn add_rule(&self, id: &str, network: &str, from: &str) {
        let rule = Rule { network: network.to_owned(), from: from.to_owned() };
        let inputs = Value::from_data(&rule).expect("inputs are values");
        let nobody = ResourceId::derive(&formwork_core::Seed::fixed(0), 0);
        self.world().objects.insert(id.to_owned(), (nobody, inputs));
    }

    /// Removes an object behind the engine's back.
    pub(crate) fn lose(&self, id: &str) {
        self.world().objects.remove(id).expect("the object is there");
    }

    /// Puts an object of somebody else there.
    pub(crate) fn put(&self, id: &str, inputs: &str) {
        let inputs = serde_json::from_str(inputs).expect("inputs are JSON");
        let nobody = ResourceId::derive(&Seed::fixed(9), 9);
        self.world().objects.insert(id.to_owned(), (nobody, inputs));
    }

    pub(crate) fn count(&self) -> usize {
        self.world().objects.len()
    }
}

/// A provider that knows no software.
pub(crate) fn bare_provider(cloud: &Arc<Cloud>) -> Arc<dyn Provider> {
    let registry = Registry::new("demo", Arc::clone(cloud));
    Arc::new(registry.with::<Network>().with::<Node>())
}

pub(crate) fn provider(cloud: &Arc<Cloud>) -> Arc<dyn Provider> {
    let registry = Registry::new("demo", Arc::clone(cloud));
    Arc::new(registry.with::<Network>().with::<Node>().with::<Driver>().with::<Rule>())
}

fn broken() -> ProviderError {
    ProviderError {
        kind: ErrorKind::Capacity,
        operation: "demo:Create".into(),
        message: "there is no room for this".into(),
        code: Some("InsufficientCapacity".into()),
        request_id: Some("7f3a-01".into()),
        retry_after: None,
    }
}

macro_rules! lifecycle {
    ($type:ident, $outputs:ident, $prefix:literal $(, $more:item)*) => {
        impl Lifecycle for $type {
            type Client = Cloud;
            const FOUND_BY: FoundBy = FoundBy::Tag;

            async fn find(
                cx: &Context<'_, Cloud>,
                _: &Self,
            ) -> Result<Option<Observed<Self>>, ProviderError> {
                let world = cx.client.world();
                let found = world.objects.iter().find(|(_, (own, _))| *own == cx.identity.id);
                Ok(found.map(|(id, (_, inputs))| seen(id, inputs)))
            }

            async fn read(
                cx: &Context<'_, Cloud>,
                known: &Known<Self>,
            ) -> Result<Option<Observed<Self>>, ProviderError> {
                let world = cx.client.world();
                Ok(world.objects.get(&known.outputs.id).map(|(_, i)| seen(&known.outputs.id, i)))
            }

            async fn list(
                cloud: &Cloud,
                _: &[Known<Self>],
            ) -> Result<Vec<Observed<Self>>, ProviderError> {
                let world = cloud.world();
                let own = world.objects.iter().filter(|(id, _)| id.starts_with($prefix));
                Ok(own.map(|(id, (_, inputs))| seen(id, inputs)).collect())
            }

            async fn create(
                cx: &Context<'_, Cloud>,
                inputs: &Self,
            ) -> Result<Self::Outputs, CreateError<Self>> {
                let address = cx.identity.address.to_string();
                let stuck = {
                    let world = cx.client.world();
                    if world.broken.contains(&address) {
                        return Err(broken().into());
                    }
                    world.stuck.contains(&address).then(|| world.started.clone())
                };
                if let Some(started) = stuck {
                    started.notify_one();
                    tokio::time::sleep(Duration::from_secs(600)).await;
                }
                let mut world = cx.client.world();
                let nth = world.made.entry(address.clone()).or_default();
                *nth += 1;
                let id = format!("{}{}.{nth}", $prefix, address.replace('/', "."));
                let inputs = Value::from_data(inputs).expect("inputs are values");
                world.objects.insert(id.clone(), (cx.identity.id, inputs));
                Ok($outputs { id })
            }

            async fn update(
                cx: &Context<'_, Cloud>,
                known: &Known<Self>,
                inputs: &Self,
                _: &Changes,
            ) -> Result<Self::Outputs, ProviderError> {
                let inputs = Value::from_data(inputs).expect("inputs are values");
                let mut world = cx.client.world();
                world.objects.insert(known.outputs.id.clone(), (cx.identity.id, inputs));
                Ok(known.outputs.clone())
            }

            async fn delete(
                cx: &Context<'_, Cloud>,
                known: &Known<Self>,
            ) -> Result<Deletion, ProviderError> {
                cx.client.world().objects.remove(&known.outputs.id);
                Ok(Deletion::Done)
            }

            async fn locate(
                cloud: &Cloud,
                by: By<'_, Self>,
            ) -> Result<Option<Observed<Self>>, ProviderError> {
                let By::Id(id) = by else { return Ok(None) };
                let world = cloud.world();
                let object = world.objects.get(id).filter(|_| id.starts_with($prefix));
                Ok(object.map(|(_, inputs)| seen(id, inputs)))
            }

            $($more)*
        }
    };
}

fn seen<R>(id: &str, inputs: &Value) -> Observed<R>
where
    R: Resource,
{
    let outputs = serde_json::json!({ "id": id });
    Observed {
        inputs: inputs.to_data().expect("what was stored was of this type"),
        outputs: serde_json::from_value(outputs).expect("every type here reports an id"),
    }
}

lifecycle!(
    Network,
    NetworkOutputs,
    "net-",
    fn validate(check: &mut Check<'_>) {
        if let Some(cidr) = check.get::<String>("cidr")
            && !cidr.contains('/')
        {
            check.problem("cidr", format!("{cidr:?} is no range: expected like \"10.0.0.0/16\""));
        }
    }
);
lifecycle!(
    Rule,
    RuleOutputs,
    "rule-",
    const PARENTS: &'static [Parent] = &[Parent::new("demo:net/network", "network").goes_along()];,
    async fn list_children(
        cloud: &Cloud,
        _: &[Managed<'_>],
    ) -> Result<Vec<Child<Self>>, ProviderError> {
        Ok(Self::list(cloud, &[]).await?.into_iter().map(Child::new).collect())
    }
);
lifecycle!(Node, NodeOutputs, "node-");
lifecycle!(Driver, DriverOutputs, "drv-");
