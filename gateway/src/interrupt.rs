//! Ctrl-C.
//!
//! Promises: the first Ctrl-C while something runs cancels it, the second ends the process at once with 130. A commit
//! is one object, so nothing is half-applied either way; what was already on its way to the store may still arrive whole.
//! Work that does not let go within [`GRACE`] is left behind: a script ends, a prompt says how to leave.
//! Never: a signal is taken while a line is read at the prompt; the editor sees it as a key.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use firn_manifest::world::system;
use tokio::sync::watch;

use crate::exit::{Failure, say};

/// How long cancelled work may take to let go; a query lets go between two batches.
pub const GRACE: Duration = Duration::from_secs(2);

/// Hears Ctrl-C for the process.
#[derive(Clone, Debug)]
pub struct Interrupts {
    state: watch::Sender<State>,
    prompt: Arc<AtomicBool>,
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
    /// Hears nothing: whoever runs takes the signals himself.
    #[must_use]
    pub fn deaf() -> Self {
        Self { state: watch::channel(State::Idle).0, prompt: Arc::default() }
    }

    /// Starts to listen, on a thread of its own: a query may keep all the others busy. Outside of
    /// [`Interrupts::guard`] a Ctrl-C ends the process, unless somebody sits at a prompt.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn listen() -> io::Result<Self> {
        let (state, _) = watch::channel(State::Idle);
        let interrupts = Self { state, prompt: Arc::default() };
        let told = interrupts.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // now, not when the thread comes to it: the line editor puts back what it found, which must be ours
        #[cfg(unix)]
        {
            let _entered = runtime.enter();
            drop(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?);
        }
        std::thread::Builder::new().name("firn-signals".to_owned()).spawn(move || runtime.block_on(told.hear()))?;
        Ok(interrupts)
    }

    /// The user sits at a prompt: what does not let go must not take the prompt away.
    pub fn at_prompt(&self) {
        self.prompt.store(true, Ordering::Relaxed);
    }

    async fn hear(&self) {
        let mut cancelled = false;
        loop {
            tokio::select! {
                heard = tokio::signal::ctrl_c() => {
                    if heard.is_err() {
                        return;
                    }
                    cancelled = self.state.send_if_modified(|state| {
                        let running = *state == State::Running;
                        if running {
                            *state = State::Cancelled;
                        }
                        running
                    });
                    // at a prompt it may come a moment after the statement has ended
                    let idle_prompt = self.prompt.load(Ordering::Relaxed) && *self.state.borrow() == State::Idle;
                    if !cancelled && !idle_prompt {
                        std::process::exit(130);
                    }
                }
                () = system().sleep(GRACE), if cancelled => {
                    cancelled = false;
                    if *self.state.borrow() != State::Cancelled {
                        continue;
                    }
                    if self.prompt.load(Ordering::Relaxed) {
                        say("cancelling; it does not let go yet (press Ctrl-C once more to leave)");
                    } else {
                        say("cancelled; nothing is half-applied");
                        std::process::exit(130);
                    }
                }
            }
        }
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_cancels_what_runs() {
        let interrupts = Interrupts { state: watch::channel(State::Idle).0, prompt: Arc::default() };
        let told = interrupts.state.clone();
        let cancelled = interrupts
            .guard("half", async {
                told.send_replace(State::Cancelled);
                std::future::pending::<Result<(), Failure>>().await
            })
            .await;
        assert_eq!(cancelled.unwrap_err().code(), 130);
        assert_eq!(*interrupts.state.borrow(), State::Idle);
        assert_eq!(interrupts.guard("", async { Ok(7) }).await.unwrap(), 7);
    }
}
