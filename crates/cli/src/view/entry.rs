//! One entry of a plan or a drift report: a resource, what happens to it, and its fields.

use formwork_core::{
    Action, Cause, Drift, DriftView, FieldChange, Reason, ResourceType, Standing, Step, Unmanaged,
    state::Role, value::Value,
};

use super::{
    Layout,
    alike::{self, Text, Texts, VARIOUS},
    table::table,
    text::{folded, padded, plain, truncated, width},
    value::{both_shown, leaves, pair, shown},
};

/// A field that changes.
#[derive(Clone, Debug)]
pub(super) struct Field {
    path: String,
    old: String,
    new: String,
    note: String,
    /// Whether the new value is not known yet, so that the old one says little.
    unknown: bool,
    /// What the program wants, where that is told beside the two.
    wanted: Option<String>,
}

/// One resource.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) sign: &'static str,
    pub(super) address: String,
    pub(super) kind: String,
    /// Why, in words; empty where the sign says it all.
    pub(super) why: String,
    /// The most telling inputs of something new.
    summary: String,
    pub(super) fields: Vec<Field>,
    /// The object's own id, where it is known.
    id: String,
    /// All inputs, where they are shown.
    inputs: Vec<(String, String)>,
    /// What makes two entries differ although it is not shown.
    hidden: String,
    count: usize,
}

/// Knows the types, for what to say of a new resource.
pub(crate) type Types<'a> = dyn Fn(&str) -> Option<&'static ResourceType> + 'a;

impl Field {
    /// What a step changes.
    fn planned(change: &FieldChange) -> Self {
        let mut notes = Vec::new();
        if change.replace {
            notes.push("forces replacement");
        }
        if change.cause == Cause::Drift {
            notes.push("drifted");
        }
        Self::new(change, notes)
    }

    /// What differs from what the last apply left; accepted where the program has nothing against it.
    fn drifted(change: &FieldChange, accepted: bool) -> Self {
        let notes = match accepted {
            true => vec!["not set otherwise by the program: `up` accepts it"],
            false => Vec::new(),
        };
        Self::new(change, notes)
    }

    /// A place that drifted, from all sides.
    fn seen_from_all_sides(view: &DriftView) -> Self {
        let (old, new) = both_shown(&view.left, &view.found);
        let mut notes = vec![match view.standing {
            Standing::PutBack => "`up` puts it back",
            Standing::DoneAlready => "done already: the program wants it so by now",
            Standing::Accepted => "not set by the program: `up` accepts it",
            Standing::Open => "the program's value is known only after apply",
            Standing::Goes => "the object goes",
            _ => "",
        }];
        let differ = view.wanted.as_ref().is_some_and(|wanted| *wanted != view.left);
        if view.standing == Standing::PutBack && differ {
            notes[0] = "`up` makes it what the program wants by now";
        }
        if old == new && view.left.has_secret() {
            notes.push("another secret");
        }
        notes.retain(|note| !note.is_empty());
        let wanted = match &view.wanted {
            Some(wanted) => shown(wanted),
            None => "(not asked)".to_owned(),
        };
        Self {
            path: plain(&view.path.to_string()).into_owned(),
            old,
            new,
            note: notes.join(", "),
            unknown: false,
            wanted: Some(wanted),
        }
    }

    fn new(change: &FieldChange, mut notes: Vec<&str>) -> Self {
        let (old, new) = both_shown(&change.old, &change.new);
        if old == new && change.old.has_secret() {
            notes.push("another secret");
        }
        Self {
            path: plain(&change.path.to_string()).into_owned(),
            old,
            new,
            note: notes.join(", "),
            unknown: change.new == Value::Unknown,
            wanted: None,
        }
    }

    /// Its texts; `own` is what the resource alone has, such as its id.
    fn texts(&self, own: &str) -> Texts {
        let text = |text: &str| Text::without(text, own);
        let old = if self.unknown { Text::own(self.old.clone()) } else { text(&self.old) };
        let wanted = self.wanted.as_deref().unwrap_or_default();
        vec![self.path.clone().into(), old, text(&self.new), self.note.clone().into(), text(wanted)]
    }

    /// This field with the texts of its family.
    fn with_texts(&self, texts: &mut impl Iterator<Item = String>) -> Self {
        let mut next = || texts.next().unwrap_or_default();
        let (path, old, new, note, wanted) = (next(), next(), next(), next(), next());
        let wanted = self.wanted.is_some().then_some(wanted);
        Self { path, old, new, note, unknown: self.unknown, wanted }
    }
}

