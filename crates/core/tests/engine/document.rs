//! A type of its own: its key comes from its inputs, its cloud writes shapes in lower case and
//! changes only the places that it is told of; and the same type, a version later.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use formwork_core::{
    Changes, Context, CreateError, Declaration, Deletion, Engine, FoundBy, Known, Lifecycle,
    Observed, Outputs, PlanRequest, ProviderError, RefreshMode, Registry, Resource, Scope, Settled,
    Stack, testing::MemoryStore, value::Value,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "office:files/document", outputs = DocumentOutputs)]
pub(crate) struct Document {
    pub(crate) key: String,
    pub(crate) text: Option<String>,
    #[resource(replace)]
    pub(crate) shape: Option<String>,
    #[serde(default)]
    #[resource(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub(crate) struct DocumentOutputs {
    #[output(id)]
    pub(crate) id: String,
    pub(crate) port: u32,
}

impl Document {
    pub(crate) fn new(key: &str) -> Self {
        Self { key: key.to_owned(), ..Self::default() }
    }

    pub(crate) fn text(mut self, text: &str) -> Self {
        self.text = Some(text.to_owned());
        self
    }

    pub(crate) fn shape(mut self, shape: &str) -> Self {
        self.shape = Some(shape.to_owned());
        self
    }

    pub(crate) fn tag(mut self, key: &str, value: &str) -> Self {
        self.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn declared(self) -> Declaration<Self> {
        Declaration::from(self)
    }

    fn kept(&self) -> Self {
        Self { shape: self.shape.as_ref().map(|shape| shape.to_lowercase()), ..self.clone() }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Shelf {
    documents: BTreeMap<String, Document>,
    port: u32,
}

pub(crate) type Client = Mutex<Shelf>;

impl Shelf {
    fn outputs(&self, key: &str) -> DocumentOutputs {
        DocumentOutputs { id: key.to_owned(), port: self.port }
    }

    fn observed(&self, key: &str) -> Option<Observed<Document>> {
        let inputs = self.documents.get(key)?.clone();
        Some(Observed { inputs, outputs: self.outputs(key) })
    }
}

impl Lifecycle for Document {
    type Client = Client;
    const FOUND_BY: FoundBy = FoundBy::NaturalKey;

    async fn find(
        cx: &Context<'_, Client>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        Ok(cx.client.lock().unwrap().observed(&inputs.key))
    }

    async fn read(
        cx: &Context<'_, Client>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        Ok(cx.client.lock().unwrap().observed(&known.outputs.id))
    }

    async fn list(
        client: &Client,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let shelf = client.lock().unwrap();
        Ok(among.iter().filter_map(|known| shelf.observed(&known.outputs.id)).collect())
    }

    async fn create(
        cx: &Context<'_, Client>,
        inputs: &Self,
    ) -> Result<DocumentOutputs, CreateError<Self>> {
        let mut shelf = cx.client.lock().unwrap();
        shelf.documents.insert(inputs.key.clone(), inputs.kept());
        Ok(shelf.outputs(&inputs.key))
    }

    async fn settle(
        cx: &Context<'_, Client>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        let seen = cx.client.lock().unwrap().observed(&known.outputs.id);
        Ok(seen.map_or(Settled::Pending(Duration::from_millis(1)), Settled::Ready))
    }

    async fn update(
        cx: &Context<'_, Client>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<DocumentOutputs, ProviderError> {
        let mut shelf = cx.client.lock().unwrap();
        let document = shelf.documents.get_mut(&known.outputs.id).unwrap();
        for path in changes.paths() {
            match (path.top(), path.to_string().strip_prefix("tags.")) {
                ("text", _) => document.text.clone_from(&inputs.text),
                ("tags", Some(key)) => match inputs.tags.get(key) {
                    Some(value) => drop(document.tags.insert(key.to_owned(), value.clone())),
                    None => drop(document.tags.remove(key)),
                },
                ("tags", None) => document.tags.clone_from(&inputs.tags),
                (other, _) => panic!("{other} can not be changed"),
            }
        }
        Ok(shelf.outputs(&known.outputs.id))
    }

    async fn delete(
        cx: &Context<'_, Client>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        cx.client.lock().unwrap().documents.remove(&known.outputs.id);
        Ok(Deletion::Done)
    }
}

/// The next version of the type: its text is called body, its port door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "office:files/document", outputs = NewerOutputs, version = 2)]
pub(crate) struct Newer {
    pub(crate) key: String,
    pub(crate) body: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub(crate) struct NewerOutputs {
    #[output(id)]
    pub(crate) id: String,
    pub(crate) door: u32,
}

impl Newer {
    fn observed(client: &Client, key: &str) -> Option<Observed<Self>> {
        let document = client.lock().unwrap().documents.get(key)?.clone();
        let inputs = Self { key: key.to_owned(), body: document.text.unwrap_or_default() };
        Some(Observed { inputs, outputs: Self::outputs(key) })
    }

    fn outputs(key: &str) -> NewerOutputs {
        NewerOutputs { id: key.to_owned(), door: 1 }
    }
}

impl Lifecycle for Newer {
    type Client = Client;
    const FOUND_BY: FoundBy = FoundBy::NaturalKey;

    async fn find(
        cx: &Context<'_, Client>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        Ok(Self::observed(cx.client, &inputs.key))
    }

    async fn read(
        cx: &Context<'_, Client>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        Ok(Self::observed(cx.client, &known.outputs.id))
    }

    async fn list(
        client: &Client,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        Ok(among.iter().filter_map(|known| Self::observed(client, &known.outputs.id)).collect())
    }

    async fn create(
        cx: &Context<'_, Client>,
        inputs: &Self,
    ) -> Result<NewerOutputs, CreateError<Self>> {
        let document = Document::new(&inputs.key).text(&inputs.body);
        cx.client.lock().unwrap().documents.insert(inputs.key.clone(), document);
        Ok(Self::outputs(&inputs.key))
    }

    async fn update(
        cx: &Context<'_, Client>,
        known: &Known<Self>,
        inputs: &Self,
        _: &Changes,
    ) -> Result<NewerOutputs, ProviderError> {
        let mut shelf = cx.client.lock().unwrap();
        shelf.documents.get_mut(&known.outputs.id).unwrap().text = Some(inputs.body.clone());
        Ok(known.outputs.clone())
    }

    async fn delete(
        cx: &Context<'_, Client>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        cx.client.lock().unwrap().documents.remove(&known.outputs.id);
        Ok(Deletion::Done)
    }

    fn upgrade(_: u32, inputs: Value, outputs: Value) -> Result<(Value, Value), String> {
        let text = |of: &Value, name: &str| of.get(name)?.as_str().map(str::to_owned);
        let key = text(&inputs, "key").ok_or("it has no key")?;
        let body = text(&inputs, "text").ok_or("it has no text: it was upgraded before")?;
        let outputs = match outputs {
            Value::Null => Value::Null,
            outputs => Value::from_data(&Self::outputs(&text(&outputs, "id").unwrap())).unwrap(),
        };
        Ok((Value::from_data(&Self { key, body }).unwrap(), outputs))
    }
}

/// A cloud of documents, and the state of the program that keeps them.
pub(crate) struct Office {
    client: Arc<Client>,
    pub(crate) store: MemoryStore,
    pub(crate) newer: bool,
}

impl Office {
    pub(crate) fn new() -> Self {
        let client = Arc::new(Mutex::new(Shelf { port: 1, ..Shelf::default() }));
        let store = MemoryStore::new();
        Self { client, store, newer: false }
    }

    pub(crate) fn engine(&self) -> Engine {
        let registry = Registry::new("office", self.client.clone());
        let registry =
            if self.newer { registry.with::<Newer>() } else { registry.with::<Document>() };
        Engine::builder()
            .provider(registry)
            .state(self.store.clone())
            .parallelism(1)
            .try_build()
            .unwrap()
    }

    pub(crate) fn cut_after(&self, writes: u64) {
        self.store.cut_after(self.store.writes() + writes);
    }

    /// What a process finds that starts after the one before was killed.
    pub(crate) fn reopen(&mut self) {
        self.store = self.store.reopen();
        self.store.expire_leases();
    }

    /// Plans and applies; returns the plan, or what went wrong.
    pub(crate) async fn up(&self, declare: impl FnOnce(&mut Scope<'_>)) -> Result<String, String> {
        self.up_with(declare, RefreshMode::List).await
    }

    /// Records what is there, and returns the plan that said so.
    pub(crate) async fn refresh(
        &self,
        declare: impl FnOnce(&mut Scope<'_>),
    ) -> Result<String, String> {
        self.up_asking(declare, |request| request.refresh(RefreshMode::None).refresh_only()).await
    }

    /// Plans with something asked for, and applies.
    pub(crate) async fn up_asking(
        &self,
        declare: impl FnOnce(&mut Scope<'_>),
        ask: impl FnOnce(PlanRequest<'_>) -> PlanRequest<'_>,
    ) -> Result<String, String> {
        let (engine, stack) = (self.engine(), Stack::new("t", declare).unwrap());
        let plan = ask(engine.plan(&stack)).await.map_err(|e| e.to_string())?;
        let text = plan.to_string();
        engine.apply(plan).await.map_err(|error| format!("{text}\n{error}"))?;
        Ok(text)
    }

    pub(crate) async fn up_with(
        &self,
        declare: impl FnOnce(&mut Scope<'_>),
        refresh: RefreshMode,
    ) -> Result<String, String> {
        self.up_asking(declare, |request| request.refresh(refresh)).await
    }

    pub(crate) fn get(&self, key: &str) -> Option<Document> {
        self.client.lock().unwrap().documents.get(key).cloned()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.client.lock().unwrap().documents.keys().cloned().collect()
    }

    /// Changes a document behind everybody's back.
    pub(crate) fn edit(&self, key: &str, edit: impl FnOnce(&mut Document)) {
        edit(self.client.lock().unwrap().documents.get_mut(key).unwrap());
    }

    /// Makes every document report this port from now on.
    pub(crate) fn report_port(&self, port: u32) {
        self.client.lock().unwrap().port = port;
    }
}
