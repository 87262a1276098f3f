//! Random stories: programs that come from one another, with what goes wrong meanwhile.
//!
//! What is printed of a story is Rust: a test to paste.

use std::{fmt, ops::Deref};

use formwork::testing::{Fault, Op};
use proptest::prelude::*;

/// A list that prints as an expression that makes it.
#[derive(Clone)]
pub(super) struct Many<T>(pub(super) Vec<T>);

/// A list; what [`Many`] prints.
#[expect(dead_code, reason = "what is pasted into `found.rs` uses it")]
pub(super) fn many<T, const N: usize>(items: [T; N]) -> Many<T> {
    Many(items.into())
}

impl<T: fmt::Debug> fmt::Debug for Many<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "many({:?})", self.0)
    }
}

impl<T> Deref for Many<T> {
    type Target = Vec<T>;
    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

/// A type of the modelled cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Things,
    Singles,
    Resumables,
}

/// One declared resource, by numbers that shrink well. What it refers to is said by how far up the
/// program it stands.
#[derive(Clone, Debug)]
pub(super) struct Decl {
    pub(super) name: u16,
    /// The component that it is in; 0 is none.
    pub(super) within: u8,
    pub(super) kind: Kind,
    pub(super) label: u8,
    /// Whether its label is made of the id of the one above it.
    pub(super) fed: bool,
    pub(super) fixed: u8,
    pub(super) unique: Option<u8>,
    pub(super) refs: Many<u8>,
    pub(super) fixed_ref: Option<u8>,
    pub(super) after: Option<u8>,
    pub(super) host: Option<u8>,
    pub(super) delete_first: Option<bool>,
    pub(super) trigger: u8,
    pub(super) retain: bool,
    pub(super) hook: bool,
    pub(super) secret: bool,
    /// The name and component that it had in the program before.
    pub(super) moved: Option<(u16, u8)>,
}

/// A change of a program.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Insert(u8, Decl),
    Remove(u8),
    Copy(u8),
    Rename(u8),
    Reparent(u8, u8),
    Label(u8, u8),
    Fixed(u8, u8),
    Refs(u8, Many<u8>),
    Unique(u8, Option<u8>),
    Trigger(u8, u8),
    Swap(u8),
}

/// What is asked of the engine while things go wrong.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    Up,
    Destroy,
    Refresh,
    Target(Many<u8>, bool, bool),
    DestroyTarget(Many<u8>, bool),
    Exclude(Many<u8>),
    Replace(u8),
}

/// One version of the program, and what happens to it.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) edits: Many<Edit>,
    pub(super) ask: Ask,
    pub(super) faults: Many<(Op, u8, u32, Fault)>,
    /// After how many more durable writes the power is cut.
    pub(super) cut: Option<u64>,
    /// What another hand does: an object by its place, and whether it takes it away.
    pub(super) by_hand: Many<(u8, bool)>,
    /// The order of calls; 0 is the one in which they were made.
    pub(super) order: u64,
}

/// A life of one stack.
#[derive(Clone)]
pub(super) struct Story(pub(super) Many<Round>);

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "#[test]\nfn what_this_was() {{")?;
        write!(f, "    blocking(live(Story(many([")?;
        for round in self.0.iter() {
            write!(f, "\n        {round:?},")?;
        }
        write!(f, "\n    ]))));\n}}")
    }
}

fn rarely<T: fmt::Debug + Clone>(
    often: f64,
    of: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(often, of)
}

