//! What a user of the library does beside a story: unit tests of a stack of his own.

use formwork::{
    Component, HookPoint, PlanError, Scope, Stack,
    testing::{ByName, ByNameAnswer, Named, Offline, Thing, expect, plan_of},
};
use insta::assert_snapshot;

use crate::support::masked;

/// A component as users write them.
struct Service {
    size: u32,
    image: &'static str,
}

impl Component for Service {
    type Handle = formwork::Output<String>;

    fn declare(self, scope: &mut Scope<'_>) -> Self::Handle {
        let image = scope.lookup("image", ByName { name: self.image.to_owned() });
        let disk = scope.add("disk", Named::builder().size(self.size).build().protect());
        let machine = Thing::builder().fixed(&image.id).refs([&disk.id]).build();
        let machine = machine.hook(HookPoint::BeforeDelete, "drain");
        scope.add("machine", machine).id
    }
}

fn shop(size: u32, image: &'static str) -> Stack {
    Stack::new("shop", |scope| {
        let id = scope.add("web", Service { size, image });
        scope.export("machine", &id);
    })
    .unwrap()
}

#[tokio::test]
async fn a_stack_has_unit_tests_without_any_cloud() {
    let offline = Offline::new()
        .with::<Named>()
        .answer(|query: &ByName| ByNameAnswer { id: format!("image-{}", query.name), label: None });
    let plan = offline.plan(&shop(10, "old")).await.unwrap();
    expect(&plan)
        .creates("web/disk")
        .creates("web/machine")
        .count(2)
        .input("web/machine", "fixed", "image-old")
        .unknown("web/machine", "refs")
        .before("create web/disk", "create web/machine")
        .output_unknown("machine");
    offline.up(&shop(10, "old")).await.unwrap();

    // A larger disk is no other disk, and no other machine.
    let plan = offline.plan(&shop(20, "old")).await.unwrap();
    expect(&plan).updates("web/disk").leaves("web/machine").nothing_goes().count(1);
    // Another image is another machine, which is drained, on the same disk.
    let plan = offline.ask(&shop(10, "new"), |request| request.refresh_lookups()).await.unwrap();
    expect(&plan).replaces("web/machine").keeps("web/disk").input(
        "web/machine",
        "fixed",
        "image-new",
    );
    offline.engine(&shop(10, "new")).apply(plan).await.unwrap();
    assert_eq!(offline.hooks(), ["drain before its delete of web/machine"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_stack_is_told_without_any_cloud() {
    let refused = plan_of(&shop(10, "old")).await.unwrap_err();
    let PlanError::Lookup { source, .. } = &refused else { panic!("{refused}") };
    assert_snapshot!(source, @"model:test/by-name: no test answers this lookup: tell `Offline::answer` what it finds");
    let answered = Offline::new()
        .with::<Named>()
        .answer(|_: &ByName| ByNameAnswer { id: "image".to_owned(), label: None });
    let refused = answered.plan(&shop(0, "old")).await.unwrap_err();
    assert_snapshot!(masked(&refused), @r#"
    the declaration of `shop` has 1 problem(s):
      - web/disk.size: it is 0; expected 1 or more [declared at ..]
    "#);
    answered.up(&shop(1, "old")).await.unwrap();
    let refused = answered.ask(&shop(1, "old"), |request| request.destroy()).await.unwrap_err();
    assert_snapshot!(masked(&refused), @r#"
    1 protected resource(s) would be deleted:
      - web/disk: the stack is destroyed
    "#);
}

#[tokio::test]
async fn an_expectation_that_is_not_met_says_what_is_planned_instead() {
    let stack = Stack::new("t", |scope| {
        scope.add("a", Thing::builder().label("x").build());
    })
    .unwrap();
    let plan = plan_of(&stack).await.unwrap();
    let why = |expected: fn(&formwork::Plan)| {
        let (plan, hook) = (plan.clone(), std::panic::take_hook());
        std::panic::set_hook(Box::new(|_| ()));
        let panic =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| expected(&plan))).unwrap_err();
        std::panic::set_hook(hook);
        let text = panic.downcast_ref::<String>().unwrap();
        text.lines().next().unwrap().to_owned()
    };
    let told = [
        why(|plan| {
            expect(plan).updates("a");
        }),
        why(|plan| {
            expect(plan).creates("b");
        }),
        why(|plan| {
            expect(plan).input("a", "label", "y");
        }),
        why(|plan| {
            expect(plan).leaves("a");
        }),
        why(|plan| {
            expect(plan).count(2);
        }),
        why(|plan| {
            expect(plan).empty();
        }),
        why(|plan| {
            expect(plan).output("o", 1);
        }),
        why(|plan| {
            expect(plan).before("create b", "create a");
        }),
    ];
    assert_snapshot!(told.join("\n"), @r#"
    the plan is not as expected: it does not update a
    the plan is not as expected: it does not create b
    the plan is not as expected: a.label is "x", and not "y"
    the plan is not as expected: a is not left alone: Some("create a")
    the plan is not as expected: 1 resources change, and not 2
    the plan is not as expected: it is not empty
    the plan is not as expected: there is no output o
    the plan is not as expected: there is no step `create b`
    "#);
}
