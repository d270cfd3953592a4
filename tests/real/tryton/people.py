"""What a person does in Tryton, through its own client library.

Usage: people.py URL VERB   (JSON on standard input and output)

list             every active party with its parts
add PEOPLE       [{"name", "email", "phone", "street", "city", "country"}] -> ids
edit CHANGES     [{"id", and any of the above}]
archive IDS      [id]
delete IDS       [id]
replace PAIR     [kept id, lost id]
invoice INVOICES [{"party": id, "amount": "12.50"}] -> numbers of posted invoices
"""
import datetime
import json
import sys
from decimal import Decimal

from proteus import Model, Wizard, config


def server(model):
    """The model's methods at the server, many records to a call."""
    return config.get_config().get_proxy(model)


def everybody():
    context = config.get_config().context
    parties = server("party.party").search_read([], 0, None, [("id", "ASC")],
        ["code", "name", "lang.code"], context)
    mechanisms = server("party.contact_mechanism").search_read(
        [], 0, None, [("id", "ASC")], ["party", "type", "value"], context)
    addresses = server("party.address").search_read(
        [], 0, None, [("id", "ASC")],
        ["party", "street", "city", "country.code"], context)
    for party in parties:
        values = {kind: [m["value"] for m in mechanisms
            if m["party"] == party["id"] and m["type"] == kind]
            for kind in ("email", "phone")}
        own = [a for a in addresses if a["party"] == party["id"]]
        address = own[0] if own else {}
        yield {
            "id": party["id"], "code": party["code"], "name": party["name"],
            "emails": values["email"], "phones": values["phone"],
            "language": (party["lang."] or {}).get("code"),
            "street": address.get("street"), "city": address.get("city"),
            "country": (address.get("country.") or {}).get("code"),
        }


def new(values):
    party = {
        "name": values["name"],
        "addresses": [],
        "contact_mechanisms": [("create", [
            {"type": kind, "value": values[kind]}
            for kind in ("email", "phone") if values.get(kind)])],
    }
    if values.get("language"):
        party["lang"] = language(values["language"]).id
    if {"street", "city", "country"} & set(values):
        party["addresses"] = [("create", [{
            "street": values.get("street"), "city": values.get("city"),
            "country": country(values["country"]).id
            if values.get("country") else None}])]
    return party


def mechanisms(party, kind):
    return [m for m in party.contact_mechanisms if m.type == kind]


def language(code):
    Lang = Model.get("ir.lang")
    return Lang.find([("code", "=", code)], limit=1)[0] if code else None


def country(code):
    Country = Model.get("country.country")
    return Country.find([("code", "=", code)], limit=1)[0]


def change(party, values):
    if "name" in values:
        party.name = values["name"]
    for kind in ("email", "phone"):
        if values.get(kind):
            found = mechanisms(party, kind)
            mechanism = found[0] if found else party.contact_mechanisms.new()
            mechanism.type = kind
            mechanism.value = values[kind]
    if "language" in values:
        party.lang = language(values["language"])
    if {"street", "city", "country"} & set(values):
        address = (party.addresses[0] if party.addresses
            else party.addresses.new())
        for name in ("street", "city"):
            if name in values:
                setattr(address, name, values[name])
        if "country" in values:
            address.country = country(values["country"])
    party.save()


def invoice(values):
    Account = Model.get("account.account")
    Invoice = Model.get("account.invoice")
    Party = Model.get("party.party")
    revenue, = Account.find([("type.revenue", "=", True)], limit=1)
    bill = Invoice(type="out", party=Party(values["party"]))
    bill.invoice_date = datetime.date.today()
    line = bill.lines.new()
    line.account = revenue
    line.quantity = 1
    line.unit_price = Decimal(values["amount"])
    bill.save()
    bill.click("post")
    return bill.number


def replace(kept, lost):
    Party = Model.get("party.party")
    kept, lost = Party(kept), Party(lost)
    # The wizard asks for a confirmation where the names differ.
    lost.name = kept.name
    lost.save()
    wizard = Wizard("party.replace", [lost])
    wizard.form.destination = kept
    wizard.execute("replace")


def main(url, verb):
    config.set_xmlrpc(url)
    Party = Model.get("party.party")
    wanted = json.load(sys.stdin)
    if verb == "list":
        return list(everybody())
    if verb == "add":
        return server("party.party").create(
            [new(values) for values in wanted], config.get_config().context)
    if verb == "edit":
        for values in wanted:
            change(Party(values["id"]), values)
        return len(wanted)
    if verb == "archive":
        for party in wanted:
            party = Party(party)
            party.active = False
            party.save()
        return len(wanted)
    if verb == "delete":
        Party.delete([Party(party) for party in wanted])
        return len(wanted)
    if verb == "replace":
        return replace(*wanted)
    if verb == "invoice":
        return [invoice(values) for values in wanted]
    sys.exit(f"unknown verb {verb}: "
        "list, add, edit, archive, delete, replace or invoice")


if __name__ == "__main__":
    json.dump(main(*sys.argv[1:]), sys.stdout)
