"""Drives the HubSpot twin through HubSpot's own client.

Usage: hubspot_check.py BASE_URL

The client checks every answer against its own models, so a field of a wrong
name or type fails here.  Only records whose asked-for properties are all set
are read that way: HubSpot answers null for an unset property, which the
client's models do not know.
"""

import sys

import hubspot_sdk
from hubspot_sdk import HubSpot

from checks import Checks, Control


def filters(*conditions):
    return [{"filters": [{"property_name": p, "operator": o, "value": v} for p, o, v in conditions]}]


def main(base):
    checks, control = Checks("hubspot"), Control(base)
    token = "pat-na1-twin"
    control.post("token", token=token)
    client = HubSpot(base_url=base, access_token=token, max_retries=0, _strict_response_validation=True)
    contacts, batch = client.crm.objects.contacts, client.crm.objects.contacts.batch
    names = ["email", "firstname", "lastname"]

    checks.that("account details", client.account.get().portal_id > 0)
    stranger = HubSpot(base_url=base, access_token="pat-na1-wrong", max_retries=0)
    checks.refused("a wrong token", hubspot_sdk.AuthenticationError,
                   lambda: stranger.crm.objects.contacts.list(),
                   lambda e: e.body["category"] == "INVALID_AUTHENTICATION")

    properties = client.crm.properties.list("contacts").results
    checks.that("the properties of contacts",
                {"email", "firstname", "lastmodifieddate"} <= {p.name for p in properties})
    score = client.crm.properties.create("contacts", name="score_now", label="Score", type="number",
                                         field_type="number", group_name="contactinformation")
    checks.equal("a new property", client.crm.properties.get("score_now", object_type="contacts").type,
                 score.type)

    ann = contacts.create(associations=[], properties={
        "email": "Ann.Lee@Example.org", "firstname": "Ann", "lastname": "Lee"})
    checks.equal("an address is kept in lower case", ann.properties["email"], "ann.lee@example.org")
    checks.that("a record has its moments", ann.created_at <= ann.updated_at, ann)
    checks.refused("an address that is taken", hubspot_sdk.ConflictError,
                   lambda: contacts.create(associations=[], properties={"email": "ann.lee@example.org"}),
                   lambda e: ann.id in e.body["message"])
    checks.refused("a property that is unknown", hubspot_sdk.BadRequestError,
                   lambda: contacts.create(associations=[], properties={"email": "x@example.org", "shoe": "9"}),
                   lambda e: "PROPERTY_DOESNT_EXIST" in str(e.body))
    checks.refused("an address that is none", hubspot_sdk.BadRequestError,
                   lambda: contacts.create(associations=[], properties={"email": "ann"}),
                   lambda e: "INVALID_EMAIL" in str(e.body))

    found = contacts.get("ann.lee@example.org", id_property="email", properties=names)
    checks.equal("a record by its address", (found.id, found.properties["lastname"]), (ann.id, "Lee"))
    changed = contacts.update(ann.id, properties={"lastname": "Leigh"})
    checks.that("an update moves the moment of change", changed.updated_at > ann.updated_at, changed)
    checks.refused("an id that is not there", hubspot_sdk.NotFoundError,
                   lambda: contacts.get("999999999"), lambda e: e.status_code == 404)

    made = batch.create(inputs=[
        {"associations": [], "properties": {"email": f"p{n}@example.org", "firstname": f"P{n}", "lastname": "Pool"}}
        for n in range(25)])
    checks.equal("a batch of creates", (made.status, len(made.results)), ("COMPLETE", 25))
    ids = {record.properties["email"]: record.id for record in made.results}
    checks.refused("one bad row fails the batch", hubspot_sdk.APIStatusError,
                   lambda: batch.create(inputs=[
                       {"associations": [], "properties": {"email": "fine@example.org"}},
                       {"associations": [], "properties": {"email": "p1@example.org"}}]),
                   lambda e: e.status_code in (400, 409))
    checks.refused("and nothing of it is kept", hubspot_sdk.NotFoundError,
                   lambda: contacts.get("fine@example.org", id_property="email"), lambda e: True)
    read = batch.get(inputs=[{"id": ids["p3@example.org"]}, {"id": ids["p4@example.org"]}],
                     properties=names, properties_with_history=[])
    checks.equal("a batch of reads", sorted(r.properties["firstname"] for r in read.results), ["P3", "P4"])
    updated = batch.update(inputs=[{"id": ids["p3@example.org"], "properties": {"lastname": "Puddle"}}])
    checks.equal("a batch of updates", updated.results[0].properties["lastname"], "Puddle")
    upserted = batch.upsert(inputs=[
        {"id": "p4@example.org", "id_property": "email", "properties": {"lastname": "Pond"}},
        {"id": "new@example.org", "id_property": "email",
         "properties": {"email": "new@example.org", "firstname": "New", "lastname": "Comer"}}])
    checks.equal("a batch of upserts tells who is new",
                 {r.id == ids["p4@example.org"]: r.new for r in upserted.results},
                 {True: False, False: True})
    checks.refused("more than 100 in a batch", hubspot_sdk.BadRequestError,
                   lambda: batch.get(inputs=[{"id": str(n)} for n in range(101)], properties=[],
                                     properties_with_history=[]),
                   lambda e: e.status_code == 400)

    seen = [record.id for record in contacts.list(limit=10, properties=names)]
    checks.equal("pages that the client walks by itself", (len(seen), len(set(seen))), (27, 27))

    def search(groups, **other):
        wish = {"after": "0", "limit": 100, "properties": names, "sorts": [], **other}
        return contacts.search(filter_groups=groups, **wish)

    pool = search(filters(("lastname", "EQ", "Pool")))
    checks.equal("a search", (pool.total, len(pool.results)), (23, 23))
    first = search(filters(("lastname", "EQ", "Pool")), limit=20)
    rest = search(filters(("lastname", "EQ", "Pool")), limit=20, after=first.paging.next.after)
    checks.equal("its second page", (len(first.results), len(rest.results)), (20, 3))
    late = search(filters(("lastmodifieddate", "GTE", updated.results[0].updated_at.isoformat())))
    checks.that("changed since", ids["p3@example.org"] in {r.id for r in late.results}, late)
    either = search(filters(("firstname", "EQ", "Ann")) + filters(("firstname", "EQ", "P7")))
    checks.equal("filter groups are alternatives", either.total, 2)
    checks.refused("an operator that is unknown", hubspot_sdk.BadRequestError,
                   lambda: search(filters(("email", "LIKE", "x"))), lambda e: e.status_code == 400)
    checks.refused("beyond 10,000 results", hubspot_sdk.BadRequestError,
                   lambda: search([], after="10000"), lambda e: e.status_code == 400)

    checks.equal("archive", contacts.delete(ann.id), None)
    checks.refused("the archived are not read", hubspot_sdk.NotFoundError,
                   lambda: contacts.get(ann.id), lambda e: True)
    archived = list(contacts.list(archived=True, properties=names))
    checks.equal("but listed when asked for", [(r.id, r.archived) for r in archived], [(ann.id, True)])
    batch.delete(inputs=[{"id": ids["p0@example.org"]}])
    checks.equal("a batch of archives", len(list(contacts.list(archived=True, properties=names))), 2)

    merged = contacts.merge(primary_object_id=ids["p5@example.org"], object_id_to_merge=ids["p6@example.org"])
    kept = contacts.get(ids["p6@example.org"], properties=names)
    checks.equal("the loser of a merge leads to the winner", kept.id, merged.id)

    acme = client.crm.objects.companies.create(associations=[], properties={"name": "Acme", "domain": "acme.test"})
    fetched = client.crm.objects.companies.get(acme.id, properties=["name", "domain"])
    checks.equal("a company", fetched.properties["name"], "Acme")

    control.post("fail", count=1, status=429)
    checks.refused("too many requests", hubspot_sdk.RateLimitError, lambda: contacts.list(limit=1),
                   lambda e: e.status_code == 429)
    control.post("fail", count=1, status="drop")
    checks.refused("an answer that is lost", hubspot_sdk.APIConnectionError,
                   lambda: contacts.update(ids["p7@example.org"], properties={"lastname": "Late"}),
                   lambda e: True)
    stored = contacts.get(ids["p7@example.org"], properties=names)
    checks.equal("was carried out all the same", stored.properties["lastname"], "Late")
    print(f"hubspot: {checks.count} checks passed")


if __name__ == "__main__":
    main(*sys.argv[1:])
