//! The store on a kernel. Needs root.

mod crowds;
mod documents;
mod full;
mod ground;
mod links;
mod marks;
mod model;
mod names;
mod numbers;
mod store;
mod streams;
mod tar;
mod trees;
mod types;
