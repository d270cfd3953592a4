"""Drives the Mailchimp twin through Mailchimp's own client.

Usage: mailchimp_check.py BASE_URL
"""

import hashlib
import json
import sys

import mailchimp_marketing
from mailchimp_marketing.api_client import ApiClientError

from checks import Checks, Control


def connect(base, **credentials):
    client = mailchimp_marketing.Client(credentials)
    # The client builds the host from the data centre in the key.
    client.api_client.host = f"{base}/3.0"
    return client


def subscriber_hash(email):
    return hashlib.md5(email.lower().encode()).hexdigest()


def titled(status, title):
    """Whether the client's error carries this status and the vendor's title."""

    def holds(error):
        # The client hands a problem document on as text.
        return error.status_code == status and json.loads(error.text)["title"] == title

    return holds


def main(base):
    checks, control = Checks("mailchimp"), Control(base)
    key = "0123456789abcdef0123456789abcdef-us1"
    client = connect(base, api_key=key)
    lists = client.lists

    checks.equal("ping", client.ping.get(), {"health_status": "Everything's Chimpy!"})
    checks.equal("account root", client.root.get_root()["role"], "owner")
    oauth = connect(base, access_token=key)
    checks.equal("a bearer token", oauth.ping.get()["health_status"], "Everything's Chimpy!")
    control.post("token", token=key)
    checks.refused("a wrong key", ApiClientError, connect(base, api_key="wrong-us1").ping.get,
                   titled(401, "API Key Invalid"))

    found = lists.get_all_lists(fields=["lists.id", "total_items"])
    list_id = found["lists"][0]["id"]
    checks.equal("the audiences, two fields of them", found,
                 {"lists": [{"id": list_id}], "total_items": 1})
    checks.equal("one audience", lists.get_list(list_id)["id"], list_id)
    fields = lists.get_list_merge_fields(list_id)["merge_fields"]
    checks.that("the default merge fields",
                {"FNAME", "LNAME", "ADDRESS", "PHONE"} <= {f["tag"] for f in fields}, fields)
    score = lists.add_list_merge_field(list_id, {"name": "Score", "type": "number", "tag": "SCORE"})
    checks.equal("a new merge field", lists.get_list_merge_field(list_id, str(score["merge_id"]))["type"],
                 "number")

    ann = lists.add_list_member(list_id, {
        "email_address": "Ann.Lee@Example.org", "status": "subscribed", "language": "en",
        "merge_fields": {"FNAME": "Ann", "LNAME": "Lee", "SCORE": 7}, "tags": ["new"],
    })
    checks.equal("a member's id is the hash of the address", ann["id"],
                 subscriber_hash("ann.lee@example.org"))
    checks.equal("the address stays as it was given", ann["email_address"], "Ann.Lee@Example.org")
    checks.equal("merge fields come back", ann["merge_fields"]["SCORE"], 7)
    checks.equal("an unset address is empty text", ann["merge_fields"]["ADDRESS"], "")
    checks.refused("adding somebody twice", ApiClientError,
                   lambda: lists.add_list_member(list_id, {"email_address": "ann.lee@example.org",
                                                           "status": "subscribed"}),
                   titled(400, "Member Exists"))
    checks.refused("an address that is none", ApiClientError,
                   lambda: lists.add_list_member(list_id, {"email_address": "ann", "status": "subscribed"}),
                   titled(400, "Invalid Resource"))

    bob_hash = subscriber_hash("bob@example.org")
    bob = lists.set_list_member(list_id, bob_hash, {"email_address": "bob@example.org",
                                                    "status_if_new": "pending"})
    checks.equal("upsert of somebody new", bob["status"], "pending")
    bob = lists.set_list_member(list_id, bob_hash, {"email_address": "bob@example.org",
                                                    "status_if_new": "subscribed",
                                                    "merge_fields": {"FNAME": "Bob"}})
    checks.equal("upsert of somebody there keeps the status",
                 (bob["status"], bob["merge_fields"]["FNAME"]), ("pending", "Bob"))
    bob = lists.update_list_member(list_id, bob_hash, {"status": "subscribed"})
    checks.equal("an update of the status", bob["status"], "subscribed")
    checks.refused("a value of the wrong type", ApiClientError,
                   lambda: lists.update_list_member(list_id, bob_hash, {"merge_fields": {"SCORE": "many"}}),
                   titled(400, "Invalid Resource"))

    batch = lists.batch_list_members(list_id, {
        "members": [{"email_address": f"p{n}@example.org", "status": "subscribed"} for n in range(25)]
        + [{"email_address": "bob@example.org", "status": "subscribed"}],
    })
    checks.equal("a batch", (batch["total_created"], batch["error_count"]), (25, 1))
    checks.equal("its error", batch["errors"][0]["error_code"], "ERROR_CONTACT_EXISTS")

    seen, total = [], None
    while total is None or len(seen) < total:
        page = lists.get_list_members_info(list_id, count=10, offset=len(seen),
                                           fields=["members.id", "total_items"])
        total = page["total_items"]
        seen += [member["id"] for member in page["members"]]
    checks.equal("pages by offset", (total, len(set(seen))), (27, 27))
    newest = lists.get_list_members_info(list_id, sort_field="last_changed", sort_dir="DESC", count=1)
    since = newest["members"][0]["last_changed"]
    lists.update_list_member(list_id, ann["id"], {"merge_fields": {"LNAME": "Leigh"}})
    changed = lists.get_list_members_info(list_id, since_last_changed=since, sort_field="last_changed",
                                          sort_dir="ASC")["members"]
    checks.equal("changed since", [m["full_name"] for m in changed], ["Ann Leigh"])
    before = lists.get_list_members_info(list_id, before_last_changed=since, count=1)
    checks.that("changed before", before["total_items"] > 0, before)

    lists.update_list_member_tags(list_id, ann["id"], {"tags": [{"name": "vip", "status": "active"},
                                                                {"name": "new", "status": "inactive"}]})
    tags = lists.get_list_member_tags(list_id, ann["id"])["tags"]
    checks.equal("tags", [tag["name"] for tag in tags], ["vip"])

    moved = lists.update_list_member(list_id, ann["id"], {"email_address": "ann.leigh@example.org"})
    checks.equal("a new address moves the member", moved["id"], subscriber_hash("ann.leigh@example.org"))
    checks.refused("the old hash is gone", ApiClientError,
                   lambda: lists.get_list_member(list_id, ann["id"]), titled(404, "Resource Not Found"))

    control.post("unsubscribe", id="bob@example.org")
    checks.refused("subscribing who opted out", ApiClientError,
                   lambda: lists.update_list_member(list_id, bob_hash, {"status": "subscribed"}),
                   titled(400, "Member In Compliance State"))
    opted_out = lists.get_list_members_info(list_id, status="unsubscribed")["members"]
    checks.equal("members by status", [m["id"] for m in opted_out], [bob_hash])

    gone = subscriber_hash("p0@example.org")
    checks.equal("archive", lists.delete_list_member(list_id, gone).status_code, 204)
    checks.equal("an archived member is read", lists.get_list_member(list_id, gone)["status"], "archived")
    checks.refused("archiving twice", ApiClientError, lambda: lists.delete_list_member(list_id, gone),
                   titled(405, "Method Not Allowed"))
    gone = subscriber_hash("p1@example.org")
    checks.equal("permanent delete", lists.delete_list_member_permanent(list_id, gone).status_code, 204)
    checks.refused("importing the deleted", ApiClientError,
                   lambda: lists.set_list_member(list_id, gone, {"email_address": "p1@example.org",
                                                                 "status_if_new": "subscribed"}),
                   titled(400, "Forgotten Email Not Subscribed"))

    control.post("fail", count=1, status=429)
    checks.refused("too many connections", ApiClientError, client.ping.get,
                   titled(429, "Too Many Requests"))
    control.post("fail", count=1, status=403)
    checks.refused("the proxy's bare 403", ApiClientError, client.ping.get,
                   lambda error: error.status_code == 403 and "<html>" in error.text)
    control.post("fail", count=1, status="drop")
    # The client wraps the broken connection and knows no status.
    checks.refused("an answer that is lost", ApiClientError,
                   lambda: lists.add_list_member(list_id, {"email_address": "late@example.org",
                                                           "status": "subscribed"}),
                   lambda error: error.status_code is None)
    checks.equal("was carried out all the same",
                 lists.get_list_member(list_id, subscriber_hash("late@example.org"))["status"],
                 "subscribed")
    print(f"mailchimp: {checks.count} checks passed")


if __name__ == "__main__":
    main(*sys.argv[1:])