pub(super) fn decl() -> impl Strategy<Value = Decl> {
    let kind = prop_oneof![
        6 => Just(Kind::Things), 1 => Just(Kind::Singles), 1 => Just(Kind::Resumables)
    ];
    let plain = (kind, 0u8..3, 0u8..3, prop::bool::weighted(0.2), 0u8..2);
    let bound = (
        prop::collection::vec(0u8..8, 0..3),
        rarely(0.3, 0u8..8),
        rarely(0.2, 0u8..8),
        rarely(0.15, 0u8..8),
        rarely(0.2, 0u8..3),
    );
    let options = (
        rarely(0.2, any::<bool>()),
        0u8..2,
        prop::bool::weighted(0.08),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.15),
    );
    (plain, bound, options).prop_map(
        |(
            (kind, within, label, fed, fixed),
            (refs, fixed_ref, after, host, unique),
            (delete_first, trigger, retain, hook, secret),
        )| Decl {
            name: 0,
            within,
            kind,
            label,
            fed,
            fixed,
            unique,
            refs: Many(refs),
            fixed_ref,
            after,
            host,
            delete_first,
            trigger,
            retain,
            hook,
            secret,
            moved: None,
        },
    )
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = || 0u8..8;
    prop_oneof![
        6 => (at(), decl()).prop_map(|(at, decl)| Edit::Insert(at, decl)),
        3 => at().prop_map(Edit::Remove),
        1 => at().prop_map(Edit::Copy),
        1 => at().prop_map(Edit::Rename),
        1 => (at(), 0u8..3).prop_map(|(at, to)| Edit::Reparent(at, to)),
        2 => (at(), 0u8..3).prop_map(|(at, to)| Edit::Label(at, to)),
        2 => (at(), 0u8..2).prop_map(|(at, to)| Edit::Fixed(at, to)),
        1 => (at(), prop::collection::vec(at(), 0..3)).prop_map(|(at, to)| Edit::Refs(at, Many(to))),
        1 => (at(), rarely(0.7, 0u8..3)).prop_map(|(at, to)| Edit::Unique(at, to)),
        1 => (at(), 0u8..2).prop_map(|(at, to)| Edit::Trigger(at, to)),
        1 => at().prop_map(Edit::Swap),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let some = || prop::collection::vec(0u8..8, 1..4).prop_map(Many);
    prop_oneof![
        6 => Just(Ask::Up),
        1 => Just(Ask::Destroy),
        1 => Just(Ask::Refresh),
        2 => (some(), any::<bool>(), any::<bool>())
            .prop_map(|(of, down, up)| Ask::Target(of, down, up)),
        1 => (some(), any::<bool>()).prop_map(|(of, up)| Ask::DestroyTarget(of, up)),
        1 => some().prop_map(Ask::Exclude),
        1 => (0u8..8).prop_map(Ask::Replace),
    ]
}

fn fault() -> impl Strategy<Value = (Op, u8, u32, Fault)> {
    let op = prop_oneof![Just(Op::Create), Just(Op::Update), Just(Op::Delete), Just(Op::Settle)];
    let fault = prop_oneof![
        2 => Just(Fault::Refuse),
        2 => Just(Fault::LoseAnswer),
        1 => Just(Fault::LoseRequest),
        1 => Just(Fault::Partial),
        1 => Just(Fault::Throttle),
        1 => Just(Fault::Hang),
        1 => Just(Fault::HangAfter),
        1 => Just(Fault::Panic),
        1 => Just(Fault::Gone),
        2 => Just(Fault::Crash),
        2 => Just(Fault::CrashAfter),
        1 => Just(Fault::EmptyId),
        1 => Just(Fault::NoAnswer),
        1 => Just(Fault::Nonsense),
    ];
    (op, 0u8..8, 1u32..3, fault).prop_map(|(op, at, nth, fault)| {
        // Only a create can half happen: of anything else a definite refusal means no effect.
        let fault = if fault == Fault::Partial && op != Op::Create { Fault::Refuse } else { fault };
        (op, at, nth, fault)
    })
}

pub(super) fn round() -> impl Strategy<Value = Round> {
    (
        prop::collection::vec(edit(), 0..6),
        ask(),
        prop::collection::vec(fault(), 0..3),
        rarely(0.3, 1u64..12),
        prop::collection::vec((0u8..8, prop::bool::weighted(0.3)), 0..2),
        prop_oneof![1 => Just(0u64), 1 => 1u64..1_000_000],
    )
        .prop_map(|(edits, ask, faults, cut, by_hand, order)| Round {
            edits: Many(edits),
            ask,
            faults: Many(faults),
            cut,
            by_hand: Many(by_hand),
            order,
        })
}

pub(super) fn story(rounds: std::ops::Range<usize>) -> impl Strategy<Value = Story> {
    prop::collection::vec(round(), rounds).prop_map(|rounds| Story(Many(rounds)))
}
