//! A whole command line on buffers: a program on the fake cloud, and what it printed.

use std::{
    collections::BTreeMap,
    io::{Cursor, ErrorKind, Write},
    sync::{Arc, Mutex},
};

use clap::{ArgMatches, Command};
use formwork_cli::{
    CliError, Cloud, CloudContext, CommandContext, Estimate, EstimateItem, Exit, ExtraCommand,
    Input, Interrupts, Io, OpenCloud, Program, Stream, clap,
};
use formwork_core::{
    Action, BoxFuture, Declaration, HookPoint, PlanData, Scope,
    state::{Snapshot, StateStore},
    testing::MemoryStore,
    text,
};
use serde::{Deserialize, Serialize};

use crate::world::{self, Driver, Interface, Network, Node};

/// The settings of the test's program.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// How many nodes
    #[arg(long, env = "NODES_COUNT", default_value_t = 2)]
    pub(crate) count: u32,
    /// How large they are
    #[arg(long, default_value = "small")]
    pub(crate) size: String,
    /// The network's addresses
    #[arg(long, default_value = "10.0.0.0/16")]
    pub(crate) cidr: String,
    /// Whether names resolve
    #[arg(long)]
    pub(crate) dns: bool,
    /// Labels of the network
    #[arg(long, value_delimiter = ',')]
    pub(crate) labels: Vec<String>,
    /// The driver's version
    #[arg(long)]
    pub(crate) driver: Option<String>,
    /// The hook that runs before a network goes
    #[arg(long)]
    pub(crate) hook: Option<String>,
    /// What the nodes are called; `node` before
    #[arg(long, default_value = "node")]
    #[serde(default = "node")]
    pub(crate) called: String,
    /// Whether the network has no rule that nobody declares
    #[arg(long, hide = true)]
    #[serde(default)]
    pub(crate) exclusive: bool,
    /// How many drivers each network gets that is made, decided by its id
    #[arg(long)]
    #[serde(default)]
    pub(crate) decide: Option<u32>,
    /// What goes wrong
    #[arg(long)]
    pub(crate) mistake: Option<String>,
    /// What only a file can set
    #[arg(skip)]
    #[serde(default)]
    pub(crate) extra: BTreeMap<String, u32>,
}

fn node() -> String {
    "node".to_owned()
}

pub(crate) fn declare(settings: &Settings, scope: &mut Scope<'_>) -> Result<(), String> {
    match settings.mistake.as_deref() {
        Some("panic") => panic!("the author's own mistake"),
        Some("error") => return Err("the author's own error".to_owned()),
        _ => {}
    }
    let tags = settings.labels.iter().map(|label| (label.clone(), label.to_uppercase()));
    let network = Network {
        cidr: settings.cidr.clone(),
        dns: settings.dns,
        tags: tags.chain(settings.extra.iter().map(|(k, v)| (k.clone(), v.to_string()))).collect(),
    };
    let network = Declaration::from(network);
    let network = match &settings.hook {
        Some(name) => network.hook(HookPoint::BeforeDelete, name.as_str()),
        None => network,
    };
    let network = if settings.exclusive { network.exclusive() } else { network };
    let network = scope.add("network", network);
    let mut last = None;
    for n in 0..settings.count {
        let node = Node::builder()
            .network(&network.id)
            .size(settings.size.as_str())
            .password("hunter2")
            .interfaces(
                (0..settings.count)
                    .map(|index| Interface { index, kind: format!("fast-{}", settings.size) })
                    .collect::<Vec<_>>(),
            )
            .build();
        let called = &settings.called;
        let node = match called.as_str() {
            "node" => node,
            _ => node.moved_from(format!("node-{n}")),
        };
        let node = scope.add(format!("{called}-{n}"), node);
        if let Some(version) = &settings.driver {
            let driver = Driver::builder().node(&node.id).version(version.as_str()).build();
            let driver = match called.as_str() {
                "node" => driver,
                _ => driver.moved_from(format!("node-{n}-driver")),
            };
            scope.add(format!("{called}-{n}-driver"), driver);
        }
        last = Some(node);
    }
    if let Some(each) = settings.decide {
        let last = scope.decide("drivers", &network.id, move |scope, network: String| {
            let mut last = None;
            for n in 0..each {
                let driver = Driver::builder().node(network.as_str()).version("1").build();
                last = Some(scope.add(format!("on-{n}"), driver).id);
            }
            last.unwrap_or_else(|| formwork_core::Output::known(network))
        });
        scope.export("last", &last);
    }
    if settings.mistake.as_deref() == Some("twice") {
        scope.add("network", Network { cidr: "10".into(), dns: false, tags: BTreeMap::new() });
    }
    scope.export("network", &network.id);
    if let Some(node) = last {
        scope.export("login", text!("admin:{}", node.id).secret());
    }
    Ok(())
}

