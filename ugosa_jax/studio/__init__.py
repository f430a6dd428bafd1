"""The page where a person does the job: annotate, adapt, listen."""
