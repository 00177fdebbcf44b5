"""Reads what loadgen wrote to REPORTS: JSON by SCHEMA, the histogram log by HdrHistogram's Python
port, and compares the percentile distribution with it."""

import json
import os
from pathlib import Path

import jsonschema_rs
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

reports = Path(os.environ["REPORTS"])
schema = json.loads(Path(os.environ["SCHEMA"]).read_text())
validator = jsonschema_rs.validator_for(schema)

documents = {name: json.loads((reports / f"{name}.json").read_text()) for name in ("before", "now")}
for name, document in documents.items():
    faults = [f"{name}: {fault}" for fault in validator.iter_errors(document)]
    assert not faults, faults

# A schema that accepts everything would say nothing.
for key in ("latency", "loss", "by_channel", "seconds", "tls"):
    broken = json.loads(json.dumps(documents["now"]))
    del broken["runs"][0][key]
    assert not validator.is_valid(broken), f"{key} may be missing"

misspelt = json.loads(json.dumps(documents["now"]))
misspelt["runs"][0]["phases"][0]["los"] = 0
assert not validator.is_valid(misspelt), "a key that is not in it"

run = documents["now"]["runs"][0]
assert [one["channel"] for one in run["by_channel"]] == ["bench:0"], run
assert sum(phase["deliveries"] for phase in run["phases"]) == run["by_channel"][0]["deliveries"]
assert run["comparison"]["started_at"] == documents["before"]["runs"][0]["started_at"]
assert len(run["seconds"]) == 7 and len(run["phases"]) == 2, run
assert documents["now"]["environment"]["kernel"].startswith("Linux "), documents

reader = HistogramLogReader(str(reports / "now.hlog"), HdrHistogram(1_000, 60_000_000_000, 3))
found = {}
while (histogram := reader.get_next_interval_histogram()) is not None:
    found.setdefault(histogram.get_tag(), []).append(histogram)
reader.close()
assert len(found["delivery"]) == 7, found
assert sum(one.get_total_count() for one in found["delivery"]) == run["deliveries"], run
(total,) = found["total"]
assert total.get_total_count() == run["latency"]["count"], run
assert found["last"][0].get_total_count() == run["last"]["count"], run

rows = [line.split() for line in (reports / "now.hgrm").read_text().splitlines()[2:]]
rows = [row for row in rows if not row[0].startswith("#")]
assert int(rows[-1][2]) == total.get_total_count(), rows[-1]
recorded = [(one.value_iterated_to / 1e6, one.total_count_to_this_value)
            for one in total.get_recorded_iterator()]
for row in rows:
    milliseconds, count = float(row[0]), int(row[2])
    (expected,) = {most for value, most in recorded if abs(value - milliseconds) < 2e-6} or {None}
    assert expected == count, (row, expected)
print("ok")
