//! The derives: what they emit, what they take, and what they say of mistakes.

mod late;
mod schema;
mod types;
mod ui;
