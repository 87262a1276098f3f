//! The transport to simulated hosts.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::delay::Delay;
use super::faults::{Armed, Fault};
use super::machine::Machine;
use super::store::Store;
use crate::instance_type::InstanceType;
use crate::operation::{Batch, Operation, OperationResult};
use crate::os::Os;
use crate::transport::{BoxFuture, HostRef, Transport, TransportError};

/// Simulated hosts: see the [module](super).
pub struct SimulatedHosts {
    inner: Mutex<Inner>,
}

struct Inner {
    store: Store,
    faults: BTreeMap<String, Vec<Armed>>,
    latency: Duration,
    calls: Vec<Call>,
}

/// A batch that came to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The host.
    pub host: String,
    /// The operations that were asked for, whatever became of them.
    pub operations: Vec<Operation>,
}

impl Call {
    /// How many of them change the host.
    #[must_use]
    pub fn mutations(&self) -> usize {
        self.operations.iter().filter(|operation| operation.mutates()).count()
    }
}

/// A machine that cannot be looked at or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// There is no such host.
    #[error("there is no simulated host {0}")]
    NoSuchHost(String),
    /// Its file cannot be read or written.
    #[error("the file of the simulated host {host} cannot be used")]
    Store {
        /// The host.
        host: String,
        /// What failed.
        #[source]
        source: io::Error,
    },
}

impl Default for SimulatedHosts {
    fn default() -> Self {
        Self::in_memory()
    }
}

