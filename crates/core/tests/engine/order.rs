//! Which step waits for which: what is kept where not everything can be, keys that change hands,
//! and rows that outlive what refers to them.

use formwork_core::{
    Scope,
    testing::{Fault, Op},
};

use crate::{
    basics::thing,
    world::{World, at},
};

#[tokio::test]
async fn what_a_cut_off_update_may_have_referred_to_goes_after_it() {
    let world = World::new();
    let program = |second: bool| {
        move |scope: &mut Scope<'_>| {
            let x = scope.add("x", thing(&[]));
            let y = scope.add("y", thing(&[]));
            scope.add("user", thing(&[if second { &y } else { &x }]));
        }
    };
    for fault in [Fault::LoseAnswer, Fault::LoseRequest] {
        world.settle(program(false)).await;
        world.cloud.fail(Op::Update, "user", 1, fault);
        assert!(world.up(program(true)).await.is_err());
        let log = world.destroy().await.unwrap();
        assert!(at(&log, "delete user") < at(&log, "delete x"), "{log:?}");
        assert!(at(&log, "delete user") < at(&log, "delete y"), "{log:?}");
    }
}
