//! `firn serve`: a stateless gateway over all tenants of a store.
//!
//! Promises: it listens on loopback unless told otherwise; SIGTERM and Ctrl-C let the requests under way end, then close
//! what is open; killed, it loses nothing that was acknowledged.
//! Never: a secret on stdout, stderr or in the log; the operator's key stands in a file that only its owner reads.

pub mod namespaces;
mod operator;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use firn_manifest::keys::{CacheLimits, CachedKeys, key_service};
use firn_manifest::world::system;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::cli::ServeArgs;
use crate::directory;
use crate::exit::{Failure, say};
use crate::http::{self, Admission, Gateway, Metrics};
use namespaces::Namespaces;
pub use operator::data_folder;

/// How often idle namespaces are looked for.
const SWEEP: Duration = Duration::from_secs(5);
/// How long requests may take to end when the gateway stops.
const DRAIN: Duration = Duration::from_secs(20);

/// Runs `firn serve` until it is told to stop.
///
/// # Errors
/// An address that cannot be listened on; store, key and integrity errors of the directory.
pub async fn run(args: ServeArgs) -> Result<(), Failure> {
    let uri = directory::parse_uri(&args.store()?)?;
    if !args.http.ip().is_loopback() && !args.plaintext {
        return Err(Failure::Usage(format!(
            "--http {} can be reached from other machines, and keys would travel in clear: put a proxy with TLS before it \
             and say --plaintext, or listen on 127.0.0.1",
            args.http
        )));
    }
    let master = Arc::new(CachedKeys::new(key_service(&uri, system())?, system(), CacheLimits::default()));
    let tidying = tokio::spawn(master.tidy());
    let directory = directory::open_or_create_with(&uri, master.clone()).await?;
    let store = directory::root(&uri)?;
    operator::key(&directory).await?;
    let listener = TcpListener::bind(args.http).await.map_err(|e| cannot_listen(args.http, &e))?;
    let address = listener.local_addr().map_err(|e| cannot_listen(args.http, &e))?;
    let gateway = Arc::new(Gateway {
        namespaces: Namespaces::new(store.clone(), directory.clone()),
        store,
        directory,
        master,
        admission: Admission::default(),
        metrics: Metrics::default(),
        region: args.region.clone(),
    });
    let (stop, stopped) = watch::channel(false);
    let sweeper = tokio::spawn(sweep(gateway.clone()));
    say(&format!("firn serves {} at http://{address}", uri.without_namespace()));
    tokio::spawn(async move {
        signals().await;
        say("stopping: the requests under way may end");
        stop.send_replace(true);
    });
    let told = |mut stopped: watch::Receiver<bool>| async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let serving = http::serve(listener, gateway.clone(), told(stopped.clone()));
    let drained = async {
        told(stopped).await;
        system().sleep(DRAIN).await;
    };
    let served = tokio::select! {
        served = serving => served,
        () = drained => {
            say(&format!("requests that did not end in {} s are cut off", DRAIN.as_secs()));
            Ok(())
        }
    };
    sweeper.abort();
    tidying.abort();
    gateway.namespaces.close().await;
    served.map_err(Failure::Output)
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Failure {
    Failure::Usage(format!("--http {address} cannot be listened on ({error}): choose another address or port"))
}

/// Closes what is idle, from time to time; plain keys that were kept long enough are wiped.
async fn sweep(gateway: Arc<Gateway>) {
    loop {
        gateway.world().sleep(SWEEP).await;
        gateway.namespaces.sweep().await;
        gateway.directory.expire_keys();
    }
}

/// SIGINT or SIGTERM.
async fn signals() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
