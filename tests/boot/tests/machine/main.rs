//! minit as the first process of a machine, each promise with its test.

mod clients;
mod defect;
mod end;
mod figures;
mod guide;
mod missing;
mod outside;
mod start;
