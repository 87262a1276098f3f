//! How long, and with which seeds.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// How long to explore, if that was asked for.
pub(super) fn budget() -> Option<Duration> {
    number("FORMWORK_FUZZ_SECONDS").map(Duration::from_secs)
}

/// Tests `cases` values of a strategy, or as many as there is time for.
pub(super) fn explore<S: Strategy>(
    law: &str,
    cases: u32,
    strategy: &S,
    test: impl Fn(S::Value) -> Result<(), String>,
) where
    S::Value: Debug,
{
    let began = Instant::now();
    let seconds = || Duration::from_secs(began.elapsed().as_secs());
    let fresh = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_nanos() as u64)
    };
    let mut seed = number("FORMWORK_FUZZ_SEED").unwrap_or_else(fresh);
    let mut run = 0u64;
    // Every case of a long run that is shrunk panics many times, and each says what broke.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let found = loop {
        let config = Config {
            cases,
            max_shrink_iters: 3_000,
            failure_persistence: None,
            ..Config::default()
        };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let found = runner.run(strategy, |value| test(value).map_err(TestCaseError::fail));
        run += u64::from(cases);
        match found {
            Err(TestError::Fail(reason, value)) => break Some((reason, value)),
            Err(TestError::Abort(reason)) => panic!("{law}: {reason}"),
            Ok(()) => {}
        }
        match budget() {
            Some(budget) if began.elapsed() < budget => {
                println!("{law}: {run} cases in {:?}, the last with seed {seed}", seconds());
                seed = seed.wrapping_add(1);
            }
            _ => break None,
        }
    };
    std::panic::set_hook(hook);
    println!("{law}: {run} cases in {:?}", began.elapsed());
    if let Some((reason, value)) = found {
        panic!("{law}, seed {seed}: {reason}\n\nto paste into laws/found.rs:\n\n{value:?}");
    }
}

/// Runs a future with a clock that jumps to the next moment at which something happens.
pub(super) fn blocking<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// The result of a case, where a law that is broken panics.
pub(super) fn caught<T>(case: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(case)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        text.unwrap_or_else(|| "it panicked without a word".to_owned())
    })
}