impl Entry {
    /// An entry of a plan.
    pub(super) fn of_step(step: &Step, first: &str, types: &Types<'_>, layout: &Layout) -> Self {
        let told =
            |reason: &&Reason| !matches!(reason, Reason::New | Reason::Changed | Reason::Drifted);
        let mut why: Vec<String> =
            step.reasons.iter().filter(told).map(ToString::to_string).collect();
        if !first.is_empty() {
            why.push(first.to_owned());
        }
        if !step.takes_along.is_empty() {
            why.push(format!("{} more go with it", step.takes_along.len()));
        }
        // On the way out the reason is the same for all.
        if step.reasons == [Reason::Destroy] {
            why.retain(|why| *why != Reason::Destroy.to_string());
        }
        let new = step.action == Action::Create && step.changes.is_empty();
        let (inputs, hidden) = match step.observed.as_ref().filter(|_| step.is_of_unmanaged()) {
            // Nothing else says what it is that goes.
            Some(seen) => (leaves(&seen.inputs), seen.inputs.to_string()),
            None if new && layout.verbose => (leaves(&step.inputs), step.inputs.to_string()),
            None if new => (Vec::new(), step.inputs.to_string()),
            None => (Vec::new(), String::new()),
        };
        Self {
            sign: step.symbol(),
            address: step.address.to_string(),
            kind: step.kind.clone(),
            why: plain(&why.join("; ")).into_owned(),
            summary: if new { summary(&step.inputs, types(&step.kind)) } else { String::new() },
            fields: step.changes.iter().map(Field::planned).collect(),
            id: String::new(),
            inputs,
            hidden,
            count: 1,
        }
    }

    /// An entry of a drift report.
    pub(super) fn of_drift(drift: &Drift, accepted: impl Fn(&FieldChange) -> bool) -> Self {
        Self {
            sign: if drift.gone { "-" } else { "~" },
            address: drift.address.to_string(),
            kind: drift.kind.clone(),
            why: if drift.gone { "gone".to_owned() } else { String::new() },
            summary: plain(&drift.physical_id).into_owned(),
            fields: drift
                .fields
                .iter()
                .map(|change| Field::drifted(change, accepted(change)))
                .collect(),
            id: plain(&drift.physical_id).into_owned(),
            inputs: Vec::new(),
            hidden: String::new(),
            count: 1,
        }
    }

    /// An entry of a drift report that tells all sides.
    pub(super) fn of_all_sides(drift: &Drift) -> Self {
        let mut why = Vec::new();
        if drift.role == Role::Deposed {
            why.push("an old object, which is still to be deleted");
        } else if !drift.declared {
            why.push("no longer declared");
        }
        if drift.gone {
            why.push("gone");
        }
        Self {
            why: why.join("; "),
            fields: drift.views.iter().map(Field::seen_from_all_sides).collect(),
            ..Self::of_drift(drift, |_| false)
        }
    }

    /// What nobody declares: what it is, for nothing else says so.
    pub(super) fn of_unmanaged(child: &Unmanaged, why: String) -> Self {
        Self {
            sign: "!",
            address: child.address().to_string(),
            kind: child.kind.clone(),
            why: plain(&why).into_owned(),
            summary: String::new(),
            fields: Vec::new(),
            id: plain(&child.physical_id).into_owned(),
            inputs: leaves(&child.inputs),
            hidden: child.inputs.to_string(),
            count: 1,
        }
    }

    fn texts(&self) -> Texts {
        let mut texts: Texts = vec![
            self.address.clone().into(),
            self.sign.into(),
            self.kind.clone().into(),
            self.why.clone().into(),
            Text::without(self.summary.clone(), &self.id),
        ];
        texts.extend(self.fields.iter().flat_map(|field| field.texts(&self.id)));
        texts
    }

    /// This entry with the texts of its family.
    fn with_texts(&self, texts: Vec<String>, count: usize) -> Self {
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap_or_default();
        let address = next();
        let (_sign, kind, why, summary) = (next(), next(), next(), next());
        let summary = if summary == VARIOUS { String::new() } else { summary };
        let fields = self.fields.iter().map(|field| field.with_texts(&mut texts)).collect();
        Self { address, kind, why, summary, fields, count, ..self.clone() }
    }
}

/// Entries that are alike, as one each.
pub(super) fn collapsed(entries: Vec<Entry>) -> Vec<Entry> {
    let texts: Vec<Texts> = entries.iter().map(Entry::texts).collect();
    let hidden: Vec<Texts> =
        entries.iter().map(|entry| vec![entry.hidden.clone().into()]).collect();
    alike::families(&texts, &hidden)
        .into_iter()
        .map(|family| entries[family.members[0]].with_texts(family.texts, family.members.len()))
        .collect()
}

