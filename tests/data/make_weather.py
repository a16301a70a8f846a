#!/usr/bin/env python3
"""Make weather.csv from the nycflights13 data set: see README.md.

usage: make_weather.py path/to/weather.csv > weather.csv
"""

import csv
import datetime
import sys

MONTHS = {"1", "2"}
EPOCH = datetime.datetime(2013, 1, 1, tzinfo=datetime.timezone.utc)


def known(text):
    return "" if text == "NA" else text


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["month"] in MONTHS]
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["origin", "hour_min", "wind_mph", "visibility_miles"])
    # In the order of time, as it was observed; the data set has one airport behind the other.
    for row in sorted(rows, key=lambda row: row["time_hour"]):
        hour = datetime.datetime.fromisoformat(row["time_hour"].replace("Z", "+00:00"))
        minutes = int((hour - EPOCH).total_seconds()) // 60
        wind = known(row["wind_speed"])
        wind = wind and f"{float(wind):.2f}"
        out.writerow([row["origin"], minutes, wind, known(row["visib"])])


main()
