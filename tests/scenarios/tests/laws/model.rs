//! The program of a story as it goes on, and what the cloud must hold when it was applied.

use formwork::{
    Component, HookPoint, Output, Scope,
    testing::{Resumable, Single, Thing, ThingHandle, World},
};

use super::story::{Decl, Edit, Kind};

/// A program that changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    pub(super) decls: Vec<Decl>,
    /// The names that were given so far: none is given twice, so no address means two things.
    named: u16,
}

impl Program {
    /// The next version.
    pub(super) fn edit(&mut self, edits: &[Edit]) {
        for decl in &mut self.decls {
            decl.moved = None;
        }
        for edit in edits {
            self.apply(edit);
        }
    }

    fn apply(&mut self, edit: &Edit) {
        let len = self.decls.len();
        let at = |at: u8| usize::from(at) % len.max(1);
        match edit {
            Edit::Insert(to, decl) => {
                let name = self.fresh();
                let decl = Decl { name, moved: None, ..decl.clone() };
                self.decls.insert(usize::from(*to).min(len), decl);
            }
            _ if len == 0 => {}
            Edit::Remove(of) => drop(self.decls.remove(at(*of))),
            Edit::Copy(of) => {
                let name = self.fresh();
                let of = at(*of);
                let copy = Decl { name, unique: None, moved: None, ..self.decls[of].clone() };
                self.decls.insert(of + 1, copy);
            }
            Edit::Rename(of) => {
                let name = self.fresh();
                let decl = &mut self.decls[at(*of)];
                decl.moved = decl.moved.or(Some((decl.name, decl.within)));
                decl.name = name;
            }
            Edit::Reparent(of, to) => {
                let decl = &mut self.decls[at(*of)];
                if decl.within != *to {
                    decl.moved = decl.moved.or(Some((decl.name, decl.within)));
                    decl.within = *to;
                }
                // Back where it came from.
                decl.moved = decl.moved.filter(|from| *from != (decl.name, decl.within));
            }
            Edit::Label(of, to) => self.decls[at(*of)].label = *to,
            Edit::Fixed(of, to) => self.decls[at(*of)].fixed = *to,
            Edit::Refs(of, to) => self.decls[at(*of)].refs = to.clone(),
            Edit::Unique(of, to) => self.decls[at(*of)].unique = *to,
            Edit::Trigger(of, to) => self.decls[at(*of)].trigger = *to,
            Edit::Swap(of) => {
                let of = at(*of);
                self.decls.swap(of, (of + 1) % len);
            }
        }
    }

    fn fresh(&mut self) -> u16 {
        self.named += 1;
        self.named
    }

    /// The address of the resource that a number means.
    pub(super) fn address(&self, at: u8) -> Option<String> {
        let len = self.decls.len();
        (len > 0).then(|| self.decls[usize::from(at) % len].address())
    }

    /// Where the one stands that is so far above the one at `index`.
    fn above(index: usize, up: Option<u8>) -> Option<usize> {
        index.checked_sub(usize::from(up?) + 1)
    }

    /// Whether something at this place, or above it, lives on a host.
    fn host(&self, index: usize) -> Option<usize> {
        Self::above(index, self.decls[index].host)
    }

    /// The unique name of the one at `index`, if it is free. Two types never have the same: a key is
    /// one of its type, and the modelled cloud has one for all.
    fn unique(&self, index: usize) -> Option<String> {
        // What is left in the cloud keeps its name, so nothing could replace it.
        let free = |_: &u8| self.host(index).is_none() && !self.decls[index].retain;
        let own = self.decls[index].unique.filter(free)?;
        let taken = self.decls[..index].iter().enumerate();
        let mut taken = taken.filter(|(i, _)| self.host(*i).is_none());
        let kind = self.decls[index].kind;
        (!taken.any(|(_, decl)| decl.unique == Some(own) && decl.kind == kind))
            .then(|| format!("{kind:?}-{own}"))
    }

    pub(super) fn declare(&self, scope: &mut Scope<'_>) {
        let mut made: Vec<ThingHandle> = Vec::new();
        for (index, decl) in self.decls.iter().enumerate() {
            let at = |up: Option<u8>| Self::above(index, up).map(|at| made[at].clone());
            let inside = Inside { program: self, index, above: &made, at: &at };
            let handle = match decl.within {
                0 => inside.declare(scope),
                n => scope.add(format!("part-{n}-{}", decl.name), Part(inside)),
            };
            made.push(handle);
        }
    }
}

struct Inside<'p> {
    program: &'p Program,
    index: usize,
    above: &'p [ThingHandle],
    at: &'p dyn Fn(Option<u8>) -> Option<ThingHandle>,
}