/// Up to three inputs that say what a new resource is: those that must be given, in the order of
/// their declaration, as far as they are short and known.
fn summary(inputs: &Value, of: Option<&ResourceType>) -> String {
    let Some(of) = of else { return String::new() };
    let short = |name: &str| {
        let value = inputs.get(name)?;
        let simple = matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(true));
        let text = shown(value);
        (simple && width(&text) <= 32).then(|| format!("{name} {text}"))
    };
    let required = of.inputs.fields.iter().filter(|field| field.required && !field.json);
    let mut told: Vec<String> = required.filter_map(|field| short(field.name)).take(3).collect();
    if told.is_empty() {
        let others = of.inputs.fields.iter().filter(|field| !field.required && !field.json);
        told = others.filter_map(|field| short(field.name)).take(1).collect();
    }
    told.join(", ")
}

/// The page of these entries, indented under their heading.
pub(super) fn page(entries: &[Entry], layout: &Layout) -> String {
    let longest = entries.iter().map(|entry| width(&entry.address)).max().unwrap_or(0);
    let kinds = entries.iter().map(|entry| width(&entry.kind)).max().unwrap_or(0);
    let columns = (longest.min(56), kinds.min(32));
    entries.iter().map(|entry| lines(entry, columns, layout)).collect()
}

fn lines(entry: &Entry, (longest, kinds): (usize, usize), layout: &Layout) -> String {
    let paint = layout.paint;
    let sign = paint.by_sign(entry.sign, entry.sign);
    let mut facts: Vec<String> = Vec::new();
    if entry.count > 1 {
        facts.push(format!("({} alike)", entry.count));
    }
    if !entry.why.is_empty() {
        facts.push(format!("({})", entry.why));
    }
    if !entry.summary.is_empty() {
        facts.push(entry.summary.clone());
    }
    let facts = facts.join("  ");
    let room = layout.width.unwrap_or(usize::MAX);
    let address = paint.by_sign(entry.sign, &padded(&entry.address, longest));
    let start = 4 + longest.max(width(&entry.address)) + 2;
    let mut page = String::new();
    if start + width(&entry.kind) <= room {
        let kind = padded(&entry.kind, kinds);
        let left = room.saturating_sub(start + width(&kind) + 2);
        // What is new may be said in part; why something happens is said in full.
        let fits = width(&facts) <= left;
        let cut = entry.why.is_empty() && entry.count == 1;
        let (beside, below) = match (fits, cut && left > 12) {
            (true, _) => (facts, String::new()),
            (false, true) => (truncated(&facts, left), String::new()),
            (false, false) if cut => (String::new(), String::new()),
            (false, false) => (String::new(), facts),
        };
        let line = match beside.is_empty() {
            true => format!("  {sign} {address}  {}", entry.kind),
            false => format!("  {sign} {address}  {kind}  {}", paint.dim(&beside)),
        };
        page.push_str(&format!("{}\n", line.trim_end()));
        if !below.is_empty() {
            page.push_str(&paint.dim(folded(&below, 6, layout.width).trim_end_matches('\n')));
            page.push('\n');
        }
    } else {
        let address = folded(&entry.address, 4, layout.width);
        let rest = address.trim_start().trim_end_matches('\n');
        page.push_str(&format!("  {sign} {}\n", paint.by_sign(entry.sign, rest)));
        page.push_str(&folded(&entry.kind, 6, layout.width));
        if !entry.why.is_empty() || entry.count > 1 {
            page.push_str(&folded(&facts, 6, layout.width));
        }
    }
    if entry.fields.iter().any(|field| field.wanted.is_some()) {
        page.push_str(&sides(&entry.fields, layout));
    } else {
        page.push_str(&field_lines(&entry.fields, layout));
    }
    page.push_str(&input_lines(&entry.inputs, layout));
    page
}

const INDENT: usize = 6;

/// Where values are not cut to the width of a terminal, they are cut to this.
const LONG: usize = 120;

/// So many columns for two values are enough to see what differs.
const ENOUGH: usize = 40;

