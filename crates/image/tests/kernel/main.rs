//! The store on a kernel. Needs root.

mod documents;
mod ground;
mod links;
mod marks;
mod names;
mod numbers;
mod streams;
mod tar;
mod types;
