//! Saved plans: `plan --out FILE` writes one, `up FILE` goes on with it, `show FILE` prints it.

use std::path::Path;

use clap::{Command, parser::ValueSource};
use formwork_core::{
    LoadPlanError, Plan, Problem, ReadPlanError, SavePlanError, SavedPlan, Sealer,
    value::{Map, Value},
};
use formwork_state::KeySource;
use serde_json::json;

use super::{Run, Session};
use crate::{error::CliError, exit::Exit, plan_file, store, view};

/// The flags of a plan that is made, by id and by name: a saved one is made already.
const MAKING: &[(&str, &str)] = &[
    ("refresh", "--refresh"),
    ("refresh_lookups", "--refresh-lookups"),
    ("replace", "--replace"),
    ("skip_hooks", "--skip-hooks"),
    ("target", "--target"),
    ("exclude", "--exclude"),
    ("target_dependencies", "--target-dependencies"),
    ("target_dependents", "--target-dependents"),
    ("refresh_only", "--refresh-only"),
];

impl Run<'_> {
    /// Refuses a file that `plan --out` could not write, before anything is planned.
    pub(super) fn check_out(&self, out: &Path) -> Result<(), CliError> {
        plan_file::check(&self.dir.join(out), out)
    }

    /// Writes `plan` to `out`.
    pub(super) fn save(&self, session: &Session, plan: &Plan, out: &Path) -> Result<(), CliError> {
        let made_with = self.made_with(&session.settings, &session.cloud_name);
        let saved = SavedPlan::new(plan).with(made_with);
        let key = self.key();
        let bytes = saved.to_bytes(sealer(&key)).map_err(|error| match error {
            SavePlanError::NoKey => CliError::plan_file(error).with_help(KEY),
            error => CliError::plan_file(error),
        })?;
        plan_file::write(&self.dir.join(out), out, &bytes)
    }

    /// What the plan depends on beside what the engine compares.
    fn made_with(&self, settings: &Value, cloud: &str) -> Value {
        let version = self.program.version.as_deref().map_or(Value::Null, Value::from);
        let mut map = Map::new();
        map.insert("cloud", cloud);
        map.insert("program", version);
        map.insert("settings", settings.clone());
        Value::Map(map)
    }

    pub(super) fn key(&self) -> Option<KeySource> {
        store::key(&self.env)
    }

    fn read_plan(&self, file: &Path) -> Result<SavedPlan, CliError> {
        let bytes = plan_file::read(&self.dir.join(file), file)?;
        SavedPlan::from_bytes(&bytes).map_err(|error| unreadable(file, &error))
    }

    /// Makes a plan of the one in `file`, with the program as it is declared now.
    pub(super) async fn load(
        &self,
        file: &Path,
        allow_stale: bool,
    ) -> Result<(Session, Plan), CliError> {
        self.refuse_making(file)?;
        let saved = self.read_plan(file)?;
        let key = self.key();
        let saved = saved.open(sealer(&key)).map_err(|error| unreadable(file, &error))?;
        self.compare(&saved)?;
        let session = self.open(false).await?;
        self.console.err(&view::saved(&saved, &self.console.err_layout()));
        let mut request = session.engine.load(&session.stack, saved);
        if allow_stale {
            request = request.allow_stale();
        }
        let loaded = self.interruptible(async {
            request.await.map_err(|error| match error {
                LoadPlanError::Plan(error) => session.plan_error(error),
                LoadPlanError::State(error) => error.into(),
                error => Box::new(error).into(),
            })
        });
        let plan = loaded.await?;
        Ok((session, plan))
    }

    /// Refuses flags that would make another plan.
    fn refuse_making(&self, file: &Path) -> Result<(), CliError> {
        let given = MAKING
            .iter()
            .filter(|(id, _)| self.matches.value_source(id) == Some(ValueSource::CommandLine));
        let given: Vec<&str> = given.map(|(_, name)| *name).collect();
        if given.is_empty() {
            return Ok(());
        }
        let file = file.display();
        let message = format!(
            "{} would make another plan than the one in {file}; nothing was changed",
            given.join(", ")
        );
        Err(CliError::refused(message)
            .with_help("plan again with these flags, or apply the file without them"))
    }

    /// Refuses a plan that was made with other settings, for another cloud, or by another version
    /// of the program. What a setting changes is not always to be seen in what is declared.
    fn compare(&self, saved: &SavedPlan) -> Result<(), CliError> {
        let stack = saved.data().stack.clone();
        if stack != self.stack {
            let error = LoadPlanError::OtherStack { planned: stack, declared: self.stack.clone() };
            return Err(Box::new(error).into());
        }
        let (was, declared) = (saved.made_with(), self.declared()?);
        let cloud = self.wanted_cloud().map(|cloud| cloud.name().to_owned()).unwrap_or_default();
        let is = self.made_with(declared.settings(), &cloud);
        let at = |of: &Value, name: &str| of.get(name).cloned().unwrap_or_default();
        let mut problems = Vec::new();
        let mut compare = |field: &str, was: &Value, is: &Value, given: String| {
            if was != is {
                problems.push(Problem {
                    address: "".into(),
                    field: Some(field.to_owned()),
                    message: otherwise(was, is),
                    declared_at: given,
                });
            }
        };
        compare("cloud", &at(was, "cloud"), &at(&is, "cloud"), "--cloud".to_owned());
        let version = "version of the program";
        compare(version, &at(was, "program"), &at(&is, "program"), "`Program::version`".to_owned());
        let (was, is) = (at(was, "settings"), at(&is, "settings"));
        let names = was.as_map().into_iter().chain(is.as_map()).flat_map(Map::keys);
        for name in names.collect::<std::collections::BTreeSet<_>>() {
            compare(name, &at(&was, name), &at(&is, name), self.given_with(name));
        }
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Box::new(LoadPlanError::Differs { stack, problems }).into()),
        }
    }

    /// How a setting is given.
    fn given_with(&self, name: &str) -> String {
        let flags = self.program.declaration().map(|of| of.augment(Command::new("settings")));
        let flag = flags.ok().and_then(|flags| {
            let arg = flags.get_arguments().find(|arg| arg.get_id() == name)?;
            Some(format!("--{}", arg.get_long()?))
        });
        flag.unwrap_or_else(|| "--config, in its file".to_owned())
    }
}

