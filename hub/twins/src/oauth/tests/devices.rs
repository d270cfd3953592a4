use super::*;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A device that has asked for a code.
struct Device {
    desk: Desk,
    code: String,
    user_code: String,
}

impl Device {
    fn new() -> Self {
        let mut desk = Desk::new();
        let (status, told) = desk.post_as_is(
            "/device",
            &[("client_id", "concord-public"), ("scope", "contacts.read")],
        );
        assert_eq!(status, 200, "{told}");
        // RFC 8628 section 3.2.
        assert_eq!(told["verification_uri"], "http://localhost/verify");
        assert_eq!(
            (&told["expires_in"], &told["interval"]),
            (&json!(1800), &json!(5))
        );
        Self {
            code: text(&told, "device_code").to_owned(),
            user_code: text(&told, "user_code").to_owned(),
            desk,
        }
    }

    fn poll(&mut self) -> String {
        let fields = [
            ("client_id", "concord-public"),
            ("grant_type", GRANT),
            ("device_code", &self.code),
        ];
        let (status, told) = self.desk.post_as_is("/token", &fields);
        match status {
            200 => told["scope"].as_str().unwrap().to_owned(),
            400 => told["error"].as_str().unwrap().to_owned(),
            other => panic!("{other}: {told}"),
        }
    }

    fn answer(&mut self, answer: &str) {
        let body = json!({"user_code": self.user_code, "answer": answer});
        self.desk.control("device", body);
    }
}

#[test]
fn a_device_waits_for_the_person() {
    let mut device = Device::new();
    assert_eq!(device.poll(), "authorization_pending");
    device.desk.pass(5);
    assert_eq!(device.poll(), "authorization_pending");
    device.answer("approve");
    device.desk.pass(5);
    assert_eq!(device.poll(), "contacts.read");
    device.desk.pass(5);
    assert_eq!(device.poll(), "invalid_grant");
}

#[test]
fn a_device_that_asks_too_often_has_to_slow_down() {
    // RFC 8628 section 3.5: five seconds more "for this and all subsequent requests".
    let mut device = Device::new();
    assert_eq!(device.poll(), "authorization_pending");
    device.desk.pass(4);
    assert_eq!(device.poll(), "slow_down");
    device.desk.pass(9);
    assert_eq!(device.poll(), "slow_down");
    device.desk.pass(15);
    assert_eq!(device.poll(), "authorization_pending");
    device.desk.pass(14);
    assert_eq!(device.poll(), "slow_down");
}

#[test]
fn a_person_may_deny_or_never_come() {
    let mut denied = Device::new();
    denied.answer("deny");
    assert_eq!(denied.poll(), "access_denied");
    let mut forgotten = Device::new();
    forgotten.desk.pass(1800);
    assert_eq!(forgotten.poll(), "expired_token");
}

#[test]
fn a_code_is_typed_as_people_type() {
    // RFC 8628 section 6.1: letters that make no words, case and dash do not matter.
    let mut device = Device::new();
    let known = |c: char| c == '-' || "BCDFGHJKLMNPQRSTVWXZ".contains(c);
    assert!(device.user_code.chars().all(known), "{}", device.user_code);
    assert_eq!(device.user_code.len(), 9);
    let wrong = json!({"user_code": "BBBB-BBBB", "answer": "approve"});
    let request = Request::json("POST", "/_twin/device", &wrong);
    assert_eq!(device.desk.send(request).status, 404);
    device.user_code = device.user_code.replace('-', " ").to_lowercase();
    device.answer("approve");
    assert_eq!(device.poll(), "contacts.read");
}
