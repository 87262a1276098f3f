//! What a declaration may ask of the engine, beside its inputs.

use std::time::Duration;

use crate::{declare::ResourceRef, hook::HookPoint, value::Value};

/// How long one verb of one resource may take, waiting and retries included.
///
/// A call that has not returned by then is dropped. Whether it took effect is not known, so the next
/// run looks; what does not depend on it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first call of a create until the object is ready. Default 30 minutes.
    pub create: Option<Duration>,
    /// The same for an update. Default 30 minutes.
    pub update: Option<Duration>,
    /// From the first call of a delete until the object is gone. Default 30 minutes.
    pub delete: Option<Duration>,
}

/// The options of one declaration; components hand theirs down to their children.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// Refuse every plan that would delete or replace it.
    pub protect: bool,
    /// Delete what belongs to it and nobody declares.
    pub exclusive: bool,
    /// Leave the object in the cloud when it is no longer wanted.
    pub retain: bool,
    /// Delete the old object before making the new one; `None` lets the type decide.
    pub delete_first: Option<bool>,
    /// Field paths whose changes are not acted on.
    pub ignore_changes: Vec<String>,
    /// Fields whose change replaces, although the type could update them in place.
    pub replace_on: Vec<String>,
    /// A value whose change replaces.
    pub trigger: Option<Value>,
    /// Wait for these, although no input comes from them.
    pub after: Vec<ResourceRef>,
    /// Replace it whenever one of these is replaced.
    pub replace_with: Vec<ResourceRef>,
    /// It goes when this goes: no delete call of its own is made then.
    pub deleted_with: Option<ResourceRef>,
    /// How long its verbs may take.
    pub timeouts: Timeouts,
    /// The addresses that it had before; of a component, that all inside it had before. They are not
    /// handed down: a child's follow from its component's.
    pub moved_from: Vec<String>,
    /// The id of an object that exists already and is to be taken over.
    pub import: Option<String>,
    /// Take an object over that is there already and has its name, instead of failing.
    pub adopt: bool,
    /// The stacks that it was in before, each with the address that it had there; of a component, that
    /// all inside it had there.
    pub moved_from_stack: Vec<(String, String)>,
    /// The hooks that run around its verbs, by name, in the order they run in.
    pub hooks: Vec<(HookPoint, String)>,
    /// The policies that it is exempt from, by name, each with the reason.
    pub exempt: Vec<(String, String)>,
    /// The provider to use instead of the type's default one, by name.
    pub provider: Option<String>,
}

impl Options {
    /// These options, where a child has not said otherwise.
    pub(crate) fn inherit(&self, child: &mut Options) {
        child.protect |= self.protect;
        child.exclusive |= self.exclusive;
        child.retain |= self.retain;
        child.adopt |= self.adopt;
        child.delete_first = child.delete_first.or(self.delete_first);
        child.ignore_changes.extend_from_slice(&self.ignore_changes);
        child.replace_on.extend_from_slice(&self.replace_on);
        child.trigger = child.trigger.take().or_else(|| self.trigger.clone());
        child.after.extend_from_slice(&self.after);
        child.replace_with.extend_from_slice(&self.replace_with);
        child.deleted_with = child.deleted_with.or(self.deleted_with);
        child.timeouts.create = child.timeouts.create.or(self.timeouts.create);
        child.timeouts.update = child.timeouts.update.or(self.timeouts.update);
        child.timeouts.delete = child.timeouts.delete.or(self.timeouts.delete);
        child.hooks.splice(..0, self.hooks.iter().cloned());
        child.exempt.extend_from_slice(&self.exempt);
        child.provider = child.provider.take().or_else(|| self.provider.clone());
    }
}