const KEY: &str = "set FORMWORK_KEY_FILE or FORMWORK_PASSPHRASE; a plan without secrets needs none";

fn sealer(key: &Option<KeySource>) -> Option<&dyn Sealer> {
    key.as_ref().map(|key| key as &dyn Sealer)
}

fn unreadable(file: &Path, error: &ReadPlanError) -> CliError {
    let help = match error {
        ReadPlanError::NoKey | ReadPlanError::Secrets(_) => {
            "nothing was changed; set FORMWORK_KEY_FILE or FORMWORK_PASSPHRASE to what the plan was saved with"
        }
        _ => "nothing was changed; make it anew with `plan --out`",
    };
    CliError::plan_file(format!("{}: {error}", file.display())).with_help(help)
}

fn otherwise(was: &Value, is: &Value) -> String {
    let text = |value: &Value| match value {
        Value::Null => "not set".to_owned(),
        value => value.to_string(),
    };
    match was.has_secret() || is.has_secret() {
        true => "it is another secret now than when the plan was made".to_owned(),
        false => format!("it is {} now, and was {} when the plan was made", text(is), text(was)),
    }
}

/// Prints the plan in a file; needs neither program nor cloud, state or key.
pub(super) fn show(run: &Run<'_>, file: &Path) -> Result<Exit, CliError> {
    let saved = run.read_plan(file)?;
    if run.console.is_json() {
        run.console.json_document(&json!({
            "written_by": saved.written_by(),
            "written_ms": saved.written_ms(),
            "asked": saved.asked(),
            "made_with": saved.made_with(),
            "plan": saved.data(),
        }));
    } else {
        let layout = run.console.human_layout();
        run.console.human(&view::saved(&saved, &layout));
        run.console.human(&view::plan(saved.data(), &|_| None, &layout));
    }
    Ok(Exit::Done)
}
