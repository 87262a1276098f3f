//! `kill -9` at random moments: the next run converges, without a question.

use std::time::Duration;

use super::program::Program;

/// A small generator, so that a failing run can be repeated: `FORMWORK_SEED`.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

#[tokio::test]
async fn a_run_killed_at_any_moment_is_finished_by_the_next_with_nothing_twice_or_left_over() {
    let undisturbed = Program::new(&["--count", "2"]);
    undisturbed.ok(&["up"]);
    let expected = undisturbed.objects().await;
    let seed = number("FORMWORK_SEED", u64::from(std::process::id()) * 2_654_435_761 + 1);
    let mut random = Random(seed);
    for round in 0..number("FORMWORK_KILLS", 6) {
        let program = Program::new(&["--count", "2"]);
        for words in [["up"], ["up"], ["up"]] {
            let mut run = program.start(&words);
            // A whole run takes some four seconds, most of it waiting for the NAT gateway.
            std::thread::sleep(Duration::from_millis(random.below(2500)));
            run.kill().unwrap();
            run.wait().unwrap();
        }
        let context = format!("round {round}, FORMWORK_SEED={seed}");
        program.ok(&["up"]);
        assert_eq!(program.objects().await, expected, "{context}");
        let plan = program.run(&["plan", "--exit-code"]);
        assert_eq!(plan.code, Some(0), "{context}: {}", plan.out);
        let mut run = program.start(&["destroy"]);
        std::thread::sleep(Duration::from_millis(random.below(1500)));
        run.kill().unwrap();
        run.wait().unwrap();
        program.ok(&["destroy"]);
        assert_eq!(program.objects().await, [].into(), "{context}");
    }
}
