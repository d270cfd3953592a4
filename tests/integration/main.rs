//! The one integration binary.  Each module is a layer of tests; see
//! docs/ARCHITECTURE.md for what belongs where.

mod house;
