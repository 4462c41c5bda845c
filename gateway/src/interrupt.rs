//! Ctrl-C.
//!
//! Promises: the first Ctrl-C while something runs cancels it, the second ends the process at once with 130. A commit
//! is one object, so nothing is half-applied either way; what was already on its way to the store may still arrive whole.
//! Never: a signal is taken while a line is read at the prompt; the editor sees it as a key.

use std::future::Future;

use tokio::sync::watch;

use crate::exit::Failure;

/// Hears Ctrl-C for the process.
#[derive(Clone, Debug)]
pub struct Interrupts {
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// nothing runs that could be cancelled
    Idle,
    /// something runs
    Running,
    /// it was told to stop
    Cancelled,
}

impl Interrupts {
    /// Starts to listen. Outside of [`Interrupts::guard`] a Ctrl-C ends the process.
    #[must_use]
    pub fn listen() -> Self {
        let (state, _) = watch::channel(State::Idle);
        let told = state.clone();
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                let cancelled = told.send_if_modified(|state| {
                    let running = *state == State::Running;
                    if running {
                        *state = State::Cancelled;
                    }
                    running
                });
                if !cancelled {
                    std::process::exit(130);
                }
            }
        });
        Self { state }
    }

    /// Runs `work` unless Ctrl-C comes first; then `work` is dropped and `what` says what that leaves behind.
    ///
    /// # Errors
    /// Those of `work`, or [`Failure::Interrupted`].
    pub async fn guard<T>(&self, what: &str, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        self.state.send_replace(State::Running);
        let mut state = self.state.subscribe();
        let result = tokio::select! {
            biased;
            result = work => result,
            Ok(_) = state.wait_for(|state| *state == State::Cancelled) => Err(Failure::Interrupted(what.to_owned())),
        };
        self.state.send_replace(State::Idle);
        result
    }
}
