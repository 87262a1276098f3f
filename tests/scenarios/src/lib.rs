//! What the engine promises, told in stories: see `tests/`.
