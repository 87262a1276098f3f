//! Planted secrets, and everywhere that they may not be found.

use std::sync::{Arc, Mutex};

use formwork_core::{
    Changes, Context, CreateError, Deletion, Engine, ErrorKind, Event, FoundBy, HookPoint, Inputs,
    Known, Lifecycle, Lookup, Observed, Outputs, ProviderError, Registry, Resource, SavedPlan,
    Scope, SealError, Sealed, Sealer, Secret, Settled, Stack,
    state::edit::excerpt,
    testing::{MemoryStore, Random},
    text,
};
use serde::{Deserialize, Serialize};

/// What is searched for: nothing else holds these letters.
const PLANTED: [&str; 5] =
    ["hunter2-input", "hunter2-nested", "hunter2-document", "hunter2-query", "hunter2-answer"];

/// A type whose cloud quotes what it was given wherever it can.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "leaky:test/vault", outputs = VaultOutputs)]
struct Vault {
    password: Secret<String>,
    #[serde(default)]
    #[resource(default)]
    nested: Vec<Secret<String>>,
    #[resource(json)]
    document: Option<Secret<String>>,
    #[resource(replace)]
    shape: Option<String>,
    label: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
struct VaultOutputs {
    #[output(id)]
    id: String,
    /// The password again, in plain.
    #[output(echo)]
    label: Option<String>,
}

/// How the cloud behaves, and what it has.
#[derive(Default)]
struct Leaky {
    fails: Mutex<Option<&'static str>>,
    has: Mutex<Option<Vault>>,
}

impl Leaky {
    /// Fails by quoting everything that it was given.
    fn quote(&self, verb: &'static str, given: &Vault) -> Result<(), ProviderError> {
        let mut fails = self.fails.lock().unwrap();
        let words = format!(
            "can not {verb}: {:?} {} {:?}",
            given.password.expose(),
            given.nested.first().map_or("", |at| at.expose().as_str()),
            given.document.as_ref().map(Secret::expose),
        );
        match *fails {
            Some("panic") => {
                *fails = None;
                drop(fails);
                panic!("{words}")
            }
            Some(at) if at == verb => {
                let mut error = ProviderError::new(ErrorKind::Invalid, "leaky", words.clone());
                error.code = Some(words);
                Err(error)
            }
            _ => Ok(()),
        }
    }
}

impl Lifecycle for Vault {
    type Client = Leaky;
    const FOUND_BY: FoundBy = FoundBy::NaturalKey;

    async fn find(
        cx: &Context<'_, Leaky>,
        given: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        cx.client.quote("find", given)?;
        Ok(None)
    }

    async fn read(
        cx: &Context<'_, Leaky>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        cx.client.quote("read", &known.inputs)?;
        let has = cx.client.has.lock().unwrap().clone();
        Ok(has.map(|inputs| Observed { inputs, outputs: known.outputs.clone() }))
    }

    async fn list(
        client: &Leaky,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let mut seen = Vec::new();
        for known in among {
            client.quote("list", &known.inputs)?;
            let has = client.has.lock().unwrap().clone();
            let outputs = known.outputs.clone();
            seen.extend(has.map(|inputs| Observed { inputs, outputs }));
        }
        Ok(seen)
    }

    async fn create(
        cx: &Context<'_, Leaky>,
        inputs: &Self,
    ) -> Result<VaultOutputs, CreateError<Self>> {
        let outputs = VaultOutputs { id: "v-1".to_owned(), label: inputs.label.clone() };
        if let Err(error) = cx.client.quote("half", inputs) {
            return Err(CreateError::partial(error, outputs));
        }
        cx.client.quote("create", inputs)?;
        *cx.client.has.lock().unwrap() = Some(inputs.clone());
        Ok(outputs)
    }

    async fn settle(
        cx: &Context<'_, Leaky>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        cx.client.quote("settle", &known.inputs)?;
        let (inputs, outputs) = (known.inputs.clone(), known.outputs.clone());
        Ok(Settled::Ready(Observed { inputs, outputs }))
    }

    async fn update(
        cx: &Context<'_, Leaky>,
        _: &Known<Self>,
        inputs: &Self,
        _: &Changes,
    ) -> Result<VaultOutputs, ProviderError> {
        cx.client.quote("update", inputs)?;
        *cx.client.has.lock().unwrap() = Some(inputs.clone());
        Ok(VaultOutputs { id: "v-1".to_owned(), label: inputs.label.clone() })
    }

    async fn delete(
        cx: &Context<'_, Leaky>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        cx.client.quote("delete", &known.inputs)?;
        *cx.client.has.lock().unwrap() = None;
        Ok(Deletion::Done)
    }
}

/// A question with a secret in it, and one in the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
struct Ask {
    token: Secret<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
struct Told {
    #[output(id)]
    id: String,
    answer: Secret<String>,
}

impl Lookup for Ask {
    const KIND: &'static str = "leaky:test/ask";
    type Answer = Told;
    type Client = Leaky;

