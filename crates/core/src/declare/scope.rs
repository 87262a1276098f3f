//! What a program adds resources and components to.

use std::{marker::PhantomData, panic::Location, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Decider, Moved, Options, Problem, Reference, ResourceRef, Site, Timeouts,
    program::{Builder, Node, NodeKind, Requirement},
    provide::brought,
};
use crate::{
    expr::Expr,
    hook::HookPoint,
    identity::Address,
    output::{Input, Members, Output},
    provider::Provider,
    resource::{Lookup, Outputs, Resource},
    schema::{Field, Schema},
    value::Value,
};

/// What is asked of an object that others own.
static EXISTING: Schema = Schema { fields: &[Field::new("id").required().replace()] };

/// A place in the tree of a stack.
pub struct Scope<'a> {
    path: String,
    options: Options,
    site: Option<Site>,
    builder: &'a mut Builder,
}

impl<'a> Scope<'a> {
    pub(crate) fn root(builder: &'a mut Builder) -> Self {
        Self { path: String::new(), options: Options::default(), site: None, builder }
    }

    /// The scope of a subtree that is decided.
    pub(super) fn within(address: &Address, decider: &Decider, builder: &'a mut Builder) -> Self {
        let (path, options) = (address.as_str().to_owned(), decider.options.clone());
        Self { path, options, site: Some(decider.site), builder }
    }
}

