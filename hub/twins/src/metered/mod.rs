//! Two APIs that do nothing but count, in the ways of vendors that have no twin
//! yet: a bucket of points, and a bucket for each operation.

mod operations;
mod points;

pub use operations::Operations;
pub use points::Points;