/// The fake cloud, harmless or not.
struct Fake {
    name: &'static str,
    real: bool,
    world: Arc<world::Cloud>,
}

impl Cloud for Fake {
    fn name(&self) -> &str {
        self.name
    }

    fn args(&self) -> Vec<clap::Arg> {
        vec![clap::Arg::new("region").long("region").default_value("eu-1").help("Where")]
    }

    fn open<'a>(&'a self, cx: &'a CloudContext<'a>) -> BoxFuture<'a, Result<OpenCloud, CliError>> {
        Box::pin(async move {
            let region = cx.flag("region").expect("it has a default");
            if region == "nowhere" {
                return Err(CliError::cloud(self.name, "there is no such region")
                    .with_help("regions are eu-1 and us-1"));
            }
            let provider = if region == "bare" { world::bare_provider } else { world::provider };
            let providers = vec![provider(&self.world)];
            if !self.real {
                return Ok(OpenCloud::harmless(providers));
            }
            Ok(OpenCloud::real(providers)
                .target("account", "1234")
                .target("region", region)
                .pricing(price))
        })
    }
}

/// Twenty dollars a new node.
fn price(plan: &PlanData, _: &Snapshot) -> Option<Estimate> {
    let new = |kind: &str| {
        plan.steps.iter().filter(|s| s.action == Action::Create && s.kind == kind).count()
    };
    let count = new("demo:compute/node");
    Some(Estimate {
        items: vec![EstimateItem { what: "node".to_owned(), count, dollars: 20.0 }],
        unpriced: Vec::new(),
        basis: "list prices of yesterday".to_owned(),
    })
}

struct Greet;

impl ExtraCommand for Greet {
    fn command(&self) -> Command {
        Command::new("greet").subcommand(Command::new("loudly"))
    }

    fn run<'a>(
        &'a self,
        matches: &'a ArgMatches,
        cx: CommandContext<'a>,
    ) -> BoxFuture<'a, Result<Exit, CliError>> {
        Box::pin(async move {
            let loud = matches.subcommand_name() == Some("loudly");
            cx.console.line(&format!("hello, {}{}", cx.stack, if loud { "!" } else { "" }));
            Ok(Exit::Done)
        })
    }
}

#[derive(Clone, Default)]
struct Buffer {
    bytes: Arc<Mutex<Vec<u8>>>,
    fault: Option<ErrorKind>,
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.fault {
            Some(fault) => Err(fault.into()),
            None => self.bytes.lock().expect("no writer panics").write(bytes),
        }
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    fn text(&self) -> String {
        let bytes = self.bytes.lock().expect("no writer panics").clone();
        String::from_utf8(bytes).expect("text is UTF-8")
    }
}

/// What a run printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Printed {
    /// Both streams, for a snapshot.
    pub(crate) fn both(&self) -> String {
        format!("{}--- {}\n{}", self.out, self.exit.code(), self.err)
    }
}

