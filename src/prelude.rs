//! What a program usually needs: `use formwork::prelude::*;`.

pub use formwork_core::{
    Component, Engine, Input, Output, Reference, Scope, Secret, Stack, all, json, text, zip,
};
