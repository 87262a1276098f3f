//! Putting right what a program declares, before it is planned.
//!
//! Every remediation is asked about what the program declares, and none about what another one made
//! of that, so their order makes no difference. Where two want different values in one place, or one
//! is not satisfied with the result, the policies are wrong, and no plan is made.

use serde::Serialize;

use super::{
    FixRule, Level, Policies, Policy, Remediation, Report, Subject, Violation,
    graph::Others,
    report::{masked, secrets},
    subject::{Notes, has},
};
use crate::{
    declare::Program,
    expr::NodeId,
    panics::caught_now,
    plan::{Against, Cause, FieldChange, diff, ignored},
    schema::{ResourceType, Schema},
    state::{Record, Status},
    value::{Map, Path, Segment, Value},
};

static NULL: Value = Value::Null;

/// What a remediation wants otherwise.
pub struct Fix<'a> {
    of: &'a ResourceType,
    wants: Vec<(Path, Value)>,
    faults: Vec<(String, String)>,
}

impl Fix<'_> {
    /// Sets the field at `path`, at any depth. A list's element must be there; maps on the way are
    /// made.
    pub fn set(&mut self, path: &str, value: impl Serialize) {
        match Value::from_data(&value) {
            Ok(value) => self.want(path, value),
            Err(error) => self.faults.push((path.to_owned(), error.to_string())),
        }
    }

    /// Leaves the field at `path` unset.
    pub fn unset(&mut self, path: &str) {
        self.want(path, Value::Null);
    }

    fn want(&mut self, path: &str, value: Value) {
        match Path::parse(path) {
            Ok(parsed) if has(self.of.inputs, parsed.segments()) => {
                let secret = !value.is_null() && is_secret(self.of.inputs, parsed.segments());
                let value = if secret { value.into_secret() } else { value };
                self.wants.push((parsed, value));
            }
            _ => {
                let fault = format!("it sets a field that {} has not got", self.of.kind);
                self.faults.push((path.to_owned(), fault));
            }
        }
    }
}

fn is_secret(schema: &Schema, path: &[Segment]) -> bool {
    let mut keys = path.iter().filter_map(|segment| match segment {
        Segment::Key(key) => Some(key),
        Segment::Index(_) => None,
    });
    let Some(field) = keys.next().and_then(|key| schema.field(key)) else { return false };
    let rest = path.iter().position(|s| matches!(s, Segment::Key(_))).map_or(0, |at| at + 1);
    let deeper = |nested| is_secret(nested, &path[rest..]);
    field.secret || field.nested.is_some_and(deeper)
}

/// What became of the inputs of one resource.
pub(crate) struct Remedied {
    pub(crate) inputs: Value,
    pub(crate) remediations: Vec<Remediation>,
    /// What is wrong with the remediations themselves.
    pub(crate) violations: Vec<Violation>,
}

/// The inputs of the object that stays if nothing that is declared replaces it; none where there is
/// no object, or where it is replaced whatever is declared.
pub(crate) fn standing<'r>(
    of: &ResourceType,
    row: Option<&'r Record>,
    gone: bool,
    requested: bool,
) -> Option<&'r Value> {
    let row = row.filter(|_| !gone && !requested)?;
    let unfinished = matches!(row.status, Status::Incomplete { .. }) && !of.resumable;
    (row.status != Status::Absent && !unfinished).then_some(&row.inputs)
}

