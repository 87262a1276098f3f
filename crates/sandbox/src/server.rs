//! The sandbox on loopback HTTP, for clients in other processes.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::{
    sandbox::{Inner, Sandbox},
    store,
};

/// Why a sandbox can not be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is not a loopback address; the sandbox checks no signature.
    #[error("{address} is not a loopback address, and the sandbox is served on no other")]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The address can not be listened on.
    #[error("can not listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The endpoint can not be written into the sandbox folder.
    #[error("can not write the endpoint file of the sandbox")]
    Endpoint {
        /// What the operating system says.
        source: io::Error,
    },
}

/// A sandbox being served. Dropping it stops serving at once; [`Server::shutdown`] lets calls end.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    sandbox: Sandbox,
}

/// How long calls in flight may take to end at shutdown.
const GRACE: Duration = Duration::from_secs(2);

impl Sandbox {
    /// Serves the sandbox on a loopback address; port 0 picks a free one.
    ///
    /// A sandbox in a folder writes its endpoint into the file `endpoint` there while it is served.
    ///
    /// # Errors
    ///
    /// Fails if the address is not a loopback address or can not be listened on, or if the endpoint
    /// file can not be written.
    pub async fn serve(&self, address: SocketAddr) -> Result<Server, ServeError> {
        if !address.ip().is_loopback() {
            return Err(ServeError::NotLoopback { address });
        }
        let listen = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        if let Some(dir) = self.dir() {
            store::write_endpoint(dir, &format!("http://{address}"))
                .map_err(|source| ServeError::Endpoint { source })?;
        }
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&self.inner), stopped));
        Ok(Server { address, stop, accepting, sandbox: self.clone() })
    }
}

impl Server {
    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint URL for clients.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops accepting, lets the calls in flight end for up to two seconds, and returns.
    pub async fn shutdown(mut self) {
        // The accepting task waits for its connections; if it is gone already, all is done.
        let _ = self.stop.send(true);
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        if let Some(dir) = self.sandbox.dir() {
            // A file that stays behind is recognised as stale by the lock being free.
            let _ = store::remove_endpoint(dir);
        }
    }
}

async fn accept(listener: TcpListener, sandbox: Arc<Inner>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(converse(stream, Arc::clone(&sandbox), stopped.clone()));
            }
            // Such as too many open files: others will close theirs.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    // What hangs on request does not end by itself; dropping the set ends it.
    let _ = tokio::time::timeout(GRACE, all_ended).await;
}

async fn converse(stream: TcpStream, sandbox: Arc<Inner>, mut stopped: watch::Receiver<bool>) {
    let service = service_fn(move |request| {
        let sandbox = Arc::clone(&sandbox);
        async move { exchange(&sandbox, request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // An error is the client going away or an injected cut; both concern nobody else.
        _ = connection.as_mut() => return,
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// An error here makes hyper close the connection without an answer.
async fn exchange(
    sandbox: &Inner,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        let mut refused = Response::new(Full::default());
        *refused.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(refused);
    };
    let answered = sandbox.answer(Request::from_parts(parts, body.to_bytes())).await;
    let cut = |_| io::Error::new(io::ErrorKind::ConnectionReset, "connection cut (injected)");
    answered.map(|response| response.map(Full::new)).map_err(cut)
}
