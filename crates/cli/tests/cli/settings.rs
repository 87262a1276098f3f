//! Where settings come from, and what is said of wrong ones.

use clap::{ArgMatches, Command};
use formwork_cli::{CliError, CommandContext, Exit, ExtraCommand, Program};
use formwork_core::{BoxFuture, Secret};
use insta::assert_snapshot;
use serde::{Deserialize, Serialize};

use crate::harness::Desk;

/// How many nodes a plan has.
async fn nodes(desk: &Desk, line: &str) -> usize {
    let printed = desk.run(line).await;
    assert_eq!(printed.exit.code(), 0, "{}", printed.both());
    printed.out.lines().filter(|line| line.contains("+ node-")).count()
}

#[tokio::test]
async fn flags_go_before_the_environment_before_a_file_before_defaults() {
    let desk = Desk::new();
    assert_eq!(nodes(&desk, "plan -v").await, 2);
    desk.file("s.toml", "count = 3");
    assert_eq!(nodes(&desk, "plan -v --config s.toml").await, 3);
    desk.file(".env", "# how many\nNODES_COUNT=4\n");
    assert_eq!(nodes(&desk, "plan -v --config s.toml").await, 4);
    let desk = desk.env("NODES_COUNT", "5");
    assert_eq!(nodes(&desk, "plan -v --config s.toml").await, 5);
    assert_eq!(nodes(&desk, "plan -v --config=s.toml --count 6").await, 6);
    assert_eq!(nodes(&desk, "--count 6 -v plan").await, 6);
}