impl SimulatedHosts {
    /// Hosts that are gone with this value.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::with(Store::Memory(BTreeMap::new()))
    }

    /// Hosts in a folder, one JSON file each. One process at a time uses a folder; the caller sees
    /// to that.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made.
    pub fn open(folder: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::with(Store::open(folder.as_ref())?))
    }

    fn with(store: Store) -> Self {
        let (faults, latency, calls) = (BTreeMap::new(), Duration::ZERO, Vec::new());
        Self { inner: Mutex::new(Inner { store, faults, latency, calls }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets every batch take this long, on top of nothing.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Puts a fault in the way of a host's operations; it strikes once.
    pub fn inject(&self, host: &str, fault: Fault) {
        let armed = Armed { fault, passed: 0 };
        self.lock().faults.entry(host.to_owned()).or_default().push(armed);
    }

    /// Takes away the faults that have not struck yet.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// Everything that came to the hosts since this value was made, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// The hosts that there are.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn hosts(&self) -> io::Result<Vec<String>> {
        self.lock().store.ids()
    }

    /// A copy of a host's state.
    ///
    /// # Errors
    ///
    /// When there is no such host, or its file cannot be read.
    pub fn machine(&self, id: &str) -> Result<Machine, SimulationError> {
        let found = self.lock().store.load(id);
        let found =
            found.map_err(|source| SimulationError::Store { host: id.to_owned(), source })?;
        found.ok_or_else(|| SimulationError::NoSuchHost(id.to_owned()))
    }

    /// Changes a host behind everyone's back.
    ///
    /// # Errors
    ///
    /// When there is no such host, or its file cannot be read or written.
    pub fn edit<T>(
        &self,
        id: &str,
        change: impl FnOnce(&mut Machine) -> T,
    ) -> Result<T, SimulationError> {
        let mut inner = self.lock();
        let fail = |source| SimulationError::Store { host: id.to_owned(), source };
        let found = inner.store.load(id).map_err(fail)?;
        let mut machine = found.ok_or_else(|| SimulationError::NoSuchHost(id.to_owned()))?;
        let result = change(&mut machine);
        inner.store.save(&machine).map_err(fail)?;
        Ok(result)
    }

    /// Restarts a host behind everyone's back.
    ///
    /// # Errors
    ///
    /// When there is no such host, or its file cannot be read or written.
    pub fn reboot(&self, id: &str) -> Result<(), SimulationError> {
        self.edit(id, Machine::reboot)
    }

    /// Removes a host, as when its instance was terminated; whether there was one.
    ///
    /// # Errors
    ///
    /// When its file cannot be removed.
    pub fn forget(&self, id: &str) -> Result<bool, SimulationError> {
        let mut inner = self.lock();
        inner.faults.remove(id);
        let gone = inner.store.remove(id);
        gone.map_err(|source| SimulationError::Store { host: id.to_owned(), source })
    }
}

impl Inner {
    fn run(
        &mut self,
        host: &HostRef,
        batch: &Batch,
    ) -> Result<Vec<OperationResult>, TransportError> {
        let io = |source| TransportError::Io { host: host.to_string(), source };
        self.calls.push(Call { host: host.id.clone(), operations: batch.operations.clone() });
        if let Some(at) = self.due(host, 0, |fault| matches!(fault, Fault::Unreachable)) {
            self.strike(host, at);
            let reason = "the simulation was told so".to_owned();
            return Err(TransportError::Unreachable { host: host.to_string(), reason });
        }
        let found = self.store.load(&host.id).map_err(io)?;
        let is_new = found.is_none();
        let before = match found {
            Some(machine) => machine,
            None => launch(host)?,
        };
        let mut machine = before.clone();
        let ran = self.run_operations(host, batch, &mut machine);
        if is_new || machine != before {
            self.store.save(&machine).map_err(io)?;
        }
        ran
    }

    fn run_operations(
        &mut self,
        host: &HostRef,
        batch: &Batch,
        machine: &mut Machine,
    ) -> Result<Vec<OperationResult>, TransportError> {
        let lost = |completed| TransportError::Lost { host: host.to_string(), completed };
        let mut results = Vec::with_capacity(batch.operations.len());
        let mut stopped = false;
        for (completed, operation) in batch.operations.iter().enumerate() {
            if stopped {
                results.push(OperationResult::Skipped);
                continue;
            }
            let fault = self.due(host, 0, |fault| !matches!(fault, Fault::Unreachable));
            let fault = fault.map(|at| self.strike(host, at));
            let result = match fault {
                Some(Fault::CutBefore { .. }) => return Err(lost(completed)),
                Some(Fault::CutAfter { .. }) => {
                    machine.execute(operation);
                    return Err(lost(completed));
                }
                Some(Fault::Fail { code, stderr, .. }) => OperationResult::failed(code, stderr),
                Some(Fault::Unreachable) | None => machine.execute(operation),
            };
            for armed in self.faults.entry(host.id.clone()).or_default() {
                armed.passed += 1;
            }
            stopped = batch.stop_on_error && !result.is_ok();
            results.push(result);
        }
        Ok(results)
    }

    fn due(&self, host: &HostRef, at: usize, of: impl Fn(&Fault) -> bool) -> Option<usize> {
        let faults = self.faults.get(&host.id)?;
        faults.iter().position(|armed| of(&armed.fault) && armed.due() == Some(at))
    }

    fn strike(&mut self, host: &HostRef, at: usize) -> Fault {
        let faults = self.faults.entry(host.id.clone()).or_default();
        faults.remove(at).fault
    }
}

fn launch(host: &HostRef) -> Result<Machine, TransportError> {
    let refuse = |reason: String| TransportError::NoSuchHost { host: host.to_string(), reason };
    let Some(name) = &host.instance_type else {
        return Err(refuse("a simulated host needs an instance type".to_owned()));
    };
    let instance_type = InstanceType::named(name).map_err(|error| refuse(error.to_string()))?;
    Ok(Machine::launch(&host.id, instance_type, host.os.unwrap_or(Os::Ubuntu2404)))
}

impl Transport for SimulatedHosts {
    fn run<'a>(
        &'a self,
        host: &'a HostRef,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Vec<OperationResult>, TransportError>> {
        Box::pin(async move {
            let latency = self.lock().latency;
            Delay::new(latency).await;
            self.lock().run(host, batch)
        })
    }
}
