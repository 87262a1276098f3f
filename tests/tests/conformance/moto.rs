//! A moto server, for as long as a test runs.

use std::{
    env,
    net::{Ipv4Addr, TcpListener},
    process::Stdio,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

/// A server on a port of its own; it ends with this.
pub(crate) struct Server {
    url: String,
    _process: Child,
}

impl Server {
    /// Starts the server that `FORMWORK_MOTO` names.
    ///
    /// # Panics
    /// When it is not set, for a suite that passes because it was not run is worse than none.
    /// `FORMWORK_SKIP_MOTO=1` says that this is wanted: nothing is started then.
    pub(crate) async fn start() -> Option<Self> {
        if env::var_os("FORMWORK_SKIP_MOTO").is_some_and(|skip| skip == "1") {
            eprintln!("NOT RUN: FORMWORK_SKIP_MOTO=1, so nothing is compared with moto");
            return None;
        }
        let Some(program) = env::var_os("FORMWORK_MOTO") else {
            panic!(
                "FORMWORK_MOTO is not set: run `cargo xtask test`, which installs moto and sets it, \
                 or set it to the path of a `moto_server`; FORMWORK_SKIP_MOTO=1 leaves moto out"
            );
        };
        let port = free_port();
        let process = Command::new(&program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
            .env("MOTO_ENABLE_AMI_VALIDATION", "true")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let mut process = match process {
            Ok(process) => process,
            Err(error) => panic!("{} can not be started: {error}", program.display()),
        };
        let end = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            if let Ok(Some(status)) = process.try_wait() {
                panic!("{} ended at once: {status}", program.display());
            }
            assert!(Instant::now() < end, "{} does not listen after a minute", program.display());
            sleep(Duration::from_millis(50)).await;
        }
        Some(Self { url: format!("http://127.0.0.1:{port}"), _process: process })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// A port that nobody listens on. Someone may take it before the server does; then the server ends,
/// and the test says so.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("a listener has an address").port()
}