    async fn look_up(client: &Leaky, query: &Ask) -> Result<Told, ProviderError> {
        if *client.fails.lock().unwrap() == Some("ask") {
            let words = format!("no answer to {}", query.token.expose());
            return Err(ProviderError::new(ErrorKind::Denied, "leaky", words));
        }
        Ok(Told { id: "a".to_owned(), answer: Secret::new(PLANTED[4].to_owned()) })
    }
}

/// Seals by turning letters round, which is enough not to be found.
struct Turned;

impl Sealer for Turned {
    fn seal(&self, _: &[u8], plain: &[u8]) -> Result<Sealed, SealError> {
        let text = plain.iter().map(|byte| format!("{:02x}", !byte)).collect();
        Ok(Sealed { text, key: serde_json::Value::Null })
    }

    fn open(&self, _: &[u8], sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let byte = |at: usize| u8::from_str_radix(&sealed.text[at..at + 2], 16);
        let bytes = (0..sealed.text.len()).step_by(2).map(byte);
        let bytes: Result<Vec<u8>, _> = bytes.map(|byte| byte.map(|byte| !byte)).collect();
        bytes.map_err(|_| SealError::new("not sealed here"))
    }
}

fn program(shape: &'static str, hooks: bool) -> impl Fn(&mut Scope<'_>) {
    move |scope: &mut Scope<'_>| {
        let secret = |n: usize| Secret::new(PLANTED[n].to_owned());
        let told = scope.lookup("told", Ask::builder().token(secret(3)).build());
        let vault = Vault::builder()
            .password(secret(0))
            .nested(vec![secret(1)])
            .document(Secret::new(format!("{{\"key\": \"{}\"}}", PLANTED[2])))
            .shape(shape)
            .label(text!("{}", told.answer))
            .build();
        let vault = match hooks {
            true => vault
                .hook(HookPoint::AfterCreate, "leak")
                .hook(HookPoint::OnError, "leak")
                .hook(HookPoint::AfterUpdate, "leak"),
            false => vault,
        };
        let vault = scope.add("vault", vault);
        scope.export("label", &vault.label);
    }
}

fn clear(what: &str, text: &str) {
    for planted in PLANTED {
        assert!(!text.contains(planted), "{planted} is in clear in {what}:\n{text}");
    }
}

/// One run with everything that can be shown or written searched.
async fn run(engine: &Engine, store: &MemoryStore, stack: &Stack) {
    clear("the stack", &format!("{stack:?} {:?}", stack.graph()));
    let plan = match engine.plan(stack).await {
        Ok(plan) => plan,
        Err(error) => {
            clear("a plan error", &format!("{error} {error:?}"));
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                clear("its cause", &format!("{error} {error:?}"));
                cause = error.source();
            }
            return;
        }
    };
    clear("a plan", &format!("{plan} {plan:?} {:?}", plan.data()));
    let json = serde_json::to_string(plan.data()).unwrap();
    clear("a plan as JSON", &json);
    let saved = SavedPlan::new(&plan);
    clear("a saved plan", &format!("{saved:?}"));
    let bytes = saved.to_bytes(Some(&Turned)).unwrap();
    clear("a plan file", &String::from_utf8_lossy(&bytes));
    let told = Arc::new(Mutex::new(String::new()));
    let heard = told.clone();
    let applied = engine
        .apply(plan)
        .events(move |event: Event| {
            let mut told = heard.lock().unwrap();
            told.push_str(&serde_json::to_string(&event).unwrap());
            told.push_str(&format!("{event:?}"));
        })
        .await;
    clear("the events", &told.lock().unwrap());
    if let Err(error) = &applied {
        clear("an apply error", &format!("{error} {error:?}"));
    }
    clear("the state", &store.dump().to_string());
    let state = store.snapshot("t");
    clear("a snapshot", &format!("{state:?}"));
    if let Ok(taken) = excerpt("t", &state, &[]) {
        clear("an excerpt", &format!("{taken:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn no_planted_secret_is_in_clear_wherever_it_went() {
    // The panics are meant.
    let silent = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let verbs = [
        "", "half", "create", "settle", "update", "delete", "read", "list", "find", "ask", "panic",
    ];
    for hooks in [false, true] {
        for first in verbs {
            for second in verbs {
                let store = MemoryStore::new();
                let client = Arc::new(Leaky::default());
                let registry = Registry::new("leaky", client.clone());
                let engine = Engine::builder()
                    .provider(registry.with::<Vault>().with_lookup::<Ask>())
                    .state(store.clone())
                    .hook("leak", |call| async move {
                        // A hook sees what it needs, and its words are not to be trusted.
                        let inputs: serde_json::Value = call.inputs.to_data().unwrap();
                        Err::<(), String>(format!("{inputs}"))
                    })
                    .try_build()
                    .unwrap();
                *client.fails.lock().unwrap() = Some(first).filter(|verb| !verb.is_empty());
                let stack = |shape, hooks| Stack::new("t", program(shape, hooks)).unwrap();
                run(&engine, &store, &stack("1", hooks)).await;
                *client.fails.lock().unwrap() = Some(second).filter(|verb| !verb.is_empty());
                run(&engine, &store, &stack("2", hooks)).await;
                let nothing = Stack::new("t", |_| ()).unwrap();
                run(&engine, &store, &nothing).await;
            }
        }
    }
    std::panic::set_hook(silent);
}

#[test]
fn the_search_finds_what_is_in_clear() {
    let mut random = Random::new(1);
    let text = format!("{} {}", random.next(), PLANTED[0]);
    assert!(std::panic::catch_unwind(|| clear("a text", &text)).is_err());
}