#[tokio::test]
async fn a_file_sets_flags_of_every_kind_and_what_is_no_flag() {
    let desk = Desk::new();
    desk.file("s.toml", "dns = true\nlabels = [\"a\", \"b\"]\nregion = \"us-1\"\n[extra]\nc = 7\n");
    desk.file("s.json", r#"{"dns": true, "labels": ["a", "b"], "extra": {"c": 7}}"#);
    for file in ["s.toml", "s.json"] {
        let plan = desk.run(&format!("plan -v --config {file}")).await;
        assert_eq!(plan.exit.code(), 0, "{}", plan.both());
        for line in ["dns     true", "tags.a  \"A\"", "tags.b  \"B\"", "tags.c  \"7\""] {
            assert!(plan.out.contains(line), "{}", plan.out);
        }
    }
}

#[tokio::test]
async fn what_is_wrong_is_blamed_on_its_line() {
    let desk = Desk::new();
    let wrong = async |name: &str, text: &str| {
        desk.file(name, text);
        let printed = desk.run(&format!("plan --config {name}")).await;
        assert_eq!((printed.exit.code(), printed.out.as_str()), (1, ""));
        printed.err
    };
    assert_snapshot!(wrong("a.toml", "size = \"x\"\n\nconut = 3\n").await, @r"
    error: a.toml:3: there is no setting `conut`

    help: did you mean `count`?
    ");
    assert_snapshot!(wrong("a.json", "{\n  \"size\": \"x\",\n  \"conut\": 3\n}").await, @r"
    error: a.json:3: there is no setting `conut`

    help: did you mean `count`?
    ");
    assert_snapshot!(wrong("b.toml", "\ncount = \"many\"\n").await, @r"error: b.toml:2: `count` can not be `many`: invalid digit found in string");
    assert_snapshot!(wrong("c.toml", "refresh = \"all\"\n").await, @r"error: c.toml:1: `refresh` can not be `all`: expected list, minimal, none");
    assert_snapshot!(wrong("d.toml", "yes = true\n").await, @r"
    error: d.toml:1: `yes` can not be set in a file

    help: pass it as --yes
    ");
    assert_snapshot!(wrong("e.toml", "\n\n[extra]\nc = \"d\"\n").await, @r#"error: e.toml:3: `extra` is wrong: extra: c: invalid type: string "d", expected u32"#);
    assert_snapshot!(wrong("f.toml", "size = \n").await, @r"error: f.toml:1: string values must be quoted, expected literal string");
    assert_snapshot!(wrong("g.json", "{\"size\": }").await, @r"error: g.json:1: expected value");
    assert_snapshot!(desk.run("plan --config none.toml").await.err, @r"error: the settings file none.toml can not be read: No such file or directory (os error 2)");
    assert_snapshot!(desk.run("plan --count x").await.err, @r"
    error: invalid value 'x' for '--count <COUNT>': invalid digit found in string

    For more information, try '--help'.
    ");
    desk.file(".env", "FORMWORK_PARALLEL=0\n");
    assert_snapshot!(desk.run("plan").await.err, @r"error: .env: `FORMWORK_PARALLEL` can not be `0`: 0 is not in 1..=65535");
    desk.file(".env", "SECRET 'hunter2\n");
    assert_snapshot!(desk.run("plan").await.err, @r"error: .env: the line that starts with `SECRET` can not be read");
}

#[tokio::test]
async fn a_setting_may_be_required_secret_or_a_clouds_own() {
    #[derive(clap::Args, Serialize, Deserialize)]
    struct Own {
        #[arg(long)]
        token: Secret<String>,
        #[arg(long, default_value = "us-1")]
        region: String,
        #[arg(skip)]
        #[serde(default)]
        sizes: Vec<u32>,
    }
    let desk = Desk::new();
    let program = desk.program().declare(|own: &Own, scope| {
        scope.export::<Secret<String>>("token", own.token.clone());
        scope.export::<String>("region", format!("{} {:?}", own.region, own.sizes));
        Ok::<_, String>(())
    });
    let run = |line: &'static str| desk.run_program(&program, line);
    assert_snapshot!(run("plan").await.err, @r"
    error: the setting `token` is missing

    help: pass --token, or put it into the file of --config
    ");
    assert_eq!(run("state list").await.exit.code(), 0, "what declares nothing needs no settings");
    desk.file("s.toml", "token = \"hunter2\"\nsizes = [1, 2]\n");
    assert_snapshot!(run("plan --config s.toml --cloud real").await.both(), @r#"
    outputs
        region  "us-1 [1, 2]"
        token   [secret]

    Plan: outputs change, 0 unchanged.

      cloud    real
      account  1234
      region   us-1
      price    about $0.00 per hour
        list prices of yesterday
    --- 0
    demo on real (1234, us-1)
    next: demo up   to make it so
    "#);
    assert_eq!(run("plan --config s.toml --region nowhere").await.exit.code(), 1);
}

#[tokio::test]
async fn a_program_that_is_put_together_wrongly_says_so() {
    #[derive(clap::Args, Serialize, Deserialize)]
    struct Clash {
        #[arg(long)]
        stack: Option<String>,
    }
    #[derive(clap::Args, Serialize, Deserialize)]
    struct Positional {
        file: Option<String>,
    }
    struct Plan;
    impl ExtraCommand for Plan {
        fn command(&self) -> Command {
            Command::new("plan")
        }
        fn run<'a>(
            &'a self,
            _: &'a ArgMatches,
            _: CommandContext<'a>,
        ) -> BoxFuture<'a, Result<Exit, CliError>> {
            Box::pin(async { Ok(Exit::Done) })
        }
    }
    let desk = Desk::new();
    let said = async |program: Program| {
        let printed = desk.run_program(&program, "plan").await;
        assert_eq!(printed.exit.code(), 1);
        printed.err
    };
    let clash = Program::new("p").declare(|_: &Clash, _| Ok::<_, String>(()));
    assert_snapshot!(said(clash).await, @r"error: this program can not run: the setting `stack` has the name of another flag: rename it, or give it another `id`, `long` and `short`");
    let positional = Program::new("p").declare(|_: &Positional, _| Ok::<_, String>(()));
    assert_snapshot!(said(positional).await, @r"error: this program can not run: the setting `file` is no flag: give it `#[arg(long)]`");
    assert_snapshot!(said(desk.program().command(Plan)).await, @r"error: this program can not run: it has two commands named `plan`");
    assert_snapshot!(said(Program::new("p")).await, @r"error: this program can not run: it declares nothing: call `.declare(..)`");
    let nowhere = Program::new("p").declare(crate::harness::declare);
    assert_snapshot!(said(nowhere).await, @r"error: this program can not run: it has no cloud to put the stack on: call `.cloud(..)`");
}

#[tokio::test]
async fn an_empty_variable_is_none() {
    let desk = Desk::new().env("NODES_COUNT", "").env("FORMWORK_STATE_DIR", "");
    desk.file("s.toml", "count = 3");
    assert_eq!(nodes(&desk, "plan -v").await, 2);
    assert_eq!(nodes(&desk, "plan -v --config s.toml").await, 3);
    desk.file(".env", "FORMWORK_PARALLEL=\n");
    assert_eq!(nodes(&desk, "plan -v").await, 2);
}

#[tokio::test]
async fn a_wrong_variable_is_named_once_with_what_has_it() {
    let desk = Desk::new();
    desk.file(".env", "NODES_COUNT=many\n");
    assert_snapshot!(desk.run("plan").await.err, @r"error: .env: `NODES_COUNT` can not be `many`: invalid digit found in string");
    let desk = desk.env("NODES_COUNT", "few");
    assert_snapshot!(desk.run("plan").await.err, @r"error: the environment variable `NODES_COUNT` can not be `few`: invalid digit found in string");
}

#[tokio::test]
async fn a_negative_number_is_a_wrong_value_and_no_flag() {
    let desk = Desk::new();
    assert_snapshot!(desk.run("plan --count -1").await.err, @r"
    error: invalid value '-1' for '--count <COUNT>': -1 is not in 0..=4294967295

    For more information, try '--help'.
    ");
    assert_snapshot!(desk.run("plan --parallel -1").await.err, @r"
    error: invalid value '-1' for '--parallel <N>': -1 is not in 1..=65535

    For more information, try '--help'.
    ");
}

#[tokio::test]
async fn help_is_a_command_too() {
    let desk = Desk::new();
    let help = desk.run("help drift").await;
    assert_eq!(help.exit.code(), 0, "{}", help.err);
    assert!(help.out.contains("Show what differs"), "{}", help.out);
    assert!(desk.run("help").await.out.contains("A demonstration."));
}
