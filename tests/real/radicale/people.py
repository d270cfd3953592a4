"""What a person does with an address book, through a client of its own.

Usage: people.py URL USER PASSWORD VERB   (JSON on standard input and output)

list             every card: href, etag, and some of its values
add PEOPLE       [{"uid", "given", "family", "email", "phone", "extra": [line]}]
edit CHANGES     [{"uid", and any of the above}]
delete UIDS      ["uid"]
"""
import json
import sys
import xml.etree.ElementTree as xml
from urllib.parse import urljoin

import requests
import vobject

DAV = "{DAV:}"
CARDDAV = "{urn:ietf:params:xml:ns:carddav}"
LIST = """<C:addressbook-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav">
<prop><getetag/><C:address-data/></prop>
<C:filter><C:prop-filter name="UID"/></C:filter></C:addressbook-query>"""


class Book:

    def __init__(self, url, user, password):
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.auth = (user, password)

    def ask(self, method, url, **options):
        answer = self.session.request(method, url, timeout=60, **options)
        answer.raise_for_status()
        return answer

    def cards(self):
        answer = self.ask("REPORT", self.url, data=LIST,
            headers={"Depth": "1", "Content-Type": "application/xml"})
        for response in xml.fromstring(answer.content).iter(DAV + "response"):
            text = response.find(".//" + CARDDAV + "address-data").text
            yield (response.find(DAV + "href").text,
                response.find(".//" + DAV + "getetag").text,
                vobject.readOne(text))

    def put(self, url, card, **headers):
        self.ask("PUT", url, data=card.serialize().encode(),
            headers={"Content-Type": "text/vcard", **headers})


def first(card, name):
    values = card.contents.get(name)
    return values[0].value if values else None


def shown(href, etag, card):
    name = first(card, "n")
    address = first(card, "adr")
    return {
        "href": href, "etag": etag, "uid": first(card, "uid"),
        "fn": first(card, "fn"),
        "given": name.given if name else None,
        "family": name.family if name else None,
        "emails": [e.value for e in card.contents.get("email", [])],
        "phones": [t.value for t in card.contents.get("tel", [])],
        "city": address.city if address else None,
        "note": first(card, "note"),
        "title": first(card, "title"),
        "lines": card.serialize().replace("\r\n ", "").split("\r\n"),
    }


def change(card, values):
    for key in ("email", "tel", "note", "title"):
        value = values.get("phone" if key == "tel" else key)
        if value is not None:
            (card.contents.get(key) or [card.add(key)])[0].value = value
    if "given" in values or "family" in values:
        name = (card.contents.get("n") or [card.add("n")])[0]
        if not isinstance(name.value, vobject.vcard.Name):
            name.value = vobject.vcard.Name()
        name.value.given = values.get("given", name.value.given)
        name.value.family = values.get("family", name.value.family)
        shown_name = (card.contents.get("fn") or [card.add("fn")])[0]
        shown_name.value = f"{name.value.given} {name.value.family}".strip()


def main(url, user, password, verb):
    book = Book(url, user, password)
    wanted = json.load(sys.stdin)
    if verb == "list":
        return [shown(*card) for card in book.cards()]
    if verb == "add":
        for person in wanted:
            card = vobject.vCard()
            card.add("uid").value = person["uid"]
            change(card, person)
            text = card.serialize()
            for line in person.get("extra", []):
                text = text.replace("END:VCARD", line + "\r\nEND:VCARD")
            book.ask("PUT", urljoin(url, person["uid"] + ".vcf"),
                data=text.encode(),
                headers={"Content-Type": "text/vcard", "If-None-Match": "*"})
        return len(wanted)
    by_uid = {first(card, "uid"): (href, etag, card)
        for href, etag, card in book.cards()}
    if verb == "edit":
        for values in wanted:
            href, etag, card = by_uid[values["uid"]]
            change(card, values)
            book.put(urljoin(url, href), card, **{"If-Match": etag})
        return len(wanted)
    if verb == "delete":
        for uid in wanted:
            book.ask("DELETE", urljoin(url, by_uid[uid][0]))
        return len(wanted)
    sys.exit(f"unknown verb {verb}: list, add, edit or delete")


if __name__ == "__main__":
    json.dump(main(*sys.argv[1:]), sys.stdout)