impl Scope<'_> {
    /// Adds a resource or a component under `name`, and returns its late-bound outputs.
    ///
    /// A name is unique in its scope, not empty, and has no `/`. Mistakes are collected, and
    /// reported all at once when the declaration is finished.
    #[track_caller]
    pub fn add<C: Component>(&mut self, name: impl AsRef<str>, component: C) -> C::Handle {
        let mut scope = self.enter(name.as_ref(), Location::caller());
        component.declare(&mut scope)
    }

    /// Asks a question whose answer is recorded and pinned: it changes only when lookups are
    /// refreshed on purpose, or when the question changes, and then shows as a change.
    ///
    /// A question that is known is asked while a plan is made. One that depends on something which
    /// the plan creates, replaces or updates (by a value in it, or by the option `after`) is asked by
    /// the run, when that is ready: its answer is unknown in the plan, and recorded before what uses
    /// it starts. If it fails, what uses it is skipped; after a crash it is asked again. In a plan
    /// that is narrowed and leaves out what it depends on, it stays as it is.
    #[track_caller]
    pub fn lookup<L: Lookup>(
        &mut self,
        name: impl AsRef<str>,
        query: impl Into<Input<L>>,
    ) -> <L::Answer as Outputs>::Handle {
        self.lookup_after(name, query, &[] as &[ResourceRef])
    }

    /// Like [`Scope::lookup`], for an answer that is about `others` although the question names none
    /// of them: how many machines there are, once these have been made.
    ///
    /// It is asked after they are ready. While a plan creates, replaces or updates one of them, the
    /// recorded answer is an old one, and the lookup is asked anew when that is done.
    #[track_caller]
    pub fn lookup_after<L: Lookup>(
        &mut self,
        name: impl AsRef<str>,
        query: impl Into<Input<L>>,
        others: &(impl Reference + ?Sized),
    ) -> <L::Answer as Outputs>::Handle {
        let scope = self.enter(name.as_ref(), Location::caller());
        let others = others.references();
        let mut options = scope.options.clone();
        options.after.extend_from_slice(&others);
        let node = Node {
            address: Address::new(scope.path.as_str()),
            kind: NodeKind::Lookup {
                kind: L::KIND,
                inputs: L::SCHEMA,
                formerly: L::FORMERLY,
                existing: None,
            },
            inputs: query.into().expr,
            options,
            renewed_by: others.iter().map(|other| other.node).collect(),
            declared_at: scope.site(),
        };
        L::Answer::handle(scope.builder.add(node))
    }

    /// Reads an object of the type `R` that others own, by its id, and never changes or deletes it.
    ///
    /// Each plan looks at it anew and records what it reports ([`RefreshMode::List`](crate::RefreshMode::List); the other modes
    /// use what is recorded, if it is); a plan is refused where it is not there. What changes on it
    /// changes those who use it, as any other output does. When the declaration goes, the record does.
    ///
    /// An object that the stack manages and that the program then only reads, here or at its own
    /// address, is not ours any more: its row is dropped without a delete. If the declaration of a
    /// resource gives way to one that reads another object, the old object is deleted. The other
    /// way round, a resource is made and what was read is forgotten; to take it over,
    /// [`Declaration::import`] it. The objects of the types that can not be found by an id
    /// ([`Lifecycle::locate`](crate::Lifecycle::locate)) can not be read either.
    ///
    /// All of it: [`docs::options::existing`](crate::docs::options::existing).
    #[track_caller]
    pub fn existing<R: Resource>(
        &mut self,
        name: impl AsRef<str>,
        id: impl Into<Input<String>>,
    ) -> <R::Outputs as Outputs>::Handle {
        let scope = self.enter(name.as_ref(), Location::caller());
        let node = Node {
            address: Address::new(scope.path.as_str()),
            kind: NodeKind::Lookup {
                kind: R::TYPE.existing,
                inputs: &EXISTING,
                formerly: &[],
                existing: Some(R::TYPE),
            },
            inputs: Arc::new(Expr::Members(vec![("id".into(), id.into().expr)])),
            options: scope.options.clone(),
            renewed_by: Vec::new(),
            declared_at: scope.site(),
        };
        R::Outputs::handle(scope.builder.add(node))
    }

    /// Declares a subtree from a value that may be known only later: how many subnets there are, what
    /// a service answers at.
    ///
    /// Everything in it is named under `name/`, inherits the options of this scope, and depends on
    /// what `value` comes from. `declare` gets the plain value. It must be pure: it runs whenever the
    /// value is known, and that may be often. What it returns is the output of the subtree. A value
    /// that is secret in a part can be taken only by a type that has a
    /// [`Secret`](crate::value::Secret) there. A panic in `declare`, or a problem that it reports, is
    /// an error of the declaration, and no plan is made.
    ///
    /// * **The value is known when the plan is made** (it is written in the program, a lookup
    ///   answered it, or it is recorded and nothing in the plan changes it): the subtree is part of
    ///   the plan like everything else.
    /// * **It is not**, because what it comes from is created, replaced or changed: the plan is a
    ///   *wave*. It says what is decided after it ([`Plan::undecided`](crate::Plan::undecided)), and
    ///   guesses nothing. What is recorded in the subtree stays exactly as it is, and so do the
    ///   resources that use its output, and whatever these objects use, though it was replaced.
    ///   What the program no longer declares goes in a later wave, for it may have moved into the
    ///   subtree. After the wave, the next plan of the same program decides it, and is shown and
    ///   approved by itself.
    /// * **The value changes**: what is no longer declared is removed, and what is new is added.
    /// * **The call is removed** from the program: so is all that it declared.
    /// * **A crash** leaves nothing to repair: a decision is not recorded. The next plan
    ///   decides by the values that it finds.
    ///
    /// To destroy a stack, subtrees are declared from the recorded values. What is recorded
    /// and can not be decided any more is destroyed all the same.
    ///
    /// All of it: [`docs::options::decide`](crate::docs::options::decide).
    #[track_caller]
    pub fn decide<T, U, I>(
        &mut self,
        name: impl AsRef<str>,
        value: &Output<T>,
        declare: impl Fn(&mut Scope<'_>, T) -> I + Send + Sync + 'static,
    ) -> Output<U>
    where
        T: DeserializeOwned + 'static,
        I: Into<Input<U>>,
    {
        let scope = self.enter(name.as_ref(), Location::caller());
        let mut options = scope.options.clone();
        let node = Node {
            address: Address::new(scope.path.as_str()),
            kind: NodeKind::Decide,
            inputs: value.expr.clone(),
            options: options.clone(),
            renewed_by: Vec::new(),
            declared_at: scope.site(),
        };
        // What is declared depends on what it was decided by, though it refers to nothing of it.
        options.after.extend(value.references());
        let decider = Decider {
            declare: Arc::new(move |scope, value| {
                let value = value.to_guarded().map_err(|error| error.to_string())?;
                Ok(declare(scope, value).into().expr)
            }),
            options,
            site: node.declared_at,
            depth: scope.builder.depth + 1,
            decided: None,
            waits: false,
        };
        let of = scope.builder.add(node);
        let at = petgraph::graph::NodeIndex::new(of.node.0 as usize);
        scope.builder.program.deciders.insert(at, decider);
        Output::attribute(&of, "")
    }

    /// Brings a provider along under `name`, for resources and components that name it with
    /// `.provider(name)`; nothing else goes through it. Within [`Scope::decide`] it can be made of what
    /// another resource reports: the address of a cluster, for what runs on it.
    ///
    /// `make` is called when something first goes through the provider, so one that a plan does not
    /// need is never made. Records keep the provider's name and where it points, and nothing else of
    /// it.
    ///
    /// * **While it is undecided** what was made through it is left alone; not even a call that was
    ///   cut off is looked after.
    /// * **On destroy** it is made of what is recorded.
    /// * **It is removed** from the program: so must be, before, all that was made through it; a plan
    ///   that has to look at such an object is refused.
    /// * **It points elsewhere** than where its objects were made: the plan is refused. Objects that are
    ///   `deleted_with` what it was made of go with that, without a call.
    ///
    /// All of it: [`docs::options::scope_provider`](crate::docs::options::scope_provider).
    #[track_caller]
    pub fn provider<P: Provider + 'static>(
        &mut self,
        name: impl Into<String>,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) {
        let name = name.into();
        if self.builder.program.providers.iter().any(|other| other.name() == name) {
            let here = Location::caller();
            let site = Site { outer: self.site.map_or(here, |site| site.outer), inner: here };
            let address = Address::new(self.path.as_str());
            let message = format!("a provider `{name}` is there already");
            self.builder.problem(&address, None, site, message);
        }
        self.builder.program.providers.push(brought(name, make));
    }

    /// Makes `output` an output of the whole stack, under `name`: recorded, and shown to the user.
    #[track_caller]
    pub fn export<T>(&mut self, name: impl Into<String>, output: impl Into<Input<T>>) {
        let name = name.into();
        if self.builder.program.exports.iter().any(|(taken, _)| *taken == name) {
            let site = Site { outer: Location::caller(), inner: Location::caller() };
            let address = Address::new(self.path.as_str());
            self.builder.problem(
                &address,
                None,
                site,
                format!("the output `{name}` is exported twice"),
            );
        }
        self.builder.program.exports.push((name, output.into().expr));
    }

    /// Reports something wrong with what is being declared; the declaration goes on, so that all
    /// problems are reported together, and then fails.
    #[track_caller]
    pub fn problem(&mut self, field: Option<&str>, message: impl Into<String>) {
        let here = Location::caller();
        let site = self.site.unwrap_or(Site { outer: here, inner: here });
        let address = Address::new(self.path.as_str());
        self.builder.problem(&address, field, site, message.into());
    }

    /// Says something that the user should know about what is being declared, and that refuses
    /// nothing; it stands in every plan.
    #[track_caller]
    pub fn warn(&mut self, field: Option<&str>, message: impl Into<String>) {
        let here = Location::caller();
        let site = self.site.unwrap_or(Site { outer: here, inner: here });
        self.builder.program.warnings.push(Problem {
            address: Address::new(self.path.as_str()),
            field: field.map(str::to_owned),
            message: message.into(),
            declared_at: site.to_string(),
        });
    }

    /// Makes it a problem of what is being declared when `value` can not be computed: the error of an
    /// [`Output::try_map`] is then reported at plan once, with `field` and the line of this
    /// declaration, however many resources use the output.
    ///
    /// With it a component judges what a lookup answers, as [`Scope::problem`] does for what is known
    /// when it is declared. Nothing is judged while `value` is unknown.
    #[track_caller]
    pub fn require<T>(&mut self, field: Option<&str>, value: &Output<T>) {
        let site = self.site();
        let address = Address::new(self.path.as_str());
        let token = self.builder.program.token;
        let mut foreign = false;
        value.expr.dependencies(&mut |from, _| foreign |= from != token);
        if foreign {
            let message = "it requires an output of another stack";
            self.builder.problem(&address, field, site, message.to_owned());
            return;
        }
        self.builder.program.requirements.push(Requirement {
            address,
            field: field.map(str::to_owned),
            value: value.expr.clone(),
            declared_at: site,
        });
    }

    /// The name of the stack.
    #[must_use]
    pub fn stack(&self) -> Arc<str> {
        self.builder.program.stack.clone()
    }

    /// The path of this scope from the stack's root; empty at the root.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Says that what is declared here was at these addresses before.
    fn moved(&mut self, options: &mut Options) {
        let (to, declared_at) = (Address::new(self.path.as_str()), self.site());
        let program = &mut self.builder.program;
        for from in std::mem::take(&mut options.moved_from) {
            program.moves.push(Moved { from, to: to.clone(), declared_at });
        }
        for (stack, from) in std::mem::take(&mut options.moved_from_stack) {
            let rule = Moved { from, to: to.clone(), declared_at };
            program.arrivals.entry(stack).or_default().push(rule);
        }
    }

    fn site(&self) -> Site {
        self.site.unwrap_or_else(|| {
            let here = Location::caller();
            Site { outer: here, inner: here }
        })
    }

    fn enter(&mut self, name: &str, here: &'static Location<'static>) -> Scope<'_> {
        let path =
            if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) };
        let site = Site { outer: self.site.map_or(here, |site| site.outer), inner: here };
        if name.is_empty() || name.contains('/') || name.chars().any(char::is_control) {
            let address = Address::new(self.path.as_str());
            self.builder.problem(
                &address,
                None,
                site,
                format!("{name:?} is no name: expected text without `/` and control characters"),
            );
        }
        Scope { path, options: self.options.clone(), site: Some(site), builder: self.builder }
    }
}

