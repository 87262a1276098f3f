//! The engine of formwork: declare, plan, apply.
//!
//! *Declare* ([`Stack`], [`Scope`]) is pure and synchronous. *Plan* gathers what is recorded and
//! what is there, then calls a pure function. *Apply* is the only writer, and decides nothing that
//! the plan did not. The crate knows no cloud, no terminal, no environment and no disk: providers
//! and stores are traits.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that can not go on has failed"))]

extern crate self as formwork_core;

mod apply;
mod check;
mod child;
mod declare;
pub mod docs;
mod engine;
mod expr;
mod gather;
mod hook;
mod identity;
mod output;
mod panics;
mod plan;
mod policy;
mod provider;
mod resource;
mod saved;
mod schema;
mod stack;
pub mod state;
pub mod testing;
pub mod value;

pub use apply::{
    ApplyError, CancelToken, Cancelling, Event, EventSink, Failure, GetError, Live, Report,
    Skipped, StepInfo,
};
pub use check::{Check, Target};
pub use child::{Child, Managed, Parent, SeenChild};
pub use declare::{
    Component, Declaration, DeclareError, Options, Problem, Reference, ResourceRef, Scope, Site,
    Timeouts, WithOptions,
};
pub use engine::{
    ApplyRequest, BuildError, Engine, EngineBuilder, PlanRequest, RecordError, Recorded,
};
pub use formwork_macros::{Inputs, Outputs, Resource};
pub use hook::{ErrorAction, FailedHook, HookCall, HookPoint, MissingHook};
pub use identity::{Address, Identity, ParseIdError, ResourceId, Seed};
pub use output::{Input, Output, all, json, zip};
pub use plan::{
    Action, Cause, Decided, Drift, DriftView, Fate, FieldChange, KeptInUse, Lack, Missing, Move,
    Narrowed, Observation, Plan, PlanData, PlanError, PlanSource, Reason, Recovered, RefreshMode,
    Standing, Step, StepId, Summary, Takeover, Undecided, UnknownAddress, Unmanaged,
};
pub use policy::{
    Deferred, Fix, Found, Level, OnUnknown, PlannedStack, Policy, Remediation,
    Report as PolicyReport, Subject, Typed, Verdict, Violation,
};
pub use provider::{
    BoxFuture, CreateFailure, ErrorKind, Handler, LookupHandler, Provider, ProviderError, Registry,
    Seen, SeenRef, Settling,
};
pub use resource::{
    By, Changes, Context, CreateError, Deletion, FoundBy, Inputs, Known, Lifecycle, Lookup,
    Observed, Outputs, Resource, Settled,
};
pub use saved::{
    Asked, LoadPlanError, LoadRequest, MovedProvider, ReadPlanError, SavePlanError, SavedPlan,
    SealError, Sealed, Sealer, Unsaved, UnsavedError,
};
pub use schema::{Field, Group, OutputField, OutputSchema, ResourceType, Schema};
pub use stack::{GraphNode, GraphView, Stack};
pub use value::Secret;

/// What the macros expand to; not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use bon;

    pub use crate::output::{Members, TextPart, join_text};
}
