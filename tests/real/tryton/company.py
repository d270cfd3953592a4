"""Makes a new Tryton database ready for parties and customer invoices.

Usage: company.py CONFIGURATION DATABASE

Without a company, a chart of accounts and a fiscal year Tryton posts no
invoice, and without countries it takes no address with one.
"""
import datetime
import sys

from proteus import Model, config
from trytond.modules.account.tests.tools import create_chart, create_fiscalyear
from trytond.modules.account_invoice.tests.tools import (
    set_fiscalyear_invoice_sequences)
from trytond.modules.company.tests.tools import create_company
from trytond.modules.currency.tests.tools import get_currency

COUNTRIES = [
    ("Austria", "AT", "AUT", "040"),
    ("France", "FR", "FRA", "250"),
    ("Germany", "DE", "DEU", "276"),
    ("Switzerland", "CH", "CHE", "756"),
    ("United Kingdom", "GB", "GBR", "826"),
    ("United States", "US", "USA", "840"),
]


def main(configuration, database):
    config.set_trytond(database, user="admin", config_file=configuration)
    Party = Model.get("party.party")
    Country = Model.get("country.country")
    for name, code, code3, numeric in COUNTRIES:
        Country(name=name, code=code, code3=code3, code_numeric=numeric).save()
    # The company is a party as well; archived, it stays out of the way.
    own = Party(name="Concord Test Company")
    own.save()
    create_company(party=own, currency=get_currency("EUR"))
    own.active = False
    own.save()
    create_chart()
    year = datetime.date.today().year
    fiscalyear = set_fiscalyear_invoice_sequences(create_fiscalyear(
        today=(datetime.date(year - 1, 1, 1), datetime.date(year + 1, 12, 31))))
    fiscalyear.save()
    fiscalyear.click("create_period")


if __name__ == "__main__":
    main(*sys.argv[1:])
