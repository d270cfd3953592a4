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


def mechanisms(party, kind):
    return [m for m in party.contact_mechanisms if m.type == kind]


def shown(party):
    address = party.addresses[0] if party.addresses else None
    return {
        "id": party.id, "code": party.code, "name": party.name,
        "emails": [m.value for m in mechanisms(party, "email")],
        "phones": [m.value for m in mechanisms(party, "phone")],
        "language": party.lang.code if party.lang else None,
        "street": address.street if address else None,
        "city": address.city if address else None,
        "country": address.country.code
        if address and address.country else None,
    }


def language(code):
    Lang = Model.get("ir.lang")
    return Lang.find([("code", "=", code)], limit=1)[0] if code else None


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
            Country = Model.get("country.country")
            address.country, = Country.find([("code", "=", values["country"])])
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
        return [shown(party) for party in Party.find([])]
    if verb == "add":
        ids = []
        for values in wanted:
            party = Party()
            while party.addresses:
                party.addresses.pop()
            change(party, values)
            ids.append(party.id)
        return ids
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
