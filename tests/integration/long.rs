//! Tests that take minutes: `cargo xtask test --long`.

use crate::binary::kill::{self, Base};
use crate::real::signed_in::{killed, together};
use crate::soak;

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

#[test]
#[ignore = "takes ten minutes; run it with cargo xtask test --long"]
fn three_hubs_stay_signed_in_for_ten_minutes_of_short_tokens() {
    together::check(600);
}

#[test]
#[ignore = "takes half an hour; run it with cargo xtask test --long"]
fn a_hundred_hubs_die_in_a_refresh() {
    killed::check(100);
}

#[test]
#[ignore = "takes ten minutes; run it with cargo xtask test --long"]
fn a_hub_serves_for_a_week_of_everything_and_all_systems_agree() {
    soak::check(7);
}
