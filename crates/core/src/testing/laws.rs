//! The laws of the contracts, as test helpers: they panic, and say which law was broken.