/// One user's folder, state and cloud, over several runs.
pub(crate) struct Desk {
    pub(crate) cloud: Arc<world::Cloud>,
    pub(crate) store: MemoryStore,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) env: BTreeMap<String, String>,
    /// The columns of a terminal, if there is one.
    pub(crate) columns: Option<usize>,
    /// What the user types; nobody is there without it.
    pub(crate) typed: Option<String>,
    /// Another way to type.
    pub(crate) input: Option<Input>,
    pub(crate) interrupts: Interrupts,
    /// What every write to standard output fails with.
    pub(crate) fault: Option<ErrorKind>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            cloud: Arc::default(),
            store: MemoryStore::new(),
            dir: tempfile::tempdir().expect("a folder for a test"),
            env: BTreeMap::new(),
            columns: None,
            typed: None,
            input: None,
            interrupts: Interrupts::never(),
            fault: None,
        }
    }

    pub(crate) fn wide(mut self, columns: usize) -> Self {
        self.columns = Some(columns);
        self.env.insert("NO_COLOR".into(), "1".into());
        self
    }

    pub(crate) fn typing(mut self, text: &str) -> Self {
        self.typed = Some(text.to_owned());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).expect("a file for a test");
    }

    pub(crate) fn program(&self) -> Program {
        let store = self.store.clone();
        Program::new("demo")
            .about("A demonstration.")
            .declare(declare)
            .cloud(Fake { name: "fake", real: false, world: Arc::clone(&self.cloud) })
            .cloud(Fake { name: "real", real: true, world: Arc::clone(&self.cloud) })
            .command(Greet)
            .engine(|engine| engine.hook("drain", |_| async { Ok::<_, String>(()) }))
            .store(move |_, _| Ok(Arc::new(store.clone()) as Arc<dyn StateStore>))
    }

    /// Runs a command line, such as `plan --count 3`.
    pub(crate) async fn run(&self, line: &str) -> Printed {
        self.run_program(&self.program(), line).await
    }

    pub(crate) async fn run_program(&self, program: &Program, line: &str) -> Printed {
        let out = Buffer { fault: self.fault, ..Buffer::default() };
        let err = Buffer::default();
        let stream = |buffer: &Buffer| match self.columns {
            Some(columns) => Stream::terminal(buffer.clone(), columns, 24),
            None => Stream::plain(buffer.clone()),
        };
        let io = Io {
            out: stream(&out),
            err: stream(&err),
            input: match (&self.input, &self.typed) {
                (Some(input), _) => input.clone(),
                (None, Some(text)) => Input::new(Cursor::new(text.clone().into_bytes()), true),
                (None, None) => Input::none(),
            },
            env: self.env.clone(),
            dir: self.dir.path().to_owned(),
            interrupts: self.interrupts.clone(),
        };
        let words = line.split_whitespace();
        let args = std::iter::once("demo").chain(words).map(Into::into).collect();
        let exit = program.run_with(args, io).await;
        Printed { exit, out: timeless(&out.text()), err: timeless(&err.text()) }
    }
}

/// The text without what differs from run to run: durations, the order of what
/// runs side by side, and lines of this file.
fn timeless(text: &str) -> String {
    let mut result = String::new();
    for line in text.split_inclusive('\n') {
        let mut rest = line;
        while let Some(at) = rest.find(" s)").or_else(|| rest.find(" s.")) {
            let start = rest[..at].rfind(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(0);
            result.push_str(&rest[..=start]);
            result.push_str("0.0 s");
            rest = &rest[at + 2..];
        }
        result.push_str(rest);
    }
    // Lines of this file would change with it.
    let mut parts = result.split("harness.rs:");
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked.push_str("harness.rs:NN");
        masked.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    sorted(&masked)
}

/// The text with what ended at the same time in the order of its names.
fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let verb = |line: &str| {
        let word = line.split(' ').next().unwrap_or_default().to_owned();
        ["created", "updated", "deleted"].contains(&word.as_str()).then_some(word)
    };
    let same = |a: &&str, b: &&str| verb(a).is_some() && verb(a) == verb(b);
    lines.chunk_by_mut(same).for_each(<[&str]>::sort_unstable);
    lines.concat()
}
