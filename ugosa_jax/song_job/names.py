"""The files of a finished job, beside one `SOURCE.wav` for each source; this module imports nothing."""

ADAPTED_LAYERS = "adapted.delta.safetensors"
RECORD = "record.json"
REPORT = "report.html"
