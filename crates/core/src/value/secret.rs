//! A value that must not be seen.

use std::{cell::Cell, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Visitor};

/// The name under which a secret announces itself to the engine's own serializer.
pub(super) const NEWTYPE: &str = "$formwork::Secret";

/// What a foreign format gets in place of a secret.
pub(super) const MASK: &str = "[secret]";

thread_local! {
    /// Whether the engine's own serializer is reading a secret on this thread right now.
    static OPEN: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` while secrets open themselves, for the engine's serializer alone.
pub(super) fn opened<T>(f: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            OPEN.set(self.0);
        }
    }
    let _restore = Restore(OPEN.replace(true));
    f()
}

thread_local! {
    /// Whether a secret may be read only where it is taken as one.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` while secrets can be read only as a [`Secret`], or whatever was said before again.
pub(super) fn guarding<T>(guarded: bool, f: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            GUARDED.set(self.0);
        }
    }
    let _restore = Restore(GUARDED.replace(guarded));
    f()
}

pub(super) fn is_guarded() -> bool {
    GUARDED.get()
}

/// A secret of type `T`: encrypted in state, `[secret]` wherever it is shown or serialized.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Marks `value` as secret.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself; whoever calls this answers for where it goes.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<T: Serialize> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Leaf<'a, T>(&'a T);
        impl<T: Serialize> Serialize for Leaf<'_, T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if OPEN.get() {
                    self.0.serialize(serializer)
                } else {
                    serializer.serialize_str(MASK)
                }
            }
        }
        serializer.serialize_newtype_struct(NEWTYPE, &Leaf(&self.0))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Inner<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Inner<T> {
            type Value = T;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a secret")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, of: D) -> Result<T, D::Error> {
                T::deserialize(of)
            }
        }
        // By this name the engine's own deserializer sees that a secret is taken as one.
        deserializer.deserialize_newtype_struct(NEWTYPE, Inner(std::marker::PhantomData)).map(Self)
    }
}
