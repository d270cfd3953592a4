"""What both client checks share: one line for each check, and the control API."""

import json
import sys
import urllib.request


class Checks:
    """Prints one line for each check; the first failure ends the run."""

    def __init__(self, vendor):
        self.vendor = vendor
        self.count = 0

    def that(self, name, holds, seen=""):
        if not holds:
            sys.exit(f"FAILED {self.vendor}: {name}: {seen!r}")
        self.count += 1
        print(f"ok {self.vendor}: {name}", flush=True)

    def equal(self, name, seen, expected):
        self.that(name, seen == expected, f"{seen!r} instead of {expected!r}")

    def refused(self, name, error, call, holds):
        """The call must raise the client's own error, with the right content."""
        try:
            answer = call()
        except error as problem:
            self.that(name, holds(problem), problem)
        else:
            self.that(name, False, answer)


class Control:
    """Acts as a person at the vendor's own screen would."""

    def __init__(self, base):
        self.base = base

    def post(self, name, **wish):
        request = urllib.request.Request(
            f"{self.base}/_twin/{name}",
            data=json.dumps(wish).encode(),
            headers={"content-type": "application/json"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def get(self, name):
        with urllib.request.urlopen(f"{self.base}/_twin/{name}", timeout=30) as answer:
            return json.load(answer)
