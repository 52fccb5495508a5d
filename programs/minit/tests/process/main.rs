//! The program itself, started as users start it: beside others, as the first process of a pid namespace, and
//! under the names of other inits.

mod api;
mod bed;
mod blind;
mod client;
mod config;
mod defect;
mod exits;
mod first;
mod identity;
mod machine;
mod names;
mod signals;
mod stop;
mod surroundings;
mod terminal;
mod verbs;
