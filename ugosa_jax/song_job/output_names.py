"""Names of the files that a job writes beside `SOURCE.wav`. This module imports nothing, so that it loads fast."""

ADAPTED_LAYERS = "adapted.delta.safetensors"
RECORD = "record.json"
REPORT = "report.html"
