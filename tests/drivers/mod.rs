//! One suite for every driver of the registry: what the core relies on holds for each of them.