struct Part<'p>(Inside<'p>);

impl Component for Part<'_> {
    type Handle = ThingHandle;
    fn declare(self, scope: &mut Scope<'_>) -> ThingHandle {
        self.0.declare(scope)
    }
}

impl Decl {
    pub(super) fn address(&self) -> String {
        address(self.name, self.within)
    }
}

fn address(name: u16, within: u8) -> String {
    match within {
        0 => format!("r{name}"),
        n => format!("part-{n}-{name}/r{name}"),
    }
}

impl Inside<'_> {
    fn declare(&self, scope: &mut Scope<'_>) -> ThingHandle {
        let decl = &self.program.decls[self.index];
        let refs: Vec<_> =
            decl.refs.iter().filter_map(|up| Some((self.at)(Some(*up))?.id)).collect();
        let fixed_ref = (self.at)(decl.fixed_ref).map(|on| on.id);
        let label = match self.above.last().filter(|_| decl.fed) {
            Some(above) => above.id.map(|id| format!("of {id}")),
            None => Output::known(format!("l{}", decl.label)),
        };
        let label = if decl.secret { label.secret() } else { label };
        let unique = self.program.unique(self.index);
        macro_rules! add {
            ($type:ident) => {{
                let mut declared = $type::builder()
                    .label(&label)
                    .fixed(format!("f{}", decl.fixed))
                    .maybe_name(unique.clone())
                    .refs(refs)
                    .maybe_fixed_ref(fixed_ref.as_ref())
                    .build()
                    .trigger(decl.trigger);
                if let Some(after) = (self.at)(decl.after) {
                    declared = declared.after(&after);
                }
                if let Some(host) = (self.at)(decl.host) {
                    declared = declared.deleted_with(&host);
                }
                declared = match decl.delete_first {
                    Some(true) => declared.delete_first(),
                    // With a name that stays this is what the cloud refuses, and so it was asked for.
                    Some(false) if unique.is_none() => declared.create_first(),
                    Some(false) => declared,
                    None => declared,
                };
                if decl.retain {
                    declared = declared.retain();
                }
                if decl.hook {
                    for point in [
                        HookPoint::BeforeCreate,
                        HookPoint::AfterCreate,
                        HookPoint::AfterUpdate,
                        HookPoint::BeforeDelete,
                        HookPoint::AfterDelete,
                    ] {
                        declared = declared.hook(point, "watch");
                    }
                }
                if let Some((name, within)) = decl.moved {
                    declared = declared.moved_from(address(name, within));
                }
                scope.add(format!("r{}", decl.name), declared)
            }};
        }
        match decl.kind {
            Kind::Things => add!(Thing),
            Kind::Singles => add!(Single),
            Kind::Resumables => add!(Resumable),
        }
    }
}

/// What the cloud must hold after a healthy run: one object per declared resource, as declared.
pub(super) fn expect(world: &World, program: &Program, kept: usize) -> Result<(), String> {
    let objects = world.cloud().objects();
    let mut ids: Vec<String> = Vec::new();
    for (index, decl) in program.decls.iter().enumerate() {
        let address = decl.address();
        let row = world.row(&address).ok_or_else(|| format!("{address} is not recorded"))?;
        let id = row.outputs.get("id").and_then(|id| id.as_str()).unwrap_or_default().to_owned();
        let object = objects.get(&id).ok_or_else(|| format!("{address} is {id}, which is gone"))?;
        let text = |field: &str| {
            let value = object.inputs.get(field)?.open();
            value.as_str().map(str::to_owned)
        };
        let label = match ids.last().filter(|_| decl.fed) {
            Some(above) => format!("of {above}"),
            None => format!("l{}", decl.label),
        };
        let at = |up: u8| Program::above(index, Some(up)).map(|at| ids[at].clone());
        let mut refs: Vec<String> = decl.refs.iter().filter_map(|up| at(*up)).collect();
        refs.extend(decl.fixed_ref.and_then(at));
        let name = program.unique(index);
        let is = (text("label"), text("fixed"), object.refs.clone(), object.name.clone());
        let wanted = (Some(label), Some(format!("f{}", decl.fixed)), refs, name);
        if is != wanted {
            return Err(format!("{address} is {is:?}, and not {wanted:?}"));
        }
        ids.push(id);
    }
    let there = objects.len();
    if there > ids.len() + kept {
        let extra: Vec<_> = objects.keys().filter(|id| !ids.contains(id)).collect();
        return Err(format!("{extra:?} are there and nobody wants them; {kept} were kept"));
    }
    Ok(())
}
