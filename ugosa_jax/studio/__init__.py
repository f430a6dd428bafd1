"""The studio: a local web page to annotate a song, adapt a network to it, and listen to the stems."""
