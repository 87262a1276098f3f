//! Every value that a row holds, visited: what a store seals before it writes and opens after it reads.

use super::{Change, Intent, Pin, ProviderTarget, Record, Snapshot};
use crate::value::Value;

impl Record {
    /// Replaces every value in this row by what `f` makes of it.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_map_values<E>(
        mut self,
        f: &mut impl FnMut(Value) -> Result<Value, E>,
    ) -> Result<Self, E> {
        self.inputs = f(self.inputs)?;
        self.seen = self.seen.map(&mut *f).transpose()?;
        self.outputs = f(self.outputs)?;
        self.options.trigger = self.options.trigger.map(&mut *f).transpose()?;
        Ok(self)
    }
}

impl Intent {
    /// Replaces every value in this intent by what `f` makes of it.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_map_values<E>(
        mut self,
        f: &mut impl FnMut(Value) -> Result<Value, E>,
    ) -> Result<Self, E> {
        self.record =
            self.record.map(|record| record.try_map_values(f).map(Box::new)).transpose()?;
        Ok(self)
    }
}

impl Pin {
    /// Replaces every value in this answer by what `f` makes of it.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_map_values<E>(
        mut self,
        f: &mut impl FnMut(Value) -> Result<Value, E>,
    ) -> Result<Self, E> {
        self.query = f(self.query)?;
        self.answer = f(self.answer)?;
        Ok(self)
    }
}

impl ProviderTarget {
    /// Replaces every value in this target by what `f` makes of it.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_map_values<E>(
        mut self,
        f: &mut impl FnMut(Value) -> Result<Value, E>,
    ) -> Result<Self, E> {
        self.target = f(self.target)?;
        Ok(self)
    }
}

impl Change {
    /// Replaces every value in this change by what `f` makes of it.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_map_values<E>(
        self,
        f: &mut impl FnMut(Value) -> Result<Value, E>,
    ) -> Result<Self, E> {
        Ok(match self {
            Change::Open(intent) => Change::Open(intent.try_map_values(f)?),
            Change::Put(record) => Change::Put(Box::new(record.try_map_values(f)?)),
            Change::Pin(pin) => Change::Pin(pin.try_map_values(f)?),
            Change::Target(target) => Change::Target(target.try_map_values(f)?),
            Change::Exports(exports) => Change::Exports(f(exports)?),
            plain @ (Change::Close(_)
            | Change::Remove(_)
            | Change::Unpin(_)
            | Change::Depart(_)
            | Change::Return(_)) => plain,
        })
    }
}

impl Snapshot {
    /// Replaces every value in this state by what `f` makes of it.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_map_values<E>(
        self,
        f: &mut impl FnMut(Value) -> Result<Value, E>,
    ) -> Result<Self, E> {
        Ok(Self {
            records: self
                .records
                .into_iter()
                .map(|(id, record)| Ok((id, record.try_map_values(f)?)))
                .collect::<Result<_, E>>()?,
            intents: self
                .intents
                .into_iter()
                .map(|(id, intent)| Ok((id, intent.try_map_values(f)?)))
                .collect::<Result<_, E>>()?,
            pins: self
                .pins
                .into_iter()
                .map(|(address, pin)| Ok((address, pin.try_map_values(f)?)))
                .collect::<Result<_, E>>()?,
            targets: self
                .targets
                .into_iter()
                .map(|(provider, target)| Ok((provider, target.try_map_values(f)?)))
                .collect::<Result<_, E>>()?,
            exports: f(self.exports)?,
            departed: self.departed,
            lineage: self.lineage,
            version: self.version,
        })
    }
}
