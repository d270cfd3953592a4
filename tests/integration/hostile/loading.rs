//! Components that are broken, and components that were compiled before.

use concord_host::{Host, HostOptions};

use super::rig::{Connection, HOST, guest_path};

#[test]
fn a_truncated_component_is_an_error() {
    let whole = std::fs::read(guest_path()).unwrap();
    for kept in [0, 1, 7, 8, 9, 100, whole.len() / 2, whole.len() - 1] {
        let error = HOST.load_bytes("torn.wasm", &whole[..kept]).err().unwrap();
        assert!(error.to_string().contains("torn.wasm"), "{kept}: {error}");
    }
}

/// Flipped bits must never panic.  Most break the component; one in a string or
/// a constant leaves it valid, and then it is just another guest.
#[tokio::test]
async fn flipped_bits_are_an_error_or_another_guest() {
    let whole = std::fs::read(guest_path()).unwrap();
    // Compiling is slow, so only bits in the part that frames the component are
    // flipped, and some further in.
    let frame = 0..64;
    let inside = (64..whole.len()).step_by(whole.len() / 16);
    let mut broken = 0;
    for at in frame.chain(inside) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        match HOST.load_bytes("flipped.wasm", &flipped) {
            Ok(_) => {}
            Err(error) => {
                broken += 1;
                assert!(error.to_string().contains("flipped.wasm"), "{at}: {error}");
            }
        }
    }
    // At the least the eight bytes of magic and version.
    assert!(broken >= 8, "only {broken} were broken");
    Connection::to("good").pull().await.unwrap();
}

#[test]
fn a_warm_start_does_not_compile() {
    let dir = tempfile::tempdir().unwrap();
    let options = HostOptions {
        cache_dir: Some(dir.path().to_owned()),
        ..HostOptions::default()
    };
    let cold = Host::new(options.clone())
        .unwrap()
        .load(&guest_path())
        .unwrap();
    let warm = Host::new(options.clone())
        .unwrap()
        .load(&guest_path())
        .unwrap();
    assert_eq!((cold.cached(), warm.cached()), (false, true));
    assert_eq!(cold.hash(), warm.hash());
    assert_eq!(warm.manifest().id, "hostile");
    for file in std::fs::read_dir(dir.path()).unwrap() {
        std::fs::write(file.unwrap().path(), "broken").unwrap();
    }
    let healed = Host::new(options).unwrap().load(&guest_path()).unwrap();
    assert!(!healed.cached());
}

#[test]
fn a_missing_file_is_named() {
    let error = HOST.load("no-such.wasm".as_ref()).err().unwrap();
    assert!(error.to_string().contains("no-such.wasm"), "{error}");
}
