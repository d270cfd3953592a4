//! Tests that take minutes: `cargo xtask test --long`.

use crate::binary::kill::{self, Base};

#[test]
#[ignore = "takes a quarter of an hour; run it with cargo xtask test --long"]
fn three_hundred_hubs_die_anywhere_and_nothing_is_lost_or_doubled() {
    kill::check(Base::File, 1_000..1_300);
}

#[test]
#[ignore = "takes half an hour; run it with cargo xtask test --long"]
fn three_hundred_hubs_die_anywhere_on_a_server_and_nothing_is_lost_or_doubled() {
    kill::check(Base::Server, 1_000..1_300);
}
