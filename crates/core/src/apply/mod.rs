//! Applying: the only writer. It follows a [`Plan`](crate::Plan) and decides nothing.
//!
//! One task drives everything: a ready queue (longest remaining path first), a bounded number of
//! calls in flight, and one commit to the store at a time that carries whatever has gathered since
//! the last. An intent is durable before its call starts, a result before any dependent does.
//! Slow objects are waited for without holding a slot.
//!
//! Everything is bounded: a call by its step's timeout, a wait by the first signal, a write that
//! fails by a few retries, the run by its lease, and a panic of a provider by its step.

mod call;
mod cancel;
mod commit;
mod error;
mod event;
mod executor;
mod heartbeat;
mod hooks;
mod live;
mod look_up;
mod receive;
mod run;
mod send;
mod wait;

pub use cancel::{CancelToken, Cancelling};
pub use error::{ApplyError, Failure, Report, Skipped};
pub use event::{Event, EventSink, StepInfo};
pub(crate) use hooks::points;
pub use live::{GetError, Live};
pub(crate) use run::{How, Settings, run};
pub(crate) use send::agrees;