/// Anything that can be added to a [`Scope`]: one resource, or a subtree of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be added to a scope",
    note = "finish a resource with `.build()`, or implement `Component` for `{Self}`"
)]
pub trait Component: Sized {
    /// The outputs that the surrounding program may use.
    type Handle;

    /// Adds this component's children to `scope`.
    fn declare(self, scope: &mut Scope<'_>) -> Self::Handle;

    /// This component with options that all its children inherit.
    fn with_options(self) -> WithOptions<Self> {
        WithOptions { component: self, options: Options::default() }
    }
}

/// One resource with late-bound inputs, and its options; made by a derived builder.
pub struct Declaration<R> {
    inputs: Arc<Expr>,
    options: Options,
    _resource: PhantomData<fn() -> R>,
}

impl<R: Resource> Declaration<R> {
    /// A declaration of the given fields; what derived builders end in.
    #[doc(hidden)]
    #[must_use]
    pub fn new(members: Members) -> Self {
        Self {
            inputs: Arc::new(Expr::Members(members.0)),
            options: Options::default(),
            _resource: PhantomData,
        }
    }
}

impl<R: Resource> From<R> for Declaration<R> {
    fn from(resource: R) -> Self {
        Self {
            inputs: Input::from(resource).expr,
            options: Options::default(),
            _resource: PhantomData,
        }
    }
}

impl<R: Resource> Component for Declaration<R> {
    type Handle = <R::Outputs as Outputs>::Handle;