/// Asks every policy that can put right something of this type.
pub(crate) fn remedy(
    policies: &Policies,
    (program, id): (&Program, NodeId),
    of: &'static ResourceType,
    declared: Value,
    standing: Option<&Value>,
    others: &dyn Others,
) -> Remedied {
    let node = program.node(id);
    let fixes = |policy: &'_ Policy| policy.fixes.iter().any(|fix| fix.kind == of.kind);
    let asked: Vec<&Policy> = policies
        .iter()
        .filter(|policy| fixes(policy) && policies.exempt(policy, node).is_none())
        .collect();
    if asked.is_empty() || !matches!(declared, Value::Map(_)) {
        return Remedied { inputs: declared, remediations: Vec::new(), violations: Vec::new() };
    }
    let mut asking = Asking { program, id, of, others, violations: Vec::new() };
    let mut wanted: Vec<Remediation> = Vec::new();
    for policy in &asked {
        for (path, new) in asking.wants(policy, &declared) {
            let old = path.of(&declared).unwrap_or(&NULL).clone();
            asking.merge(policy, &mut wanted, path, (old, new));
        }
    }
    wanted.sort_by(|one, other| one.path.cmp(&other.path));
    let ignored = ignored(node);
    let forced = |change: &FieldChange| {
        let on = |text: &String| Path::parse(text).is_ok_and(|p| change.path.starts_with(&p));
        change.replace || node.options.replace_on.iter().any(on)
    };
    let replaces = |inputs: &Value, row: &Value| {
        diff(of.inputs, row, inputs, Against::Sent, Cause::Program).iter().any(forced)
    };
    // What is replaced anyway can be made as it should be.
    let standing = standing.filter(|row| !replaces(&declared, row));
    let mut inputs = declared.clone();
    for remediation in &mut wanted {
        let path = &remediation.path;
        let meets = |other: &Path| other.starts_with(path) || path.starts_with(other);
        if is_unknown(&declared, path) {
            remediation.held = Some("it is known only after apply".to_owned());
            continue;
        }
        if let Some(row) = standing {
            let mut alone = declared.clone();
            put(&mut alone, path.segments(), remediation.new.clone());
            if ignored.iter().any(meets) {
                remediation.held = Some("its changes are ignored".to_owned());
                continue;
            }
            if replaces(&alone, row) {
                remediation.held = Some("it would replace what is there".to_owned());
                continue;
            }
        }
        if !put(&mut inputs, path.segments(), remediation.new.clone()) {
            let message = "its remediation sets an element that is not there".to_owned();
            for policy in asked.iter().filter(|p| remediation.policies.contains(&p.name)) {
                asking.broken(policy, &path.to_string(), message.clone(), &declared);
            }
        }
    }
    for policy in &asked {
        asking.check(policy, &wanted, &declared, &inputs);
    }
    match asking.violations.is_empty() {
        true => Remedied { inputs, remediations: wanted, violations: Vec::new() },
        false => {
            let violations = asking.violations;
            Remedied { inputs: declared, remediations: Vec::new(), violations }
        }
    }
}

/// Puts into inputs that were computed again what the plan says the policies made of them.
pub(crate) fn overlay<'p>(inputs: &mut Value, remediations: impl Iterator<Item = &'p Remediation>) {
    for remediation in remediations.filter(|remediation| remediation.held.is_none()) {
        put(inputs, remediation.path.segments(), remediation.new.clone());
    }
}

/// The remediations of one resource, under way.
struct Asking<'a> {
    program: &'a Program,
    id: NodeId,
    of: &'static ResourceType,
    others: &'a dyn Others,
    violations: Vec<Violation>,
}

