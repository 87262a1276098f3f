//! Everything a run touches outside of itself: streams, environment, folder and signals.
//!
//! A test makes an [`Io`] of buffers; [`Io::process`] makes the real one.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, IsTerminal, Write},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{oneshot, watch};

/// The outside of one run.
pub struct Io {
    /// Where results go.
    pub out: Stream,
    /// Where progress, questions and errors go.
    pub err: Stream,
    /// Where answers come from.
    pub input: Input,
    /// The environment, `.env` included.
    pub env: BTreeMap<String, String>,
    /// The folder that relative paths start from.
    pub dir: PathBuf,
    /// The user's interrupts.
    pub interrupts: Interrupts,
}

impl Io {
    /// The process's own streams, environment and folder; no interrupts.
    #[must_use]
    pub fn process() -> Self {
        let text = |os: std::ffi::OsString| os.into_string().ok();
        // A dumb terminal can not move its cursor, and is as good as a file.
        let able = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            out: Stream::standard(std::io::stdout(), able && std::io::stdout().is_terminal()),
            err: Stream::standard(std::io::stderr(), able && std::io::stderr().is_terminal()),
            input: Input::new(BufReader::new(std::io::stdin()), std::io::stdin().is_terminal()),
            env: std::env::vars_os().filter_map(|(k, v)| Some((text(k)?, text(v)?))).collect(),
            dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            interrupts: Interrupts::never(),
        }
    }
}

/// How large the window behind a stream is.
#[derive(Clone, Copy, Debug)]
enum Size {
    /// It is no terminal.
    Plain,
    /// A terminal that is asked each time, for windows change.
    Ask,
    /// A terminal of this many columns and lines.
    Fixed(usize, usize),
}

/// A stream that text is written to.
pub struct Stream {
    pub(crate) writer: Box<dyn Write + Send>,
    size: Size,
}

impl Stream {
    /// A file or a pipe: nothing is folded, nothing coloured.
    pub fn plain(writer: impl Write + Send + 'static) -> Self {
        Self { writer: Box::new(writer), size: Size::Plain }
    }

    /// A terminal of a given size.
    pub fn terminal(writer: impl Write + Send + 'static, columns: usize, lines: usize) -> Self {
        Self { writer: Box::new(writer), size: Size::Fixed(columns, lines) }
    }

    fn standard(writer: impl Write + Send + 'static, terminal: bool) -> Self {
        let size = if terminal { Size::Ask } else { Size::Plain };
        Self { writer: Box::new(writer), size }
    }

    /// Whether it is a terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        !matches!(self.size, Size::Plain)
    }

    /// Columns and lines, of a terminal.
    #[must_use]
    pub fn size(&self) -> Option<(usize, usize)> {
        match self.size {
            Size::Plain => None,
            Size::Fixed(columns, lines) => Some((columns, lines)),
            Size::Ask => {
                let (columns, lines) = window();
                Some((columns.unwrap_or(80), lines.unwrap_or(24)))
            }
        }
    }
}

/// Columns and lines of the terminal; either may be unknown, which terminals say as 0.
fn window() -> (Option<usize>, Option<usize>) {
    let known = |n: u16| (n > 0).then_some(usize::from(n));
    #[cfg(unix)]
    {
        use rustix::termios::tcgetwinsize;
        let size = tcgetwinsize(std::io::stdout())
            .or_else(|_| tcgetwinsize(std::io::stderr()))
            .or_else(|_| tcgetwinsize(std::io::stdin()));
        size.map_or((None, None), |size| (known(size.ws_col), known(size.ws_row)))
    }
    #[cfg(not(unix))]
    match terminal_size::terminal_size() {
        Some((columns, lines)) => (known(columns.0), known(lines.0)),
        None => (None, None),
    }
}

/// Where answers come from.
#[derive(Clone)]
pub struct Input {
    reader: Arc<Mutex<dyn BufRead + Send>>,
    terminal: bool,
}

impl Input {
    /// Lines of `reader`; `terminal` says whether a person is there to type them.
    pub fn new(reader: impl BufRead + Send + 'static, terminal: bool) -> Self {
        Self { reader: Arc::new(Mutex::new(reader)), terminal }
    }

    /// No input at all.
    #[must_use]
    pub fn none() -> Self {
        Self::new(std::io::empty(), false)
    }

    /// Whether a person can be asked.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// One line, without its end; `None` when there is none. Reading goes on in a thread of its
    /// own, so that a run that is interrupted meanwhile can end.
    pub(crate) async fn line(&self) -> Option<String> {
        let (answer, answered) = oneshot::channel();
        let reader = Arc::clone(&self.reader);
        std::thread::spawn(move || {
            let mut line = String::new();
            let read =
                reader.lock().unwrap_or_else(PoisonError::into_inner).read_line(&mut line).ok();
            let line = read.filter(|bytes| *bytes > 0).map(|_| line.trim().to_owned());
            // Nobody listens any more when the run was interrupted.
            let _ = answer.send(line);
        });
        answered.await.ok().flatten()
    }
}

/// How often the user asked to stop, as it grows.
#[derive(Clone, Debug)]
pub struct Interrupts {
    count: watch::Receiver<u32>,
    /// Keeps a channel open that nobody sends to.
    _keep: Option<Arc<watch::Sender<u32>>>,
}

/// The other end of [`Interrupts`].
#[derive(Clone, Debug)]
pub struct Interrupter(Arc<watch::Sender<u32>>);

impl Interrupts {
    /// A pair: what is told, and who listens.
    #[must_use]
    pub fn channel() -> (Interrupter, Self) {
        let (sender, count) = watch::channel(0);
        (Interrupter(Arc::new(sender)), Self { count, _keep: None })
    }

    /// Interrupts that never come.
    #[must_use]
    pub fn never() -> Self {
        let (sender, count) = watch::channel(0);
        Self { count, _keep: Some(Arc::new(sender)) }
    }

    /// Waits until there have been at least `n`.
    pub async fn reach(&mut self, n: u32) {
        if self.count.wait_for(|count| *count >= n).await.is_err() {
            // Nobody can interrupt any more.
            std::future::pending::<()>().await;
        }
    }
}

impl Interrupter {
    /// Asks once more.
    pub fn interrupt(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    /// Interrupts on every SIGINT and SIGTERM from now on. Must be called inside a runtime.
    ///
    /// # Errors
    /// When the system refuses to tell of signals.
    pub(crate) fn listen(self) -> std::io::Result<()> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
                let mut signals = signal(kind)?;
                let this = self.clone();
                tokio::spawn(async move {
                    while signals.recv().await.is_some() {
                        this.interrupt();
                    }
                });
            }
        }
        #[cfg(not(unix))]
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                self.interrupt();
            }
        });
        Ok(())
    }
}