    fn declare(self, scope: &mut Scope<'_>) -> Self::Handle {
        let mut options = self.options;
        scope.options.inherit(&mut options);
        scope.moved(&mut options);
        let node = Node {
            address: Address::new(scope.path.as_str()),
            kind: NodeKind::Resource(R::TYPE),
            inputs: self.inputs,
            options,
            renewed_by: Vec::new(),
            declared_at: scope.site(),
        };
        R::Outputs::handle(scope.builder.add(node))
    }
}

impl<R> Declaration<R> {
    /// Brings an object that exists already under management: the one with this id.
    ///
    /// A plan looks at it and shows what is taken over and what then changes in place, which is the
    /// ordinary difference between the program and what is there; `ignore_changes` applies. A plan is
    /// refused where there is no such object, where another address of the stack has it already,
    /// where this address has another object, where it would have to be replaced (all fields are
    /// named), and where the type can not be imported. At apply the object is looked at again; it is
    /// recorded before it is marked as ours, and changed last. A crash at any moment leaves what the
    /// next run finishes. What can not be read back is sent, or taken for granted where it can not be changed.
    ///
    /// Once it is recorded this says nothing more, also after the object was replaced or is gone: it
    /// can stay in the program. Take it away and nothing changes; the object stays managed.
    ///
    /// All of it: [`docs::options::import`](crate::docs::options::import).
    #[must_use]
    pub fn import(mut self, id: impl Into<String>) -> Self {
        self.options.import = Some(id.into());
        self
    }
}

/// A component with options for all its children; see [`Component::with_options`].
pub struct WithOptions<C> {
    component: C,
    options: Options,
}

impl<C: Component> Component for WithOptions<C> {
    type Handle = C::Handle;

