"""Reads a histogram log from standard input by HdrHistogram's Python port and prints what is in it:
one JSON object, by tag: count, median and maximum in nanoseconds."""

import json
import sys
import tempfile

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

with tempfile.NamedTemporaryFile("w", suffix=".hlog") as log:
    log.write(sys.stdin.read())
    log.flush()
    reader = HistogramLogReader(log.name, HdrHistogram(1_000, 60_000_000_000, 2))
    found = {}
    while (histogram := reader.get_next_interval_histogram()) is not None:
        found[histogram.get_tag()] = {
            "count": histogram.get_total_count(),
            "p50": histogram.get_value_at_percentile(50),
            "max": histogram.get_max_value(),
        }
    reader.close()
json.dump(found, sys.stdout)