/// Fields from all sides, as a table; where that is too wide, one side under the other.
fn sides(fields: &[Field], layout: &Layout) -> String {
    let fields = if layout.verbose { fields.to_vec() } else { alike_fields(fields) };
    let cut = |text: String| if layout.verbose { text } else { truncated(&text, LONG) };
    let row = |field: Field| {
        let wanted = field.wanted.unwrap_or_default();
        [field.path, cut(wanted), cut(field.old), cut(field.new), field.note]
    };
    let rows: Vec<[String; 5]> = fields.into_iter().map(row).collect();
    let inner = layout.width.map(|columns| columns.saturating_sub(INDENT).max(10));
    let table = table(
        ["field", "program", "recorded", "there", ""],
        &rows,
        &Layout { width: inner, ..*layout },
    );
    table.lines().map(|line| format!("{}{line}\n", " ".repeat(INDENT))).collect()
}

fn field_lines(fields: &[Field], layout: &Layout) -> String {
    let fields = if layout.verbose { fields.to_vec() } else { alike_fields(fields) };
    let longest = fields.iter().map(|field| width(&field.path)).max().unwrap_or(0).min(40);
    fields.iter().map(|field| field_line(field, longest, layout)).collect()
}

/// A field and its two values: side by side if they fit, cut if that leaves enough to see, else one
/// under the other.
fn field_line(field: &Field, longest: usize, layout: &Layout) -> String {
    let paint = layout.paint;
    let note = match field.note.as_str() {
        "" => String::new(),
        note => format!("({note})"),
    };
    let start = INDENT + longest.max(width(&field.path)) + 2;
    let values = width(&field.old) + width(" -> ") + width(&field.new);
    let columns = layout.width.unwrap_or(usize::MAX);
    let room = columns.saturating_sub(start + width(" -> "));
    let line = |room: usize, after: &str| {
        let (old, new) = pair(&field.old, &field.new, room);
        let (old, new) = (paint.red(&old), paint.green(&new));
        let after = paint.magenta(after);
        format!("      {}  {old} -> {new}{after}\n", padded(&field.path, longest))
    };
    if layout.width.is_none() {
        let after = if note.is_empty() { note } else { format!("  {note}") };
        return line(if layout.verbose { usize::MAX } else { 2 * LONG }, &after);
    }
    if !note.is_empty() && start + values + 2 + width(&note) <= columns {
        return line(usize::MAX, &format!("  {note}"));
    }
    let below = match note.is_empty() {
        true => String::new(),
        false => format!("{}{}\n", " ".repeat(start), paint.magenta(&note)),
    };
    let below_fits = start + width(&note) <= columns;
    if below_fits && (start + values <= columns || (room >= ENOUGH && !layout.verbose)) {
        return format!("{}{below}", line(room, ""));
    }
    let head = folded(&format!("{} {note}", field.path), INDENT, layout.width);
    let inner = columns.saturating_sub(INDENT + 5).max(10);
    let (old, new) = match layout.verbose {
        true => (field.old.clone(), field.new.clone()),
        false => pair(&field.old, &field.new, 2 * inner),
    };
    let fold = |text: &str| folded(text, INDENT + 5, layout.width).trim().to_owned();
    let (old, new) = (paint.red(&fold(&old)), paint.green(&fold(&new)));
    format!("{head}           {old}\n        -> {new}\n")
}

fn alike_fields(fields: &[Field]) -> Vec<Field> {
    let texts: Vec<Texts> = fields.iter().map(|field| field.texts("")).collect();
    alike::families(&texts, &[])
        .into_iter()
        .map(|family| fields[family.members[0]].with_texts(&mut family.texts.into_iter()))
        .collect()
}

fn input_lines(inputs: &[(String, String)], layout: &Layout) -> String {
    let texts: Vec<Texts> = inputs
        .iter()
        .map(|(path, value)| vec![path.clone().into(), value.clone().into()])
        .collect();
    let mut rows: Vec<(String, String)> = Vec::new();
    for family in alike::families(&texts, &[]) {
        let mut texts = family.texts.into_iter();
        rows.push((texts.next().unwrap_or_default(), texts.next().unwrap_or_default()));
    }
    pairs(&rows, INDENT, layout)
}

/// Names and values, aligned; a value that does not fit stands under its name.
pub(super) fn pairs(rows: &[(String, String)], indent: usize, layout: &Layout) -> String {
    let rows: Vec<_> = rows.iter().map(|(name, value)| (plain(name), plain(value))).collect();
    let longest = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0).min(40);
    let margin = " ".repeat(indent);
    let mut page = String::new();
    for (name, value) in &rows {
        let start = indent + longest.max(width(name)) + 2;
        if layout.width.is_none_or(|columns| start + width(value) <= columns) {
            page.push_str(&format!("{margin}{}  {value}\n", padded(name, longest)));
        } else {
            page.push_str(&folded(name, indent, layout.width));
            page.push_str(&folded(value, indent + 2, layout.width));
        }
    }
    page
}
