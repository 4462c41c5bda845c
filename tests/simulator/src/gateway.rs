//! Gateways: places where a process runs, and the processes that run there one after another.
//!
//! Promises: a call ends when its process crashes or its client loses patience; then nobody knows what became of it.
//! Never: a client learns what its gateway could not have told it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use firn_engine::{Consistency, Database, FlushPolicy, Mode, OpenOptions};
use firn_manifest::KeyService;
use firn_manifest::store::Store;
use futures::future::{Either, select};
use parking_lot::Mutex;

use crate::bucket::{Bucket, NAMESPACE};
use crate::clock::{Clock, SECOND};
use crate::door::Door;
use crate::history::History;
use crate::keys::SimKeys;
use crate::process::{Process, SimWorld};
use crate::profile::Profile;
use crate::trace::Trace;

/// How long a client waits for an answer.
const PATIENCE: u64 = 150 * SECOND;

/// Everything of one run.
#[derive(Debug)]
pub struct Sim {
    /// the seed
    pub seed: u64,
    /// what it is like
    pub profile: Arc<Profile>,
    /// virtual time
    pub clock: Arc<Clock>,
    /// what happened
    pub trace: Arc<Trace>,
    /// the store
    pub bucket: Arc<Bucket>,
    /// what clients know
    pub history: History,
    /// the master key
    pub keys: Arc<dyn KeyService>,
    gateways: Vec<Mutex<Arc<Instance>>>,
    processes: Mutex<Vec<Arc<Process>>>,
}

/// A database open in a process.
#[derive(Debug)]
pub struct Instance {
    /// the process
    pub process: Arc<Process>,
    /// the database
    pub db: Arc<Database>,
    /// its place
    pub place: usize,
}

impl Instance {
    /// Whether its reads promise to be fresh.
    #[must_use]
    pub fn is_strong(&self) -> bool {
        self.db.options().consistency == Consistency::Strong
    }

    /// Whether it may be asked to write.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.db.options().mode == Mode::ReadWrite
    }
}

impl Sim {
    /// A run of `seed` with its gateways started.
    pub fn new(seed: u64, clock: &Arc<Clock>, trace: &Arc<Trace>) -> impl Future<Output = Arc<Self>> + use<> {
        let (clock, trace) = (clock.clone(), trace.clone());
        async move { Self::with(seed, clock, trace).await }
    }

    async fn with(seed: u64, clock: Arc<Clock>, trace: Arc<Trace>) -> Arc<Self> {
        let mut sim = Self {
            seed,
            profile: Arc::new(Profile::of(seed)),
            clock,
            bucket: Bucket::new(&trace),
            trace,
            history: History::default(),
            keys: Arc::new(SimKeys),
            gateways: Vec::new(),
            processes: Mutex::default(),
        };
        for place in 0..sim.profile.gateways {
            let instance = sim.start(place).await;
            sim.gateways.push(Mutex::new(instance));
        }
        Arc::new(sim)
    }

    /// A line of the trace.
    pub fn note(&self, what: std::fmt::Arguments<'_>) {
        self.trace.event(self.clock.now(), what);
    }

    /// A new process for a place.
    pub async fn start(&self, place: usize) -> Arc<Instance> {
        let reads_only = place >= self.profile.readers_from;
        let relaxed = reads_only && self.profile.relaxed_readers;
        let mode = if reads_only { Mode::ReadOnly } else { Mode::ReadWrite };
        let consistency = if relaxed { Consistency::Snapshot } else { Consistency::Strong };
        self.open(place, mode, consistency).await
    }

    /// A new process, opened in a given way.
    pub async fn open(&self, place: usize, mode: Mode, consistency: Consistency) -> Arc<Instance> {
        let process = {
            let mut processes = self.processes.lock();
            let id = processes.len() as u64 + 1;
            processes.push(Process::start(id, &self.clock, self.seed, 0));
            processes[processes.len() - 1].clone()
        };
        let id = process.id;
        let door = Door::new(&process, &self.bucket, &self.profile, self.seed);
        let store = Store::from_backend(door, "", Arc::new(SimWorld(process.clone())));
        let name = NAMESPACE.parse().unwrap_or_else(|e| unreachable!("{e}"));
        let segments = self.profile.flush_segments;
        let flush = FlushPolicy { bytes: 64 << 20, segments, close_segments: segments, close_bytes: 64 << 20 };
        let world = store.world().clone();
        let options = OpenOptions { mode, consistency, flush, world };
        let opened = Database::open_in(store.namespace(&name), self.keys.clone(), options).await;
        let db = opened.unwrap_or_else(|e| unreachable!("opening asks nothing: {e}"));
        self.note(format_args!("p{id} starts at gateway {place}, {mode:?} {consistency:?}"));
        Arc::new(Instance { process, db, place })
    }

    /// What runs at a place now.
    pub fn at(&self, place: usize) -> Arc<Instance> {
        self.gateways[place].lock().clone()
    }

    /// Ends the processes that stand still.
    pub fn end_frozen(&self) {
        for process in self.processes.lock().iter().filter(|p| p.is_frozen()) {
            process.crash();
        }
    }

    /// How many places there are.
    pub fn places(&self) -> usize {
        self.gateways.len()
    }

    /// Another process takes the place of `old`, unless one has.
    pub async fn replace(&self, old: &Arc<Instance>) {
        let is_there = Arc::ptr_eq(&self.at(old.place), old);
        if is_there {
            let instance = self.start(old.place).await;
            *self.gateways[old.place].lock() = instance;
        }
    }

    /// Ends the process at a place; another one starts.
    pub async fn crash(&self, place: usize) {
        let old = self.at(place);
        self.note(format_args!("{:?} crashes", old.process));
        self.trace.count("crashes");
        old.process.crash();
        self.replace(&old).await;
    }

    /// A call of a client: its answer, unless the process crashes or it takes too long.
    pub async fn call<T>(&self, instance: &Arc<Instance>, work: impl Future<Output = T>) -> Option<T> {
        let lost = async {
            select(pin!(instance.process.gone()), pin!(self.clock.sleep(PATIENCE))).await;
        };
        match select(pin!(work), pin!(lost)).await {
            Either::Left((answer, _)) => Some(answer),
            Either::Right(_) => {
                self.trace.count("calls without an answer");
                self.replace(instance).await;
                None
            }
        }
    }
}
