"""Names of the files that a job writes beside `SOURCE.wav`; without imports, so that any command may use them."""

ADAPTED_LAYERS = "adapted.delta.safetensors"
RECORD = "record.json"
REPORT = "report.html"
