//! The peer: Terraform with resources that are built in, so that it needs no network and no
//! provider process.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use serde_json::json;

use crate::measure::{Failed, millis};

/// The version of the `terraform` on the path, if there is one.
#[must_use]
pub fn version() -> Option<String> {
    let output = Command::new("terraform").arg("version").stderr(Stdio::null()).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.lines().find_map(|line| line.strip_prefix("Terraform v")).map(str::to_owned)
}

/// Writes `count` resources in pairs to `dir/main.tf`: `b[i]` takes the id of `a[i]`, one block each.
///
/// # Errors
/// When the file can not be written, or `terraform init` fails.
pub fn prepare(dir: &Path, count: usize) -> Result<(), Failed> {
    let mut program = String::new();
    for i in 0..count.div_ceil(2) {
        writeln!(program, "resource \"terraform_data\" \"a{i}\" {{\n  input = \"a-{i}\"\n}}")?;
        if 2 * i + 1 < count {
            writeln!(
                program,
                "resource \"terraform_data\" \"b{i}\" {{\n  input = terraform_data.a{i}.id\n}}"
            )?;
        }
    }
    fs::create_dir_all(dir)?;
    fs::write(dir.join("main.tf"), program)?;
    run(dir, &["init", "-no-color"])?;
    Ok(())
}

/// Writes the state that an apply of [`prepare`]'s program leaves. An apply of 5,000 resources takes
/// Terraform twelve minutes, and how long a plan takes can be asked without it: a plan that finds
/// something to do fails.
///
/// # Errors
/// When the file can not be written.
pub fn pretend_applied(dir: &Path, count: usize) -> Result<(), Failed> {
    let id = |half: &str, i: usize| format!("00000000-0000-0000-{half}-{i:012}");
    let text = |value: String| json!({ "value": value, "type": "string" });
    let mut resources = Vec::with_capacity(count);
    let mut add = |name: String, id: String, input: String, needs: Vec<String>| {
        resources.push(json!({
            "mode": "managed",
            "type": "terraform_data",
            "name": name,
            "provider": "provider[\"terraform.io/builtin/terraform\"]",
            "instances": [{
                "schema_version": 0,
                "attributes": {
                    "id": id,
                    "input": text(input.clone()),
                    "output": text(input),
                    "triggers_replace": null,
                },
                "sensitive_attributes": [],
                "dependencies": needs,
            }],
        }));
    };
    for i in 0..count.div_ceil(2) {
        add(format!("a{i}"), id("000a", i), format!("a-{i}"), Vec::new());
        if 2 * i + 1 < count {
            let needs = vec![format!("terraform_data.a{i}")];
            add(format!("b{i}"), id("000b", i), id("000a", i), needs);
        }
    }
    let state = json!({
        "version": 4,
        "terraform_version": version().unwrap_or_default(),
        "serial": 1,
        "lineage": "00000000-0000-0000-0000-000000000001",
        "outputs": {},
        "resources": resources,
        "check_results": null,
    });
    fs::write(dir.join("terraform.tfstate"), serde_json::to_vec_pretty(&state)?)?;
    Ok(())
}

/// How long a plan takes that looks at nothing and finds nothing to do, in milliseconds.
///
/// # Errors
/// When it fails, or finds something to do.
pub fn plan_unchanged(dir: &Path) -> Result<f64, Failed> {
    run(dir, &["plan", "-refresh=false", "-detailed-exitcode", "-input=false", "-no-color"])
}

/// How long an apply takes, in milliseconds; without the look at the world before it.
///
/// # Errors
/// When it fails.
pub fn apply(dir: &Path) -> Result<f64, Failed> {
    run(dir, &["apply", "-refresh=false", "-auto-approve", "-input=false", "-no-color"])
}

fn run(dir: &Path, arguments: &[&str]) -> Result<f64, Failed> {
    let since = Instant::now();
    let output = Command::new("terraform")
        .args(arguments)
        .current_dir(dir)
        .env("CHECKPOINT_DISABLE", "1")
        .stdout(Stdio::null())
        .output()?;
    let took = millis(since.elapsed());
    if output.status.success() {
        return Ok(took);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("terraform {} failed: {said}", arguments.join(" ")).into())
}