impl Asking<'_> {
    /// What the policy wants otherwise than it is in `inputs`.
    fn wants(&mut self, policy: &Policy, inputs: &Value) -> Vec<(Path, Value)> {
        let mut wants = Vec::new();
        for rule in policy.fixes.iter().filter(|fix| fix.kind == self.of.kind) {
            wants.extend(self.asked(policy, rule, inputs));
        }
        wants.retain(|(path, new)| path.of(inputs).unwrap_or(&NULL) != new);
        wants
    }

    fn asked(&mut self, policy: &Policy, rule: &FixRule, inputs: &Value) -> Vec<(Path, Value)> {
        let notes = Notes::default();
        let mut fix = Fix { of: self.of, wants: Vec::new(), faults: Vec::new() };
        let subject = self.subject(inputs, &notes);
        let outcome = caught_now(|| (rule.fix)(&subject, &mut fix));
        let Fix { wants, mut faults, .. } = fix;
        if let Err(panic) = outcome {
            faults.push((String::new(), panicked(&panic)));
        }
        for note in notes.into_inner() {
            faults.extend(note.fault.map(|fault| (note.field, fault)));
        }
        for (field, fault) in faults {
            self.broken(policy, &field, format!("its remediation is wrong: {fault}"), inputs);
        }
        wants
    }

    fn subject<'s>(&'s self, inputs: &'s Value, notes: &'s Notes) -> Subject<'s> {
        Subject {
            program: self.program,
            id: self.id,
            node: self.program.node(self.id),
            of: self.of,
            inputs,
            step: None,
            others: self.others,
            notes,
        }
    }

    /// Adds a wish to those of other policies.
    fn merge(
        &mut self,
        policy: &Policy,
        wanted: &mut Vec<Remediation>,
        path: Path,
        (old, new): (Value, Value),
    ) {
        if let Some(same) = wanted.iter_mut().find(|it| it.path == path && it.new == new) {
            if !same.policies.contains(&policy.name) {
                same.policies.push(policy.name.clone());
            }
            return;
        }
        let meets = |it: &&Remediation| it.path.starts_with(&path) || path.starts_with(&it.path);
        if let Some(other) = wanted.iter().find(meets) {
            let message = format!(
                "its remediation wants {new} where that of policy {} wants {} in `{}`",
                other.policies.join(", "),
                other.new,
                other.path
            );
            self.broken(policy, &path.to_string(), message, &old);
            return;
        }
        wanted.push(Remediation {
            address: self.program.node(self.id).address.clone(),
            policies: vec![policy.name.clone()],
            path,
            old,
            new,
            held: None,
        });
    }

    /// Whether the policy is satisfied with what it made.
    fn check(&mut self, policy: &Policy, done: &[Remediation], declared: &Value, inputs: &Value) {
        let held = |path: &Path| done.iter().any(|it| it.held.is_some() && it.path == *path);
        for (path, new) in self.wants(policy, inputs) {
            if !held(&path) {
                let message = format!(
                    "its remediation is not idempotent: on the result it wants `{path}` to be {new}"
                );
                self.broken(policy, &path.to_string(), message, inputs);
            }
        }
        let own = |it: &&Remediation| it.policies.contains(&policy.name);
        let (held, own): (Vec<&Remediation>, Vec<_>) =
            done.iter().filter(own).partition(|it| it.held.is_some());
        if own.is_empty() || !held.is_empty() {
            return;
        }
        for fix in policy.fixes.iter().filter(|fix| fix.kind == self.of.kind) {
            if let (Some(fits), true) = (fix.fits, inputs.is_known())
                && fits(declared).is_ok()
                && let Err(why) = fits(inputs)
            {
                let message = format!("its remediation sets what its type does not take: {why}");
                self.broken(policy, "", message, inputs);
            }
        }
        let node = self.program.node(self.id);
        let about = (node.address.clone(), node.declared_at.to_string());
        let mut report = Report { policy, about, violations: Vec::new() };
        let notes = Notes::default();
        let subject = self.subject(inputs, &notes);
        for rule in &policy.resource_rules {
            if rule.kind.as_deref().is_none_or(|kind| kind == self.of.kind) {
                // A panic of a rule is told when it judges.
                let _ = caught_now(|| (rule.check)(&subject, &mut report));
            }
        }
        let left = report.violations.into_iter().filter(|violation| {
            let field = violation.field.as_deref().and_then(|field| Path::parse(field).ok());
            field.is_none_or(|field| {
                own.iter().any(|it| field.starts_with(&it.path) || it.path.starts_with(&field))
            })
        });
        let left: Vec<Violation> = left.collect();
        for violation in left {
            let message = format!("its remediation does not satisfy it: {}", violation.message);
            self.broken(policy, violation.field.as_deref().unwrap_or(""), message, inputs);
        }
    }

    /// A remediation that is wrong refuses the plan, whatever the level of its policy.
    fn broken(&mut self, policy: &Policy, field: &str, message: String, inputs: &Value) {
        let node = self.program.node(self.id);
        self.violations.push(Violation {
            address: node.address.clone(),
            policy: policy.name.clone(),
            level: Level::Mandatory,
            field: Some(field.to_owned()).filter(|field| !field.is_empty()),
            message: masked(message, &secrets([inputs].into_iter())),
            remedy: Some("mend the policy".to_owned()),
            declared_at: node.declared_at.to_string(),
            exempt: None,
        });
    }
}

pub(super) fn panicked(panic: &str) -> String {
    format!("it panicked, which is a bug in the policy: {panic}")
}

/// Whether what is at `path`, or around it, is not known.
fn is_unknown(value: &Value, path: &Path) -> bool {
    let mut at = value;
    for segment in path.segments() {
        at = match (segment, at.open()) {
            (_, Value::Unknown) => return true,
            (Segment::Key(key), Value::Map(map)) => match map.get(key) {
                Some(inner) => inner,
                None => return false,
            },
            (Segment::Index(i), Value::List(items)) => match items.get(*i) {
                Some(inner) => inner,
                None => return false,
            },
            _ => return false,
        };
    }
    !at.is_known()
}

/// Sets the value at `path`; null unsets it. Returns whether the place is there or could be made.
fn put(value: &mut Value, path: &[Segment], to: Value) -> bool {
    match (path, value) {
        ([], place) => {
            *place = to;
            true
        }
        (path, Value::Secret(inner)) => put(inner, path, to),
        ([Segment::Key(key)], Value::Map(map)) if to.is_null() => {
            map.remove(key);
            true
        }
        ([Segment::Key(key), rest @ ..], Value::Map(map)) => match map.get_mut(key) {
            Some(inner) => put(inner, rest, to),
            None => {
                let mut inner = Value::Null;
                let put = put(&mut inner, rest, to);
                map.insert(key.clone(), inner);
                put
            }
        },
        ([Segment::Key(_), ..], place @ Value::Null) => {
            *place = Value::Map(Map::new());
            put(place, path, to)
        }
        ([Segment::Index(i), rest @ ..], Value::List(items)) => match items.get_mut(*i) {
            Some(inner) => put(inner, rest, to),
            None => false,
        },
        _ => false,
    }
}
