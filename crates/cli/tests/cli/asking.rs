//! When a user is asked, and what the answers do.

use insta::assert_snapshot;

use crate::harness::Desk;

#[tokio::test]
async fn a_harmless_cloud_never_asks() {
    let desk = Desk::new();
    assert_eq!(desk.run("up").await.exit.code(), 0);
    assert_eq!(desk.run("destroy").await.exit.code(), 0);
}

#[tokio::test]
async fn a_real_cloud_says_where_and_how_dear_and_needs_a_yes() {
    let desk = Desk::new();
    let refused = desk.run("up --cloud real").await;
    assert_snapshot!(refused.err, @r"
    demo on real (1234, eu-1)

      cloud    real
      account  1234
      region   eu-1
      price    about $40.00 per hour
        2 x node at $20.00
        list prices of yesterday
    error: this changes a real cloud, and there is nobody to ask; nothing was changed

    help: run it on a terminal, or with --yes
    ");
    assert_eq!(desk.run("up --cloud real --no-input").await.exit.code(), 1);
    assert_eq!(desk.cloud.count(), 0);

    let desk = desk.typing("no\n");
    let declined = desk.run("up --cloud real").await;
    assert_snapshot!(declined.err, @r"
    demo on real (1234, eu-1)

      cloud    real
      account  1234
      region   eu-1
      price    about $40.00 per hour
        2 x node at $20.00
        list prices of yesterday
    Make these changes? [y/N] error: not approved; nothing was changed
    ");
    assert_eq!((declined.exit.code(), desk.cloud.count()), (1, 0));

    let desk = desk.typing("y\n");
    assert_eq!(desk.run("up --cloud real").await.exit.code(), 0);
    assert_eq!(desk.cloud.count(), 3);

    let again = desk.run("up --cloud real").await;
    assert!(!again.err.contains("Make these changes"), "nothing changes, so nothing is asked");
    let plan = desk.run("plan --cloud real --count 3").await;
    assert!(
        plan.out.ends_with(
            "price    about $20.00 per hour\n    1 x node at $20.00\n    list prices of yesterday\n"
        ),
        "{}",
        plan.out
    );
}

#[tokio::test]
async fn a_yes_passes_the_question_and_not_the_ceiling() {
    let desk = Desk::new();
    assert_eq!(desk.run("up --cloud real --yes").await.exit.code(), 0);
    let dear = desk.run("up --cloud real --yes --count 9").await;
    assert_snapshot!(dear.err, @r"
    demo on real (1234, eu-1)

      cloud    real
      account  1234
      region   eu-1
      price    about $140.00 per hour
        7 x node at $20.00
        list prices of yesterday
    error: this costs about $140.00 per hour, and the ceiling is $100.00 per hour (--max-hourly); nothing was changed

    help: approve it at the prompt, or raise --max-hourly (`none` takes the ceiling away)
    ");
    assert_eq!((dear.exit.code(), desk.cloud.count()), (1, 3));

    desk.file("settings.toml", "max-hourly = 150");
    let raised = desk.run("up --cloud real --yes --count 9 --config settings.toml").await;
    assert_eq!((raised.exit.code(), desk.cloud.count()), (0, 10), "{}", raised.err);
    let none = desk.run("up --cloud real --yes --count 20 --max-hourly none").await;
    assert_eq!((none.exit.code(), desk.cloud.count()), (0, 21), "{}", none.err);

    let desk = desk.typing("y\n");
    assert_eq!(desk.run("up --cloud real --count 30").await.exit.code(), 1);
    let desk = desk.typing("demo\n");
    let named = desk.run("up --cloud real --count 30").await;
    assert!(named.err.contains("Type the stack's name, demo, to go on: "), "{}", named.err);
    assert_eq!((named.exit.code(), desk.cloud.count()), (0, 31));
}

#[tokio::test]
async fn destroying_on_a_real_cloud_takes_the_stacks_name() {
    let desk = Desk::new();
    desk.run("up").await;
    assert_eq!(desk.run("destroy --cloud real").await.exit.code(), 1);
    let desk = desk.typing("yes\n");
    let wrong = desk.run("destroy --cloud real").await;
    assert_snapshot!(wrong.err, @r"
    demo on real (1234, eu-1)

      cloud    real
      account  1234
      region   eu-1
    Type the stack's name, demo, to remove all of it: error: not approved; nothing was changed
    ");
    assert_eq!(desk.cloud.count(), 3);
    let desk = desk.typing("demo\n");
    assert_eq!(desk.run("destroy --cloud real").await.exit.code(), 0);
    assert_eq!(desk.cloud.count(), 0);
}