    fn declare(self, scope: &mut Scope<'_>) -> C::Handle {
        let mut options = self.options;
        scope.options.inherit(&mut options);
        scope.moved(&mut options);
        scope.options = options;
        self.component.declare(scope)
    }
}

macro_rules! option_setters {
    ($($type:ty [$($generics:tt)*]),*) => {$(
        impl<$($generics)*> $type {
            /// Refuses every plan that would delete or replace it.
            ///
            /// All of it: [`docs::options::protect`](crate::docs::options::protect).
            #[must_use]
            pub fn protect(mut self) -> Self {
                self.options.protect = true;
                self
            }

            /// Lets nothing belong to it that nobody declares: a rule that another hand added to a
            /// security group, a policy attached to a role. Whether a type has such children, each
            /// child type says ([`Lifecycle::PARENTS`](crate::Lifecycle::PARENTS)); of a type without
            /// any this means nothing. A component hands it down to all inside.
            ///
            /// Every plan that looks at everything deletes what it finds, in steps like others:
            /// shown, approved, saved, and before what they use. Never what has the ownership tag of
            /// another resource, be it of another stack or forgotten. Nothing happens on create: what
            /// the cloud gives a new object by itself, the next plan shows. When the object is
            /// deleted, what would be in the way of that goes first; when it is retained, all of it
            /// stays. Without this, such children are told and stay. A delete that was cut off by a
            /// crash is looked after by the next plan.
            ///
            /// All of it: [`docs::options::exclusive`](crate::docs::options::exclusive).
            #[must_use]
            pub fn exclusive(mut self) -> Self {
                self.options.exclusive = true;
                self
            }

            /// Leaves the object in the cloud when it is no longer wanted.
            ///
            /// All of it: [`docs::options::retain`](crate::docs::options::retain).
            #[must_use]
            pub fn retain(mut self) -> Self {
                self.options.retain = true;
                self
            }

            /// Deletes the old object before making the new one, when it is replaced.
            ///
            /// All of it: [`docs::options::delete_first`](crate::docs::options::delete_first).
            #[must_use]
            pub fn delete_first(mut self) -> Self {
                self.options.delete_first = Some(true);
                self
            }

            /// Makes the new object before deleting the old one, even where the type would not.
            ///
            /// All of it: [`docs::options::delete_first`](crate::docs::options::delete_first).
            #[must_use]
            pub fn create_first(mut self) -> Self {
                self.options.delete_first = Some(false);
                self
            }

            /// Does not act on changes of these field paths; on create the program's values are used.
            ///
            /// All of it: [`docs::options::ignore_changes`](crate::docs::options::ignore_changes).
            #[must_use]
            pub fn ignore_changes<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
                self.options.ignore_changes.extend(paths.into_iter().map(Into::into));
                self
            }

            /// Replaces when one of these fields changes, although it could be updated in place.
            ///
            /// All of it: [`docs::options::replace_on`](crate::docs::options::replace_on).
            #[must_use]
            pub fn replace_on<P: Into<String>>(mut self, fields: impl IntoIterator<Item = P>) -> Self {
                self.options.replace_on.extend(fields.into_iter().map(Into::into));
                self
            }

            /// Replaces when `value` differs from the one at the last apply.
            ///
            /// All of it: [`docs::options::trigger`](crate::docs::options::trigger).
            #[must_use]
            pub fn trigger(mut self, value: impl Serialize) -> Self {
                // What can not be converted can not be compared either, so it never triggers.
                self.options.trigger = Value::from_data(&value).ok().filter(|value| !value.is_null());
                self
            }

            /// Waits for another resource, although no input comes from it.
            ///
            /// All of it: [`docs::options::after`](crate::docs::options::after).
            #[must_use]
            pub fn after(mut self, other: &(impl Reference + ?Sized)) -> Self {
                self.options.after.extend(other.references());
                self
            }

            /// Replaces it whenever the other resource is replaced.
            ///
            /// All of it: [`docs::options::replace_with`](crate::docs::options::replace_with).
            #[must_use]
            pub fn replace_with(mut self, other: &(impl Reference + ?Sized)) -> Self {
                self.options.replace_with.extend(other.references());
                self
            }

            /// Makes it go with the other resource: when that is deleted no delete call is made
            /// for this one, and when that is replaced this one is too.
            ///
            /// All of it: [`docs::options::deleted_with`](crate::docs::options::deleted_with).
            #[must_use]
            pub fn deleted_with(mut self, other: &(impl Reference + ?Sized)) -> Self {
                self.options.deleted_with = other.references().first().copied();
                self
            }

            /// Bounds how long its verbs may take.
            ///
            /// All of it: [`docs::options::timeouts`](crate::docs::options::timeouts).
            #[must_use]
            pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
                self.options.timeouts = timeouts;
                self
            }

            /// Bounds how long its create may take, until it is ready.
            ///
            /// All of it: [`docs::options::timeouts`](crate::docs::options::timeouts).
            #[must_use]
            pub fn create_timeout(mut self, timeout: Duration) -> Self {
                self.options.timeouts.create = Some(timeout);
                self
            }

            /// Says which address it had before, as the path from the root of the stack; of a
            /// component, where all that is inside it was.
            ///
            /// The next run gives the recorded objects their new address and changes nothing in the
            /// cloud; that is one write, so a crash leaves all of it done or none of it. Where
            /// nothing is recorded at the old address, and where something is at the new one, it
            /// says nothing: it can stay in the program for as long as there may be states that
            /// have not seen it yet. Several are allowed, for a resource that moved several times.
            /// What the program no longer declares inside a component that moved is removed at its
            /// new address. A plan is refused where the old address is still declared, where two
            /// objects would become one, and where addresses would be exchanged.
            ///
            /// All of it: [`docs::options::moved_from`](crate::docs::options::moved_from).
            #[must_use]
            pub fn moved_from(mut self, address: impl Into<String>) -> Self {
                self.options.moved_from.push(address.into());
                self
            }

            /// Takes over an object that is there already and has its name, instead of failing to make
            /// another one of that name.
            ///
            /// Each plan that would create it looks whether one is there, by the fields that name it
            /// (only where they are known at plan), and then says so: it is an import as by
            /// [`Declaration::import`], with the same rules. Once something is recorded at its
            /// address this says nothing more. What comes in between plan and apply is not adopted:
            /// its create fails. An object that is recorded at another address of the stack is not
            /// adopted either. A type that can not look refuses the plan.
            ///
            /// All of it: [`docs::options::adopt`](crate::docs::options::adopt).
            #[must_use]
            pub fn adopt(mut self) -> Self {
                self.options.adopt = true;
                self
            }

            /// Says that it was in another stack of the same store before, and which address it had
            /// there; of a component, where all that is inside it was.
            ///
            /// The next run of this stack takes the recorded objects over and changes nothing in the
            /// cloud: one commit of both stacks before the first step, so a crash leaves all of it
            /// done or none, and a plan of it is stale as soon as either state was written. The other
            /// stack keeps a mark of where each object went: its program is refused for as long as it
            /// declares one of them, so that it does not make another; the mark goes when the program
            /// has dropped it. References between what went and what stayed are taken away, for no
            /// stack knows the order of another: hand values over by settings or lookups.
            ///
            /// Where nothing is recorded there, and where something is at the new address, it says
            /// nothing, so it can stay in the program. A stack that is to be destroyed takes nothing
            /// in. What was given away is taken back only when the mark of it is gone. A plan is
            /// refused where a call on one of the objects was cut off, where what goes
            /// with another object would be parted from it, and where the two stacks mean different
            /// places by the name of a provider.
            ///
            /// All of it: [`docs::options::moved_from_stack`](crate::docs::options::moved_from_stack).
            #[must_use]
            pub fn moved_from_stack(
                mut self,
                stack: impl Into<String>,
                address: impl Into<String>,
            ) -> Self {
                self.options.moved_from_stack.push((stack.into(), address.into()));
                self
            }

            /// Runs the engine's hook of this name at this point; several run in the order in which
            /// they were named, those of a component before its children's.
            ///
            /// The names are recorded, so what is to run when the object goes is known when the
            /// program no longer declares it; a plan is refused where the engine has no hook of
            /// the name ([`EngineBuilder::hook`](crate::EngineBuilder::hook)). A hook that is added
            /// or taken away changes no object.
            ///
            /// All of it: [`docs::options::hook`](crate::docs::options::hook).
            #[must_use]
            pub fn hook(mut self, point: HookPoint, name: impl Into<String>) -> Self {
                self.options.hooks.push((point, name.into()));
                self
            }

            /// Exempts it from a policy, by name; of a component, all that is inside.
            ///
            /// What violates the policy all the same stands in every plan, with the reason. A policy may
            /// allow no exemption ([`Policy::strict`](crate::Policy::strict)). Of a name that no policy
            /// has the plan warns; without a reason there is no plan.
            ///
            /// All of it: [`docs::options::exempt`](crate::docs::options::exempt).
            #[must_use]
            pub fn exempt(mut self, policy: impl Into<String>, reason: impl Into<String>) -> Self {
                self.options.exempt.push((policy.into(), reason.into()));
                self
            }

            /// Uses the provider registered under this name instead of the type's default one.
            ///
            /// All of it: [`docs::options::provider`](crate::docs::options::provider).
            #[must_use]
            pub fn provider(mut self, name: impl Into<String>) -> Self {
                self.options.provider = Some(name.into());
                self
            }
        }
    )*};
}

option_setters!(Declaration<R> [R], WithOptions<C> [C]);
